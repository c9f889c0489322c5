//! What is known of one generation of one rule since it was loaded. The metrics go by the rule's name; these go by
//! the generation, so that a new one is seen for itself.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use jackfield_core::contract::{PluginFault, PluginFaultKind, Routing};
use jackfield_core::telemetry::metrics::PluginSeries;

use super::latency::Latencies;

/// More than there are kinds of fault. A kind beyond it would be missing here, and in the metrics all the same.
const KINDS: usize = 32;

/// What one generation of one rule did. Cheap to feed: atomic additions.
#[derive(Debug, Default)]
pub struct RouterStats {
    answered: AtomicU64,
    faults: [Faults; KINDS],
    latencies: Latencies,
}

#[derive(Debug, Default)]
struct Faults {
    count: AtomicU64,
    kind: std::sync::OnceLock<PluginFaultKind>,
}

impl RouterStats {
    /// A call ended so, after this time. A rule that was left alone was not called. Its metrics are told too.
    pub(super) fn asked(&self, series: &PluginSeries, answer: &Result<Routing, PluginFault>, took: Duration) {
        let Err(fault) = answer else {
            self.answered.fetch_add(1, Ordering::Relaxed);
            self.latencies.observe(took);
            series.answered(took);
            return;
        };
        if let Some(faults) = self.faults.get(fault.kind as usize) {
            faults.kind.get_or_init(|| fault.kind);
            faults.count.fetch_add(1, Ordering::Relaxed);
        }
        let called = (fault.kind != PluginFaultKind::BreakerOpen).then_some(took);
        if let Some(took) = called {
            self.latencies.observe(took);
        }
        series.failed(fault.kind, called);
    }

    /// Calls that came to an end, well or not; those of clients that left are not among them.
    pub fn calls(&self) -> u64 {
        let faults = self.faults().filter(|(kind, _)| *kind != PluginFaultKind::BreakerOpen);
        self.answered.load(Ordering::Relaxed) + faults.map(|(_, count)| count).sum::<u64>()
    }

    /// The faults that were met, and how often.
    pub fn faults(&self) -> impl Iterator<Item = (PluginFaultKind, u64)> {
        self.faults
            .iter()
            .filter_map(|faults| Some((*faults.kind.get()?, faults.count.load(Ordering::Relaxed))))
    }

    /// How long calls took.
    pub fn latencies(&self) -> &Latencies {
        &self.latencies
    }
}
