//! How clients are listened to and answered: one `Client` for each API they speak, pure.

use bytes::Bytes;

use jackfield_core::contract::{ChatRequest, Chunk, Dialect, Fault, Reply};

use crate::anthropic;
use crate::conversation::Conversation;
use crate::openai;

/// One API that clients speak.
pub trait Client: Sync {
    /// Reads a request's body. A fault names the field and what it should be.
    ///
    /// # Errors
    /// The client's mistake.
    fn parse(&self, body: Bytes) -> Result<ChatRequest, Fault>;

    /// The request in nobody's dialect.
    ///
    /// # Errors
    /// A field that only matters to a provider of another dialect is not what it should be.
    fn converse(&self, request: &ChatRequest) -> Result<Conversation, Fault>;

    /// The JSON schema that the client binds the answer to, as it wrote it.
    fn response_schema(&self, request: &ChatRequest) -> Option<Bytes>;

    /// Writes a whole answer that came from a provider of another dialect, or from nowhere.
    fn reply(&self, reply: &Reply) -> Bytes;

    /// Writes a whole answer to this request. An API whose answers repeat what was asked has more to say than `reply`.
    fn reply_to(&self, _request: &ChatRequest, reply: &Reply) -> Bytes {
        self.reply(reply)
    }

    /// Writes an error's body.
    fn error(&self, fault: &Fault) -> Vec<u8>;

    /// Writes a streamed answer.
    fn stream(&self, head: StreamHead) -> Box<dyn StreamWriter>;

    /// Writes a streamed answer to this request, as `reply_to` does a whole one.
    fn stream_to(&self, _request: &ChatRequest, head: StreamHead) -> Box<dyn StreamWriter> {
        self.stream(head)
    }
}

/// What is known of a streamed answer before its first chunk.
#[derive(Clone, Debug)]
pub struct StreamHead {
    /// Our id of the request.
    pub id: String,
    /// The model that answers, by the name people use.
    pub model: String,
    /// Seconds since the Unix epoch.
    pub created: u64,
    /// Whether the client asked for usage at the end.
    pub include_usage: bool,
}

/// Chunks to bytes.
pub trait StreamWriter: Send {
    /// The bytes of one chunk, if it has any for this client.
    fn chunk(&mut self, chunk: &Chunk) -> Option<Bytes>;

    /// A fault as the stream's last event.
    fn error(&mut self, fault: &Fault) -> Bytes;

    /// Why nothing more of this answer can be written, where its client has been told so already.
    fn broken(&self) -> Option<&Fault> {
        None
    }
}

/// The client's side of an API.
pub fn client(dialect: Dialect) -> &'static dyn Client {
    match dialect {
        Dialect::AnthropicCountTokens => &anthropic::CountTokens,
        Dialect::AnthropicMessages => &anthropic::Messages,
        Dialect::OpenAiChat => &openai::Chat,
        Dialect::OpenAiEmbeddings => &openai::Embeddings,
        Dialect::OpenAiResponses => &openai::Responses,
    }
}
