//! The world as a routing rule may see it.

use std::sync::Arc;
use std::time::Instant;

use jackfield_core::contract::{BudgetScope, Caller, Headroom, HostView, LiveState, LoadState, ModelInfo};

use jackfield_store::Store;

use super::Load;
use super::models::Models;

pub(super) struct WorldView {
    models: Arc<Models>,
    load: Arc<Load>,
    store: Arc<Store>,
}

impl WorldView {
    pub(super) fn new(models: Arc<Models>, load: Arc<Load>, store: Arc<Store>) -> Self {
        Self { models, load, store }
    }
}

impl HostView for WorldView {
    fn model_names(&self) -> Vec<String> {
        self.models.iter().map(|model| model.spec().name.clone()).collect()
    }

    fn model_info(&self, name: &str) -> Option<ModelInfo> {
        let model = self.models.get(name)?;
        let spec = model.spec();
        Some(ModelInfo {
            name: spec.name.clone(),
            provider: spec.provider.clone(),
            context_window: spec.context,
            max_output_tokens: spec.max_output,
            input_usd_per_mtok: spec.price.map(|price| price.input.usd_per_mtok()),
            output_usd_per_mtok: spec.price.map(|price| price.output.usd_per_mtok()),
            tags: spec.tags.clone(),
            capabilities: spec.capabilities.iter().map(|ability| ability.name().to_owned()).collect(),
        })
    }

    fn live(&self, name: &str) -> Option<LiveState> {
        Some(self.models.get(name)?.live().state())
    }

    fn load(&self) -> LoadState {
        LoadState { in_flight: self.load.in_flight(), cpu: self.load.cpu(Instant::now()) }
    }

    fn budget(&self, caller: &Caller, scope: BudgetScope) -> Option<Headroom> {
        self.store.ledger().headroom(caller, scope)
    }

    fn nearest_models(&self, name: &str) -> Vec<String> {
        self.models.nearest(name)
    }

    fn knows(&self, name: &str) -> bool {
        self.models.get(name).is_some()
    }
}
