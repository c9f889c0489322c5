//! The items of an answer, as they grow and as they are written.

use serde::ser::{Serialize, SerializeStruct, Serializer};
use serde_json::json;

use jackfield_core::contract::Picture;

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
        /// What it says so far: a part of each kind after the other.
        parts: Vec<Said>,
    },
    /// A picture that the model made, which is whole when it comes.
    Picture(Picture),
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

/// A part of what the model says.
#[derive(Clone, Debug)]
pub(super) enum Said {
    /// Text.
    Text(String),
    /// Why it refuses.
    Refusal(String),
}

impl Said {
    /// Its words.
    pub(super) fn words(&self) -> &str {
        match self {
            Self::Text(words) | Self::Refusal(words) => words,
        }
    }

    /// Takes more words in, where they are of its kind.
    pub(super) fn add(&mut self, more: &Self) -> bool {
        match (self, more) {
            (Self::Text(all), Self::Text(more)) | (Self::Refusal(all), Self::Refusal(more)) => {
                all.push_str(more);
                true
            }
            _ => false,
        }
    }

    /// A part of this kind without words.
    pub(super) fn begun(&self) -> Self {
        match self {
            Self::Text(_) => Self::Text(String::new()),
            Self::Refusal(_) => Self::Refusal(String::new()),
        }
    }

    /// As it stands in a message.
    pub(super) fn part(&self) -> serde_json::Value {
        match self {
            Self::Text(text) => {
                json!({ "type": "output_text", "text": text, "annotations": [], "logprobs": [] })
            }
            Self::Refusal(refusal) => json!({ "type": "refusal", "refusal": refusal }),
        }
    }
}

impl Item {
    /// What the model says; `id` is the answer's.
    pub(super) fn message(id: &str, place: usize, parts: Vec<Said>) -> Self {
        Self { id: format!("msg_{id}_{place}"), state: State::Completed, what: What::Message { parts } }
    }

    /// A picture; `id` is the answer's.
    pub(super) fn picture(id: &str, place: usize, picture: Picture) -> Self {
        Self { id: format!("ig_{id}_{place}"), state: State::Completed, what: What::Picture(picture) }
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

impl Serialize for Item {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut out = serializer.serialize_struct("Item", 6)?;
        out.serialize_field("id", &self.id)?;
        match &self.what {
            What::Message { parts } => {
                out.serialize_field("type", "message")?;
                out.serialize_field("status", self.state.name())?;
                out.serialize_field("role", "assistant")?;
                out.serialize_field("content", &parts.iter().map(Said::part).collect::<Vec<_>>())?;
            }
            What::Picture(Picture { media_type, data }) => {
                let whole = self.state != State::InProgress;
                out.serialize_field("type", "image_generation_call")?;
                out.serialize_field("status", self.state.name())?;
                out.serialize_field("output_format", media_type.trim_start_matches("image/"))?;
                out.serialize_field("result", &whole.then_some(data))?;
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
