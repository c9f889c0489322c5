//! Requests of clients, counted when they are over.

use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::{Registry, Unit};

use crate::contract::FaultKind;

use super::histogram::Histogram;
use super::resolved::Resolved;

/// From a cached answer to the longest that a request may take by default.
const DURATION: &[f64] =
    &[0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0];
/// Our own share: tens of microseconds, and milliseconds with slow plugins.
const OVERHEAD: &[f64] =
    &[0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0];
const FIRST_TOKEN: &[f64] = &[0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 20.0, 30.0, 60.0];

/// How a request ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The whole answer is out.
    Answered,
    /// There was no answer.
    Failed,
    /// The answer broke off after its beginning was out.
    BrokenOff,
    /// The client left before the end.
    ClientLeft,
    /// It was a call of a run, and what it was made for is over.
    Cancelled,
    /// It was refused before it was understood.
    Refused,
}

/// A request that is over.
#[derive(Clone, Copy, Debug)]
pub struct ClosedRequest {
    /// How it ended.
    pub outcome: Outcome,
    /// What went wrong, if anything did.
    pub fault: Option<FaultKind>,
    /// All the time it took.
    pub total: Duration,
    /// Our own share of the time before its answer began.
    pub overhead: Option<Duration>,
    /// Until the first token was there.
    pub first_token: Option<Duration>,
}

/// Requests of clients.
#[derive(Debug)]
pub struct RequestMetrics {
    /// How many are under way; put in when somebody looks.
    pub in_flight: Gauge,
    total: Family<Labels, Counter>,
    answered: Counter,
    client_left: Counter,
    failed: Resolved,
    broken_off: Resolved,
    cancelled: Resolved,
    refused: Resolved,
    duration: Histogram,
    overhead: Histogram,
    first_token: Histogram,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Labels {
    outcome: &'static str,
    reason: &'static str,
}

impl Outcome {
    /// The word in logs and metrics.
    pub fn name(self) -> &'static str {
        match self {
            Self::Answered => "answered",
            Self::Failed => "failed",
            Self::BrokenOff => "broken_off",
            Self::ClientLeft => "client_left",
            Self::Cancelled => "cancelled",
            Self::Refused => "refused",
        }
    }
}

impl RequestMetrics {
    pub(super) fn register(registry: &mut Registry) -> Self {
        let total = Family::<Labels, Counter>::default();
        let plain =
            |outcome: Outcome| total.get_or_create_owned(&Labels { outcome: outcome.name(), reason: "none" });
        let metrics = Self {
            in_flight: Gauge::default(),
            answered: plain(Outcome::Answered),
            client_left: plain(Outcome::ClientLeft),
            failed: Resolved::default(),
            broken_off: Resolved::default(),
            cancelled: Resolved::default(),
            refused: Resolved::default(),
            duration: Histogram::new(DURATION),
            overhead: Histogram::new(OVERHEAD),
            first_token: Histogram::new(FIRST_TOKEN),
            total,
        };
        registry.register("requests", "Requests that are over, by how they ended", metrics.total.clone());
        registry.register("requests_in_flight", "Requests under way", metrics.in_flight.clone());
        for (name, help, histogram) in [
            ("request_duration", "All the time a request took", &metrics.duration),
            (
                "request_overhead",
                "The gateway's own share of the time until an answer began",
                &metrics.overhead,
            ),
            ("time_to_first_token", "Time until an answer's first token was there", &metrics.first_token),
        ] {
            registry.register_with_unit(name, help, Unit::Seconds, histogram.clone());
        }
        metrics
    }

    /// Counts a request that is over.
    pub fn closed(&self, request: &ClosedRequest) {
        match (request.outcome, request.fault) {
            (Outcome::Answered, _) => {
                self.answered.inc();
            }
            (Outcome::ClientLeft, _) => {
                self.client_left.inc();
            }
            (outcome, fault) => {
                let kind = fault.unwrap_or(FaultKind::Internal);
                let resolved = match outcome {
                    Outcome::Refused => &self.refused,
                    Outcome::BrokenOff => &self.broken_off,
                    Outcome::Cancelled => &self.cancelled,
                    _ => &self.failed,
                };
                resolved.inc(kind as usize, kind.reason(), |reason| {
                    self.total.get_or_create_owned(&Labels { outcome: outcome.name(), reason })
                });
            }
        }
        self.duration.observe(request.total);
        for (time, histogram) in
            [(request.overhead, &self.overhead), (request.first_token, &self.first_token)]
        {
            if let Some(time) = time {
                histogram.observe(time);
            }
        }
    }
}
