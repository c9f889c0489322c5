//! How providers are spoken to: one `Speech` for each API, pure. The provider room does the calling.

use std::time::Duration;

use bytes::Bytes;

use jackfield_core::contract::{
    ChatRequest, Choice, Chunk, Content, Dialect, Fault, FaultKind, Overrides, Part, Reply, Role, Usage,
};

use crate::call_id;
use crate::client::client;
use crate::conversation::Conversation;
use crate::sse::{Decoder, Frame};

/// What one call is to say.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    /// The client's request.
    pub request: &'a ChatRequest,
    /// The model's id in the provider's words.
    pub model_id: &'a str,
    /// What routing changes.
    pub overrides: &'a Overrides,
    /// What is said after the client's messages.
    pub appended: &'a [(Role, String)],
    /// The most tokens that the model can answer with, where that is known.
    pub max_output: Option<u64>,
}

impl Asked<'_> {
    /// The request in nobody's dialect, with what routing changes, and free of what has no place there.
    ///
    /// # Errors
    /// The client asked for something that only its own dialect has a word for.
    pub fn conversation(&self) -> Result<Conversation, Fault> {
        let mut conversation = self.signed_conversation()?;
        conversation.check_own_pictures()?;
        call_id::strip(&mut conversation);
        Ok(conversation)
    }

    /// The same, with the signatures that the ids of tool calls carry: for the API that signed them.
    pub(crate) fn signed_conversation(&self) -> Result<Conversation, Fault> {
        let mut conversation = client(self.request.dialect).converse(self.request)?;
        conversation.check_others()?;
        conversation.apply(self.overrides, self.appended);
        Ok(conversation)
    }
}

/// A request, written.
#[derive(Debug)]
pub enum Written {
    /// Bytes to send.
    Call {
        /// Where, below the provider's address, without a leading slash. May have a query.
        path: String,
        /// What.
        body: Bytes,
        /// What was left out, because the provider has no word for it and no answer changes by it.
        dropped: Vec<String>,
    },
    /// An answer that needs no call.
    Known(Reply),
}

/// What a provider's error body says, as far as it says anything.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ErrorBody {
    /// The message.
    pub message: Option<String>,
    /// The code, for example `context_length_exceeded`.
    pub code: Option<String>,
}

/// One provider's API.
pub trait Speech: Send + Sync {
    /// Whether what this API answers to such a request is what the client's own API would: its bytes are passed on
    /// unchanged then. `Reply::wire`, `Chunk::wire` are set only where this holds.
    fn is_native(&self, dialect: Dialect) -> bool;

