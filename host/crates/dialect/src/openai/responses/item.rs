//! The items of an answer, as they grow and as they are written.

use serde::ser::{Serialize, SerializeStruct, Serializer};
use serde_json::json;

/// One item of an answer.
#[derive(Clone, Debug)]
pub(super) struct Item {
    /// Its id.
    pub id: String,
    /// How far it is.
    pub state: State,
    /// What it is.
    pub what: What,
}

/// How far an item is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// It grows.
    InProgress,
    /// It is whole.
    Completed,
    /// It was cut off.
    Incomplete,
}

/// What an item is.
#[derive(Clone, Debug)]
pub(super) enum What {
    /// What the model says.
    Message {
        /// The text so far.
        text: String,
    },
    /// A call that the model wants made.
    Call {
        /// The provider's id of the call.
        call_id: String,
        /// The function.
        name: String,
        /// The arguments so far.
        arguments: String,
    },
}

impl Item {
    /// What the model says; `id` is the answer's.
    pub(super) fn message(id: &str, place: usize, text: String) -> Self {
        Self { id: format!("msg_{id}_{place}"), state: State::Completed, what: What::Message { text } }
    }

    /// A call; `id` is the answer's. One that came without an id gets one, since its result must name it.
    pub(super) fn call(id: &str, place: usize, call_id: String, name: String, arguments: String) -> Self {
        let call_id = if call_id.is_empty() { format!("call_{id}_{place}") } else { call_id };
        let what = What::Call { call_id, name, arguments };
        Self { id: format!("fc_{id}_{place}"), state: State::Completed, what }
    }
}

impl State {
    fn name(self) -> &'static str {
        match self {
            Self::InProgress => "in_progress",
            Self::Completed => "completed",
            Self::Incomplete => "incomplete",
        }
    }
}

/// The part of a message that holds its text.
pub(super) fn text_part(text: &str) -> serde_json::Value {
    json!({ "type": "output_text", "text": text, "annotations": [], "logprobs": [] })
}

impl Serialize for Item {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut out = serializer.serialize_struct("Item", 6)?;
        out.serialize_field("id", &self.id)?;
        match &self.what {
            What::Message { text } => {
                // A message that has only begun has no part yet.
                let begun = self.state != State::InProgress || !text.is_empty();
                out.serialize_field("type", "message")?;
                out.serialize_field("status", self.state.name())?;
                out.serialize_field("role", "assistant")?;
                out.serialize_field("content", &begun.then(|| text_part(text)).as_slice())?;
            }
            What::Call { call_id, name, arguments } => {
                out.serialize_field("type", "function_call")?;
                out.serialize_field("status", self.state.name())?;
                out.serialize_field("call_id", call_id)?;
                out.serialize_field("name", name)?;
                out.serialize_field("arguments", arguments)?;
            }
        }
        out.end()
    }
}
