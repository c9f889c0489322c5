//! Kept answers: how requests fared with them, and what they take.

use std::sync::atomic::{AtomicU64, Ordering};

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::{Registry, Unit};

use crate::contract::CacheOutcome;

/// Kept answers.
#[derive(Debug)]
pub struct CacheMetrics {
    /// Answers that are kept; put in when somebody looks.
    pub entries: Gauge,
    /// What they take, in bytes; put in when somebody looks.
    pub bytes: Gauge,
    outcomes: [Counter; CacheOutcome::ALL.len()],
    evictions: Counter,
    /// Evictions that were counted already.
    evicted: AtomicU64,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Labels {
    outcome: &'static str,
}

impl CacheMetrics {
    pub(super) fn register(registry: &mut Registry) -> Self {
        let requests = Family::<Labels, Counter>::default();
        let outcomes = CacheOutcome::ALL
            .map(|outcome| requests.get_or_create_owned(&Labels { outcome: outcome.name() }));
        let metrics = Self {
            entries: Gauge::default(),
            bytes: Gauge::default(),
            outcomes,
            evictions: Counter::default(),
            evicted: AtomicU64::new(0),
        };
        registry.register(
            "cache_requests",
            "Requests that are over, by how they fared with the cache",
            requests,
        );
        registry.register("cache_entries", "Answers that are kept", metrics.entries.clone());
        registry.register_with_unit(
            "cache_size",
            "What kept answers take",
            Unit::Bytes,
            metrics.bytes.clone(),
        );
        registry.register(
            "cache_evictions",
            "Answers that left the cache for others, or were not taken because those in it are asked for more",
            metrics.evictions.clone(),
        );
        metrics
    }

    /// Counts a request.
    pub fn fared(&self, outcome: CacheOutcome) {
        if let Some(counter) = self.outcomes.get(outcome as usize) {
            counter.inc();
        }
    }

    /// What the cache holds now, and how many answers left it for want of room since the process began.
    pub fn holds(&self, entries: u64, bytes: u64, evicted: u64) {
        let gauge = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
        self.entries.set(gauge(entries));
        self.bytes.set(gauge(bytes));
        let before = self.evicted.fetch_max(evicted, Ordering::Relaxed);
        self.evictions.inc_by(evicted.saturating_sub(before));
    }
}
