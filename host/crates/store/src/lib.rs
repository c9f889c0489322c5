//! What outlives a request and a world: the ledger of what calls cost, the cache of answers, the runs of workflows.
//!
//! The only room that names SQLite and moka. Knows nothing of pipelines: whoever asks decides what is reserved, kept and
//! looked up.

/// Runs of workflows, and what their calls answered.
pub mod runs;

use runs::Runs;

/// Everything that is stored, of one gateway. Opened once, before the first world.
#[derive(Debug, Default)]
pub struct Store {
    runs: Runs,
}

impl Store {
    /// The runs of workflows.
    pub fn runs(&self) -> &Runs {
        &self.runs
    }
}
