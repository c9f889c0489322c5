//! One message of a conversation, as far as routing and metering need it. Text is read lazily.

use bytes::Bytes;

use crate::base::JsonText;

/// Who speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Standing instructions (`system`, and OpenAI's newer name for it, `developer`).
    System,
    /// The person or program asking.
    User,
    /// The model.
    Assistant,
    /// The result of a tool call.
    Tool,
}

impl Role {
    /// The name used in the contract, the log and the plugins' view.
    pub fn name(self) -> &'static str {
        match self {
            Self::System => "system",
            Self::User => "user",
            Self::Assistant => "assistant",
            Self::Tool => "tool",
        }
    }
}

/// A piece of a message's content.
#[derive(Clone, Debug)]
pub enum Part {
    /// Text.
    Text(JsonText),
    /// An image, by address or inline.
    Image,
    /// Audio, a file, a refusal: something this gateway forwards and does not read. Holds its `type`.
    Other(String),
}

/// What a message says.
#[derive(Clone, Debug)]
pub enum Content {
    /// Nothing (an assistant message that only calls tools).
    Empty,
    /// Plain text.
    Text(JsonText),
    /// Several parts.
    Parts(Vec<Part>),
}

/// One message.
#[derive(Clone, Debug)]
pub struct Message {
    /// Who speaks.
    pub role: Role,
    /// What is said.
    pub content: Content,
    /// The message's own JSON, sharing the request body's memory.
    pub raw: Bytes,
}

impl Message {
    /// Every piece of text, in order. Nothing is copied.
    pub fn texts(&self) -> impl Iterator<Item = &JsonText> {
        let (one, many) = match &self.content {
            Content::Empty => (None, &[][..]),
            Content::Text(text) => (Some(text), &[][..]),
            Content::Parts(parts) => (None, parts.as_slice()),
        };
        one.into_iter().chain(many.iter().filter_map(|part| match part {
            Part::Text(text) => Some(text),
            Part::Image | Part::Other(_) => None,
        }))
    }

    /// The message's whole text; several parts are joined by a line feed.
    pub fn text(&self) -> String {
        let mut out = String::new();
        for text in self.texts() {
            if !out.is_empty() {
                out.push('\n');
            }
            out.push_str(text.as_str());
        }
        out
    }

    /// Whether any part is an image.
    pub fn has_image(&self) -> bool {
        matches!(&self.content, Content::Parts(parts) if parts.iter().any(|p| matches!(p, Part::Image)))
    }
}
