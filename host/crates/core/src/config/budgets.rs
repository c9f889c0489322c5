//! `orchestrator.budgets`: what may be spent, by whom, in which time, and who is told.
//!
//! The block of the seed documents loads as it is. All limits that apply to a call must hold. Checked: the time zone is
//! there, thresholds are shares, models exist; who names a project, user or key that no key has is warned.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use http::Uri;
use jiff::tz::TimeZone;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;
use serde_json::{Value, json};

use super::budget_limits::{ANY, Limits, NamedLimits, RawBudgetLimits};
use super::findings::Located;
use super::keys::Keys;
use super::models::ResolvedModel;
use super::names::Names;
use super::pointer::Pointer;
use super::suggest;
use super::units::{Count, Dollars, Share};

/// The share of a limit at which is told, if nothing else is said.
const THRESHOLD: u32 = 800_000;
/// Thresholds at most.
const MOST_THRESHOLDS: usize = 8;
/// Parts in all of it.
const WHOLE: u32 = 1_000_000;
/// Names with limits at most, of each kind.
const MOST_NAMES: usize = 4_096;

/// What may be spent.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(rename = "Budgets")]
pub(crate) struct RawBudgets {
    /// US dollars of everybody together, from one full hour to the next.
    hourly_limit_usd: Option<Dollars>,
    /// US dollars of everybody together, from midnight to midnight.
    daily_limit_usd: Option<Dollars>,
    /// US dollars of everybody together, from Monday to Monday.
    weekly_limit_usd: Option<Dollars>,
    /// US dollars of everybody together, from the first of a month to the next.
    monthly_limit_usd: Option<Dollars>,
    /// Tokens of everybody's prompts and answers, from one full hour to the next.
    hourly_limit_tokens: Option<Count>,
    /// Tokens of everybody's prompts and answers, from midnight to midnight: `20M`.
    daily_limit_tokens: Option<Count>,
    /// Tokens of everybody's prompts and answers, from Monday to Monday.
    weekly_limit_tokens: Option<Count>,
    /// Tokens of everybody's prompts and answers, from the first of a month to the next.
    monthly_limit_tokens: Option<Count>,
    /// The share of a limit at which is told that it is nearly used up, once in each window: `0.8`, or `[0.5, 0.8, 1]`.
    /// 0.8 if nothing else is said.
    alert_threshold: Option<RawThresholds>,
    /// What becomes of a request that a limit has not enough left for: `reject`, which nothing else said means, or
    /// `{ downgrade: MODEL }`.
    on_exceeded: Option<RawOnExceeded>,
    /// The time zone whose hours, days, weeks and months count: `UTC` if nothing else is said, `Europe/Berlin`.
    timezone: Option<String>,
    /// The limits of each project, by name; `*`: of every project without an entry, each for itself.
    projects: BTreeMap<String, RawBudgetLimits>,
    /// The limits of each user, by name, over all projects; `*`: of every user without an entry, each for itself.
    users: BTreeMap<String, RawBudgetLimits>,
    /// The limits of each key, by its `name`; `*`: of every key without an entry, each for itself.
    keys: BTreeMap<String, RawBudgetLimits>,
    /// The limits of each model, by name; `*`: of every model without an entry, each for itself.
    models: BTreeMap<String, RawBudgetLimits>,
    /// Who is told, besides the log.
    alerts: RawAlerts,
}

/// Who is told of limits that are nearly used up.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(rename = "Alerts")]
struct RawAlerts {
    /// An address that gets each alert as a POST of JSON, at least once.
    webhook: Option<String>,
}

/// A share, or a list of them.
#[derive(Clone, Debug, Deserialize)]
#[serde(transparent)]
struct RawThresholds(Value);

