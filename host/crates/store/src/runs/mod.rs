//! Runs of workflows as they are written down: who began what, what each finished call answered, and how it ended. So a
//! run that broke off goes on without paying twice.
//!
//! Texts and records are JSON that this room does not read. Bounded: at most `MAX_ENDED` runs that are over, the oldest
//! go first, and in memory at most `MAX_BYTES` of them; a run that is whole keeps its record and not its calls.

mod memory;

use std::sync::{Mutex, MutexGuard, PoisonError};

use memory::Memory;

/// Runs that are over and kept.
const MAX_ENDED: usize = 1_000;
/// What those in memory may take together, in bytes.
const MAX_BYTES: usize = 64 << 20;

/// How a run stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It was begun, and nobody wrote down its end: it is under way, or its process died.
    Open,
    /// It ended before its last step: it can go on.
    Broken,
    /// It is whole.
    Whole,
}

/// A run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredRun {
    /// Its id.
    pub id: String,
    /// Its workflow's name.
    pub workflow: String,
    /// The digest of the definition that it was begun with.
    pub digest: [u8; 32],
    /// The project that asked.
    pub project: Option<String>,
    /// The user who asked.
    pub user: Option<String>,
    /// When it was begun, in milliseconds since the Unix epoch.
    pub started_ms: u64,
    /// What it was given, as JSON.
    pub input: String,
    /// How it stands.
    pub standing: Standing,
    /// Its record as JSON, once it has ended.
    pub record: Option<String>,
}

/// A call of a run that answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredCall {
    /// Which of the run's calls it is.
    pub call: String,
    /// What it answered and cost, as JSON.
    pub answer: String,
}

/// All runs. Shared by every world.
#[derive(Debug, Default)]
pub struct Runs {
    memory: Mutex<Memory>,
}

impl Runs {
    /// Writes down that a run begins, or that a broken one goes on.
    pub fn begin(&self, run: StoredRun) {
        self.memory().begin(run);
    }

    /// Writes down what a call of a run answered.
    pub fn keep(&self, run: &str, call: StoredCall) {
        self.memory().keep(run, call);
    }

    /// Writes down how a run ended, with its record as JSON. The calls of one that is whole are forgotten.
    pub fn end(&self, run: &str, standing: Standing, record: String) {
        self.memory().end(run, standing, record);
    }

    /// A run, and what its calls answered, if it is kept.
    pub fn find(&self, run: &str) -> Option<(StoredRun, Vec<StoredCall>)> {
        self.memory().find(run)
    }

    fn memory(&self) -> MutexGuard<'_, Memory> {
        // Nothing under this lock can panic half-way through a change.
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;
