//! A stream that goes through its validators while it comes: each sees every piece, holds back what it is not sure of,
//! and lets the rest go to the next, in configured order.
//!
//! | what one says | what is done |
//! |---|---|
//! | hold, release, replace | its part of the stream waits, goes on, or goes on with another text |
//! | reject | the stream ends: unseen by the client, the next candidate's turn; seen, with an error event |
//! | it failed | as its `on_error` says; `accept` goes on without it, with what it held |
//!
//! Nothing is read from the provider while the client does not take what is ready. Each validator holds `MAX_HELD` at
//! most. Dropped, the call and the validators' instances go with it.

mod queue;
#[cfg(test)]
mod tests;
mod watching;

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use futures_util::StreamExt;
use futures_util::stream;

use jackfield_core::base::RequestId;
use jackfield_core::contract::{Ask, Chunk, ChunkStream, Fault, PluginFault, Step, Validation, Verdict};

use super::delivery::{Coming, ComingStream};
use super::hold::MAX_HELD;
use super::verdict;
use crate::policy::ValidatorSlot;

pub(super) use watching::{Stop, Watching};

/// A stream and those it goes through.
pub(super) struct Window {
    upstream: ChunkStream,
    stages: Vec<Stage>,
    ready: VecDeque<Coming>,
    failed: Option<Fault>,
    over: bool,
    waited: Duration,
}

/// One validator and its watch. None when the stream goes on without it.
struct Stage {
    slot: ValidatorSlot,
    watching: Option<Watching>,
    model: String,
    id: RequestId,
}

impl Window {
    /// Opens a watch for each validator over this stream of this model. One that does not open does as its `on_error` says.
    pub(super) async fn open(
        slots: Vec<ValidatorSlot>,
        ask: &Ask,
        model: &str,
        upstream: ChunkStream,
    ) -> Self {
        let mut window = Self {
            upstream,
            stages: Vec::with_capacity(slots.len()),
            ready: VecDeque::new(),
            failed: None,
            over: false,
            waited: Duration::ZERO,
        };
        for slot in slots {
            let mut stage = Stage { slot, watching: None, model: model.to_owned(), id: ask.facts.id };
            let began = Instant::now();
            if let Err(fault) = stage.begin(ask).await {
                let (step, fault) = stage.failed(fault, began.elapsed());
                window.ready.push_back(Coming::Found(step));
                if fault.is_some() {
                    window.ends(fault);
                    break;
                }
            }
            window.stages.push(stage);
        }
        window
    }

    /// What comes next. After a fault, nothing.
    pub(super) async fn next(&mut self) -> Option<Result<Coming, Fault>> {
        loop {
            if let Some(coming) = self.ready.pop_front() {
                return Some(Ok(coming));
            }
            if let Some(fault) = self.failed.take() {
                return Some(Err(fault));
            }
            if self.over {
                return None;
            }
            let began = Instant::now();
            let next = self.upstream.next().await;
            self.waited += began.elapsed();
            match next {
                Some(Ok(chunk)) => self.feed(chunk).await,
                Some(Err(fault)) => self.ends(Some(fault)),
                // Providers put the end marker in; should one not, the validators are asked all the same.
                None => self.feed(Chunk { done: true, ..Chunk::default() }).await,
            }
        }
    }

    /// How long the provider was waited for.
    pub(super) fn waited(&self) -> Duration {
        self.waited
    }

    /// The rest as a stream.
    pub(super) fn into_stream(self) -> ComingStream {
        stream::unfold(self, |mut window| async move { Some((window.next().await?, window)) }).boxed()
    }

    /// Takes a chunk through all of them.
    async fn feed(&mut self, chunk: Chunk) {
        let done = chunk.done;
        let mut wave = vec![chunk];
        for stage in &mut self.stages {
            let mut next = Vec::with_capacity(wave.len());
            for chunk in wave {
                let (step, fault) = stage.take(chunk, &mut next).await;
                self.ready.extend(step.map(Coming::Found));
                if fault.is_some() {
                    return self.ends(fault);
                }
            }
            wave = next;
        }
        self.ready.extend(wave.into_iter().map(Coming::Chunk));
        if done {
            self.ends(None);
        }
    }

    /// Nothing more is read, and nobody watches any more.
    fn ends(&mut self, fault: Option<Fault>) {
        self.failed = fault;
        self.over = true;
        self.upstream = stream::empty().boxed();
        self.stages.clear();
    }
}

impl Stage {
    async fn begin(&mut self, ask: &Ask) -> Result<(), PluginFault> {
        self.slot.allows()?;
        // A slot has this mode only where its check knows streams.
        if let Some(check) = self.slot.check.stream() {
            self.watching = Some(Watching::open(check, self.slot.ask(ask), MAX_HELD).await?);
        }
        Ok(())
    }

    /// Takes a chunk; says what it found, once it is done, and what ends the stream.
    async fn take(&mut self, chunk: Chunk, out: &mut Vec<Chunk>) -> (Option<Step>, Option<Fault>) {
        let done = chunk.done;
        let Some(watching) = &mut self.watching else {
            out.push(chunk);
            return (None, None);
        };
        let stopped = watching.take(chunk, out).await;
        let (took, changed) = (watching.took(), watching.changed());
        match stopped {
            Ok(()) if !done => (None, None),
            Ok(()) => {
                self.watching = None;
                let verdict = if changed { Verdict::Replace(String::new()) } else { Verdict::Accept };
                (Some(self.found(Validation { verdict, ..Validation::accept() }, took)), None)
            }
            Err(Stop::Rejected(issues)) => {
                let fault = verdict::rejected(&self.slot, &issues);
                (Some(self.found(Validation::reject(issues), took)), Some(fault))
            }
            Err(Stop::Failed(fault)) => {
                let (step, ends) = self.failed(fault, took);
                let held = self.watching.take().filter(|_| ends.is_none());
                out.extend(held.into_iter().flat_map(Watching::into_held));
                (Some(step), ends)
            }
        }
    }

    fn found(&self, found: Validation, took: Duration) -> Step {
        self.slot.did(None);
        verdict::step(&self.slot, &self.model, took, &Ok(found), self.id)
    }

    fn failed(&self, fault: PluginFault, took: Duration) -> (Step, Option<Fault>) {
        self.slot.did(Some(&fault));
        let ends = verdict::failed(&self.slot, &fault);
        (verdict::step(&self.slot, &self.model, took, &Err(fault), self.id), ends)
    }
}