/// `reject`, or a model.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
enum RawOnExceeded {
    /// The request is refused.
    Word(String),
    /// Another model.
    Other(RawDowngrade),
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawDowngrade {
    downgrade: String,
}

/// Written by hand, so that a fault names what is wrong instead of a choice that does not fit.
impl JsonSchema for RawThresholds {
    fn schema_name() -> Cow<'static, str> {
        "AlertThreshold".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "A share of a limit, or a list of them: `0.8`, `80%`, `[0.5, 0.8, 1]`.",
            "type": ["number", "string", "array"],
            "minimum": 0,
            "maximum": 1,
            "items": { "type": ["number", "string"], "minimum": 0, "maximum": 1 },
        })
    }
}

impl JsonSchema for RawOnExceeded {
    fn schema_name() -> Cow<'static, str> {
        "OnExceeded".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "`reject`, or `{ downgrade: MODEL }`.",
            "type": ["string", "object"],
            "properties": {
                "downgrade": { "description": "The model that is asked instead.", "type": "string" },
            },
            "required": ["downgrade"],
            "additionalProperties": false,
        })
    }
}

/// What becomes of a request that a budget has not enough for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum OnExceeded {
    /// It is refused.
    #[default]
    Reject,
    /// This model is asked instead.
    Downgrade(Arc<str>),
}

/// Where alerts are sent. It may hold a secret, so it is shown as stars.
#[derive(Clone, PartialEq, Eq)]
pub struct Webhook(Arc<str>);

impl Webhook {
    /// The address itself: only to be asked, never to be told.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Webhook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// What may be spent, checked.
#[derive(Clone, Debug, PartialEq)]
pub struct Budgets {
    /// The time zone whose calendar has the windows.
    pub timezone: TimeZone,
    /// For everybody together.
    pub everyone: Limits,
    /// For each project.
    pub projects: NamedLimits,
    /// For each user.
    pub users: NamedLimits,
    /// For each key.
    pub keys: NamedLimits,
    /// For each model.
    pub models: NamedLimits,
    /// What happens when one of them is used up.
    pub on_exceeded: OnExceeded,
    /// The shares of a limit at which is told, in parts of a million, ascending.
    pub thresholds: Vec<u32>,
    /// Who is told, besides the log.
    pub webhook: Option<Webhook>,
}

impl Default for Budgets {
    /// No limits, in UTC.
    fn default() -> Self {
        Self {
            timezone: TimeZone::UTC,
            everyone: Limits::default(),
            projects: NamedLimits::default(),
            users: NamedLimits::default(),
            keys: NamedLimits::default(),
            models: NamedLimits::default(),
            on_exceeded: OnExceeded::Reject,
            thresholds: vec![THRESHOLD],
            webhook: None,
        }
    }
}

impl Budgets {
    /// Checks the section; references to models go through `names`.
    pub(crate) fn check(
        raw: &RawBudgets,
        at: &Pointer,
        keys: &Keys,
        names: &mut Names<'_>,
        found: &mut Located<'_>,
    ) -> Self {
        let mut named = |what: &str, raw: &BTreeMap<String, RawBudgetLimits>, found: &mut Located<'_>| {
            let at = at.key(what);
            if raw.len() > MOST_NAMES {
                let hint = format!("use up to {MOST_NAMES}; `*` has the limits of all others");
                found.fault(&at, format!("`{at}` has {} entries", raw.len()), hint);
            }
            let known: Option<BTreeSet<&str>> = match what {
                "projects" => Some(keys.callers().filter_map(|c| c.project.as_deref()).collect()),
                "users" => Some(keys.callers().filter_map(|c| c.user.as_deref()).collect()),
                "keys" => Some(keys.callers().filter_map(|c| c.key.as_deref()).collect()),
                _ => None,
            };
            let limits = raw.iter().map(|(name, limits)| {
                let at = at.key(name);
                match &known {
                    _ if name == ANY => {}
                    None => names.refer(name, &at, found),
                    Some(known) if known.contains(name.as_str()) => {}
                    Some(known) => {
                        let one = what.trim_end_matches('s');
                        let label = if one == "key" { "name" } else { one };
                        let hint = suggest::hint(name, "known", known.iter().copied());
                        let message =
                            format!("no entry of `keys` has the {label} `{name}`: this limits nobody");
                        found.warn(&at, message, hint);
                    }
                }
                (name.clone(), limits.check(&at, found))
            });
            NamedLimits(limits.collect())
        };
        let projects = named("projects", &raw.projects, found);
        let users = named("users", &raw.users, found);
        let of_keys = named("keys", &raw.keys, found);
        let models = named("models", &raw.models, found);
        Self {
            timezone: check_zone(raw.timezone.as_deref(), &at.key("timezone"), found),
            everyone: raw.everyone().check(at, found),
            projects,
            users,
            keys: of_keys,
            models,
            on_exceeded: check_on_exceeded(raw.on_exceeded.as_ref(), &at.key("on_exceeded"), names, found),
            thresholds: check_thresholds(raw.alert_threshold.as_ref(), &at.key("alert_threshold"), found),
            webhook: check_webhook(raw.alerts.webhook.as_deref(), &at.key("alerts").key("webhook"), found),
        }
    }

