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

#[cfg(test)]
mod tests {
    use jackfield_core::base::RequestId;
    use jackfield_core::config::Config;
    use jackfield_store::Ask;

    use super::super::LiveTable;
    use super::*;

    #[test]
    fn a_budget_is_told_as_it_stands() {
        let text = "providers: { sim: { kind: simulated } }
models: { m: { provider: sim, price: { input: 1, output: 1 } } }
orchestrator: { default_model: m, budgets: { daily_limit_usd: 2, projects: { search: { daily_limit_usd: 1 } } } }";
        let config = Config::from_text("test", text, &|_| None).unwrap_or_else(|report| panic!("{report}"));
        let (config, live, metrics) = (Arc::new(config), Arc::<LiveTable>::default(), Arc::default());
        let store = Arc::<Store>::default();
        store.ledger().configure(config.orchestrator().budgets().unwrap());
        let models = Arc::new(Models::build(&config, &|_| None, &live, &metrics));
        let view = WorldView::new(models, Arc::default(), Arc::clone(&store));
        let search = Caller { project: Some("search".into()), ..Caller::default() };
        let left = |caller: &Caller, scope| {
            view.budget(caller, scope).map(|left| (left.remaining_usd, left.used_ratio))
        };
        assert_eq!(left(&search, BudgetScope::Project), Some((1.0, 0.0)));
        assert_eq!(left(&search, BudgetScope::User), None, "no limit");
        assert_eq!(left(&Caller::default(), BudgetScope::Project), None, "no project");
        let price = config.models().next().and_then(|model| model.price);
        let ask = Ask {
            request: RequestId::generate(),
            attempt: 1,
            caller: &search,
            run: None,
            task: None,
            model: "m",
            provider: "sim",
            simulated: true,
            price,
            input_tokens: 250_000,
            most_output: Some(250_000),
            streamed: false,
            hidden: false,
        };
        let held = store.ledger().reserve(ask).unwrap();
        let (project, everyone) = (left(&search, BudgetScope::Project), left(&search, BudgetScope::Global));
        assert!(project.is_some_and(|(usd, ratio)| usd < 0.75 && ratio > 0.25), "{project:?}");
        assert!(everyone.is_some_and(|(usd, ratio)| usd < 1.75 && ratio < 0.5), "{everyone:?}");
        held.release();
        assert_eq!(left(&search, BudgetScope::Project), Some((1.0, 0.0)));
    }
}
