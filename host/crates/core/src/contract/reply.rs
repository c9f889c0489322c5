//! A whole answer.

use bytes::Bytes;

use super::Usage;

/// Why the model stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FinishReason {
    /// It was done.
    Stop,
    /// The token limit cut it.
    Length,
    /// It wants tools called.
    ToolCalls,
    /// The provider's filter stopped it.
    ContentFilter,
}

/// A call the model wants made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ToolCall {
    /// The provider's id of the call.
    pub id: String,
    /// The function's name.
    pub name: String,
    /// The arguments as JSON text, exactly as the model wrote them.
    pub arguments: String,
}

/// A picture that the model made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Picture {
    /// Its media type, for example `image/png`.
    pub media_type: String,
    /// Its bytes in base64.
    pub data: String,
}

/// One of the alternatives in an answer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Choice {
    /// The answer's text, if it has any.
    pub text: Option<String>,
    /// What is said in the place of an answer, or of the rest of one, by a model that refuses. Nobody judges it: it is
    /// no answer.
    pub refusal: Option<String>,
    /// Pictures among the answer, in their order.
    pub pictures: Vec<Picture>,
    /// Calls the model wants made.
    pub tool_calls: Vec<ToolCall>,
    /// Why the model stopped; `None` when the provider did not say.
    pub finish_reason: Option<FinishReason>,
}

/// A whole answer: its meaning and, when a provider sent it, its bytes.
#[derive(Clone, Debug)]
pub struct Reply {
    /// The provider's id of the answer.
    pub id: String,
    /// The model that answered, in the provider's words.
    pub model: String,
    /// Seconds since the Unix epoch.
    pub created: u64,
    /// The alternatives, by index; at least one.
    pub choices: Vec<Choice>,
    /// What it consumed, if the provider said.
    pub usage: Option<Usage>,
    /// The provider's own bytes, where they are in the client's dialect: delivered unchanged.
    pub wire: Option<Bytes>,
}
