//! Runs of workflows as they are written down: who began what, what each finished call answered, and how it ended. So a
//! run that broke off goes on without paying twice.
//!
//! Texts and records are JSON that this room does not read. Bounded: at most `MAX_ENDED` runs that are not under way, the
//! oldest go first, and in memory at most `MAX_BYTES` of them; a run that is whole keeps its record and not its calls.

mod file;
mod memory;

use std::sync::atomic::Ordering;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use memory::Memory;

use crate::StateError;
use crate::database::Database;

pub(crate) use file::{TABLES, break_off};

/// Runs that are over and kept.
const MAX_ENDED: usize = 1_000;
/// What those in memory may take together, in bytes.
const MAX_BYTES: usize = 64 << 20;

/// How a run stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It was begun, and nobody wrote down its end: it is under way.
    Open,
    /// It ended before its last step, or its process did: it can go on.
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
    /// What the key was called that asked; `None`: no key was needed.
    pub key: Option<String>,
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

/// How a run ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ended {
    /// How it stands now.
    pub standing: Standing,
    /// Its record, as JSON.
    pub record: String,
    /// What a list tells of it, as JSON.
    pub summary: String,
}

/// A run as a list has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredSummary {
    /// Its id.
    pub id: String,
    /// Its workflow's name.
    pub workflow: String,
    /// When it was begun, in milliseconds since the Unix epoch.
    pub started_ms: u64,
    /// What is told of it, as JSON, once it has ended.
    pub summary: Option<String>,
}

/// Whose a run is: its project's, or where it has none, its key's.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Owner {
    /// The project.
    pub project: Option<String>,
    /// What the key is called; counts where there is no project.
    pub key: Option<String>,
}

impl Owner {
    /// Whether what these began is this owner's.
    pub fn owns(&self, project: Option<&str>, key: Option<&str>) -> bool {
        self.project.as_deref() == project && (project.is_some() || self.key.as_deref() == key)
    }
}

/// Which runs are listed: of one owner, the newest first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Listing {
    /// Whose.
    pub owner: Owner,
    /// Of which workflows; `None`: of any.
    pub workflows: Option<Vec<String>>,
    /// Those begun before this one, by its id.
    pub before: Option<String>,
    /// So many at most.
    pub limit: usize,
}

/// All runs. Shared by every world.
#[derive(Debug, Default)]
pub struct Runs {
    memory: Mutex<Memory>,
    /// Where they are instead once there is a file; a file may come while the gateway serves.
    file: OnceLock<Database>,
}

impl Runs {
    /// From now on in this file. Says whether: not once runs were begun in memory, which would be lost.
    pub(crate) fn write_down(&self, database: Database) -> bool {
        let memory = lock(&self.memory);
        !memory.was_used() && self.file.set(database).is_ok()
    }

    /// Whether a run was ever begun in memory.
    pub(crate) fn in_memory(&self) -> bool {
        lock(&self.memory).was_used()
    }

    /// Writes down that a run begins, or that a broken one goes on.
    ///
    /// # Errors
    /// It cannot be written: it must not begin.
    pub async fn begin(&self, run: StoredRun) -> Result<(), StateError> {
        let database = {
            // A file comes under the same lock.
            let mut memory = lock(&self.memory);
            match self.file.get() {
                None => {
                    memory.begin(run);
                    return Ok(());
                }
                Some(database) => database,
            }
        };
        database.write(file::begin(run)).committed().await
    }

    /// Writes down what a call of a run answered. Returns when it is.
    ///
    /// # Errors
    /// It cannot be written, or the run is not under way: it must not go on, or it might pay twice.
    pub async fn keep(&self, run: &str, call: StoredCall) -> Result<(), StateError> {
        match self.file.get() {
            None => known(lock(&self.memory).keep(run, call), run),
            Some(database) => {
                let (job, hit) = file::keep(run, call);
                database.write_owed(job).committed().await?;
                known(hit.load(Ordering::Relaxed), run)
            }
        }
    }

    /// Writes down how a run ended. The calls of one that is whole are forgotten.
    ///
    /// # Errors
    /// It cannot be written, or the run is not under way: after a restart it looks as if it had been broken off.
    pub async fn end(&self, run: &str, ended: Ended) -> Result<(), StateError> {
        match self.file.get() {
            None => known(lock(&self.memory).end(run, ended), run),
            Some(database) => {
                let (job, hit) = file::end(run, ended);
                database.write_owed(job).committed().await?;
                known(hit.load(Ordering::Relaxed), run)
            }
        }
    }

    /// Runs that are kept, without what they were given and came to.
    ///
    /// # Errors
    /// They cannot be read.
    pub async fn list(&self, listing: Listing) -> Result<Vec<StoredSummary>, StateError> {
        match self.file.get() {
            None => Ok(lock(&self.memory).list(&listing)),
            Some(database) => database.read(file::list(listing)).await,
        }
    }

    /// A run, and what its calls answered, if it is kept.
    ///
    /// # Errors
    /// It cannot be read.
    pub async fn find(&self, run: &str) -> Result<Option<(StoredRun, Vec<StoredCall>)>, StateError> {
        match self.file.get() {
            None => Ok(lock(&self.memory).find(run)),
            Some(database) => database.read(file::find(run)).await,
        }
    }
}

/// What is said of a run that nothing can be written to any more.
fn known(hit: bool, run: &str) -> Result<(), StateError> {
    hit.then_some(()).ok_or_else(|| StateError::NoRun { run: run.into() })
}

fn lock(memory: &Mutex<Memory>) -> MutexGuard<'_, Memory> {
    // Nothing under this lock can panic half-way through a change.
    memory.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
