//! AWS's event streams: bytes to frames, split anywhere. The checksums are `aws-smithy-eventstream`'s work; what is
//! done here is to wait until a frame is whole, and to refuse one that is too large before it is there.

use aws_smithy_eventstream::frame::read_message_from;
use aws_smithy_types::event_stream::Message;
use bytes::{Bytes, BytesMut};

use jackfield_core::contract::{Chunk, Fault};

use super::error;
use super::events::Events;
use crate::speech::{StreamReader, broken};

/// The media type of an event stream.
pub const STREAM_TYPE: &str = "application/vnd.amazon.eventstream";

/// The largest frame taken, in bytes; as for server-sent events.
pub const MAX_FRAME: usize = crate::sse::MAX_FRAME;
/// Two lengths and two checksums: no frame is smaller.
const MIN_FRAME: usize = 16;

/// Bytes to chunks.
#[derive(Debug)]
pub(super) struct Reader {
    buffer: BytesMut,
    events: Events,
}

impl Reader {
    /// A stream that has not begun.
    pub(super) fn new(events: Events) -> Self {
        Self { buffer: BytesMut::new(), events }
    }

    /// The next whole frame, its checksums proved, if there is one.
    fn next_frame(&mut self) -> Result<Option<Message>, Fault> {
        let Some(length) = self.buffer.first_chunk::<4>() else { return Ok(None) };
        let length = usize::try_from(u32::from_be_bytes(*length)).unwrap_or(usize::MAX);
        if length > MAX_FRAME {
            return Err(broken(&format!("a frame is larger than {MAX_FRAME} bytes")));
        }
        if length < MIN_FRAME {
            return Err(broken("a frame says that it is smaller than a frame can be"));
        }
        if self.buffer.len() < length {
            return Ok(None);
        }
        let mut frame = self.buffer.split_to(length).freeze();
        read_message_from(&mut frame).map(Some).map_err(|e| broken(&format!("a frame is damaged: {e}")))
    }

    fn read(&mut self, message: &Message) -> Result<Option<Chunk>, Fault> {
        match (header(message, ":message-type"), message.payload()) {
            (Some("event"), payload) => {
                self.events.read(header(message, ":event-type").unwrap_or_default(), payload)
            }
            (Some("exception"), payload) => {
                Err(error::in_stream(header(message, ":exception-type").unwrap_or("an exception"), payload))
            }
            // What fails outside of the service's own words has them in headers.
            (Some("error"), _) => {
                let said = serde_json::json!({ "message": header(message, ":error-message") });
                let said = Bytes::from(said.to_string());
                Err(error::in_stream(header(message, ":error-code").unwrap_or("an error"), &said))
            }
            _ => Err(broken("a frame does not say what it is")),
        }
    }
}

impl StreamReader for Reader {
    fn push(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    fn next_chunk(&mut self) -> Result<Option<Chunk>, Fault> {
        while let Some(message) = self.next_frame()? {
            if let Some(chunk) = self.read(&message)? {
                return Ok(Some(chunk));
            }
        }
        Ok(None)
    }

    /// The stream has no marker of its own: it ends after its last event.
    fn end(&mut self) -> Result<Chunk, Fault> {
        match self.events.is_complete() && self.buffer.is_empty() {
            true => Ok(Chunk { done: true, ..Chunk::default() }),
            false => Err(broken("it ended before the answer was complete")),
        }
    }
}

/// A header's text.
fn header<'a>(message: &'a Message, name: &str) -> Option<&'a str> {
    let header = message.headers().iter().find(|header| header.name().as_str() == name)?;
    header.value().as_string().ok().map(|text| text.as_str())
}
