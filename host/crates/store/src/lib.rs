//! What outlives a request and a world: the ledger of what calls cost, the cache of answers, the runs of workflows.
//!
//! The only room that names SQLite and moka. Knows nothing of pipelines: whoever asks decides what is reserved, kept and
//! looked up.

/// Answers that are kept for identical requests.
pub mod cache;
mod database;
mod error;
pub mod ledger;
/// Runs of workflows, and what their calls answered.
pub mod runs;

use std::path::{Path, PathBuf};
use std::time::SystemTime;

use jackfield_core::config::{Config, DEFAULT_STATE, State, Synchronous};

pub use cache::Cache;
use database::{Database, Opening};
pub use error::StateError;
pub use ledger::{
    Alert, Ask, By, Exceeded, Ledger, LimitScope, LimitStatus, LimitUnit, Refused, Reservation, Standing,
    UsageRow, usage,
};
use runs::Runs;

/// Everything that is stored, of one gateway. Opened once, before the first world.
#[derive(Debug, Default)]
pub struct Store {
    ledger: Ledger,
    cache: Cache,
    runs: Runs,
    database: Option<Database>,
}

impl Store {
    /// Opens what the configuration names; makes the file where there is none. Nothing is written down where nothing is
    /// said of it and no budget and no workflow needs it. Blocks for as long as reading the current month's charges takes.
    pub fn open(config: &Config) -> Result<Self, StateError> {
        let Some((path, synchronous)) = Self::file(config) else { return Ok(Self::default()) };
        Self::open_file(&path, synchronous, config)
    }

    fn open_file(path: &Path, synchronous: Synchronous, config: &Config) -> Result<Self, StateError> {
        let mut opening = Opening::open(path, synchronous, &[ledger::TABLES, runs::TABLES])?;
        let budgets = config.orchestrator().budgets().cloned().unwrap_or_default();
        let restored = ledger::Restored::read(&mut opening, &budgets)?;
        let database = opening.start()?;
        let ledger = Ledger::written_down(database.clone(), restored);
        let runs = Runs::written_down(database.clone());
        Ok(Self { ledger, cache: Cache::default(), runs, database: Some(database) })
    }

    /// The file that this configuration writes to; `None`: none.
    pub fn file(config: &Config) -> Option<(PathBuf, Synchronous)> {
        match config.state() {
            State::Memory => None,
            State::Sqlite(path, synchronous) => Some((path.clone(), *synchronous)),
            State::Unset => {
                let needed = config.orchestrator().budgets().is_some() || !config.workflows().is_empty();
                needed.then(|| (PathBuf::from(DEFAULT_STATE), Synchronous::default()))
            }
        }
    }

    /// The file, as messages have it; `None`: nothing is written down.
    pub fn path(&self) -> Option<&str> {
        self.database.as_ref().map(|database| &**database.path())
    }

    /// Kept answers. Always in memory.
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

/// A moment as people and programs read it: `2026-11-22T06:38:25Z`.
pub fn show_time(at: SystemTime) -> String {
    jiff::Timestamp::try_from(at).map_or_else(|_| "?".to_owned(), |at| at.to_string())
}
