//! The played host: say what is so, then run the rule.

use std::cell::RefCell;
use std::fmt;
use std::rc::Rc;
use std::time::Duration;

use super::model::Model;
use super::stage::{Stage, play};
use crate::budget::{Headroom, Scope};
use crate::llm::{Completion, LlmError, LlmMessage};
use crate::load::LoadState;
use crate::log::Level;
use crate::{Message, Request, RequestSummary, Response, ResponseSummary, TokenUsage, ToolCall};

/// A played host and the one request it has. Its time stands still unless the test moves it, and its key-value
/// memory lasts from run to run.
pub struct Host {
    stage: Rc<RefCell<Stage>>,
}

impl Host {
    /// An empty request, no models, no limits, no settings.
    pub fn new() -> Self {
        Self { stage: Rc::new(RefCell::new(Stage::new())) }
    }

    /// The prompt: a user message after those there are.
    #[must_use]
    pub fn prompt(self, text: impl Into<String>) -> Self {
        self.message("user", text)
    }

    /// A standing instruction.
    #[must_use]
    pub fn system(self, text: impl Into<String>) -> Self {
        self.message("system", text)
    }

    /// A message of any role: `system`, `user`, `assistant` or `tool`. Counts towards the summary's number of
    /// messages and, at four bytes a token, its estimate of input tokens.
    #[must_use]
    pub fn message(self, role: impl Into<String>, text: impl Into<String>) -> Self {
        self.set(|stage| {
            let message = Message { role: role.into(), text: text.into(), has_image: false };
            stage.request.message_count += 1;
            stage.request.estimated_input_tokens += message.text.len().div_ceil(4) as u64;
            stage.messages.push(message);
        })
    }

    /// The task the client names.
    #[must_use]
    pub fn task(self, task: impl Into<String>) -> Self {
        self.set(|stage| stage.request.task = Some(task.into()))
    }

    /// Anything else of the request's summary.
    #[must_use]
    pub fn summary(self, change: impl FnOnce(&mut RequestSummary)) -> Self {
        self.set(|stage| change(&mut stage.request))
    }

    /// A header of the request.
    #[must_use]
    pub fn header(self, name: &str, value: impl Into<String>) -> Self {
        self.set(|stage| {
            stage.headers.insert(name.to_ascii_lowercase(), value.into());
        })
    }

    /// A label given by an earlier plugin.
    #[must_use]
    pub fn label(self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.set(|stage| stage.request.labels.push((name.into(), value.into())))
    }

    /// The request's body as JSON text, in place of one made of the messages.
    #[must_use]
    pub fn body(self, json: impl Into<String>) -> Self {
        self.set(|stage| stage.request_body = Some(json.into()))
    }

    /// The text of the answer that a validator judges.
    #[must_use]
    pub fn answer(self, text: impl Into<String>) -> Self {
        self.set(|stage| {
            stage.answer = text.into();
            stage.response.text_length = stage.answer.len() as u64;
        })
    }

    /// A call the answer wants made.
    #[must_use]
    pub fn tool_call(self, name: impl Into<String>, arguments: impl Into<String>) -> Self {
        self.set(|stage| {
            let id = format!("call-{}", stage.tool_calls.len());
            stage.tool_calls.push(ToolCall { id, name: name.into(), arguments: arguments.into() });
            stage.response.tool_call_count += 1;
        })
    }

    /// What the answer consumed.
    #[must_use]
    pub fn usage(self, usage: TokenUsage) -> Self {
        self.set(|stage| stage.usage = Some(usage))
    }

    /// Anything else of the answer's summary.
    #[must_use]
    pub fn response(self, change: impl FnOnce(&mut ResponseSummary)) -> Self {
        self.set(|stage| change(&mut stage.response))
    }

    /// A model to choose from: a name, or a [`Model`] with what is known of it.
    #[must_use]
    pub fn model(self, model: impl Into<Model>) -> Self {
        let model = model.into();
        self.set(|stage| {
            stage.models.insert(model.info.name.clone(), model);
        })
    }

    /// How busy the host is.
    #[must_use]
    pub fn load(self, load: LoadState) -> Self {
        self.set(|stage| stage.load = load)
    }

    /// A limit, and what is left of it.
    #[must_use]
    pub fn budget(self, scope: Scope, headroom: Headroom) -> Self {
        self.set(|stage| stage.budgets.push((scope, headroom)))
    }

    /// The plugin's settings as JSON text, for `config::read`. A rule that takes its settings as a parameter is
    /// handed them by the test.
    #[must_use]
    pub fn config(self, json: impl Into<String>) -> Self {
        self.set(|stage| stage.config = json.into())
    }

    /// The time since the Unix epoch.
    #[must_use]
    pub fn now(self, now: Duration) -> Self {
        self.set(|stage| stage.now = now)
    }

    /// Plays every model that the rule asks through `llm::complete`.
    #[must_use]
    pub fn llm(self, play: impl Fn(&str, &[LlmMessage]) -> Result<Completion, LlmError> + 'static) -> Self {
        self.set(|stage| stage.llm = Some(Rc::new(play)))
    }

    /// Runs a router on the request.
    pub fn run<T>(&self, rule: impl FnOnce(&Request) -> T) -> T {
        let request = Request::new(self.stage.borrow().request.clone());
        let _playing = play(&self.stage);
        rule(&request)
    }

    /// Runs a validator on the request and its answer.
    pub fn judge<T>(&self, rule: impl FnOnce(&Request, &Response) -> T) -> T {
        let response = Response::new(self.stage.borrow().response.clone());
        self.run(|request| rule(request, &response))
    }

    /// The lines logged so far.
    pub fn logged(&self) -> Vec<(Level, String)> {
        self.stage.borrow().log.clone()
    }

    fn set(self, change: impl FnOnce(&mut Stage)) -> Self {
        change(&mut self.stage.borrow_mut());
        self
    }
}

impl Default for Host {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Host").finish_non_exhaustive()
    }
}
