//! What outlives a request and a world: the ledger of what calls cost, the cache of answers, the runs of workflows.
//!
//! The only room that names SQLite, Redis and moka. Knows nothing of pipelines: whoever asks decides what is reserved, kept and
//! looked up.

/// Answers that are kept for identical requests.
pub mod cache;
mod database;
mod error;
pub mod ledger;
/// Runs of workflows, and what their calls answered.
pub mod runs;
mod shared;

use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::SystemTime;

use jackfield_core::config::{Config, DEFAULT_STATE, State, Synchronous};

pub use cache::Cache;
use database::{Database, Opening};
pub use error::StateError;
pub use jiff::tz::TimeZone;
pub use ledger::{
    Alert, Ask, By, Exceeded, Ledger, LimitScope, LimitStatus, LimitUnit, Refused, Reservation, Standing,
    Unreserved, UsageRow, moment_named, usage,
};
use runs::Runs;
pub use shared::SharedStatus;
use shared::{Answers, Counters, Leases, Link};

/// Everything that is stored, of one gateway. Opened once, before the first world; a file that is needed later is opened then.
#[derive(Debug, Default)]
pub struct Store {
    ledger: Ledger,
    cache: Cache,
    runs: Runs,
    database: OnceLock<Database>,
    shared: Option<Shared>,
    /// It was opened for a configuration that said where it is kept: it stays there until the next start.
    stays: bool,
}

/// What is shared with other hosts.
#[derive(Debug)]
struct Shared {
    leases: Arc<Leases>,
    answers: Arc<Answers>,
}

impl Store {
    /// Opens what the configuration names; makes the file where there is none. Nothing is written down where nothing is
    /// said of it and no budget and no workflow needs it. Blocks for as long as reading the current month's charges takes.
    pub fn open(config: &Config) -> Result<Self, StateError> {
        let (mut store, under_way) = match Self::file(config) {
            Some((path, synchronous)) => {
                let (database, mut restored) = open_file(&path, synchronous, config)?;
                let under_way = std::mem::take(&mut restored.under_way);
                let ledger = Ledger::written_down(database.clone(), restored);
                let store = Self { ledger, ..Self::default() };
                store.runs.write_down(database.clone());
                let _ = store.database.set(database);
                (store, under_way)
            }
            None => (Self::default(), Vec::new()),
        };
        store.stays = !matches!(config.state(), State::Unset);
        if let Some(shared) = config.state().shared() {
            let counters = Counters::new(Link::new(shared)?, &shared.name, shared.lease);
            let leases = Arc::new(Leases::new(counters, shared.on_store_error));
            let answers = Arc::new(Answers::new(Link::new(shared)?, &shared.name));
            store.ledger = store.ledger.sharing(&leases, &under_way);
            store.cache = Cache::sharing(Arc::clone(&answers));
            store.shared = Some(Shared { leases, answers });
        }
        Ok(store)
    }

    /// Keeps in touch with the server that hosts share, until it is dropped; returns at once where nothing is shared. To be
    /// run by one task for as long as requests are served: without it, the server counts as gone.
    pub async fn share(&self) {
        if let Some(Shared { leases, answers }) = &self.shared {
            // What is kept for others is told to them only where anything is kept.
            tokio::join!(Arc::clone(leases).serve(), answers.serve());
        }
    }

    /// Resolves when other hosts know what was spent here; at once where nothing is shared. To be waited for at the end, not
    /// longer than one cares to.
    pub async fn shared_all(&self) {
        if let Some(Shared { leases, .. }) = &self.shared {
            leases.settled().await;
        }
    }

    /// How things stand with the server that hosts share; `None` where nothing is shared.
    pub fn shared_status(&self) -> Option<SharedStatus> {
        self.shared.as_ref().map(|Shared { leases, answers }| SharedStatus {
            answers_up: answers.link().is_up(),
            answers_failures: answers.link().failures(),
            ..leases.status()
        })
    }

    /// Opens the file that a new configuration needs and those before did not: from then on everything is written down there.
    /// Says whether it did; a store that has counted anything in memory, or is to stay there, does not. Blocks like
    /// [`Self::open`]. For one task at a time, the one that configures the ledger.
    ///
    /// # Errors
    /// It cannot be opened: nothing has changed.
    pub fn write_down(&self, config: &Config) -> Result<bool, StateError> {
        // What was counted in memory would be lost.
        let stays =
            self.stays || self.database.get().is_some() || self.ledger.in_memory() || self.runs.in_memory();
        let Some((path, synchronous)) = Self::file(config).filter(|_| !stays) else { return Ok(false) };
        let (database, restored) = open_file(&path, synchronous, config)?;
        if !self.runs.write_down(database.clone()) {
            return Ok(false);
        }
        self.ledger.write_down(database.clone(), restored);
        let _ = self.database.set(database);
        Ok(true)
    }

    /// The file that this configuration writes to; `None`: none. A relative path starts at the folder of the configuration
    /// file, and at the directory the gateway runs in where there is no such file.
    pub fn file(config: &Config) -> Option<(PathBuf, Synchronous)> {
        let (path, synchronous) = match config.state() {
            State::Memory => return None,
            State::Sqlite(path, synchronous) => (path.clone(), *synchronous),
            State::Shared(shared) => shared.file.clone()?,
            State::Unset => {
                let needed = config.orchestrator().budgets().is_some() || !config.workflows().is_empty();
                needed.then(|| (PathBuf::from(DEFAULT_STATE), Synchronous::default()))?
            }
        };
        let path = config.source().folder().join(path);
        Some((std::path::absolute(&path).unwrap_or(path), synchronous))
    }

    /// Whether the file that this configuration writes to can be opened or made, as far as looking tells: for commands that
    /// serve nothing and make no file.
    ///
    /// # Errors
    /// Its folder is missing, or is not to be written to, or the file is not.
    pub fn look(config: &Config) -> Result<(), StateError> {
        let Some((path, _)) = Self::file(config) else { return Ok(()) };
        database::writable(&path)
    }

    /// The file, as messages have it; `None`: nothing is written down.
    pub fn path(&self) -> Option<&str> {
        self.database.get().map(|database| &**database.path())
    }

    /// Kept answers: in memory, and where hosts share them, there too.
    pub fn cache(&self) -> &Cache {
        &self.cache
    }

    /// The runs of workflows.
    pub fn runs(&self) -> &Runs {
        &self.runs
    }

    /// What calls cost, and what may be spent.
    pub fn ledger(&self) -> &Ledger {
        &self.ledger
    }
}

/// Opens this file, and reads what its ledger goes on from.
fn open_file(
    path: &Path,
    synchronous: Synchronous,
    config: &Config,
) -> Result<(Database, ledger::Restored), StateError> {
    let mut opening = Opening::open(path, synchronous, &[ledger::TABLES, runs::TABLES])?;
    let budgets = config.orchestrator().budgets().cloned().unwrap_or_default();
    let restored = ledger::Restored::read(&mut opening, &budgets)?;
    opening.with(runs::break_off)?;
    Ok((opening.start()?, restored))
}

/// A moment as people and programs read it: `2026-11-22T06:38:25Z`.
pub fn show_time(at: SystemTime) -> String {
    jiff::Timestamp::try_from(at).map_or_else(|_| "?".to_owned(), |at| at.to_string())
}
