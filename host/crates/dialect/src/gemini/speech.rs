//! Providers that speak Gemini's API.

use std::time::Duration;

use bytes::Bytes;

use jackfield_core::contract::{Dialect, Fault, Reply};

use super::chunk::Reader;
use super::compose::compose;
use super::error;
use super::model::bare;
use super::reply::parse_reply;
use crate::call_id::Ids;
use crate::path::segment;
use crate::speech::{Asked, ErrorBody, Speech, StreamReader, Written};

/// Gemini's API, spoken to a provider.
#[derive(Debug)]
pub struct GeminiSpeech;

impl Speech for GeminiSpeech {
    fn is_native(&self, _dialect: Dialect) -> bool {
        false
    }

    fn write(&self, asked: &Asked<'_>) -> Result<Written, Fault> {
        let (body, dropped) = compose(asked.signed_conversation()?, bare(asked.model_id))?;
        let method = match asked.request.stream {
            true => "streamGenerateContent?alt=sse",
            false => "generateContent",
        };
        let path = format!("models/{}:{method}", segment(bare(asked.model_id))?);
        Ok(Written::Call { path, body, dropped })
    }

    fn read(&self, asked: &Asked<'_>, body: Bytes) -> Result<Reply, Fault> {
        parse_reply(&body, &mut ids(asked))
    }

    fn reader(&self, asked: &Asked<'_>) -> Box<dyn StreamReader> {
        Box::new(Reader::new(ids(asked), wanted(asked)))
    }

    fn error(&self, body: &[u8]) -> ErrorBody {
        error::parse_error(body)
    }

    fn retry_after(&self, body: &[u8]) -> Option<Duration> {
        error::retry_after(body)
    }
}

/// How many answers the client wants.
fn wanted(asked: &Asked<'_>) -> usize {
    let n = asked.request.body.get("n").and_then(|n| serde_json::from_slice(&n).ok());
    n.filter(|_| asked.request.dialect == Dialect::OpenAiChat).unwrap_or(1)
}

fn ids(asked: &Asked<'_>) -> Ids {
    Ids::after(asked.request.body.bytes())
}