    /// Whether nothing is limited.
    pub fn is_empty(&self) -> bool {
        self.everyone.is_empty() && self.named().all(|named| named.0.values().all(Limits::is_empty))
    }

    /// Whether calls of this model count against a limit in dollars, whoever makes them.
    pub fn limits_usd(&self, model: &str) -> bool {
        let callers = [&self.projects, &self.users, &self.keys];
        self.everyone.limits_usd()
            || callers.iter().any(|named| named.0.values().any(Limits::limits_usd))
            || self.models.of(model).is_some_and(Limits::limits_usd)
    }

    fn named(&self) -> impl Iterator<Item = &NamedLimits> {
        [&self.projects, &self.users, &self.keys, &self.models].into_iter()
    }

    /// Warns of models that will be refused because nobody knows what they cost.
    pub(crate) fn warn_of_prices<'m>(
        &self,
        models: impl Iterator<Item = (&'m ResolvedModel, Pointer)>,
        found: &mut Located<'_>,
    ) {
        for (model, at) in models.filter(|(model, _)| model.price.is_none() && self.limits_usd(&model.name)) {
            let name = &model.name;
            let message =
                format!("`{name}` has no known price, and a limit in dollars refuses every call of it");
            let hint = format!("add `price: {{ input: .., output: .. }}` to `models.{name}`");
            found.warn(&at, message, hint);
        }
    }

    /// The section as it took effect.
    pub(crate) fn show(&self) -> Value {
        let mut shown = self.everyone.show();
        let thresholds: Vec<f64> = self.thresholds.iter().map(|t| f64::from(*t) / f64::from(WHOLE)).collect();
        shown.insert("alert_threshold".into(), json!(thresholds));
        let on_exceeded = match &self.on_exceeded {
            OnExceeded::Reject => json!("reject"),
            OnExceeded::Downgrade(model) => json!({ "downgrade": model }),
        };
        shown.insert("on_exceeded".into(), on_exceeded);
        shown.insert("timezone".into(), json!(self.timezone.iana_name().unwrap_or("UTC")));
        let names = ["projects", "users", "keys", "models"];
        for (name, limits) in names.iter().zip(self.named()).filter(|(_, limits)| !limits.0.is_empty()) {
            shown.insert((*name).into(), limits.show());
        }
        if self.webhook.is_some() {
            shown.insert("alerts".into(), json!({ "webhook": "***" }));
        }
        Value::Object(shown)
    }

    /// The same with these limits for everybody together: for tests of other rooms.
    #[must_use]
    pub fn with_everyone(mut self, limits: Limits) -> Self {
        self.everyone = limits;
        self
    }

    /// The same with these limits for a project, or for each that has none of its own (`*`): for tests of other rooms.
    #[must_use]
    pub fn with_project(mut self, name: &str, limits: Limits) -> Self {
        self.projects.0.insert(name.to_owned(), limits);
        self
    }
}

