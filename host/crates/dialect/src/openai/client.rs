//! Clients that speak chat completions.

use bytes::Bytes;

use jackfield_core::base::JsonObject;
use jackfield_core::contract::{ChatRequest, Chunk, Fault, Reply};

use super::{DONE_FRAME, converse, error, parse_request, render_chunk, render_error_frame, render_reply};
use crate::client::{Client, StreamHead, StreamWriter};
use crate::conversation::Conversation;

/// `POST /v1/chat/completions`.
#[derive(Debug)]
pub struct Chat;

impl Client for Chat {
    fn parse(&self, body: Bytes) -> Result<ChatRequest, Fault> {
        parse_request(body)
    }

    fn converse(&self, request: &ChatRequest) -> Result<Conversation, Fault> {
        converse::converse(request)
    }

    fn response_schema(&self, request: &ChatRequest) -> Option<Bytes> {
        let format = JsonObject::parse(request.body.get("response_format")?).ok()?;
        if format.get("type")?.as_ref() != br#""json_schema""# {
            return None;
        }
        JsonObject::parse(format.get("json_schema")?).ok()?.get("schema")
    }

    fn reply(&self, reply: &Reply) -> Bytes {
        render_reply(reply)
    }

    fn error(&self, fault: &Fault) -> Vec<u8> {
        error::render_error(fault)
    }

    fn stream(&self, head: StreamHead) -> Box<dyn StreamWriter> {
        Box::new(Writer { head, first: true })
    }
}

/// A stream on its way to a client.
struct Writer {
    head: StreamHead,
    /// Nothing was written yet.
    first: bool,
}

impl StreamWriter for Writer {
    fn chunk(&mut self, chunk: &Chunk) -> Option<Bytes> {
        let bytes = match &chunk.wire {
            Some(wire) => wire.clone(),
            None => {
                let told = chunk.usage.is_some() && self.head.include_usage;
                if chunk.deltas.is_empty() && !chunk.done && !told {
                    return None;
                }
                let StreamHead { id, model, created, .. } = &self.head;
                let render = |chunk: &Chunk| {
                    render_chunk(chunk, &format!("chatcmpl-{id}"), model, *created, self.first)
                };
                // Usage has a chunk of its own, for those who asked for it: behind what is said, before the end.
                let usage = Chunk { usage: chunk.usage, ..Chunk::default() };
                let usage = if told { render(&usage) } else { Bytes::new() };
                let said = Chunk { usage: None, done: false, ..chunk.clone() };
                let said = if chunk.deltas.is_empty() { Bytes::new() } else { render(&said) };
                let end: &[u8] = if chunk.done { DONE_FRAME } else { &[] };
                [&said, &usage, end].concat().into()
            }
        };
        self.first = false;
        Some(bytes)
    }

    fn error(&mut self, fault: &Fault) -> Bytes {
        render_error_frame(fault)
    }
}
