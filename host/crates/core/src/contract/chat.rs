//! A client's request, in whatever dialect: its own bytes, and a checked view of what they mean.

use crate::base::JsonObject;

use super::{Message, Role};

/// An API that clients or providers speak.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// Anthropic's `POST /v1/messages/count_tokens`.
    AnthropicCountTokens,
    /// Anthropic's `POST /v1/messages`.
    AnthropicMessages,
    /// OpenAI's `POST /v1/chat/completions`.
    OpenAiChat,
    /// OpenAI's `POST /v1/embeddings`.
    OpenAiEmbeddings,
    /// OpenAI's `POST /v1/responses`.
    OpenAiResponses,
}

impl Dialect {
    /// Whether what is asked for is a conversation's next turn: words, which can be streamed, rated and judged.
    pub fn converses(self) -> bool {
        match self {
            Self::AnthropicMessages | Self::OpenAiChat | Self::OpenAiResponses => true,
            Self::AnthropicCountTokens | Self::OpenAiEmbeddings => false,
        }
    }

    /// Whether an answer costs tokens, and tells how quick its model is.
    pub fn consumes(self) -> bool {
        self != Self::AnthropicCountTokens
    }
}

/// One chat request. The view is for deciding; the body is what is forwarded.
#[derive(Clone, Debug)]
pub struct ChatRequest {
    /// The API the client spoke.
    pub dialect: Dialect,
    /// The body exactly as received, with the place of every top-level field.
    pub body: JsonObject,
    /// The model the client named; `None` when it left the choice to the gateway.
    pub model: Option<String>,
    /// The conversation; never empty. Texts to be embedded are a user's.
    pub messages: Vec<Message>,
    /// Whether the answer is to come as a stream of chunks.
    pub stream: bool,
    /// Whether the client asked for usage at the end of its stream.
    pub include_usage: bool,
    /// The task the client put into the body, if it did.
    pub task: Option<String>,
    /// Whether tools are offered to the model.
    pub has_tools: bool,
    /// Whether a JSON schema binds the answer's shape.
    pub has_response_schema: bool,
    /// The bound on the answer's tokens that the client set.
    pub max_output_tokens: Option<u64>,
}

impl ChatRequest {
    /// The text of the last user message, the prompt proper; empty when there is none.
    pub fn last_user_text(&self) -> String {
        self.last_user().map(Message::text).unwrap_or_default()
    }

    /// The last user message.
    pub fn last_user(&self) -> Option<&Message> {
        self.messages.iter().rev().find(|m| m.role == Role::User)
    }

    /// All standing instructions, joined by a line feed.
    pub fn system_text(&self) -> String {
        let texts: Vec<String> =
            self.messages.iter().filter(|m| m.role == Role::System).map(Message::text).collect();
        texts.join("\n")
    }

    /// Whether any message carries an image.
    pub fn has_images(&self) -> bool {
        self.messages.iter().any(Message::has_image)
    }

    /// Input tokens, estimated without reading the text: four bytes a token (OpenAI's own rule of
    /// thumb for English) and four tokens a message for its frame.
    pub fn estimated_input_tokens(&self) -> u64 {
        let bytes: usize = self.messages.iter().flat_map(Message::texts).map(|t| t.len_hint()).sum();
        (bytes as u64).div_ceil(4) + 4 * self.messages.len() as u64
    }
}
