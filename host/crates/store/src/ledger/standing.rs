//! How the limits stand that the configuration names: for gauges and for people. Read under the ledger's lock, in memory.

use std::time::SystemTime;

use jackfield_core::config::Window;

use super::{Ledger, LimitScope, LimitUnit};

/// One limit, now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing {
    /// Whose.
    pub scope: LimitScope,
    /// In which window.
    pub window: Window,
    /// What is counted.
    pub unit: LimitUnit,
    /// The limit: nano-dollars or tokens.
    pub limit: u64,
    /// What is spent or reserved of it: more than the limit where estimates fell short.
    pub used: u64,
}

/// One limit of anybody who has one, now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LimitStatus {
    /// Whose.
    pub scope: LimitScope,
    /// In which window.
    pub window: Window,
    /// What is counted.
    pub unit: LimitUnit,
    /// The limit: nano-dollars or tokens.
    pub limit: u64,
    /// What is spent of it.
    pub spent: u64,
    /// What is held for calls under way.
    pub reserved: u64,
    /// What is left.
    pub left: u64,
    /// When the window ends.
    pub resets_at: SystemTime,
}

impl Ledger {
    /// Every limit of everybody who has one and was seen, those of `*` among them: at most as many as there are accounts,
    /// eight each.
    pub fn limits(&self) -> Vec<LimitStatus> {
        self.shared.accounts().limits()
    }

    /// Every limit that the configuration gives a name: those of `*` hold for anybody and are not among them.
    pub fn standing(&self) -> Vec<Standing> {
        self.shared.accounts().standing()
    }
}
