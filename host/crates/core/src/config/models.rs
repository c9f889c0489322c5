//! `models:` the names people route to, and what is known about each model.

use std::collections::BTreeMap;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::families::family_of;
use super::findings::Located;
use super::names::Known;
use super::pointer::Pointer;
use super::suggest;
use super::units::{Count, Period};

/// One model.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Model")]
pub(crate) struct RawModel {
    /// The provider that serves it, from `providers:`.
    provider: String,
    /// What the provider calls it. Left out: the same name.
    id: Option<String>,
    /// Words that routing rules may look for.
    #[serde(default)]
    tags: Vec<String>,
    /// What it costs. Left out: not known.
    price: Option<RawPrice>,
    /// The longest conversation it takes, in tokens: `200k`.
    context: Option<Count>,
    /// The longest answer it gives, in tokens.
    max_output: Option<Count>,
    /// What it can do. Left out: not known.
    #[serde(default)]
    capabilities: Vec<Capability>,
    /// How long to wait for it. `total` is for all repeated calls together.
    #[serde(default)]
    timeouts: RawTimeouts,
    /// How often a call is repeated when the provider fails, is not there or is too slow, before the next candidate
    /// is tried; 0: never. A share of all requests bounds repeated calls as well.
    #[serde(default = "default_retries")]
    retries: Count,
    /// The longest wait before the first repeated call; it doubles with each further one, up to 5 s. The wait itself
    /// is any time up to that, at random.
    #[serde(default = "default_backoff")]
    backoff: Period,
    /// Whether a second call is made beside one that has not begun to answer when nineteen of twenty have. Left
    /// out: as `orchestrator.hedge` says.
    hedge: Option<bool>,
}

/// The retries of one candidate when nothing is said.
const DEFAULT_RETRIES: u32 = 2;

fn default_retries() -> Count {
    Count::new(u64::from(DEFAULT_RETRIES))
}

/// The most retries of one candidate.
const MOST_RETRIES: u32 = 10;

fn default_backoff() -> Period {
    Period::from_millis(100)
}

/// A price.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Price")]
struct RawPrice {
    /// US dollars for a million input tokens.
    #[schemars(range(min = 0.0, max = 1_000_000.0))]
    input: f64,
    /// US dollars for a million output tokens.
    #[schemars(range(min = 0.0, max = 1_000_000.0))]
    output: f64,
}

/// How long to wait for a model.
#[derive(Clone, Copy, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(rename = "Timeouts")]
struct RawTimeouts {
    /// Until the connection stands.
    connect: Period,
    /// Until the answer begins.
    first_byte: Period,
    /// Between two pieces of the answer.
    idle: Period,
    /// Until the answer is whole.
    total: Period,
}

impl Default for RawTimeouts {
    fn default() -> Self {
        Self {
            connect: Period::from_secs(5),
            first_byte: Period::from_secs(60),
            idle: Period::from_secs(60),
            total: Period::from_secs(600),
        }
    }
}

/// Something a model can do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Capability {
    /// It calls tools.
    Tools,
    /// It sees images.
    Vision,
    /// It keeps to a JSON schema.
    ResponseSchema,
    /// It thinks before it answers, and can be told how much.
    Reasoning,
}

impl Capability {
    /// The name in configuration and in the plugin contract.
    pub fn name(self) -> &'static str {
        match self {
            Self::Tools => "tools",
            Self::Vision => "vision",
            Self::ResponseSchema => "response_schema",
            Self::Reasoning => "reasoning",
        }
    }
}

/// A model's price in US dollars for a million tokens: finite and not negative.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Price {
    input: f64,
    output: f64,
}

impl Price {
    /// US dollars for a million input tokens.
    pub fn input_usd_per_mtok(self) -> f64 {
        self.input
    }

    /// US dollars for a million output tokens.
    pub fn output_usd_per_mtok(self) -> f64 {
        self.output
    }
}

/// How long to wait for a model; all above zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ModelTimeouts {
    /// Until the connection stands.
    pub connect: Duration,
    /// Until the answer begins.
    pub first_byte: Duration,
    /// Between two pieces of the answer.
    pub idle: Duration,
    /// Until the answer is whole.
    pub total: Duration,
}

impl Default for ModelTimeouts {
    fn default() -> Self {
        let RawTimeouts { connect, first_byte, idle, total } = RawTimeouts::default();
        Self { connect: connect.get(), first_byte: first_byte.get(), idle: idle.get(), total: total.get() }
    }
}

