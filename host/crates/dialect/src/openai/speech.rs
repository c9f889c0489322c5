//! Providers that speak chat completions, and mostly embeddings: OpenAI itself and every compatible server.

use bytes::Bytes;

use jackfield_core::contract::{Chunk, Dialect, Fault, Reply};

use super::{Rewrite, compose, embeddings, parse_chunk, parse_error, parse_reply, rewrite_request};
use crate::speech::{Asked, ErrorBody, Events, Speech, SseReader, StreamReader, Written};
use crate::sse::Frame;

/// Chat completions and embeddings, spoken to a provider.
#[derive(Debug)]
pub struct ChatSpeech;

impl Speech for ChatSpeech {
    fn is_native(&self, dialect: Dialect) -> bool {
        match dialect {
            Dialect::OpenAiChat | Dialect::OpenAiEmbeddings => true,
            Dialect::AnthropicCountTokens | Dialect::AnthropicMessages | Dialect::OpenAiResponses => false,
        }
    }

    fn write(&self, asked: &Asked<'_>) -> Result<Written, Fault> {
        let Asked { request, model_id, overrides, appended, .. } = *asked;
        if request.dialect == Dialect::OpenAiEmbeddings {
            return Ok(embeddings::write(asked));
        }
        let path = "chat/completions".to_owned();
        if request.dialect == Dialect::OpenAiChat {
            let body = rewrite_request(request, Rewrite { model_id, overrides, appended });
            return Ok(Written::Call { path, body, dropped: Vec::new() });
        }
        let (body, dropped) = compose::compose(asked.conversation()?, model_id)?;
        Ok(Written::Call { path, body, dropped })
    }

    fn read(&self, asked: &Asked<'_>, body: Bytes) -> Result<Reply, Fault> {
        if asked.request.dialect == Dialect::OpenAiEmbeddings {
            return embeddings::read(body);
        }
        let mut reply = parse_reply(body)?;
        if !self.is_native(asked.request.dialect) {
            reply.wire = None;
        }
        Ok(reply)
    }

    fn reader(&self, asked: &Asked<'_>) -> Box<dyn StreamReader> {
        let native = self.is_native(asked.request.dialect);
        Box::new(SseReader::new(Chunks { native, hide_usage: !asked.request.include_usage, finished: false }))
    }

    fn error(&self, body: &[u8]) -> ErrorBody {
        parse_error(body)
    }
}

/// The stream's chunks.
struct Chunks {
    /// The client speaks this API: the provider's frames are shown to it.
    native: bool,
    /// The client did not ask for usage: the chunk that we asked for is not shown to it.
    hide_usage: bool,
    finished: bool,
}

impl Events for Chunks {
    fn read(&mut self, frame: Frame) -> Result<Option<Chunk>, Fault> {
        let mut chunk = parse_chunk(frame)?;
        self.finished |= chunk.deltas.iter().any(|delta| delta.finished);
        if !self.native || (self.hide_usage && chunk.deltas.is_empty() && chunk.usage.is_some()) {
            chunk.wire = None;
        }
        Ok(Some(chunk))
    }

    /// Some servers close after the last chunk without the marker.
    fn is_complete(&self) -> bool {
        self.finished
    }
}