impl RawBudgets {
    /// The limits that stand in the section itself.
    fn everyone(&self) -> RawBudgetLimits {
        RawBudgetLimits {
            hourly_limit_usd: self.hourly_limit_usd.clone(),
            daily_limit_usd: self.daily_limit_usd.clone(),
            weekly_limit_usd: self.weekly_limit_usd.clone(),
            monthly_limit_usd: self.monthly_limit_usd.clone(),
            hourly_limit_tokens: self.hourly_limit_tokens,
            daily_limit_tokens: self.daily_limit_tokens,
            weekly_limit_tokens: self.weekly_limit_tokens,
            monthly_limit_tokens: self.monthly_limit_tokens,
        }
    }
}

fn check_zone(raw: Option<&str>, at: &Pointer, found: &mut Located<'_>) -> TimeZone {
    let Some(raw) = raw else { return TimeZone::UTC };
    let zone = TimeZone::get(raw).ok().filter(|zone| zone.iana_name().is_some());
    zone.unwrap_or_else(|| {
        let message = format!("there is no time zone `{}`", raw.escape_debug());
        found.fault(at, message, "write its name in the IANA database: `Europe/Berlin`, `UTC`");
        TimeZone::UTC
    })
}

fn check_on_exceeded(
    raw: Option<&RawOnExceeded>,
    at: &Pointer,
    names: &mut Names<'_>,
    found: &mut Located<'_>,
) -> OnExceeded {
    match raw {
        None => OnExceeded::Reject,
        Some(RawOnExceeded::Word(word)) if word == "reject" => OnExceeded::Reject,
        Some(RawOnExceeded::Word(word)) => {
            let message = format!("`on_exceeded` cannot be `{}`", word.escape_debug());
            found.fault(at, message, "write `reject`, or `{ downgrade: MODEL }`");
            OnExceeded::Reject
        }
        Some(RawOnExceeded::Other(other)) => {
            names.refer(&other.downgrade, &at.key("downgrade"), found);
            OnExceeded::Downgrade(other.downgrade.as_str().into())
        }
    }
}

fn check_thresholds(raw: Option<&RawThresholds>, at: &Pointer, found: &mut Located<'_>) -> Vec<u32> {
    let Some(RawThresholds(raw)) = raw else { return vec![THRESHOLD] };
    let mut all = Vec::new();
    match raw {
        Value::Array(list) => {
            if list.len() > MOST_THRESHOLDS {
                let hint = format!("use up to {MOST_THRESHOLDS}");
                found.fault(at, format!("`{at}` has {} thresholds", list.len()), hint);
            }
            for (index, one) in list.iter().enumerate() {
                all.extend(check_threshold(one, &at.index(index), found));
            }
        }
        one => all.extend(check_threshold(one, at, found)),
    }
    all.sort_unstable();
    all.dedup();
    all
}

fn check_threshold(raw: &Value, at: &Pointer, found: &mut Located<'_>) -> Option<u32> {
    let parts = match raw {
        Value::String(text) => text.parse::<Share>().ok().map(Share::millionths),
        // The schema let nothing through but 0 to 1.
        other => {
            other.as_f64().map(|share| (share * f64::from(WHOLE)).round() as u32).filter(|parts| *parts > 0)
        }
    };
    if parts.is_none() {
        let path = found.path(at);
        let hint = "write a share above 0, up to all of it: `0.8` or `80%`";
        found.fault(at, format!("`{path}` is no share of a limit"), hint);
    }
    parts
}

fn check_webhook(raw: Option<&str>, at: &Pointer, found: &mut Located<'_>) -> Option<Webhook> {
    let raw = raw?;
    let fits = raw.parse::<Uri>().is_ok_and(|uri| {
        matches!(uri.scheme_str(), Some("http" | "https")) && uri.host().is_some_and(|host| !host.is_empty())
    });
    if !fits {
        let path = found.path(at);
        found.fault(
            at,
            format!("`{path}` is not an address"),
            "write one that begins with http:// or https://",
        );
    }
    fits.then(|| Webhook(raw.into()))
}
