//! A piece of a streamed answer.

use bytes::Bytes;

use super::{FinishReason, Picture, Usage};

/// A part of a tool call as it grows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ToolCallDelta {
    /// Which of the message's calls grows.
    pub index: u32,
    /// The call's id, on its first part.
    pub id: Option<String>,
    /// The function's name, on its first part.
    pub name: Option<String>,
    /// More of the arguments' text.
    pub arguments: String,
}

/// What one chunk adds to one choice.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Delta {
    /// Which choice grows.
    pub index: u32,
    /// More text.
    pub text: Option<String>,
    /// More of what is said in the place of an answer.
    pub refusal: Option<String>,
    /// More pictures, each whole.
    pub pictures: Vec<Picture>,
    /// More of tool calls.
    pub tool_calls: Vec<ToolCallDelta>,
    /// Something this gateway forwards and does not read: reasoning, audio.
    pub other: bool,
    /// How much of that a model generated, in quarters of a token as [`quarters`] counts them: it is billed like an answer.
    pub thought: u64,
    /// Why the choice ended, on its last chunk, when the word is known.
    pub finish_reason: Option<FinishReason>,
    /// Whether this is the choice's last chunk.
    pub finished: bool,
}

impl Delta {
    /// Whether this delta shows that the model has begun to answer.
    pub fn has_substance(&self) -> bool {
        self.finished
            || self.other
            || !self.tool_calls.is_empty()
            || !self.pictures.is_empty()
            || [&self.text, &self.refusal].into_iter().flatten().any(|text| !text.is_empty())
    }
}

/// Quarters of a token that a text takes, about: an ASCII character is one, any other is four.
pub fn quarters(text: &str) -> u64 {
    // Bytes that begin no character go on with one.
    let weigh = |byte: u8| if byte.is_ascii() { 1 } else { 4 * u64::from(byte >= 0xc0) };
    text.bytes().map(weigh).sum()
}

/// One event of a stream: its meaning and, when a provider sent it, its frame's bytes.
#[derive(Clone, Debug, Default)]
pub struct Chunk {
    /// What it adds; empty for keep-alives and for the usage chunk.
    pub deltas: Vec<Delta>,
    /// What the call consumed, on the chunk that says so.
    pub usage: Option<Usage>,
    /// The model that answers, in the provider's words, on a chunk that says so.
    pub model: Option<String>,
    /// True for the marker that ends the stream.
    pub done: bool,
    /// The provider's own frame, blank line included, where it is in the client's dialect: delivered unchanged.
    pub wire: Option<Bytes>,
}
