//! What can be called, by the names people use.

use std::collections::BTreeMap;
use std::sync::Arc;

use jackfield_core::config::{Config, ResolvedModel};
use jackfield_core::contract::{Provider, Timeouts};
use jackfield_core::telemetry::metrics::{Metrics, OTHER_MODEL, UpstreamSeries};

use jackfield_store::Store;

use super::live::{Live, LiveCall, LiveTable};

/// A model that can be called.
#[derive(Clone)]
pub struct Model {
    spec: Arc<ResolvedModel>,
    provider: Arc<dyn Provider>,
    live: Arc<Live>,
    series: Arc<UpstreamSeries>,
    store: Arc<Store>,
    metrics: Arc<Metrics>,
    simulated: bool,
}

/// Every model of one configuration.
pub struct Models {
    config: Arc<Config>,
    providers: BTreeMap<String, Arc<dyn Provider>>,
    by_name: BTreeMap<String, Model>,
    live: Arc<LiveTable>,
    metrics: Arc<Metrics>,
    /// What is counted of each provider's models that the configuration does not name.
    others: BTreeMap<String, Arc<UpstreamSeries>>,
}

impl Model {
    /// Its name and what is known about it.
    pub fn spec(&self) -> &ResolvedModel {
        &self.spec
    }

    /// Who serves it.
    pub fn provider(&self) -> &Arc<dyn Provider> {
        &self.provider
    }

    /// How long to wait for what.
    pub fn timeouts(&self) -> Timeouts {
        let of = self.spec.timeouts;
        Timeouts { connect: of.connect, first_byte: of.first_byte, idle: of.idle }
    }

    /// Counts a call that begins now, for a whole or a streamed answer.
    pub fn begin(&self, streamed: bool) -> LiveCall {
        self.live.call(streamed, &self.series)
    }

    /// What is counted of it.
    pub(crate) fn series(&self) -> &Arc<UpstreamSeries> {
        &self.series
    }

    /// Where what it costs is written down.
    pub(crate) fn store(&self) -> &Store {
        &self.store
    }

    /// What is counted of everything.
    pub(crate) fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    /// Whether nobody is called really.
    pub(crate) fn is_simulated(&self) -> bool {
        self.simulated
    }

    pub(crate) fn live(&self) -> &Live {
        &self.live
    }
}

impl Models {
    pub(super) fn build(
        config: &Arc<Config>,
        provider: &dyn Fn(&str) -> Option<Arc<dyn Provider>>,
        live: &Arc<LiveTable>,
        metrics: &Arc<Metrics>,
    ) -> Self {
        let providers: BTreeMap<String, Arc<dyn Provider>> =
            config.providers().keys().filter_map(|name| Some((name.clone(), provider(name)?))).collect();
        let store = Arc::clone(live.store());
        let by_name = config
            .models()
            .filter_map(|spec| {
                let provider = Arc::clone(providers.get(&spec.provider)?);
                let live = live.of(&spec.provider, &spec.name);
                let series = metrics.upstream.of(&spec.provider, &spec.name);
                let simulated = config.providers().get(&spec.provider).is_some_and(|p| p.is_simulated());
                let name = spec.name.clone();
                let (spec, store, metrics) = (Arc::clone(spec), Arc::clone(&store), Arc::clone(metrics));
                Some((name, Model { spec, provider, live, series, store, metrics, simulated }))
            })
            .collect();
        // A simulated provider answers for no model that is not declared.
        let others = config.providers().iter().filter(|(_, provider)| !provider.is_simulated());
        let others = others.map(|(name, _)| (name.clone(), metrics.upstream.of(name, OTHER_MODEL))).collect();
        let (config, live, metrics) = (Arc::clone(config), Arc::clone(live), Arc::clone(metrics));
        Self { config, providers, by_name, live, metrics, others }
    }

    /// The model of this name: declared, referred to, or well known with a provider that has its key.
    pub fn get(&self, name: &str) -> Option<Model> {
        if let Some(model) = self.by_name.get(name) {
            return Some(model.clone());
        }
        let spec = self.config.resolve(name)?;
        let provider = Arc::clone(self.providers.get(&spec.provider)?);
        let live = self.live.of(&spec.provider, name);
        let series = Arc::clone(self.others.get(&spec.provider)?);
        // A simulated provider answers for no model that is not declared.
        let (store, metrics) = (Arc::clone(self.live.store()), Arc::clone(&self.metrics));
        Some(Model { spec, provider, live, series, store, metrics, simulated: false })
    }

    /// Whether anything of this provider and model is counted in this world.
    pub fn counts(&self, provider: &str, model: &str) -> bool {
        (model == OTHER_MODEL && self.others.contains_key(provider))
            || self.by_name.get(model).is_some_and(|model| model.spec.provider == provider)
    }

    /// The declared and referred-to models, by name.
    pub fn iter(&self) -> impl Iterator<Item = &Model> {
        self.by_name.values()
    }

    /// The names most like this one, best first, at most three.
    pub fn nearest(&self, name: &str) -> Vec<String> {
        self.config.nearest(name).into_iter().map(str::to_owned).collect()
    }
}