    /// Writes a request.
    ///
    /// # Errors
    /// `FaultKind::Unsupported`: this API has no word for something the client asked for.
    fn write(&self, asked: &Asked<'_>) -> Result<Written, Fault>;

    /// Reads a whole answer.
    ///
    /// # Errors
    /// `FaultKind::UpstreamBroken`: it is none.
    fn read(&self, asked: &Asked<'_>, body: Bytes) -> Result<Reply, Fault>;

    /// Reads a streamed answer.
    fn reader(&self, asked: &Asked<'_>) -> Box<dyn StreamReader>;

    /// The media type of a streamed answer.
    fn stream_type(&self) -> &'static str {
        "text/event-stream"
    }

    /// Reads an error's body. Anything that is none reads as empty.
    fn error(&self, body: &[u8]) -> ErrorBody;

    /// Reads an error where its kind may stand in a header. `header` gives a header's value by its name.
    fn error_with(&self, header: &dyn Fn(&str) -> Option<String>, body: &[u8]) -> ErrorBody {
        let _ = header;
        self.error(body)
    }

    /// When to come back, where an error's body says so and not a header.
    fn retry_after(&self, _body: &[u8]) -> Option<Duration> {
        None
    }

    /// The client's headers that go with this request, by their names in lower case: they belong to the API.
    fn passes(&self, _asked: &Asked<'_>) -> &'static [&'static str] {
        &[]
    }
}

/// Writes a request, or answers it: what only one API has is not asked of another.
///
/// # Errors
/// As `Speech::write`.
pub fn write(speech: &dyn Speech, asked: &Asked<'_>) -> Result<Written, Fault> {
    match asked.request.dialect {
        Dialect::AnthropicCountTokens if !speech.is_native(asked.request.dialect) => {
            Ok(Written::Known(estimate(asked)))
        }
        _ => speech.write(asked),
    }
}

/// What a picture counts where nobody looks at it: about what the largest one costs that Anthropic does not shrink.
const IMAGE_TOKENS: u64 = 1_600;

/// How many tokens a request has as input, counted here: four bytes a token of text and of the tools' declarations.
fn estimate(asked: &Asked<'_>) -> Reply {
    let request = asked.request;
    let tools = request.body.get("tools").map_or(0, |tools| tools.len() as u64).div_ceil(4);
    let parts = request.messages.iter().filter_map(|message| match &message.content {
        Content::Parts(parts) => Some(parts.iter().filter(|part| matches!(part, Part::Image)).count() as u64),
        Content::Empty | Content::Text(_) => None,
    });
    let input_tokens = request.estimated_input_tokens() + tools + IMAGE_TOKENS * parts.sum::<u64>();
    Reply {
        id: String::new(),
        model: asked.model_id.to_owned(),
        created: 0,
        choices: vec![Choice::default()],
        usage: Some(Usage { input_tokens, estimated: true, ..Usage::default() }),
        wire: None,
    }
}

/// Bytes to chunks, split anywhere, bounded in size.
pub trait StreamReader: Send {
    /// Takes more bytes from the wire.
    fn push(&mut self, bytes: &[u8]);

    /// The next whole chunk, if there is one. The last one has `done`.
    ///
    /// # Errors
    /// What came is not this API's stream, or says that the provider failed.
    fn next_chunk(&mut self) -> Result<Option<Chunk>, Fault>;

    /// The wire ended without the stream's own end: the last chunk all the same, if the answer is complete.
    ///
    /// # Errors
    /// The answer is not complete.
    fn end(&mut self) -> Result<Chunk, Fault>;
}

/// What one API's events mean.
pub(crate) trait Events: Send {
    /// What one event adds, if it adds anything.
    ///
    /// # Errors
    /// As `StreamReader::next_chunk`.
    fn read(&mut self, frame: Frame) -> Result<Option<Chunk>, Fault>;

    /// Whether the answer is complete, should the wire end now.
    fn is_complete(&self) -> bool;
}

/// A stream of server-sent events.
#[derive(Debug)]
pub(crate) struct SseReader<E> {
    decoder: Decoder,
    events: E,
}

impl<E: Events> SseReader<E> {
    /// A stream that has not begun.
    pub(crate) fn new(events: E) -> Self {
        Self { decoder: Decoder::default(), events }
    }
}

impl<E: Events> StreamReader for SseReader<E> {
    fn push(&mut self, bytes: &[u8]) {
        self.decoder.push(bytes);
    }

    fn next_chunk(&mut self) -> Result<Option<Chunk>, Fault> {
        while let Some(frame) = self.decoder.next_frame().map_err(|e| broken(&e.to_string()))? {
            if let Some(chunk) = self.events.read(frame)? {
                return Ok(Some(chunk));
            }
        }
        Ok(None)
    }

    fn end(&mut self) -> Result<Chunk, Fault> {
        match self.events.is_complete() {
            true => Ok(Chunk { done: true, ..Chunk::default() }),
            false => Err(broken("it ended before the answer was complete")),
        }
    }
}

/// A stream that is not what it should be.
pub(crate) fn broken(what: &str) -> Fault {
    Fault::new(FaultKind::UpstreamBroken, format!("the provider's stream is broken: {what}"))
}

/// A body that is not what it should be. `what` is what it should be.
pub(crate) fn not_a(what: &str, why: &impl std::fmt::Display) -> Fault {
    Fault::new(FaultKind::UpstreamBroken, format!("the provider's answer is not {what}: {why}"))
}
