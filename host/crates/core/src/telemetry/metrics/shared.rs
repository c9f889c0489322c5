//! The server that hosts share limits and answers at: whether it is there, and what was done without it. Those with a label are there only
//! where something is shared.

use std::sync::atomic::{AtomicU64, Ordering};

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

/// The shared state.
#[derive(Debug)]
pub struct SharedMetrics {
    up: Family<Labels, Gauge>,
    failures: Family<Labels, Counter>,
    alone: Counter,
    waiting: Gauge,
    /// What was counted already: failures of limits and answers, calls alone.
    counted: [AtomicU64; 3],
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Labels {
    what: &'static str,
}

impl SharedMetrics {
    pub(super) fn register(registry: &mut Registry) -> Self {
        let metrics = Self {
            up: Family::default(),
            failures: Family::default(),
            alone: Counter::default(),
            waiting: Gauge::default(),
            counted: Default::default(),
        };
        registry.register(
            "shared_state_up",
            "Whether the server that hosts share is there, as far as is known",
            metrics.up.clone(),
        );
        registry.register(
            "shared_state_failures",
            "What the server that hosts share was asked in vain",
            metrics.failures.clone(),
        );
        registry.register(
            "shared_state_alone",
            "Calls of models that this host counted alone, because the server was gone",
            metrics.alone.clone(),
        );
        registry.register(
            "shared_state_waiting",
            "Messages about what was spent here that the server has not taken yet",
            metrics.waiting.clone(),
        );
        metrics
    }

    /// How things stand: whether limits and answers are shared now, how often each was asked for in vain and how many calls
    /// were counted alone since the process began, and how much the server has not been told.
    pub fn looked_at(&self, up: [bool; 2], failures: [u64; 2], alone: u64, waiting: u64) {
        let more = |at: usize, now: u64| {
            let before = self.counted.get(at).map_or(now, |before| before.fetch_max(now, Ordering::Relaxed));
            now.saturating_sub(before)
        };
        for (at, what) in ["limits", "answers"].into_iter().enumerate() {
            let labels = Labels { what };
            self.up.get_or_create(&labels).set(i64::from(up[at]));
            self.failures.get_or_create(&labels).inc_by(more(at, failures[at]));
        }
        self.alone.inc_by(more(2, alone));
        self.waiting.set(i64::try_from(waiting).unwrap_or(i64::MAX));
    }
}
