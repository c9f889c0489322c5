//! Runs of workflows as they are written down: who began what, what each finished call answered, and how it ended. So a
//! run that broke off goes on without paying twice.
//!
//! Texts and records are JSON that this room does not read. Bounded: at most `MAX_ENDED` runs that are over, the oldest
//! go first, and in memory at most `MAX_BYTES` of them; a run that is whole keeps its record and not its calls.

mod file;
mod memory;

use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use memory::Memory;

use crate::StateError;
use crate::database::Database;

pub(crate) use file::TABLES;

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

/// Which runs are listed: of one project, the newest first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Listing {
    /// Whose; `None`: those that were begun for no project.
    pub project: Option<String>,
    /// Of which workflow; `None`: of any.
    pub workflow: Option<String>,
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
    /// From now on in this file.
    pub(crate) fn write_down(&self, database: Database) {
        // Whoever opens a file looks first whether there is one.
        let _ = self.file.set(database);
    }

    /// Writes down that a run begins, or that a broken one goes on.
    ///
    /// # Errors
    /// It cannot be written: it must not begin.
    pub async fn begin(&self, run: StoredRun) -> Result<(), StateError> {
        match self.file.get() {
            None => lock(&self.memory).begin(run),
            Some(database) => database.write(file::begin(run)).committed().await?,
        }
        Ok(())
    }

    /// Writes down what a call of a run answered. Returns when it is.
    ///
    /// # Errors
    /// It cannot be written: the run must not go on, or it might pay twice.
    pub async fn keep(&self, run: &str, call: StoredCall) -> Result<(), StateError> {
        match self.file.get() {
            None => lock(&self.memory).keep(run, call),
            Some(database) => database.write_owed(file::keep(run, call)).committed().await?,
        }
        Ok(())
    }

    /// Writes down how a run ended, with its record as JSON. The calls of one that is whole are forgotten.
    ///
    /// # Errors
    /// It cannot be written: after a restart the run looks as if it had been broken off.
    pub async fn end(&self, run: &str, standing: Standing, record: String) -> Result<(), StateError> {
        match self.file.get() {
            None => lock(&self.memory).end(run, standing, record),
            Some(database) => database.write_owed(file::end(run, standing, record)).committed().await?,
        }
        Ok(())
    }

    /// What `read` makes of each run that is kept, its calls aside; one run is held at a time.
    ///
    /// # Errors
    /// They cannot be read.
    pub async fn list<T: Send + 'static>(
        &self,
        listing: Listing,
        read: fn(StoredRun) -> T,
    ) -> Result<Vec<T>, StateError> {
        match self.file.get() {
            None => Ok(lock(&self.memory).list(&listing).map(|run| read(run.clone())).collect()),
            Some(database) => database.read(file::list(listing, read)).await,
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

fn lock(memory: &Mutex<Memory>) -> MutexGuard<'_, Memory> {
    // Nothing under this lock can panic half-way through a change.
    memory.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
