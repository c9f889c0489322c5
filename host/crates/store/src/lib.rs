//! What outlives a request and a world: the ledger of what calls cost, the cache of answers, the runs of workflows.
//!
//! The only room that names SQLite and moka. Knows nothing of pipelines: whoever asks decides what is reserved, kept and
//! looked up.

mod database;
mod error;
/// Runs of workflows, and what their calls answered.
pub mod runs;

use std::path::PathBuf;

use jackfield_core::config::{Config, DEFAULT_STATE, State, Synchronous};

use database::{Database, Opening};
pub use error::StateError;
use runs::Runs;

/// Everything that is stored, of one gateway. Opened once, before the first world.
#[derive(Debug, Default)]
pub struct Store {
    runs: Runs,
    database: Option<Database>,
}

impl Store {
    /// Opens what the configuration names; makes the file where there is none. Nothing is written down where nothing is
    /// said of it and no workflow needs it.
    pub fn open(config: &Config) -> Result<Self, StateError> {
        let Some((path, synchronous)) = Self::file(config) else { return Ok(Self::default()) };
        let database = Opening::open(&path, synchronous, &[runs::TABLES])?.start()?;
        Ok(Self { runs: Runs::written_down(database.clone()), database: Some(database) })
    }

    /// The file that this configuration writes to; `None`: none.
    pub fn file(config: &Config) -> Option<(PathBuf, Synchronous)> {
        match config.state() {
            State::Memory => None,
            State::Sqlite(path, synchronous) => Some((path.clone(), *synchronous)),
            State::Unset => {
                let needed = !config.workflows().is_empty();
                needed.then(|| (PathBuf::from(DEFAULT_STATE), Synchronous::default()))
            }
        }
    }

    /// The file, as messages have it; `None`: nothing is written down.
    pub fn path(&self) -> Option<&str> {
        self.database.as_ref().map(|database| &**database.path())
    }

    /// The runs of workflows.
    pub fn runs(&self) -> &Runs {
        &self.runs
    }
}
