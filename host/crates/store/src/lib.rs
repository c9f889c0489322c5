//! What outlives a request and a world: the ledger of what calls cost, the cache of answers, the runs of workflows.
//!
//! The only room that names SQLite and moka. Knows nothing of pipelines: whoever asks decides what is reserved, kept and
//! looked up.

mod error;
pub mod ledger;

pub use error::StateError;
pub use ledger::{Ask, Exceeded, Ledger, LimitScope, LimitUnit, Refused, Reservation, Standing};

/// Everything that is stored, of one gateway. Opened once, before the first world.
#[derive(Debug, Default)]
pub struct Store {
    ledger: Ledger,
}

impl Store {
    /// What calls cost, and what may be spent.
    pub fn ledger(&self) -> &Ledger {
        &self.ledger
    }
}
