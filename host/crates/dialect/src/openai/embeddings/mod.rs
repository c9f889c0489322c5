//! `POST /v1/embeddings`, the same API for clients and providers: the client's bytes are edited and the provider's
//! passed on. What is asked for is no conversation, so no provider of another API can be asked, and no answer is
//! streamed, rated or judged.

mod parts;
mod reply;
mod request;

use bytes::Bytes;

use jackfield_core::base::ObjectEdit;
use jackfield_core::contract::{ChatRequest, Chunk, Fault, FaultKind, Overrides, Reply};

pub use parts::{Parts, compose, divide, fill, inputs, with_inputs};
pub use reply::{Vectors, read, render};
pub use request::{Input, Wanted, wanted};

use super::error::render_error;
use super::render_error_frame;
use super::rewrite::{quoted, without_task};
use crate::client::{Client, StreamHead, StreamWriter};
use crate::conversation::Conversation;
use crate::speech::{Asked, Written};

/// The client's side.
#[derive(Debug)]
pub struct Embeddings;

impl Client for Embeddings {
    fn parse(&self, body: Bytes) -> Result<ChatRequest, Fault> {
        request::parse(body)
    }

    fn converse(&self, _request: &ChatRequest) -> Result<Conversation, Fault> {
        let message =
            "the API of this model's provider has no embeddings; use a model of a provider of kind openai";
        Err(Fault::new(FaultKind::Unsupported, message).with_param("model"))
    }

    fn response_schema(&self, _request: &ChatRequest) -> Option<Bytes> {
        None
    }

    /// Whoever answers does so in this API, so its own bytes are there; without them there are no vectors.
    fn reply(&self, reply: &Reply) -> Bytes {
        let vectors = Vectors { model: &reply.model, vectors: &[], base64: false };
        reply.wire.clone().unwrap_or_else(|| render(&vectors, reply.usage.unwrap_or_default()))
    }

    fn error(&self, fault: &Fault) -> Vec<u8> {
        render_error(fault)
    }

    /// No such request is taken.
    fn stream(&self, _head: StreamHead) -> Box<dyn StreamWriter> {
        Box::new(Nothing)
    }
}

struct Nothing;

impl StreamWriter for Nothing {
    fn chunk(&mut self, _chunk: &Chunk) -> Option<Bytes> {
        None
    }

    fn error(&mut self, fault: &Fault) -> Bytes {
        render_error_frame(fault)
    }
}

/// The request for a provider: its model, without our label, and every other byte the client's own. What a task sets
/// for conversations says nothing here, and is noted.
pub(super) fn write(asked: &Asked<'_>) -> Written {
    let body = &asked.request.body;
    let mut edits = Vec::new();
    let wanted = quoted(asked.model_id);
    if body.get("model").is_none_or(|sent| sent != wanted.as_bytes()) {
        edits.push(ObjectEdit::Set("model", wanted));
    }
    if asked.request.task.is_some() {
        edits.extend(without_task(body));
    }
    let Overrides { temperature, max_output_tokens, reasoning, prompt_template, answer_format } =
        asked.overrides;
    let unsaid = [
        ("temperature", temperature.is_some()),
        ("max_output_tokens", max_output_tokens.is_some()),
        ("reasoning", reasoning.is_some()),
        ("prompt_template", prompt_template.is_some()),
        ("result", answer_format.is_some()),
    ];
    let dropped = unsaid.into_iter().filter(|(_, there)| *there).map(|(name, _)| name.to_owned()).collect();
    Written::Call { path: "embeddings".to_owned(), body: body.edit(&edits), dropped }
}

#[cfg(test)]
mod tests;
