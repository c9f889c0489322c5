//! Clients that speak Anthropic's Messages.

use bytes::Bytes;
use serde_json::json;

use jackfield_core::base::JsonObject;
use jackfield_core::contract::{ChatRequest, Dialect, Fault, Reply};

use super::stream::Writer;
use super::{converse, error, parse_request, render_reply};
use crate::client::{Client, StreamHead, StreamWriter};
use crate::conversation::{Conversation, unfit};

/// `POST /v1/messages`.
#[derive(Debug)]
pub struct Messages;

impl Client for Messages {
    fn parse(&self, body: Bytes) -> Result<ChatRequest, Fault> {
        parse_request(Dialect::AnthropicMessages, body)
    }

    fn converse(&self, request: &ChatRequest) -> Result<Conversation, Fault> {
        converse::converse(request)
    }

    fn response_schema(&self, request: &ChatRequest) -> Option<Bytes> {
        let config = JsonObject::parse(request.body.get("output_config")?).ok()?;
        JsonObject::parse(config.get("format")?).ok()?.get("schema")
    }

    fn reply(&self, reply: &Reply) -> Bytes {
        render_reply(reply)
    }

    fn error(&self, fault: &Fault) -> Vec<u8> {
        error::render_error(fault)
    }

    fn stream(&self, head: StreamHead) -> Box<dyn StreamWriter> {
        Box::new(Writer::new(head))
    }
}

/// `POST /v1/messages/count_tokens`: how many tokens such a request would have. Never streamed, and no conversation: a
/// provider that does not count is not asked.
#[derive(Debug)]
pub struct CountTokens;

impl Client for CountTokens {
    fn parse(&self, body: Bytes) -> Result<ChatRequest, Fault> {
        parse_request(Dialect::AnthropicCountTokens, body)
    }

    fn converse(&self, _request: &ChatRequest) -> Result<Conversation, Fault> {
        Err(unfit("count_tokens"))
    }

    fn response_schema(&self, _request: &ChatRequest) -> Option<Bytes> {
        None
    }

    fn reply(&self, reply: &Reply) -> Bytes {
        let tokens = reply.usage.map_or(0, |usage| usage.input_tokens);
        Bytes::from(json!({ "input_tokens": tokens }).to_string())
    }

    fn error(&self, fault: &Fault) -> Vec<u8> {
        error::render_error(fault)
    }

    fn stream(&self, head: StreamHead) -> Box<dyn StreamWriter> {
        Box::new(Writer::new(head))
    }
}
