//! The immutable picture one request sees from its first to its last step: configuration, routing
//! rules, models and providers. A reload builds a new one beside it; nothing in it changes.

mod batches;
mod consult;
mod flights;
mod live;
mod load;
mod models;
mod origins;
mod question;
mod ratings;
mod requests;
mod retry_budget;
mod view;

use std::sync::Arc;

use jackfield_core::config::Config;
use jackfield_core::contract::{HostView, Provider};
use jackfield_core::telemetry::metrics::Metrics;

use jackfield_store::Store;

use crate::policy::{Policy, Rules};
use crate::workflow::Runs;

use origins::Origins;

pub(crate) use batches::{Batches, Bounds, Guest, Share, Turn, Wanted};
pub use flights::Flights;
pub(crate) use flights::{Begun, Departure, Joined, Reader};
pub use live::{CallEnd, LiveCall, LiveTable};
pub use load::{CpuTimes, Load, LoadGuard};
pub use models::{Model, Models};
pub(crate) use question::{Question, Unanswered};
pub(crate) use ratings::{Rated, RatingKey, Ratings};
pub use requests::{AttemptOutcome, RequestRecord, Requests, StepRecord, UsageRecord};
pub(crate) use retry_budget::RetryBudget;

/// One generation of everything a request needs.
pub struct World {
    generation: u64,
    config: Arc<Config>,
    policy: Policy,
    models: Arc<Models>,
    view: Arc<dyn HostView>,
    live: Arc<LiveTable>,
    load: Arc<Load>,
    metrics: Arc<Metrics>,
    origins: Origins,
}

impl World {
    /// Puts a world together. `generation` counts worlds from 1; `provider` finds providers by name; `live`,
    /// `load` and `metrics` outlive worlds.
    pub fn build(
        generation: u64,
        config: Arc<Config>,
        rules: Rules,
        provider: &dyn Fn(&str) -> Option<Arc<dyn Provider>>,
        live: &Arc<LiveTable>,
        load: &Arc<Load>,
        metrics: &Arc<Metrics>,
    ) -> Self {
        live.ratings().configure(config.orchestrator().router());
        let limits = config.orchestrator().budgets().cloned().unwrap_or_default();
        live.store().ledger().configure(&limits);
        live.store().cache().configure(config.orchestrator().cache());
        let origins = Origins::of(&config);
        let models = Arc::new(Models::build(&config, provider, live, metrics));
        let view =
            Arc::new(view::WorldView::new(Arc::clone(&models), Arc::clone(load), Arc::clone(live.store())));
        let policy = Policy::new(rules, &config);
        let (live, load, metrics) = (Arc::clone(live), Arc::clone(load), Arc::clone(metrics));
        Self { generation, config, policy, models, view, live, load, metrics, origins }
    }

    /// Which world of this process it is; the first is 1.
    pub fn generation(&self) -> u64 {
        self.generation
    }

    /// The configuration.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// Who decides.
    pub fn policy(&self) -> &Policy {
        &self.policy
    }

    /// What can be called.
    pub fn models(&self) -> &Models {
        &self.models
    }

    /// What is counted.
    pub fn metrics(&self) -> &Arc<Metrics> {
        &self.metrics
    }

    /// The last requests, of this world and those before.
    pub fn requests(&self) -> &Arc<Requests> {
        self.live.requests()
    }

    /// What is stored: the ledger, the cache, the runs of workflows.
    pub fn store(&self) -> &Arc<Store> {
        self.live.store()
    }

    /// Calls that identical requests share; whoever stops serving ends them.
    pub fn flights(&self) -> &Arc<Flights> {
        self.live.flights()
    }

    /// Calls for embeddings that are put together.
    pub(crate) fn batches(&self) -> &Arc<Batches> {
        self.live.batches()
    }

    /// What each provider is.
    pub(crate) fn origins(&self) -> &Origins {
        &self.origins
    }

    /// The runs of workflows under way, of this world and those before.
    pub fn runs(&self) -> &Arc<Runs> {
        self.live.runs()
    }

    /// Requests under way.
    pub(crate) fn load(&self) -> &Arc<Load> {
        &self.load
    }

    /// What is known about the complexity of prompts.
    pub(crate) fn ratings(&self) -> &Ratings {
        self.live.ratings()
    }

    /// What repeated calls spend from, over all worlds.
    pub(crate) fn retry_budget(&self) -> &RetryBudget {
        self.live.retries()
    }

    /// The world as a routing rule may see it.
    pub fn view(&self) -> &Arc<dyn HostView> {
        &self.view
    }
}
