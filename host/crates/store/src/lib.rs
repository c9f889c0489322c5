//! What outlives a request and a world: the ledger of what calls cost, the cache of answers, the runs of workflows.
//!
//! The only room that names SQLite and moka. Knows nothing of pipelines: whoever asks decides what is reserved, kept and
//! looked up.

/// Answers that are kept for identical requests.
pub mod cache;

pub use cache::Cache;

/// Everything that is stored, of one gateway. Opened once, before the first world.
#[derive(Debug, Default)]
pub struct Store {
    cache: Cache,
}

impl Store {
    /// Kept answers. Always in memory.
    pub fn cache(&self) -> &Cache {
        &self.cache
    }
}
