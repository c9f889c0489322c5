//! `POST /v1/responses`, for clients only: servers that speak it are rare, so every provider is asked in its own API.
//! The gateway keeps no responses, so whatever would need a kept one is refused.

mod converse;
mod item;
mod request;
mod response;
mod stream;

use bytes::Bytes;

use jackfield_core::base::JsonObject;
use jackfield_core::contract::{ChatRequest, Fault, Reply};

use super::error::render_error;
use crate::client::{Client, StreamHead, StreamWriter};
use crate::conversation::Conversation;
use response::Echo;

/// The client's side.
#[derive(Debug)]
pub struct Responses;

impl Client for Responses {
    fn parse(&self, body: Bytes) -> Result<ChatRequest, Fault> {
        request::parse(body)
    }

    fn converse(&self, request: &ChatRequest) -> Result<Conversation, Fault> {
        converse::converse(request)
    }

    fn response_schema(&self, request: &ChatRequest) -> Option<Bytes> {
        let format = JsonObject::parse(request.body.get("text")?).ok()?.get("format")?;
        let format = JsonObject::parse(format).ok()?;
        (format.get("type")?.as_ref() == br#""json_schema""#).then(|| format.get("schema"))?
    }

    fn reply(&self, reply: &Reply) -> Bytes {
        response::render(&Echo::default(), reply)
    }

    fn reply_to(&self, request: &ChatRequest, reply: &Reply) -> Bytes {
        response::render(&Echo::of(request), reply)
    }

    fn error(&self, fault: &Fault) -> Vec<u8> {
        render_error(fault)
    }

    fn stream(&self, head: StreamHead) -> Box<dyn StreamWriter> {
        Box::new(stream::Writer::new(Echo::default(), head))
    }

    fn stream_to(&self, request: &ChatRequest, head: StreamHead) -> Box<dyn StreamWriter> {
        Box::new(stream::Writer::new(Echo::of(request), head))
    }
}

#[cfg(test)]
mod tests;
