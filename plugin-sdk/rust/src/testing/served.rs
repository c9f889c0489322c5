//! The played host's answers, function by function as `wit/` has them.
//!
//! No answer keeps the stage borrowed while the plugin's code runs.

use super::stage::{Stage, ask};

/// One value of a JSON text, as JSON text.
fn at_pointer(body: &str, pointer: &str) -> Option<String> {
    let value: serde_json::Value = serde_json::from_str(body).ok()?;
    value.pointer(pointer).map(ToString::to_string)
}

fn request_body(stage: &Stage) -> String {
    stage.request_body.clone().unwrap_or_else(|| {
        let messages: Vec<_> = stage
            .messages
            .iter()
            .map(|message| serde_json::json!({ "role": message.role, "content": message.text }))
            .collect();
        serde_json::json!({ "model": stage.request.requested_model, "messages": messages }).to_string()
    })
}

fn response_body(stage: &Stage) -> String {
    let message = serde_json::json!({ "role": "assistant", "content": stage.answer });
    serde_json::json!({ "model": stage.response.model, "choices": [{ "index": 0, "message": message }] })
        .to_string()
}

pub(crate) mod request {
    use super::{ask, at_pointer};
    use crate::Message;

    pub(crate) fn last_user_text() -> String {
        ask("request.last-user-text", |stage| stage.prompt().to_owned())
    }
    pub(crate) fn contains(needle: &str) -> bool {
        ask("request.contains", |stage| stage.prompt().contains(needle))
    }
    pub(crate) fn system_text() -> String {
        ask("request.system-text", |stage| stage.texts("system"))
    }
    pub(crate) fn message_at(index: u32) -> Option<Message> {
        ask("request.message-at", |stage| stage.messages.get(index as usize).cloned())
    }
    pub(crate) fn messages() -> Vec<Message> {
        ask("request.messages", |stage| stage.messages.clone())
    }
    pub(crate) fn header(name: &str) -> Option<String> {
        ask("request.header", |stage| stage.headers.get(name).cloned())
    }
    pub(crate) fn label_value(name: &str) -> Option<String> {
        ask("request.label-value", |stage| {
            stage.request.labels.iter().rfind(|(known, _)| known == name).map(|(_, value)| value.clone())
        })
    }
    pub(crate) fn body() -> String {
        ask("request.body", |stage| super::request_body(stage))
    }
    pub(crate) fn body_pointer(pointer: &str) -> Option<String> {
        at_pointer(&body(), pointer)
    }
}

pub(crate) mod response {
    use super::{ask, at_pointer};
    use crate::{TokenUsage, ToolCall};

    pub(crate) fn text() -> String {
        ask("response.text", |stage| stage.answer.clone())
    }
    pub(crate) fn body() -> String {
        ask("response.body", |stage| super::response_body(stage))
    }
    pub(crate) fn body_pointer(pointer: &str) -> Option<String> {
        at_pointer(&body(), pointer)
    }
    pub(crate) fn tool_calls() -> Vec<ToolCall> {
        ask("response.tool-calls", |stage| stage.tool_calls.clone())
    }
    pub(crate) fn usage() -> Option<TokenUsage> {
        ask("response.usage", |stage| stage.usage)
    }
}

pub(crate) mod models {
    use super::ask;
    use crate::models::{LiveState, ModelInfo};

    pub(crate) fn names() -> Vec<String> {
        ask("models.names", |stage| stage.models.keys().cloned().collect())
    }
    pub(crate) fn info(name: &str) -> Option<ModelInfo> {
        ask("models.info", |stage| stage.models.get(name).map(|model| model.info.clone()))
    }
    pub(crate) fn live(name: &str) -> Option<LiveState> {
        ask("models.live", |stage| stage.models.get(name).map(|model| model.live))
    }
}

pub(crate) mod load {
    use super::ask;
    use crate::load::LoadState;

    pub(crate) fn current() -> LoadState {
        ask("load.current", |stage| stage.load)
    }
}

pub(crate) mod budget {
    use super::ask;
    use crate::budget::{Headroom, Scope};

    pub(crate) fn remaining(of: Scope) -> Option<Headroom> {
        ask("budget.remaining", |stage| {
            stage.budgets.iter().rfind(|(scope, _)| *scope == of).map(|(_, headroom)| *headroom)
        })
    }
}

pub(crate) mod config {
    use super::ask;

    pub(crate) fn get() -> String {
        ask("config.get", |stage| stage.config.clone())
    }
}

pub(crate) mod log {
    use super::ask;
    use crate::log::Level;

    pub(crate) fn write(level: Level, line: &str) {
        ask("log.write", |stage| stage.log.push((level, line.to_owned())));
    }
}

pub(crate) mod clock {
    use super::ask;

    pub(crate) fn now_ms() -> u64 {
        ask("clock.now-ms", |stage| stage.now_ms())
    }
    pub(crate) fn monotonic_ns() -> u64 {
        ask("clock.monotonic-ns", |stage| u64::try_from(stage.now.as_nanos()).unwrap_or(u64::MAX))
    }
}

pub(crate) mod kv {
    use super::ask;
    use crate::kv::KvError;

    pub(crate) fn get(key: &str) -> Option<Vec<u8>> {
        ask("kv.get", |stage| stage.memory.get(key, stage.now_ms()))
    }
    pub(crate) fn set(key: &str, value: &[u8], ttl_ms: Option<u64>) -> Result<(), KvError> {
        ask("kv.set", |stage| {
            let now_ms = stage.now_ms();
            stage.memory.set(key, value, ttl_ms, now_ms)
        })
    }
    pub(crate) fn delete(key: &str) -> Result<(), KvError> {
        ask("kv.delete", |stage| stage.memory.delete(key));
        Ok(())
    }
    pub(crate) fn increment(key: &str, by: i64, ttl_ms: Option<u64>) -> Result<i64, KvError> {
        ask("kv.increment", |stage| {
            let now_ms = stage.now_ms();
            stage.memory.increment(key, by, ttl_ms, now_ms)
        })
    }
}

pub(crate) mod llm {
    use super::ask;
    use crate::llm::{Completion, LlmError, LlmMessage, Options};

    pub(crate) fn complete(
        model: &str,
        messages: &[LlmMessage],
        _options: &Options,
    ) -> Result<Completion, LlmError> {
        match ask("llm.complete", |stage| stage.llm.clone()) {
            Some(play) => play(model, messages),
            None => Err(LlmError::UnknownModel(model.to_owned())),
        }
    }
    pub(crate) fn embed(model: &str, _texts: &[String]) -> Result<Vec<Vec<f32>>, LlmError> {
        ask("llm.embed", |_| Err(LlmError::UnknownModel(model.to_owned())))
    }
}
