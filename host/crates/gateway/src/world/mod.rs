//! The immutable picture one request sees from its first to its last step: configuration, routing
//! rules, models and providers. A reload builds a new one beside it; nothing in it changes.

mod live;
mod models;
mod view;

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use jackfield_core::config::Config;
use jackfield_core::contract::{HostView, Provider};

use crate::policy::{Policy, RouterSlot};

pub use live::{LiveCall, LiveTable};
pub use models::{Model, Models};

/// One generation of everything a request needs.
pub struct World {
    generation: u64,
    config: Arc<Config>,
    policy: Policy,
    models: Arc<Models>,
    view: Arc<dyn HostView>,
}

impl World {
    /// Puts a world together. `generation` counts worlds from 1; `provider` finds providers by name; `live`
    /// and `load` outlive worlds.
    pub fn build(
        generation: u64,
        config: Arc<Config>,
        routers: Vec<RouterSlot>,
        provider: &dyn Fn(&str) -> Option<Arc<dyn Provider>>,
        live: &Arc<LiveTable>,
        load: &Arc<Load>,
    ) -> Self {
        let models = Arc::new(Models::build(&config, provider, live));
        let view = Arc::new(view::WorldView::new(Arc::clone(&models), Arc::clone(load)));
        let policy = Policy::new(routers, &config);
        Self { generation, config, policy, models, view }
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

    /// The world as a routing rule may see it.
    pub fn view(&self) -> &Arc<dyn HostView> {
        &self.view
    }
}

/// How many requests are under way. Outlives worlds.
#[derive(Debug, Default)]
pub struct Load {
    in_flight: AtomicU32,
}

/// Counts one request for as long as it lives.
#[derive(Debug)]
pub struct LoadGuard(Arc<Load>);

impl Load {
    /// Counts a request in, unless that would make more than `limit`.
    pub fn enter(self: &Arc<Self>, limit: usize) -> Option<LoadGuard> {
        let limit = u32::try_from(limit).unwrap_or(u32::MAX);
        let add = |n: u32| (n < limit).then_some(n + 1);
        self.in_flight.fetch_update(Ordering::Relaxed, Ordering::Relaxed, add).ok()?;
        Some(LoadGuard(Arc::clone(self)))
    }

    /// Requests under way.
    pub fn in_flight(&self) -> u32 {
        self.in_flight.load(Ordering::Relaxed)
    }
}

impl Drop for LoadGuard {
    fn drop(&mut self) {
        self.0.in_flight.fetch_sub(1, Ordering::Relaxed);
    }
}
