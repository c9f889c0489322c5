//! A provider's stream of server-sent events, bounded in time and size, as a stream of chunks.

use std::sync::Arc;
use std::time::Instant;

use futures_util::stream::{self, StreamExt};
use reqwest::Response;

use jackfield_core::base::Secret;
use jackfield_core::contract::{Chunk, ChunkStream, Fault, FaultKind, Timeouts};
use jackfield_dialect::openai::parse_chunk;
use jackfield_dialect::sse::Decoder;

use crate::classify::scrubbed;
use crate::client::Clients;

/// What reading one stream needs.
pub(crate) struct Events {
    pub clients: Arc<Clients>,
    pub provider: Arc<str>,
    pub response: Response,
    pub timeouts: Timeouts,
    pub deadline: Instant,
    /// What the call was made with, to be kept out of what is told.
    pub secrets: Arc<[Secret]>,
    /// The client did not ask for usage: the chunk that we asked for is not shown to it.
    pub hide_usage: bool,
}

struct State {
    events: Events,
    decoder: Decoder,
    finished: bool,
    over: bool,
}

/// The stream's chunks. Ends after the end marker, or with one fault.
pub(crate) fn chunks(events: Events) -> ChunkStream {
    let state = State { events, decoder: Decoder::default(), finished: false, over: false };
    stream::unfold(state, |mut state| async move {
        if state.over {
            return None;
        }
        let next = state.next().await;
        state.over = next.as_ref().map_or(true, |chunk| chunk.done);
        Some((next, state))
    })
    .boxed()
}

impl State {
    async fn next(&mut self) -> Result<Chunk, Fault> {
        loop {
            let frame = self.decoder.next_frame().map_err(|e| self.broken(&e.to_string()))?;
            if let Some(frame) = frame {
                let mut chunk = parse_chunk(frame).map_err(|fault| scrubbed(fault, &self.events.secrets))?;
                self.finished |= chunk.deltas.iter().any(|delta| delta.finished);
                if self.events.hide_usage && chunk.deltas.is_empty() && chunk.usage.is_some() {
                    chunk.wire = None;
                }
                return Ok(chunk);
            }
            let Events { clients, response, timeouts, deadline, .. } = &mut self.events;
            match clients.next(response, timeouts, *deadline).await? {
                Some(bytes) => self.decoder.push(&bytes),
                // Some servers close after the last chunk without the marker; we add it.
                None if self.finished => return Ok(Chunk { done: true, ..Chunk::default() }),
                None => return Err(self.broken("it ended before the answer was complete")),
            }
        }
    }

    fn broken(&self, what: &str) -> Fault {
        Fault::new(
            FaultKind::UpstreamBroken,
            format!("the stream of `{}` is broken: {what}", self.events.provider),
        )
    }
}
