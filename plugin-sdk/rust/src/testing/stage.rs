//! What the played host knows, and on which thread it plays.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use super::memory::Memory;
use super::model::Model;
use crate::budget::{Headroom, Scope};
use crate::llm::{Completion, LlmError, LlmMessage};
use crate::load::LoadState;
use crate::log::Level;
use crate::{FinishReason, Message, RequestSummary, ResponseSummary, TokenUsage, ToolCall};

/// A model played by the test.
pub(super) type Play = Rc<dyn Fn(&str, &[LlmMessage]) -> Result<Completion, LlmError>>;

/// Everything the played host knows.
pub(super) struct Stage {
    pub(super) request: RequestSummary,
    pub(super) messages: Vec<Message>,
    pub(super) headers: BTreeMap<String, String>,
    pub(super) request_body: Option<String>,
    pub(super) response: ResponseSummary,
    pub(super) answer: String,
    pub(super) tool_calls: Vec<ToolCall>,
    pub(super) usage: Option<TokenUsage>,
    pub(super) models: BTreeMap<String, Model>,
    pub(super) load: LoadState,
    pub(super) budgets: Vec<(Scope, Headroom)>,
    pub(super) config: String,
    pub(super) now: Duration,
    pub(super) memory: Memory,
    pub(super) llm: Option<Play>,
    pub(super) log: Vec<(Level, String)>,
}

impl Stage {
    /// A request with nothing in it, on a host with no models, no limits and no settings.
    pub(super) fn new() -> Self {
        Self {
            request: RequestSummary {
                request_id: "test".into(),
                task: None,
                requested_model: None,
                project: None,
                user: None,
                streaming: false,
                message_count: 0,
                estimated_input_tokens: 0,
                max_output_tokens: None,
                has_tools: false,
                has_images: false,
                has_response_schema: false,
                labels: Vec::new(),
            },
            messages: Vec::new(),
            headers: BTreeMap::new(),
            request_body: None,
            response: ResponseSummary {
                model: "test-model".into(),
                attempt: 1,
                finish: FinishReason::Stop,
                text_length: 0,
                tool_call_count: 0,
            },
            answer: String::new(),
            tool_calls: Vec::new(),
            usage: None,
            models: BTreeMap::new(),
            load: LoadState { in_flight: 1, queued: 0, cpu: None },
            budgets: Vec::new(),
            config: "{}".into(),
            // 2026-01-01T00:00:00Z: any moment that does not move will do.
            now: Duration::from_secs(1_767_225_600),
            memory: Memory::default(),
            llm: None,
            log: Vec::new(),
        }
    }

    /// All texts of one role, joined as the contract says.
    pub(super) fn texts(&self, role: &str) -> String {
        let texts: Vec<&str> =
            self.messages.iter().filter(|message| message.role == role).map(|m| m.text.as_str()).collect();
        texts.join("\n")
    }

    /// The last user message.
    pub(super) fn prompt(&self) -> &str {
        self.messages.iter().rfind(|message| message.role == "user").map_or("", |message| &message.text)
    }

    pub(super) fn now_ms(&self) -> u64 {
        u64::try_from(self.now.as_millis()).unwrap_or(u64::MAX)
    }
}

thread_local! {
    static PLAYING: RefCell<Option<Rc<RefCell<Stage>>>> = const { RefCell::new(None) };
}

/// Plays while the guard lives; what played before plays again afterwards.
pub(super) fn play(stage: &Rc<RefCell<Stage>>) -> Playing {
    Playing { before: PLAYING.replace(Some(Rc::clone(stage))) }
}

/// A play under way.
pub(super) struct Playing {
    before: Option<Rc<RefCell<Stage>>>,
}

impl Drop for Playing {
    fn drop(&mut self) {
        PLAYING.replace(self.before.take());
    }
}

/// Asks the host that plays on this thread.
#[allow(clippy::panic, reason = "exists in tests only, and a test that asks nobody has to fail")]
pub(super) fn ask<T>(function: &str, answer: impl FnOnce(&mut Stage) -> T) -> T {
    match PLAYING.with_borrow(Clone::clone) {
        Some(stage) => answer(&mut stage.borrow_mut()),
        None => panic!(
            "`{function}` asks the host, and there is none: in a test, call the rule inside \
             `jackfield::testing::Host::new().run(…)`"
        ),
    }
}
