//! Writes that wait, and how those who wait for them are told.
//!
//! Writes gather into batches, each a transaction and each with one place where its outcome is told. Whoever is told first
//! tells the others, from the thread it runs on: the writer wakes one task a batch, not one a write. Nobody is woken for a
//! writer that is awake. Bounded: `MOST_WAITING` writes may wait; those that end something that was accepted may go beyond.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};

use rusqlite::Connection;
use tokio::sync::Notify;

use crate::StateError;

/// Writes that may wait.
pub(super) const MOST_WAITING: usize = 16_384;
/// Writes in one transaction: a ticket waits for all of them.
const TOGETHER: usize = 1_024;

type Run = Box<dyn FnOnce(&Connection) -> rusqlite::Result<()> + Send>;

/// What the writer runs, inside of a transaction that it shares with others. It may run on a connection of any age.
pub(crate) struct Job {
    pub(super) run: Run,
    /// Whether it takes more than one statement: one alone leaves nothing behind where it fails, several have to be undone.
    pub(super) several: bool,
}

impl Job {
    /// A write of one statement.
    pub(crate) fn one(run: impl FnOnce(&Connection) -> rusqlite::Result<()> + Send + 'static) -> Self {
        Self { run: Box::new(run), several: false }
    }

    /// A write of any number of statements, all of them or none.
    pub(crate) fn several(run: impl FnOnce(&Connection) -> rusqlite::Result<()> + Send + 'static) -> Self {
        Self { run: Box::new(run), several: true }
    }
}

/// Tells when a write is committed. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Ticket(Told);

#[derive(Clone, Debug)]
enum Told {
    /// When its batch is; the number is its place there.
    Later(Arc<Batch>, usize),
    /// Nobody took it.
    Refused(StateError),
}

/// What became of the writes of one transaction.
#[derive(Debug, Default)]
pub(super) struct Batch {
    outcome: OnceLock<Outcome>,
    told: Notify,
}

/// All failed, or these did, by their places.
pub(super) type Outcome = Result<Vec<(usize, StateError)>, StateError>;

impl Ticket {
    /// A write that nobody took.
    pub(crate) fn failed(error: StateError) -> Self {
        Self(Told::Refused(error))
    }

    /// Whether nobody took it.
    pub(crate) fn is_refused(&self) -> bool {
        matches!(self.0, Told::Refused(_))
    }

    /// Resolves when it is committed, or could not be.
    pub(crate) async fn committed(&self) -> Result<(), StateError> {
        let batch = match &self.0 {
            Told::Later(batch, _) => batch,
            Told::Refused(error) => return Err(error.clone()),
        };
        loop {
            // Made before the look, so that what is told in between is not missed.
            let told = batch.told.notified();
            if let Some(outcome) = self.told() {
                return outcome;
            }
            told.await;
            // Who is woken first wakes the others; whoever comes later sees the outcome.
            batch.told.notify_waiters();
        }
    }

    /// What became of it, if that is known.
    pub(crate) fn told(&self) -> Option<Result<(), StateError>> {
        let (batch, place) = match &self.0 {
            Told::Later(batch, place) => (batch, place),
            Told::Refused(error) => return Some(Err(error.clone())),
        };
        let failed = match batch.outcome.get()? {
            Ok(failed) => failed.iter().find(|(at, _)| at == place).map(|(_, error)| error),
            Err(error) => Some(error),
        };
        Some(failed.map_or(Ok(()), |error| Err(error.clone())))
    }
}

impl Batch {
    /// Tells what became of it. Whoever waits first is woken, and wakes the others; where that one is gone before it
    /// could, the next is woken in its place.
    pub(super) fn tell(&self, outcome: Outcome) {
        if self.outcome.set(outcome).is_ok() {
            self.told.notify_one();
        }
    }
}

/// What waits for the writer.
#[derive(Default)]
pub(super) struct Queue {
    waiting: Mutex<Waiting>,
    more: Condvar,
}

#[derive(Default)]
struct Waiting {
    /// Those that are as large as they get.
    full: VecDeque<Gathered>,
    /// The one that new writes go into.
    last: Gathered,
    /// Whether the writer has to be woken.
    asleep: bool,
    closed: bool,
    /// The writer is gone: nothing is written any more.
    over: bool,
}

/// The writes of one transaction.
#[derive(Default)]
pub(super) struct Gathered {
    pub(super) jobs: Vec<Job>,
    pub(super) batch: Arc<Batch>,
}

impl Queue {
    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a write in; refused where too many wait, unless it is owed.
    pub(super) fn put(&self, job: Job, owed: bool, path: &Arc<str>) -> Ticket {
        let mut waiting = self.waiting();
        if waiting.over {
            return Ticket::failed(gone(path));
        }
        if !owed && waiting.count() >= MOST_WAITING {
            return Ticket::failed(StateError::Busy { path: Arc::clone(path) });
        }
        let ticket = waiting.put(job);
        let asleep = std::mem::take(&mut waiting.asleep);
        drop(waiting);
        // A system call, whether anybody sleeps or not.
        if asleep {
            self.more.notify_one();
        }
        ticket
    }

    /// The next batch; `None` when there will be none.
    pub(super) fn take(&self) -> Option<Gathered> {
        let mut waiting = self.waiting();
        loop {
            if let Some(full) = waiting.full.pop_front() {
                return Some(full);
            }
            if !waiting.last.jobs.is_empty() {
                return Some(std::mem::take(&mut waiting.last));
            }
            if waiting.closed {
                return None;
            }
            waiting.asleep = true;
            waiting = self.more.wait(waiting).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// There will be no more than what waits.
    pub(super) fn close(&self) {
        self.waiting().closed = true;
        self.more.notify_one();
    }

    /// Nobody writes any more: tells all who wait.
    pub(super) fn end(&self, path: &Arc<str>) {
        let mut waiting = self.waiting();
        waiting.over = true;
        let full = std::mem::take(&mut waiting.full);
        let last = std::mem::take(&mut waiting.last);
        drop(waiting);
        for gathered in full.into_iter().chain([last]) {
            gathered.batch.tell(Err(gone(path)));
        }
    }
}

impl Waiting {
    fn count(&self) -> usize {
        self.full.len() * TOGETHER + self.last.jobs.len()
    }

    fn put(&mut self, job: Job) -> Ticket {
        let ticket = Ticket(Told::Later(Arc::clone(&self.last.batch), self.last.jobs.len()));
        self.last.jobs.push(job);
        if self.last.jobs.len() == TOGETHER {
            let full = std::mem::take(&mut self.last);
            self.full.push_back(full);
        }
        ticket
    }
}

pub(super) fn gone(path: &Arc<str>) -> StateError {
    StateError::Write { path: Arc::clone(path), reason: "the writer is gone".into() }
}
