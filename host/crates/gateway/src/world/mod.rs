//! The immutable picture one request sees from its first to its last step: configuration, routing
//! rules, models and providers. A reload builds a new one beside it; nothing in it changes.

mod live;
mod load;
mod models;
mod view;

use std::sync::Arc;

use jackfield_core::config::Config;
use jackfield_core::contract::{HostView, Provider};
use jackfield_core::telemetry::metrics::Metrics;

use crate::policy::{Policy, RouterSlot};

pub use live::{LiveCall, LiveTable};
pub use load::{CpuTimes, Load, LoadGuard};
pub use models::{Model, Models};

/// One generation of everything a request needs.
pub struct World {
    generation: u64,
    config: Arc<Config>,
    policy: Policy,
    models: Arc<Models>,
    view: Arc<dyn HostView>,
    metrics: Arc<Metrics>,
}

impl World {
    /// Puts a world together. `generation` counts worlds from 1; `provider` finds providers by name; `live`,
    /// `load` and `metrics` outlive worlds.
    pub fn build(
        generation: u64,
        config: Arc<Config>,
        routers: Vec<RouterSlot>,
        provider: &dyn Fn(&str) -> Option<Arc<dyn Provider>>,
        live: &Arc<LiveTable>,
        load: &Arc<Load>,
        metrics: &Arc<Metrics>,
    ) -> Self {
        let models = Arc::new(Models::build(&config, provider, live, metrics));
        let view = Arc::new(view::WorldView::new(Arc::clone(&models), Arc::clone(load)));
        let policy = Policy::new(routers, &config);
        Self { generation, config, policy, models, view, metrics: Arc::clone(metrics) }
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

    /// The world as a routing rule may see it.
    pub fn view(&self) -> &Arc<dyn HostView> {
        &self.view
    }
}
