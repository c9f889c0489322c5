//! Runs of workflows, counted when they are over. Workflows are those that the configuration names, so labels are few.

use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::{Registry, Unit};

use super::histogram::Histogram;

/// From a run of one cached step to the longest of many.
const DURATION: &[f64] =
    &[0.01, 0.1, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1_800.0, 3_600.0];

/// Runs of workflows.
#[derive(Debug)]
pub struct WorkflowMetrics {
    /// How many are under way; put in when somebody looks.
    pub in_flight: Gauge,
    runs: Family<Labels, Counter>,
    steps: Family<Labels, Counter>,
    run_duration: Histogram,
    step_duration: Histogram,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Labels {
    workflow: String,
    outcome: &'static str,
}

impl WorkflowMetrics {
    pub(super) fn register(registry: &mut Registry) -> Self {
        let metrics = Self {
            in_flight: Gauge::default(),
            runs: Family::default(),
            steps: Family::default(),
            run_duration: Histogram::new(DURATION),
            step_duration: Histogram::new(DURATION),
        };
        registry.register(
            "workflow_runs",
            "Runs of workflows that are over, by how they ended",
            metrics.runs.clone(),
        );
        registry.register(
            "workflow_steps",
            "Steps of runs that are over, by how they ended",
            metrics.steps.clone(),
        );
        registry.register(
            "workflow_runs_in_flight",
            "Runs of workflows under way",
            metrics.in_flight.clone(),
        );
        for (name, help, histogram) in [
            ("workflow_run_duration", "All the time that a run took", &metrics.run_duration),
            ("workflow_step_duration", "All the time that a step took", &metrics.step_duration),
        ] {
            registry.register_with_unit(name, help, Unit::Seconds, histogram.clone());
        }
        metrics
    }

    /// Counts a run that is over. Takes a lock; a run is not a request.
    pub fn ran(&self, workflow: &str, outcome: &'static str, took: Duration) {
        self.runs.get_or_create(&Labels { workflow: workflow.to_owned(), outcome }).inc();
        self.run_duration.observe(took);
    }

    /// Counts a step that is over; one that was skipped or not come to took no time.
    pub fn stepped(&self, workflow: &str, outcome: &'static str, took: Option<Duration>) {
        self.steps.get_or_create(&Labels { workflow: workflow.to_owned(), outcome }).inc();
        if let Some(took) = took {
            self.step_duration.observe(took);
        }
    }
}
