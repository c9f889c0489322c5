//! What all parts of one run share: the world it began in, whose it is, where its answers are written down and its steps told.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use jackfield_core::contract::{Caller, RunScope};

use super::board::Board;
use super::journal::Journal;
use crate::world::World;

/// One run.
pub(super) struct Context {
    /// The world that it began in: all of it runs in this one.
    pub world: Arc<World>,
    /// Its id and budget, for the ledger.
    pub scope: Arc<RunScope>,
    /// In whose name its calls are made.
    pub caller: Caller,
    /// The headers that plugins may see.
    pub headers: http::HeaderMap,
    /// What its calls answered.
    pub journal: Journal,
    /// Where it is told.
    pub board: Arc<Board>,
    /// A step failed, and the run went on (`on_error: continue`).
    pub partial: AtomicBool,
}
