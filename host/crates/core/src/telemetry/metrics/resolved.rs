//! Counters that are looked up in their family once for each kind of fault, and found by its number from then on.

use std::sync::OnceLock;

use prometheus_client::metrics::counter::Counter;

/// More than there are kinds. A kind beyond it would be looked up every time, and counted all the same.
const KINDS: usize = 64;

/// One counter a kind.
#[derive(Debug)]
pub(super) struct Resolved([OnceLock<Found>; KINDS]);

#[derive(Debug)]
struct Found {
    reason: &'static str,
    counter: Counter,
}

impl Default for Resolved {
    fn default() -> Self {
        Self([const { OnceLock::new() }; KINDS])
    }
}

impl Resolved {
    /// Adds one to the counter of this kind. Kinds that share a reason share a counter, because `look_up` finds
    /// it by the reason.
    pub(super) fn inc(
        &self,
        kind: usize,
        reason: &'static str,
        look_up: impl FnOnce(&'static str) -> Counter,
    ) {
        match self.0.get(kind) {
            Some(slot) => {
                slot.get_or_init(|| Found { reason, counter: look_up(reason) }).counter.inc();
            }
            None => {
                look_up(reason).inc();
            }
        }
    }

    /// The reasons that were met.
    pub(super) fn reasons(&self) -> impl Iterator<Item = &'static str> {
        self.0.iter().filter_map(|slot| slot.get().map(|found| found.reason))
    }
}
