//! `orchestrator.router`: a small model rates how complex a prompt is, and the rating decides which model answers.
//! The block of the seed documents loads as it is.
//!
//! Checked: every model is there, the wait is short, what is kept of ratings is bounded.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::findings::Located;
use super::names::Names;
use super::pointer::Pointer;
use super::units::{Count, Period};

/// The longest wait for a rating: the client waits for it too.
const LONGEST: Period = Period::from_secs(60);
/// Ratings kept at most: each takes about a hundred bytes.
const MOST_ENTRIES: u64 = 100_000;

/// A model that rates prompts, and which model answers by its rating.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "DynamicRouter")]
pub(crate) struct RawDynamicRouter {
    /// The model that rates prompts: small, quick, and one that does not reason. It is asked about requests that
    /// name neither a task nor a model, which `default_model` then no longer gets.
    model: String,
    /// Which model answers, by what was rated.
    thresholds: RawThresholds,
    /// The rating of a prompt that could not be rated, in time or at all. `low` if nothing else is said: a rating
    /// model that is not well must not make every request a dear one.
    #[serde(default)]
    on_failure: Complexity,
    /// How long a rating may take: up to 60s, 2s if nothing else is said.
    timeout: Option<Period>,
    /// What is kept of ratings, in memory, by a digest of the prompt.
    #[serde(default)]
    cache: RawRatingCache,
}

/// Which model answers, by what was rated.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Thresholds")]
struct RawThresholds {
    /// By how complex the prompt is.
    complexity: RawComplexity,
}

/// Which model answers, by how complex the prompt is.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "ComplexityThresholds")]
struct RawComplexity {
    /// The model for complex prompts.
    high: String,
    /// The model for simple ones.
    low: String,
}

/// What is kept of ratings.
#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(rename = "RatingCache")]
struct RawRatingCache {
    /// For how long: 1h if nothing else is said. 0: nothing is kept.
    ttl: Option<Period>,
    /// How many, the oldest going first: up to 100k, 10k if nothing else is said.
    entries: Option<Count>,
}

/// How complex a prompt is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Complexity {
    /// It takes a strong model.
    High,
    /// A simple one will do.
    #[default]
    Low,
}

/// A model that rates prompts, and which model answers by its rating; checked.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct DynamicRouter {
    /// The model that rates.
    pub model: String,
    /// The model for complex prompts.
    pub high: String,
    /// The model for simple ones.
    pub low: String,
    /// What holds for a prompt that was not rated.
    pub on_failure: Complexity,
    /// How long a rating may take: above zero, at most a minute.
    pub timeout: Duration,
    /// For how long a rating is kept; zero: not at all.
    pub ttl: Duration,
    /// How many are kept; at least 1.
    pub entries: usize,
}

impl Complexity {
    /// The name used in configuration, trail and log.
    pub fn name(self) -> &'static str {
        match self {
            Self::High => "high",
            Self::Low => "low",
        }
    }
}

impl DynamicRouter {
    /// Checks the section; references to models go through `names`.
    pub(crate) fn check(
        raw: &RawDynamicRouter,
        at: &Pointer,
        names: &mut Names<'_>,
        found: &mut Located<'_>,
    ) -> Self {
        names.refer(&raw.model, &at.key("model"), found);
        let RawComplexity { high, low } = &raw.thresholds.complexity;
        let complexity = at.key("thresholds").key("complexity");
        names.refer(high, &complexity.key("high"), found);
        names.refer(low, &complexity.key("low"), found);
        let timeout = raw.timeout.map_or(Duration::from_secs(2), |timeout| {
            let at = at.key("timeout");
            if timeout > LONGEST {
                let path = found.path(&at);
                found.fault(&at, format!("`{path}` is {timeout}"), "use up to 60s: the client waits for it");
            }
            found.period(&at, timeout)
        });
        let entries = raw.cache.entries.map_or(10_000, |entries| {
            let at = at.key("cache").key("entries");
            if !(1..=MOST_ENTRIES).contains(&entries.get()) {
                let path = found.path(&at);
                found.fault(&at, format!("`{path}` is {entries}"), "use 1 to 100k; `ttl: 0` keeps nothing");
            }
            entries.as_usize()
        });
        Self {
            model: raw.model.clone(),
            high: high.clone(),
            low: low.clone(),
            on_failure: raw.on_failure,
            timeout,
            ttl: raw.cache.ttl.map_or(Duration::from_secs(3_600), Period::get),
            entries,
        }
    }

    /// The model that answers a prompt of this complexity.
    pub fn answers(&self, complexity: Complexity) -> &str {
        match complexity {
            Complexity::High => &self.high,
            Complexity::Low => &self.low,
        }
    }

    /// The section as it took effect.
    pub(crate) fn show(&self) -> Value {
        json!({
            "model": self.model,
            "thresholds": { "complexity": { "high": self.high, "low": self.low } },
            "on_failure": self.on_failure,
            "timeout": Period::from(self.timeout),
            "cache": { "ttl": Period::from(self.ttl), "entries": self.entries },
        })
    }
}