/// A name resolved to a provider's model, with what is known about it.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct ResolvedModel {
    /// The name people use.
    pub name: String,
    /// The provider's name; it is among `Config::providers`, perhaps disabled.
    pub provider: String,
    /// What the provider calls the model.
    pub id: String,
    /// Words that routing rules may look for.
    pub tags: Vec<String>,
    /// What it costs; `None`: not known.
    pub price: Option<Price>,
    /// The longest conversation it takes, in tokens; `None`: not known.
    pub context: Option<u64>,
    /// The longest answer it gives, in tokens; `None`: not known.
    pub max_output: Option<u64>,
    /// What it is known to do.
    pub capabilities: Vec<Capability>,
    /// How long to wait for it.
    pub timeouts: ModelTimeouts,
    /// How often a failed call is repeated, at most 10.
    pub retries: u32,
    /// The longest wait before the first repeated call; above zero.
    pub backoff: Duration,
    /// Whether slow calls get a second one beside them; `None`: as for all models.
    pub hedge: Option<bool>,
}

impl ResolvedModel {
    /// A well-known model: nothing but its name and provider is known.
    pub(crate) fn well_known(name: &str, provider: &str) -> Self {
        Self {
            name: name.to_owned(),
            provider: provider.to_owned(),
            id: name.to_owned(),
            tags: Vec::new(),
            price: None,
            context: None,
            max_output: None,
            capabilities: Vec::new(),
            timeouts: ModelTimeouts::default(),
            retries: DEFAULT_RETRIES,
            backoff: default_backoff().get(),
            hedge: None,
        }
    }

    /// Checks all declared models.
    pub(crate) fn check_all(
        raw: &BTreeMap<String, RawModel>,
        known: &Known,
        found: &mut Located<'_>,
    ) -> BTreeMap<String, Self> {
        let all = Pointer::root().key("models");
        raw.iter().map(|(name, raw)| (name.clone(), raw.check(name, &all.key(name), known, found))).collect()
    }

    /// The model as it took effect.
    pub(crate) fn show(&self) -> Value {
        let ModelTimeouts { connect, first_byte, idle, total } = self.timeouts;
        let mut shown = json!({
            "provider": self.provider,
            "id": self.id,
            "tags": self.tags,
            "capabilities": self.capabilities,
            "timeouts": {
                "connect": Period::from(connect), "first_byte": Period::from(first_byte),
                "idle": Period::from(idle), "total": Period::from(total),
            },
            "retries": self.retries,
            "backoff": Period::from(self.backoff),
        });
        if let Some(hedge) = self.hedge {
            shown["hedge"] = json!(hedge);
        }
        if let Some(price) = self.price {
            shown["price"] = json!({ "input": price.input, "output": price.output });
        }
        for (name, tokens) in [("context", self.context), ("max_output", self.max_output)] {
            if let Some(tokens) = tokens {
                shown[name] = json!(Count::new(tokens));
            }
        }
        shown
    }
}

impl RawModel {
    fn check(&self, name: &str, at: &Pointer, known: &Known, found: &mut Located<'_>) -> ResolvedModel {
        found.model_name(at, name);
        let id = self.id.as_deref().unwrap_or(name);
        if self.id.is_some() {
            found.model_id(&at.key("id"), id);
        }
        if !known.providers.contains_key(&self.provider) {
            let hint =
                suggest::undeclared(&self.provider, "providers", known.providers.keys().map(String::as_str));
            found.fault(&at.key("provider"), format!("there is no provider `{}`", self.provider), hint);
        }
        let real = [name, id].into_iter().find_map(|n| Some((n, family_of(n)?)));
        if let (Some((real, family)), Some(true)) = (real, known.providers.get(&self.provider)) {
            let message =
                format!("`{real}` is a model of {}, and `{}` only simulates", family.maker, self.provider);
            found.fault(
                &at.key("provider"),
                message,
                "use another name and id for a simulated model, or a real provider",
            );
        }
        let mut tokens =
            |what: &str, count: Option<Count>| count.map(|count| found.count(&at.key(what), count) as u64);
        let (context, max_output) = (tokens("context", self.context), tokens("max_output", self.max_output));
        for (index, tag) in self.tags.iter().enumerate() {
            found.name(&at.key("tags").index(index), "tag", tag);
        }
        let timeouts = at.key("timeouts");
        let retries = u32::try_from(self.retries.get()).unwrap_or(u32::MAX);
        if retries > MOST_RETRIES {
            let at = at.key("retries");
            found.fault(&at, format!("`{at}` is {}", self.retries), format!("use 0 to {MOST_RETRIES}"));
        }
        ResolvedModel {
            name: name.to_owned(),
            provider: self.provider.clone(),
            id: id.to_owned(),
            tags: self.tags.clone(),
            price: self.price.map(|RawPrice { input, output }| Price { input, output }),
            context,
            max_output,
            capabilities: self.capabilities.clone(),
            timeouts: ModelTimeouts {
                connect: found.period(&timeouts.key("connect"), self.timeouts.connect),
                first_byte: found.period(&timeouts.key("first_byte"), self.timeouts.first_byte),
                idle: found.period(&timeouts.key("idle"), self.timeouts.idle),
                total: found.period(&timeouts.key("total"), self.timeouts.total),
            },
            retries,
            backoff: found.period(&at.key("backoff"), self.backoff),
            hedge: self.hedge,
        }
    }
}
