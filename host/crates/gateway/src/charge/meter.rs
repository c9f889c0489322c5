//! A stream with its charge: each chunk is counted as it comes and passed on when a written reservation covers it. Where a
//! budget ends, so does the answer, as if the model had reached its limit; the provider is left. The end marker waits until
//! the charge is settled.
//!
//! Holds one chunk at most. Dropped, the call ends with it and is settled at its estimate.

use std::collections::{BTreeSet, VecDeque};

use futures_util::StreamExt;
use futures_util::stream;

use jackfield_core::contract::{Chunk, ChunkStream, Delta, Fault, FinishReason, Step};

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
}

/// The same stream, charged as it comes.
pub(super) fn metered(chunks: ChunkStream, charge: Charge) -> ChunkStream {
    let meter = Meter { chunks, charge: Some(charge), open: BTreeSet::new(), ready: VecDeque::new() };
    stream::unfold(meter, |mut meter| async move { Some((meter.next().await?, meter)) }).boxed()
}

impl Meter {
    async fn next(&mut self) -> Option<Result<Chunk, Fault>> {
        if let Some(chunk) = self.ready.pop_front() {
            return Some(Ok(chunk));
        }
        let charge = self.charge.as_mut()?;
        match self.chunks.next().await {
            Some(Ok(chunk)) if chunk.done => Some(self.settle().await.map(|()| chunk)),
            Some(Ok(chunk)) => {
                charge.output.saw(&chunk);
                charge.usage = chunk.usage.or(charge.usage);
                match charge.cover().await {
                    Ok(true) => {
                        self.follow(&chunk);
                        Some(Ok(chunk))
                    }
                    Ok(false) => Some(self.cut().await),
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
    /// Whether what came so far may go out: it is reserved, and written down.
    async fn cover(&mut self) -> Result<bool, Fault> {
        let tokens = self.output.tokens();
        let Some(reservation) = &mut self.reservation else { return Ok(true) };
        reservation.seen(tokens);
        if tokens <= reservation.covered_output() {
            return Ok(true);
        }
        if let Err(exceeded) = reservation.grow(tokens) {
            self.aside.push(Step::BudgetReached { model: self.model.clone(), why: exceeded.to_string() });
            return Ok(false);
        }
        reservation.committed().await.map_err(unavailable)?;
        Ok(true)
    }

    /// The stream failed. One that said nothing may not even have begun.
    fn broke(self, fault: &Fault) {
        match self.output.tokens() == 0 && self.usage.is_none() {
            true => self.failed(fault),
            false => drop(self),
        }
    }
}
