//! Providers that speak Anthropic's Messages: Anthropic itself and every compatible server.

use bytes::Bytes;

use jackfield_core::contract::{Dialect, Fault, Reply};

use super::events::MessageEvents;
use super::reply::parse_count;
use super::rewrite::rewrite;
use super::{compose, parse_error, parse_reply};
use crate::speech::{Asked, ErrorBody, Speech, SseReader, StreamReader, Written};

/// The version of the API that is spoken where a client names none, and where routing sets a temperature: newer versions
/// take none.
pub const VERSION: &str = "2023-06-01";

/// Anthropic's Messages, spoken to a provider.
#[derive(Debug)]
pub struct MessagesSpeech;

impl Speech for MessagesSpeech {
    fn is_native(&self, dialect: Dialect) -> bool {
        matches!(dialect, Dialect::AnthropicMessages | Dialect::AnthropicCountTokens)
    }

    fn write(&self, asked: &Asked<'_>) -> Result<Written, Fault> {
        let path = match asked.request.dialect {
            Dialect::AnthropicCountTokens => "messages/count_tokens",
            _ => "messages",
        };
        let (body, dropped) = match self.is_native(asked.request.dialect) {
            true => rewrite(asked),
            false => compose::compose(asked.conversation()?, asked.model_id, asked.max_output)?,
        };
        Ok(Written::Call { path: path.to_owned(), body, dropped })
    }

    fn read(&self, asked: &Asked<'_>, body: Bytes) -> Result<Reply, Fault> {
        if asked.request.dialect == Dialect::AnthropicCountTokens {
            return parse_count(body);
        }
        let mut reply = parse_reply(body)?;
        if !self.is_native(asked.request.dialect) {
            reply.wire = None;
        }
        Ok(reply)
    }

    fn reader(&self, asked: &Asked<'_>) -> Box<dyn StreamReader> {
        Box::new(SseReader::new(MessageEvents::new(self.is_native(asked.request.dialect))))
    }

    fn error(&self, body: &[u8]) -> ErrorBody {
        parse_error(body)
    }

    fn passes(&self, asked: &Asked<'_>) -> &'static [&'static str] {
        match (self.is_native(asked.request.dialect), asked.overrides.temperature) {
            (false, _) => &[],
            (true, None) => &["anthropic-beta", "anthropic-version"],
            (true, Some(_)) => &["anthropic-beta"],
        }
    }
}
