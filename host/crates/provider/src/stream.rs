//! A provider's streamed answer, bounded in time and size, as a stream of chunks.

use std::sync::Arc;
use std::time::Instant;

use futures_util::stream::{self, StreamExt};
use reqwest::Response;

use jackfield_core::base::Secret;
use jackfield_core::contract::{Chunk, ChunkStream, Fault, Timeouts};
use jackfield_dialect::StreamReader;

use crate::classify::scrubbed;
use crate::client::Clients;

/// What reading one stream needs.
pub(crate) struct Reading {
    pub clients: Arc<Clients>,
    pub provider: Arc<str>,
    /// Makes chunks of what comes.
    pub reader: Box<dyn StreamReader>,
    pub response: Response,
    pub timeouts: Timeouts,
    pub deadline: Instant,
    /// What the call was made with, to be kept out of what is told.
    pub secrets: Arc<[Secret]>,
}

struct State {
    reading: Reading,
    over: bool,
}

/// The stream's chunks. Ends after the end marker, or with one fault.
pub(crate) fn chunks(reading: Reading) -> ChunkStream {
    let state = State { reading, over: false };
    stream::unfold(state, |mut state| async move {
        if state.over {
            return None;
        }
        let next = state.reading.next().await;
        state.over = next.as_ref().map_or(true, |chunk| chunk.done);
        Some((next, state))
    })
    .boxed()
}

impl Reading {
    async fn next(&mut self) -> Result<Chunk, Fault> {
        loop {
            if let Some(chunk) = self.reader.next_chunk().map_err(|fault| self.told(fault))? {
                return Ok(chunk);
            }
            let Self { clients, response, timeouts, deadline, .. } = self;
            match clients.next(response, timeouts, *deadline).await? {
                Some(bytes) => self.reader.push(&bytes),
                None => return self.reader.end().map_err(|fault| self.told(fault)),
            }
        }
    }

    /// The fault as it may be shown: whose stream it was, and without our secrets.
    fn told(&self, fault: Fault) -> Fault {
        let mut fault = scrubbed(fault, &self.secrets);
        fault.message = fault.message.replacen("the provider", &format!("`{}`", self.provider), 1);
        fault
    }
}
