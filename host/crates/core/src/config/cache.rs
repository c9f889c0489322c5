//! `orchestrator.cache`: answers that are kept, so that the same request is not paid for twice. The block of the seed
//! documents loads as it is. Off unless it says `enabled: true`.
//!
//! Checked: what is kept is bounded in time and in bytes. Knows nothing of how a request is recognised.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::findings::Located;
use super::pointer::Pointer;
use super::units::{Period, Size};

/// The seed's own.
const DEFAULT_TTL: Duration = Duration::from_secs(3_600);
const DEFAULT_SIZE: u64 = 256 << 20;
/// What is written for answers that are to be the same each time; more asks for other ones.
const DEFAULT_TEMPERATURE: f64 = 0.3;
const MAX_TEMPERATURE: f64 = 2.0;
/// What servers of people's own take by default; the large providers take more.
const DEFAULT_BATCH: usize = 32;
/// What OpenAI takes.
const MAX_BATCH: u32 = 2_048;
/// About a tenth of what a call takes.
const DEFAULT_WAIT: Duration = Duration::from_millis(20);
const MAX_WAIT: Duration = Duration::from_secs(1);

/// Answers that are kept, for identical requests.
#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(rename = "Cache")]
pub(crate) struct RawCache {
    /// Whether answers are kept, and identical requests that are under way share one call. Such a call then goes on
    /// when its client leaves.
    enabled: bool,
    /// For how long an answer is kept: 1h if nothing else is said.
    ttl: Option<Period>,
    /// What all kept answers may take in memory: 256MiB if nothing else is said. One takes at most 8MiB.
    max_size: Option<Size>,
    /// Who shares answers: everybody, those of one project, or only the same user of the same project. `project` if
    /// nothing else is said.
    scope: CacheScope,
    /// The highest temperature, the client's or a route's, with which answers are kept: 0 to 2, 0.3 if nothing else is
    /// said. A request that says no temperature is kept.
    #[schemars(range(min = 0.0, max = 2.0))]
    max_temperature: Option<f64>,
    /// Whether answers to requests that offer tools are kept too.
    tools: bool,
    /// What holds for embeddings.
    embeddings: RawCachedEmbeddings,
}

/// How embeddings are kept and asked for.
#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(rename = "CachedEmbeddings")]
pub(crate) struct RawCachedEmbeddings {
    /// Whether the vector of each input is kept by itself, so that a request is asked for what is not known of it: yes if
    /// nothing else is said. If not, a whole answer is kept for the same inputs in the same order.
    per_input: Option<bool>,
    /// How many inputs go to the provider together when requests that are alike in all else are under way at once: 1 to 2048,
    /// 32 if nothing else is said. With 1, each request goes by itself.
    #[schemars(range(min = 1, max = 2048))]
    batch: Option<u32>,
    /// How long a request waits at most for a call that is under way, to go together with others then: 20ms if nothing else is
    /// said. Without a call under way nobody waits.
    wait: Option<Period>,
}

/// Who shares kept answers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum CacheScope {
    /// Everybody.
    Shared,
    /// The keys of one project; those without one share among themselves.
    #[default]
    Project,
    /// One user of one project.
    User,
}

/// Answers that are kept, checked.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct Cache {
    /// Whether anything is kept or shared at all.
    pub enabled: bool,
    /// For how long; above zero.
    pub ttl: Duration,
    /// What all answers together may take, in bytes; above zero.
    pub max_size: u64,
    /// Who shares them.
    pub scope: CacheScope,
    /// The highest temperature that a request may ask for explicitly; 0 to 2.
    pub max_temperature: f64,
    /// Whether requests that offer tools count.
    pub tools: bool,
    /// What holds for embeddings.
    pub embeddings: CachedEmbeddings,
}

/// How embeddings are kept and asked for, checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CachedEmbeddings {
    /// Whether the vector of each input is kept by itself.
    pub per_input: bool,
    /// Inputs that go together at most; 1: each request goes by itself.
    pub batch: usize,
    /// How long a request waits for a call under way; above zero, at most `MAX_WAIT`.
    pub wait: Duration,
}

impl Default for CachedEmbeddings {
    fn default() -> Self {
        Self { per_input: true, batch: DEFAULT_BATCH, wait: DEFAULT_WAIT }
    }
}

impl Default for Cache {
    fn default() -> Self {
        Self {
            enabled: false,
            ttl: DEFAULT_TTL,
            max_size: DEFAULT_SIZE,
            scope: CacheScope::default(),
            max_temperature: DEFAULT_TEMPERATURE,
            tools: false,
            embeddings: CachedEmbeddings::default(),
        }
    }
}

impl Cache {
    /// Checks the section.
    pub(crate) fn check(raw: &RawCache, at: &Pointer, found: &mut Located<'_>) -> Self {
        let defaults = Self::default();
        if let Some(size) = raw.max_size {
            found.size(&at.key("max_size"), size);
        }
        let max_temperature = raw.max_temperature.unwrap_or(defaults.max_temperature);
        Self {
            enabled: raw.enabled,
            ttl: raw.ttl.map_or(defaults.ttl, |ttl| found.period(&at.key("ttl"), ttl)),
            max_size: raw.max_size.map_or(defaults.max_size, Size::bytes),
            scope: raw.scope,
            // The schema refuses what is out of range; what it found is told already.
            max_temperature: max_temperature.clamp(0.0, MAX_TEMPERATURE),
            tools: raw.tools,
            embeddings: CachedEmbeddings::check(raw.embeddings, &at.key("embeddings"), found),
        }
    }

    /// The section as it took effect.
    pub(crate) fn show(&self) -> Value {
        json!({
            "enabled": self.enabled,
            "ttl": Period::from(self.ttl),
            "max_size": Size::from_bytes(self.max_size),
            "scope": self.scope,
            "max_temperature": self.max_temperature,
            "tools": self.tools,
            "embeddings": {
                "per_input": self.embeddings.per_input,
                "batch": self.embeddings.batch,
                "wait": Period::from(self.embeddings.wait),
            },
        })
    }
}

impl CachedEmbeddings {
    fn check(raw: RawCachedEmbeddings, at: &Pointer, found: &mut Located<'_>) -> Self {
        let defaults = Self::default();
        let at = at.key("wait");
        let wait = raw.wait.map_or(defaults.wait, |wait| found.period(&at, wait));
        if wait > MAX_WAIT {
            let message = format!("`{}` is longer than {}", found.path(&at), Period::from(MAX_WAIT));
            found.fault(&at, message, "write how long a request may wait to go together with others: `20ms`");
        }
        // The schema refuses what is out of range; what it found is told already.
        let batch = raw.batch.map_or(defaults.batch, |batch| batch.clamp(1, MAX_BATCH) as usize);
        Self { per_input: raw.per_input.unwrap_or(defaults.per_input), batch, wait: wait.min(MAX_WAIT) }
    }
}
