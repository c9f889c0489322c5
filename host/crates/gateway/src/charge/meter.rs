//! A stream with its charge: each chunk is counted as it comes and passed on when a written reservation covers it. Where a
//! budget ends, so does the answer, as if the model had reached its limit; the provider is left. The end marker waits until
//! the charge is settled.
//!
//! Holds one chunk at most. Dropped, the call ends with it and is settled at its estimate.

use std::collections::{BTreeSet, VecDeque};

use futures_util::StreamExt;
use futures_util::stream;

use jackfield_core::contract::{Chunk, ChunkStream, Delta, Fault, FinishReason, Step};

use jackfield_store::Unreserved;

use super::{Charge, unavailable};

struct Meter {
    /// Before the charge: the provider is left before what it cost is told.
    chunks: ChunkStream,
    /// Until it is settled.
    charge: Option<Charge>,
    /// The choices that have begun and not ended.
    open: BTreeSet<u32>,
    /// What ends an answer that is cut.
    ready: VecDeque<Chunk>,
    /// Nothing more than what came is covered.
    full: bool,
}

/// What is left for an answer that grows.
enum Room {
    /// This chunk may go out, and the next may come.
    Enough,
    /// This chunk may go out, and another one like the largest so far would be too much.
    Last,
    /// Not even this one.
    None,
}

/// The same stream, charged as it comes.
pub(super) fn metered(chunks: ChunkStream, charge: Charge) -> ChunkStream {
    let meter =
        Meter { chunks, charge: Some(charge), open: BTreeSet::new(), ready: VecDeque::new(), full: false };
    stream::unfold(meter, |mut meter| async move { Some((meter.next().await?, meter)) }).boxed()
}

impl Meter {
    async fn next(&mut self) -> Option<Result<Chunk, Fault>> {
        if let Some(chunk) = self.ready.pop_front() {
            return Some(Ok(chunk));
        }
        // An answer that has ended needs no other end; what comes of it still is what it cost.
        let ended = self.open.is_empty() && self.charge.as_ref().is_some_and(|c| c.output.tokens() > 0);
        if self.full && !ended {
            return Some(self.cut().await);
        }
        let charge = self.charge.as_mut()?;
        match self.chunks.next().await {
            Some(Ok(chunk)) if chunk.done => Some(self.settle().await.map(|()| chunk)),
            Some(Ok(chunk)) => {
                charge.output.saw(&chunk);
                charge.usage = chunk.usage.or(charge.usage);
                match charge.cover().await {
                    Ok(Room::None) => Some(self.cut().await),
                    Ok(room) => {
                        self.full = matches!(room, Room::Last);
                        self.follow(&chunk);
                        Some(Ok(chunk))
                    }
                    Err(fault) => {
                        self.leave();
                        self.charge = None;
                        Some(Err(fault))
                    }
                }
            }
            Some(Err(fault)) => {
                if let Some(charge) = self.charge.take() {
                    charge.broke(&fault);
                }
                Some(Err(fault))
            }
            None => self.settle().await.err().map(Err),
        }
    }

    /// Which choices grow.
    fn follow(&mut self, chunk: &Chunk) {
        for delta in &chunk.deltas {
            if delta.finished {
                self.open.remove(&delta.index);
            } else {
                self.open.insert(delta.index);
            }
        }
    }

    /// Nothing more is read from the provider.
    fn leave(&mut self) {
        self.chunks = stream::empty().boxed();
    }

    /// Ends the answer here, and begins with its last chunks.
    async fn cut(&mut self) -> Result<Chunk, Fault> {
        self.full = false;
        self.leave();
        let usage = self.charge.as_ref().map(Charge::estimate);
        self.settle().await?;
        // An answer has a first choice, if only an empty one.
        if self.open.is_empty() {
            self.open.insert(0);
        }
        let ends = std::mem::take(&mut self.open).into_iter().map(|index| {
            let finish_reason = Some(FinishReason::Length);
            Chunk {
                deltas: vec![Delta { index, finish_reason, finished: true, ..Delta::default() }],
                ..Chunk::default()
            }
        });
        self.ready.extend(ends);
        self.ready.push_back(Chunk { usage, ..Chunk::default() });
        self.ready.push_back(Chunk { done: true, ..Chunk::default() });
        Ok(self.ready.pop_front().unwrap_or_default())
    }

    /// The answer has ended.
    async fn settle(&mut self) -> Result<(), Fault> {
        let Some(mut charge) = self.charge.take() else { return Ok(()) };
        let usage = charge.usage.unwrap_or_else(|| charge.estimate());
        charge.settle(usage).await
    }
}

impl Charge {
    /// Whether what came so far may go out: it is reserved, and written down. So is room for another chunk as large as the
    /// largest, unless the provider itself was told to stop where the reservation does.
    async fn cover(&mut self) -> Result<Room, Fault> {
        let (tokens, largest) = (self.output.tokens(), self.output.largest());
        let Some(reservation) = &mut self.reservation else { return Ok(Room::Enough) };
        let stops = reservation.output_bound().is_some_and(|bound| bound <= reservation.covered_output());
        let need = if stops { tokens } else { tokens.saturating_add(largest) };
        let mut room = Room::Enough;
        // Tops up ahead, so that it is written down while the chunks before go out.
        if !(stops && need <= reservation.covered_output())
            && let Err(why) = reservation.cover(need).await
        {
            let exceeded = match why {
                Unreserved::Exceeded(exceeded) => exceeded,
                Unreserved::State(error) => return Err(unavailable(error)),
            };
            self.aside.push(Step::BudgetReached { model: self.model.clone(), why: exceeded.to_string() });
            if tokens > reservation.covered_output() {
                return Ok(Room::None);
            }
            room = Room::Last;
        }
        if tokens > self.durable {
            self.durable = reservation.covered_output();
            reservation.committed().await.map_err(unavailable)?;
        }
        Ok(room)
    }

    /// The stream failed. One that said nothing may not even have begun.
    fn broke(self, fault: &Fault) {
        match self.output.tokens() == 0 && self.usage.is_none() {
            true => self.failed(fault),
            false => drop(self),
        }
    }
}
