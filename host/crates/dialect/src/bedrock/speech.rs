//! Converse, spoken to Bedrock.

use bytes::Bytes;

use jackfield_core::contract::{Dialect, Fault, Reply};

use super::events::Events;
use super::frames::{Reader, STREAM_TYPE};
use super::{compose, error, reply};
use crate::path::segment;
use crate::speech::{Asked, ErrorBody, Speech, StreamReader, Written};

/// The header that names an error.
const ERROR_TYPE: &str = "x-amzn-errortype";

/// Amazon Bedrock's Converse API.
#[derive(Debug)]
pub struct ConverseSpeech;

impl Speech for ConverseSpeech {
    /// No client speaks it.
    fn is_native(&self, _dialect: Dialect) -> bool {
        false
    }

    fn write(&self, asked: &Asked<'_>) -> Result<Written, Fault> {
        let conversation = asked.conversation()?;
        let operation = if conversation.stream { "converse-stream" } else { "converse" };
        let path = format!("model/{}/{operation}", segment(asked.model_id)?);
        let (body, dropped) = compose::compose(conversation, asked.model_id)?;
        Ok(Written::Call { path, body, dropped })
    }

    fn read(&self, asked: &Asked<'_>, body: Bytes) -> Result<Reply, Fault> {
        reply::parse(asked.model_id, &body)
    }

    fn reader(&self, _asked: &Asked<'_>) -> Box<dyn StreamReader> {
        Box::new(Reader::new(Events::default()))
    }

    fn stream_type(&self) -> &'static str {
        STREAM_TYPE
    }

    fn error(&self, body: &[u8]) -> ErrorBody {
        error::parse(None, body)
    }

    fn error_with(&self, header: &dyn Fn(&str) -> Option<String>, body: &[u8]) -> ErrorBody {
        error::parse(header(ERROR_TYPE).as_deref(), body)
    }
}
