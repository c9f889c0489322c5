//! `models:` the names people route to, and what is known about each model.

use std::collections::BTreeMap;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::catalogue::{Capability, Price, Vendor, alias};

use super::families::family_of;
use super::figures::{Figures, Origins, show_price};
use super::findings::Located;
use super::names::Known;
use super::pointer::Pointer;
use super::providers::Provider;
use super::suggest;
use super::units::{Count, Period, Usd};

/// One model.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Model")]
pub(crate) struct RawModel {
    /// The provider that serves it, from `providers:`.
    provider: String,
    /// What the provider calls it. Left out: the same name, or the id that the provider's API wants for it:
    /// `claude-3-opus-20240229` for `claude-3-opus`.
    id: Option<String>,
    /// Words that routing rules may look for.
    #[serde(default)]
    tags: Vec<String>,
    /// What it costs. This and the next three, left out: as the built-in catalogue knows it, if it does.
    price: Option<RawPrice>,
    /// The longest conversation it takes, in tokens: `200k`.
    context: Option<Count>,
    /// The longest answer it gives, in tokens.
    max_output: Option<Count>,
    /// What it can do. Left out: as the catalogue knows; an empty list: nothing of this. One whose list lacks `reasoning`
    /// is never told how much to think; one that has `response_schema` is asked for the JSON that a route wants.
    capabilities: Option<Vec<Capability>>,
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

/// A price, whole: nothing of it is taken from the catalogue.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Price")]
struct RawPrice {
    /// US dollars for a million input tokens.
    input: Usd,
    /// US dollars for a million output tokens.
    output: Usd,
    /// US dollars for a million input tokens that the provider reads from its cache. Left out: as `input`.
    cached_input: Option<Usd>,
    /// US dollars for a million input tokens that the provider writes to its cache. Left out: as `input`.
    cache_write: Option<Usd>,
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
    /// Where these four come from.
    pub origins: Origins,
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
    /// A well-known model: what is known is what the catalogue knows.
    pub(crate) fn well_known(name: &str, provider: &Provider) -> Self {
        let vendor = provider.vendor();
        let id = id_of(vendor, name);
        let (figures, origins) = Figures::default().fill(vendor, &id);
        Self {
            name: name.to_owned(),
            provider: provider.name().to_owned(),
            id,
            tags: Vec::new(),
            price: figures.price,
            context: figures.context,
            max_output: figures.max_output,
            capabilities: figures.capabilities.unwrap_or_default(),
            origins,
            timeouts: ModelTimeouts::default(),
            retries: DEFAULT_RETRIES,
            backoff: default_backoff().get(),
            hedge: None,
        }
    }

    /// Whether it says what it can do, and this is not in it.
    pub fn is_known_to_lack(&self, ability: Capability) -> bool {
        self.origins.capabilities.is_some() && !self.capabilities.contains(&ability)
    }

    /// Checks all declared models.
    pub(crate) fn check_all(
        raw: &BTreeMap<String, RawModel>,
        known: &Known,
        providers: &BTreeMap<String, Provider>,
        found: &mut Located<'_>,
    ) -> BTreeMap<String, Self> {
        let all = Pointer::root().key("models");
        let check = |(name, raw): (&String, &RawModel)| {
            let vendor = providers.get(&raw.provider).and_then(Provider::vendor);
            (name.clone(), raw.check(name, &all.key(name), known, vendor, found))
        };
        raw.iter().map(check).collect()
    }

    /// The model as it took effect.
    pub(crate) fn show(&self) -> Value {
        let ModelTimeouts { connect, first_byte, idle, total } = self.timeouts;
        let mut shown = json!({
            "provider": self.provider,
            "id": self.id,
            "tags": self.tags,
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
            shown["price"] = show_price(price);
        }
        if self.origins.capabilities.is_some() {
            shown["capabilities"] = json!(self.capabilities);
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
    fn check(
        &self,
        name: &str,
        at: &Pointer,
        known: &Known,
        vendor: Option<Vendor>,
        found: &mut Located<'_>,
    ) -> ResolvedModel {
        found.model_name(at, name);
        if let Some(id) = &self.id {
            found.model_id(&at.key("id"), id);
        }
        let id = self.id.clone().unwrap_or_else(|| id_of(vendor, name));
        if matches!(id.strip_prefix("models/"), Some("" | "." | "..")) {
            let hint = "write the model's own name behind `models/`";
            found.fault(&at.key("id"), format!("`{id}` names no model"), hint);
        }
        if !known.providers.contains_key(&self.provider) {
            let hint =
                suggest::undeclared(&self.provider, "providers", known.providers.keys().map(String::as_str));
            found.fault(&at.key("provider"), format!("there is no provider `{}`", self.provider), hint);
        }
        let real = [name, &id].into_iter().find_map(|n| Some((n, family_of(n)?)));
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
        let price = self.price.as_ref().map(|price| price.check(&at.key("price"), found));
        let written = Figures { price, context, max_output, capabilities: self.capabilities.clone() };
        let (figures, origins) = written.fill(vendor, &id);
        ResolvedModel {
            name: name.to_owned(),
            provider: self.provider.clone(),
            id,
            tags: self.tags.clone(),
            price: figures.price,
            context: figures.context,
            max_output: figures.max_output,
            capabilities: figures.capabilities.unwrap_or_default(),
            origins,
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

impl RawPrice {
    fn check(&self, at: &Pointer, found: &mut Located<'_>) -> Price {
        let mut usd = |name: &str, usd: &Usd| found.usd(&at.key(name), usd);
        Price {
            input: usd("input", &self.input),
            output: usd("output", &self.output),
            cached_input: self.cached_input.as_ref().map(|price| usd("cached_input", price)),
            cache_write: self.cache_write.as_ref().map(|price| usd("cache_write", price)),
        }
    }
}

/// What a vendor's API calls a model of this name, when nobody says.
fn id_of(vendor: Option<Vendor>, name: &str) -> String {
    vendor.and_then(|vendor| alias(vendor, name)).unwrap_or(name).to_owned()
}
