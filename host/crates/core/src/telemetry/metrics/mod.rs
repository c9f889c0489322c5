//! What this process counts about itself, declared once: one struct, handed down from the composition root.
//!
//! Labels are few and never come from a client: outcomes and reasons are closed sets, plugins are files of the
//! folder, models those the configuration names. Whoever feeds a metric holds its handle already resolved, so
//! that a request costs atomic additions, no lock and no allocation. What is a state and not an event (queue
//! lengths, open breakers) is put in when somebody looks.

mod budgets;
mod cache;
mod histogram;
mod host;
mod plugins;
mod requests;
mod resolved;
mod shared;
mod upstream;
mod workflows;

use prometheus_client::encoding::text;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::Registry;

pub use budgets::{BudgetLabels, BudgetMetrics};
pub use cache::CacheMetrics;
pub use histogram::Histogram;
pub use host::{HostMetrics, ReloadChange};
pub use plugins::{Compared, PluginMetrics, PluginSeries};
pub use requests::{ClosedRequest, Outcome, RequestMetrics};
pub use shared::SharedMetrics;
pub use upstream::{OTHER_MODEL, UpstreamMetrics, UpstreamSeries};
pub use workflows::WorkflowMetrics;

/// The content type of [`Metrics::encode`].
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Everything that is counted.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    /// Requests of clients.
    pub requests: RequestMetrics,
    /// Calls of plugins, and what serves.
    pub plugins: PluginMetrics,
    /// Calls of models.
    pub upstream: UpstreamMetrics,
    /// What may be spent.
    pub budgets: BudgetMetrics,
    /// Kept answers.
    pub cache: CacheMetrics,
    /// What hosts share.
    pub shared: SharedMetrics,
    /// Worlds and what changes them.
    pub host: HostMetrics,
    /// Runs of workflows.
    pub workflows: WorkflowMetrics,
}

impl Default for Metrics {
    fn default() -> Self {
        let mut registry = Registry::with_prefix("jackfield");
        let version = Info::new([("version", env!("CARGO_PKG_VERSION"))]);
        registry.register("build", "The version that runs", version);
        let requests = RequestMetrics::register(&mut registry);
        let plugins = PluginMetrics::register(&mut registry);
        let upstream = UpstreamMetrics::register(&mut registry);
        let budgets = BudgetMetrics::register(&mut registry);
        let cache = CacheMetrics::register(&mut registry);
        let shared = SharedMetrics::register(&mut registry);
        let host = HostMetrics::register(&mut registry);
        let workflows = WorkflowMetrics::register(&mut registry);
        Self { registry, requests, plugins, upstream, budgets, cache, shared, host, workflows }
    }
}

impl Metrics {
    /// All of it as OpenMetrics text.
    pub fn encode(&self) -> String {
        let mut text = String::new();
        // Writing into a string does not fail.
        let _ = text::encode(&mut text, &self.registry);
        text
    }
}

#[cfg(test)]
mod tests;
