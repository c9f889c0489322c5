//! Calls of models, the tokens they took and what they cost.
//!
//! A client may name any model of a well-known family, so only those that the configuration names have a label of
//! their own; all others of a provider share one.

use std::collections::BTreeMap;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, PoisonError};

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::Registry;

use crate::base::NanoUsd;
use crate::contract::{FaultKind, Usage};

use super::resolved::Resolved;

/// The label of models that the configuration does not name. No model can be called so by one: it has a space.
pub const OTHER_MODEL: &str = "any other";

const OK: &str = "ok";
const CLIENT_LEFT: &str = "client_left";
const OUTRUN: &str = "outrun";
const INPUT: &str = "input";
const OUTPUT: &str = "output";

/// Calls of models.
#[derive(Debug)]
pub struct UpstreamMetrics {
    families: Families,
    /// By provider and model.
    known: Mutex<BTreeMap<(String, String), Arc<UpstreamSeries>>>,
}

/// What is counted of one model at one provider.
#[derive(Debug)]
pub struct UpstreamSeries {
    provider: String,
    model: String,
    ok: Counter,
    left: Counter,
    outrun: Counter,
    faults: Resolved,
    input: Counter,
    output: Counter,
    cost: Cost,
    families: Families,
}

#[derive(Clone, Debug, Default)]
struct Families {
    calls: Family<Call, Counter>,
    tokens: Family<Tokens, Counter>,
    cost: Family<Model, Cost>,
}

/// Dollars, as scrapers want them. Exact sums are the ledger's.
type Cost = Counter<f64, AtomicU64>;

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Call {
    provider: String,
    model: String,
    outcome: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Tokens {
    provider: String,
    model: String,
    direction: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Model {
    provider: String,
    model: String,
}

impl UpstreamMetrics {
    pub(super) fn register(registry: &mut Registry) -> Self {
        let families = Families::default();
        let help = "Calls of a model: ok, client_left, outrun by a hedge's other call, run_ended, or what kind of fault";
        registry.register("upstream_calls", help, families.calls.clone());
        let help = "Tokens as providers counted them, estimated where they did not; input includes what they cached, \
                    output what was thought";
        registry.register("tokens", help, families.tokens.clone());
        let help = "What calls of a model cost in US dollars, where its price is known";
        registry.register("cost_usd", help, families.cost.clone());
        Self { families, known: Mutex::default() }
    }

    /// What is counted of this model. Look it up once a world. A name that comes from a client is
    /// [`OTHER_MODEL`] here.
    pub fn of(&self, provider: &str, model: &str) -> Arc<UpstreamSeries> {
        let key = (provider.to_owned(), model.to_owned());
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let series = known.entry(key).or_insert_with(|| Arc::new(self.families.series(provider, model)));
        Arc::clone(series)
    }

    /// Forgets what a new configuration no longer names, so that reloads do not fill memory. Calls that are still
    /// under way are counted where nobody looks.
    pub fn keep_only(&self, kept: impl Fn(&str, &str) -> bool) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let gone: Vec<Arc<UpstreamSeries>> = known
            .extract_if(.., |(provider, model), _| !kept(provider, model))
            .map(|(_, gone)| gone)
            .collect();
        for gone in gone {
            for outcome in gone.faults.reasons().chain([OK, CLIENT_LEFT, OUTRUN]) {
                self.families.calls.remove(&gone.call(outcome));
            }
            for direction in [INPUT, OUTPUT] {
                self.families.tokens.remove(&gone.tokens(direction));
            }
            self.families.cost.remove(&gone.named());
        }
    }
}

impl Families {
    fn series(&self, provider: &str, model: &str) -> UpstreamSeries {
        let (provider, model) = (provider.to_owned(), model.to_owned());
        let call = |outcome| {
            let call = Call { provider: provider.clone(), model: model.clone(), outcome };
            self.calls.get_or_create_owned(&call)
        };
        let tokens = |direction| {
            let (provider, model) = (provider.clone(), model.clone());
            self.tokens.get_or_create_owned(&Tokens { provider, model, direction })
        };
        let cost = Model { provider: provider.clone(), model: model.clone() };
        UpstreamSeries {
            ok: call(OK),
            left: call(CLIENT_LEFT),
            outrun: call(OUTRUN),
            faults: Resolved::default(),
            input: tokens(INPUT),
            output: tokens(OUTPUT),
            cost: self.cost.get_or_create_owned(&cost),
            families: self.clone(),
            provider,
            model,
        }
    }
}

impl UpstreamSeries {
    /// A call ended well.
    pub fn answered(&self) {
        self.ok.inc();
    }

    /// A call was given up because another one was quicker.
    pub fn outrun(&self) {
        self.outrun.inc();
    }

    /// A call was given up because the client left, or the gateway stopped waiting for it.
    pub fn left(&self) {
        self.left.inc();
    }

    /// A call failed.
    pub fn failed(&self, kind: FaultKind) {
        self.faults.inc(kind as usize, kind.reason(), |outcome| {
            self.families.calls.get_or_create_owned(&self.call(outcome))
        });
    }

    /// A call took so many tokens, and cost this, where that is known.
    pub fn used(&self, usage: &Usage, cost: Option<NanoUsd>) {
        self.input.inc_by(usage.input_tokens);
        self.output.inc_by(usage.output_tokens);
        if let Some(cost) = cost {
            self.cost.inc_by(cost.usd());
        }
    }

    fn named(&self) -> Model {
        Model { provider: self.provider.clone(), model: self.model.clone() }
    }

    fn tokens(&self, direction: &'static str) -> Tokens {
        Tokens { provider: self.provider.clone(), model: self.model.clone(), direction }
    }

    fn call(&self, outcome: &'static str) -> Call {
        Call { provider: self.provider.clone(), model: self.model.clone(), outcome }
    }
}
