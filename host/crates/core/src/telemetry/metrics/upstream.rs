//! Calls of models and the tokens they took.
//!
//! A client may name any model of a well-known family, so only those that the configuration names have a label of
//! their own; all others of a provider share one.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::Registry;

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
    families: Families,
}

#[derive(Clone, Debug, Default)]
struct Families {
    calls: Family<Call, Counter>,
    tokens: Family<Tokens, Counter>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Call {
    provider: String,
    model: String,
    outcome: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Tokens {
    model: String,
    direction: &'static str,
}

impl UpstreamMetrics {
    pub(super) fn register(registry: &mut Registry) -> Self {
        let families = Families::default();
        let help = "Calls of a model: ok, client_left, outrun by a hedge's other call, or what kind of fault";
        registry.register("upstream_calls", help, families.calls.clone());
        let help =
            "Tokens as providers counted them; input includes what they cached, output what was thought";
        registry.register("tokens", help, families.tokens.clone());
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
            // Another provider may have a model of this name.
            if !known.keys().any(|(_, model)| *model == gone.model) {
                for direction in [INPUT, OUTPUT] {
                    self.families.tokens.remove(&Tokens { model: gone.model.clone(), direction });
                }
            }
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
        let tokens = |direction| self.tokens.get_or_create_owned(&Tokens { model: model.clone(), direction });
        UpstreamSeries {
            ok: call(OK),
            left: call(CLIENT_LEFT),
            outrun: call(OUTRUN),
            faults: Resolved::default(),
            input: tokens(INPUT),
            output: tokens(OUTPUT),
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

    /// A call took so many tokens.
    pub fn used(&self, usage: &Usage) {
        self.input.inc_by(usage.input_tokens);
        self.output.inc_by(usage.output_tokens);
    }

    fn call(&self, outcome: &'static str) -> Call {
        Call { provider: self.provider.clone(), model: self.model.clone(), outcome }
    }
}
