//! `plugins:` the folder of WebAssembly components, and what each may cost.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::expression::Expression;

use super::findings::Located;
use super::grants::Grant;
use super::orchestrator::Orchestrator;
use super::plugin_compile::{self, PluginCache};
use super::plugin_limits::{PluginLimits, RawLimits};
use super::pointer::Pointer;
use super::rollout::{RawRollback, Rollout};
use super::router_when;
use super::secrets;
use super::units::{Count, Period, Share};
use super::validators::{self, RawValidatorDefaults, StreamMode, ValidatorOnError};

/// The folder of WebAssembly plugins, and what each may cost.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(rename = "Plugins")]
pub(crate) struct RawPlugins {
    /// The folder whose `*.wasm` files are loaded. A relative path starts at the directory the gateway runs in.
    dir: String,
    /// Load what is added, changed or removed while the gateway runs, and the configuration file too.
    watch: bool,
    /// Look at the folder this often as well, for file systems that do not tell of changes (network mounts).
    poll: Option<Period>,
    /// What holds for every router that does not say otherwise.
    router_defaults: RawPolicy,
    /// What holds for every validator that does not say otherwise.
    validator_defaults: RawValidatorDefaults,
    /// What holds for one plugin, by its name.
    settings: BTreeMap<String, RawSettings>,
    /// How many plugin calls run at once.
    concurrency: RawConcurrency,
    /// The private folder (mode 0700) that keeps compiled plugins and each one's last good bytes, or `none`.
    /// Left out: `jackfield/plugins` in the user's folder of caches.
    cache: Option<String>,
}

impl Default for RawPlugins {
    fn default() -> Self {
        Self {
            dir: "plugins".into(),
            watch: true,
            poll: None,
            router_defaults: RawPolicy::default(),
            validator_defaults: RawValidatorDefaults::default(),
            settings: BTreeMap::new(),
            concurrency: RawConcurrency::default(),
            cache: None,
        }
    }
}

/// What happens to the request when a router fails.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum OnError {
    /// The next router decides, as if this one had abstained.
    #[default]
    Next,
    /// No further router is asked: the task's route or the default model decides.
    DefaultRoute,
    /// The request fails.
    Fail,
}

/// What a plugin's `on_error` may say: the words for routers and those for validators.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum RawOnError {
    /// A router: the next one decides.
    Next,
    /// A router: the task's route or the default model decides.
    DefaultRoute,
    /// The request fails.
    Fail,
    /// A validator: as if it had rejected the answer.
    Reject,
    /// A validator: as if it had accepted the answer.
    Accept,
}

impl RawOnError {
    fn of_router(self) -> Option<OnError> {
        match self {
            Self::Next => Some(OnError::Next),
            Self::DefaultRoute => Some(OnError::DefaultRoute),
            Self::Fail => Some(OnError::Fail),
            Self::Reject | Self::Accept => None,
        }
    }

    fn of_validator(self) -> Option<ValidatorOnError> {
        match self {
            Self::Reject => Some(ValidatorOnError::Reject),
            Self::Accept => Some(ValidatorOnError::Accept),
            Self::Fail => Some(ValidatorOnError::Fail),
            Self::Next | Self::DefaultRoute => None,
        }
    }
}

/// How long an instance of a plugin lives.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Instances {
    /// One call: nothing a call leaves behind can be seen by the next.
    #[default]
    Fresh,
    /// Many calls, one at a time, until one of them fails: for languages whose start costs more than a call.
    /// What the plugin keeps in memory is then shared between requests.
    Warm,
}

impl Instances {
    /// The word in configuration.
    pub fn name(self) -> &'static str {
        match self {
            Self::Fresh => "fresh",
            Self::Warm => "warm",
        }
    }
}

impl OnError {
    /// The word in configuration and logs.
    pub fn name(self) -> &'static str {
        match self {
            Self::Next => "next",
            Self::DefaultRoute => "default_route",
            Self::Fail => "fail",
        }
    }
}

/// What holds for every router that does not say otherwise.
#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(rename = "RouterDefaults")]
struct RawPolicy {
    /// What happens to the request when a router fails.
    on_error: OnError,
    /// Whether each call gets an instance of its own, or instances are used again.
    instances: Instances,
    /// What one call may cost. What is left out has the gateway's default.
    limits: RawLimits,
    /// For how long after a swap failures are held against it, 10m if nothing else is said. A canary that lives
    /// through it takes every request. 0: they never are.
    probation: Option<Period>,
    /// How many failures it takes until a router is left alone and, if it was swapped in of late, rolled back.
    rollback: RawRollback,
}

/// One plugin's settings.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "PluginSettings")]
struct RawSettings {
    /// Whether the plugin is used.
    #[serde(default = "yes")]
    enabled: bool,
    /// The only file that may serve under this name: its SHA-256, in 64 hexadecimal digits.
    sha256: Option<String>,
    /// Handed to the plugin as JSON when it is made; the gateway does not look inside.
    #[serde(default)]
    config: Value,
    /// What happens to the request when this plugin fails: for a router `next`, `default_route` or `fail`, for a validator
    /// `reject`, `accept` or `fail`, which must be written.
    on_error: Option<RawOnError>,
    /// A router is asked only where this holds: an expression over the request, as in `request.task == 'billing'` or
    /// `request.input_tokens > 4000 && !request.tools`. Left out: always. A step that names the router asks it anyway.
    when: Option<String>,
    /// Whether each call gets an instance of its own, or instances are used again.
    instances: Option<Instances>,
    /// What the plugin may do beyond looking and deciding: `llm` lets it ask models. A plugin that wants what is not
    /// written here is refused.
    #[serde(default)]
    grants: Vec<Grant>,
    /// What one call may cost. What is left out has the value of `router_defaults`, or of `validator_defaults`.
    #[serde(default)]
    limits: RawLimits,
    /// What a validator does with an answer that comes as a stream: `hold` it until it is judged as a whole, let it through
    /// a `window` of held-back text, or judge it `after` it was delivered. Left out: as `validator_defaults` say.
    stream: Option<StreamMode>,
    /// A new generation of the plugin gets this share of the requests until its probation is over. Left out: all.
    canary: Option<Share>,
    /// Ask the plugin about every request beside the others, compare what it says with what was done, and do nothing else.
    #[serde(default)]
    shadow: bool,
    /// For how long after a swap failures are held against it. Left out: as `router_defaults` say.
    probation: Option<Period>,
    /// How many failures it takes until the plugin is left alone and, if it was swapped in of late, rolled back.
    #[serde(default)]
    rollback: RawRollback,
}

/// Bounds on plugin calls over the whole gateway.
#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(rename = "Concurrency")]
struct RawConcurrency {
    /// How many calls run at once. Left out: twice the processors.
    running: Option<Count>,
    /// How many calls may wait for their turn; further ones fail at once. Left out: 64.
    queue: Option<Count>,
    /// How many instances may live at once: those that run, that wait, and that are kept ready. 1 to 1000; left
    /// out: 256.
    instances: Option<Count>,
}

/// One plugin's settings, defaults filled in.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct PluginSettings {
    /// Whether the plugin is used.
    pub enabled: bool,
    /// The SHA-256 its file must have, in lower-case hexadecimal digits.
    pub sha256: Option<String>,
    /// What the plugin is handed; `null` when nothing was written.
    pub config: Value,
    /// The condition under which it is asked as a router; `None`: always.
    pub when: Option<Expression>,
    /// What happens to the request when it fails as a router.
    pub on_error: OnError,
    /// What happens to the answer when it fails as a validator; `None` when it is used as none.
    pub validator_on_error: Option<ValidatorOnError>,
    /// What it does, as a validator, with an answer that comes as a stream.
    pub stream: StreamMode,
    /// Whether its instances are used again.
    pub instances: Instances,
    /// What it may do beyond looking and deciding.
    pub grants: BTreeSet<Grant>,
    /// What one call of it may cost.
    pub limits: PluginLimits,
    /// How a new generation of it comes in, and goes again.
    pub rollout: Rollout,
}

/// The plugin folder and its rules, checked.
#[derive(Clone, Debug, PartialEq)]
pub struct Plugins {
    dir: PathBuf,
    watch: bool,
    poll: Option<std::time::Duration>,
    defaults: PluginSettings,
    validator_defaults: PluginSettings,
    settings: BTreeMap<String, PluginSettings>,
    running: usize,
    queue: usize,
    instances: usize,
    cache: PluginCache,
}

impl Plugins {
    /// Checks the section. Needs to know which plugins are routers by name, and which are validators.
    pub(crate) fn check(
        raw: &RawPlugins,
        orchestrator: &Orchestrator,
        environment: &dyn Fn(&str) -> Option<String>,
        found: &mut Located<'_>,
    ) -> Self {
        let at = Pointer::root().key("plugins");
        if raw.dir.trim().is_empty() || raw.dir.contains('\0') {
            found.fault(
                &at.key("dir"),
                "`plugins.dir` names no folder",
                "write a path, as in `dir: plugins`",
            );
        }
        let defaults = &raw.router_defaults;
        let base = PluginLimits::default();
        let limits = defaults.limits.over(base, &at.key("router_defaults").key("limits"), found);
        let defaults = PluginSettings {
            enabled: true,
            sha256: None,
            config: Value::Null,
            when: None,
            on_error: defaults.on_error,
            validator_on_error: None,
            stream: StreamMode::Hold,
            instances: defaults.instances,
            grants: BTreeSet::new(),
            limits,
            rollout: Rollout::of_defaults(
                defaults.probation,
                defaults.rollback,
                &at.key("router_defaults"),
                found,
            ),
        };
        let validator_defaults = raw.validator_defaults.over(&defaults, &at.key("validator_defaults"), found);
        let checks = orchestrator.validator_plugins();
        let routers = orchestrator.routers().unwrap_or_default();
        let mut settings = BTreeMap::new();
        for (name, raw) in &raw.settings {
            let at = at.key("settings").key(name);
            found.name(&at, "plugin", name);
            let used = Used { router: routers.contains(name), validator: checks.get(&**name) };
            let over = if used.validator.is_some() { &validator_defaults } else { &defaults };
            settings.insert(name.clone(), raw.over(over, &used, &at, found));
        }
        for (name, mentioned) in &checks {
            if !settings.contains_key(*name) {
                no_on_error(name, mentioned, found);
            }
        }
        let of = |name: &str| settings.get(name).unwrap_or(&validator_defaults).stream;
        let written = |name: &str| match raw.settings.get(name) {
            Some(settings) if settings.stream.is_some() => at.key("settings").key(name).key("stream"),
            _ => at.key("validator_defaults").key("stream"),
        };
        validators::check_streams(orchestrator.validator_lists(), &of, &written, found);
        let poll = raw.poll.map(|period| found.period(&at.key("poll"), period));
        let cache = PluginCache::check(raw.cache.as_deref(), environment, &at.key("cache"), found);
        let at = at.key("concurrency");
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Self {
            dir: PathBuf::from(&raw.dir),
            watch: raw.watch,
            poll,
            defaults,
            validator_defaults,
            settings,
            running: raw.concurrency.running.map_or(2 * cores, |n| found.count(&at.key("running"), n)),
            queue: raw.concurrency.queue.map_or(64, Count::as_usize),
            instances: raw.concurrency.instances.map_or(256, |instances| {
                let at = at.key("instances");
                if !(1..=1_000).contains(&instances.get()) {
                    found.fault(&at, format!("`{at}` is {instances}"), "use 1 to 1000");
                }
                instances.as_usize()
            }),
            cache,
        }
    }

    /// Where what was compiled is kept.
    pub fn cache(&self) -> &PluginCache {
        &self.cache
    }

    /// The folder whose `*.wasm` files are loaded, as written: a relative path starts at the
    /// process's current directory, wherever the configuration file lies.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Whether changes of the folder and the configuration file take effect while the gateway runs.
    pub fn watch(&self) -> bool {
        self.watch
    }

    /// How often to look at the folder besides; above zero.
    pub fn poll(&self) -> Option<std::time::Duration> {
        self.poll
    }

    /// The settings of a plugin, whether or not the file mentions it.
    pub fn settings(&self, name: &str) -> &PluginSettings {
        self.settings.get(name).unwrap_or(&self.defaults)
    }

    /// The plugins the file has settings for, by name.
    pub fn named(&self) -> impl Iterator<Item = (&str, &PluginSettings)> {
        self.settings.iter().map(|(name, settings)| (name.as_str(), settings))
    }

    /// How many plugin calls run at once; at least 1.
    pub fn running(&self) -> usize {
        self.running
    }

    /// How many calls may wait for their turn.
    pub fn queue(&self) -> usize {
        self.queue
    }

    /// How many instances may live at once; 1 to 1000.
    pub fn instances(&self) -> usize {
        self.instances
    }

    /// The section as it took effect.
    pub(crate) fn show(&self) -> Value {
        let settings: Map<String, Value> =
            self.settings.iter().map(|(name, settings)| (name.clone(), settings.show())).collect();
        json!({
            "dir": self.dir,
            "watch": self.watch,
            "poll": self.poll.map(Period::from),
            "router_defaults": {
                "on_error": self.defaults.on_error,
                "instances": self.defaults.instances,
                "limits": self.defaults.limits.show(),
                "probation": Period::from(self.defaults.rollout.probation),
                "rollback": self.defaults.rollout.rollback.show(),
            },
            "validator_defaults": {
                "instances": self.validator_defaults.instances,
                "limits": self.validator_defaults.limits.show(),
                "stream": self.validator_defaults.stream,
            },
            "settings": settings,
            "concurrency": { "running": self.running, "queue": self.queue, "instances": self.instances },
            "cache": self.cache.show(),
        })
    }
}

impl PluginSettings {
    fn show(&self) -> Value {
        json!({
            "enabled": self.enabled,
            "sha256": self.sha256,
            "config": masked(&self.config),
            "when": self.when.as_ref().map(Expression::as_str),
            "on_error": self.validator_on_error.map_or_else(|| json!(self.on_error), |word| json!(word)),
            "stream": self.validator_on_error.map(|_| self.stream),
            "instances": self.instances,
            "grants": self.grants,
            "limits": self.limits.show(),
            "canary": self.rollout.canary,
            "shadow": self.rollout.shadow,
            "probation": Period::from(self.rollout.probation),
            "rollback": self.rollout.rollback.show(),
        })
    }
}

/// What a plugin is named as.
struct Used<'a> {
    router: bool,
    /// Where it is named as a validator.
    validator: Option<&'a Pointer>,
}

/// A plugin that is used as a validator does not say what its failure means.
fn no_on_error(name: &str, mentioned: &Pointer, found: &mut Located<'_>) {
    found.fault(
        mentioned,
        format!("nothing says what happens to an answer when the validator `{name}` fails"),
        format!("write `plugins.settings.{name}.on_error: reject`, or `accept`, or `fail`"),
    );
}

impl RawSettings {
    /// Checks the settings that mean something else, or nothing, for a plugin that is used in this way.
    fn check_use(&self, used: &Used<'_>, at: &Pointer, found: &mut Located<'_>) {
        let name = at.last().unwrap_or_default();
        match (self.on_error, used.validator) {
            (None, Some(mentioned)) => no_on_error(&name, mentioned, found),
            (Some(word), Some(_)) if word.of_validator().is_none() => found.fault(
                &at.key("on_error"),
                format!("`{name}` is used as a validator, and this word is for routers"),
                "use reject, accept or fail",
            ),
            (Some(word), Some(_)) if used.router && word.of_router().is_none() => found.fault(
                &at.key("on_error"),
                format!("`{name}` is used as a router too, and this word is for validators"),
                "use `fail`, or use it as one of the two",
            ),
            (Some(word), None) if word.of_router().is_none() => found.fault(
                &at.key("on_error"),
                format!("`{name}` is not used as a validator, and this word is for validators"),
                "use next, default_route or fail, or name it under `orchestrator.validators`",
            ),
            _ => {}
        }
        if self.stream.is_some() && used.validator.is_none() {
            found.fault(
                &at.key("stream"),
                format!("`{name}` is not used as a validator, and `stream` is for validators"),
                "remove it, or name it under `orchestrator.validators`",
            );
        }
        if used.validator.is_some() && !used.router {
            let keys =
                [("canary", self.canary.is_some()), ("shadow", self.shadow), ("when", self.when.is_some())];
            for (key, written) in keys {
                if written {
                    found.fault(
                        &at.key(key),
                        format!("`{name}` is used as a validator, and `{key}` is for routers"),
                        "remove it",
                    );
                }
            }
        }
    }

    fn over(
        &self,
        defaults: &PluginSettings,
        used: &Used<'_>,
        at: &Pointer,
        found: &mut Located<'_>,
    ) -> PluginSettings {
        self.check_use(used, at, found);
        let written = Rollout {
            canary: self.canary,
            shadow: self.shadow,
            probation: self.probation.map_or(defaults.rollout.probation, Period::get),
            rollback: self.rollback.over(defaults.rollout.rollback, &at.key("rollback"), found),
        };
        if self.shadow && self.on_error.is_some() {
            found.warn(
                &at.key("on_error"),
                "`on_error` means nothing while the plugin is a shadow: its failures touch no request",
                "remove it, or `shadow: true`",
            );
        }
        PluginSettings {
            enabled: self.enabled,
            sha256: self
                .sha256
                .as_ref()
                .map(|digest| plugin_compile::check_digest(digest, &at.key("sha256"), found)),
            config: self.config.clone(),
            when: self.when.as_ref().and_then(|text| router_when::check(text, &at.key("when"), found)),
            on_error: self.on_error.and_then(RawOnError::of_router).unwrap_or(defaults.on_error),
            validator_on_error: used.validator.and(self.on_error).and_then(RawOnError::of_validator),
            stream: self.stream.unwrap_or(defaults.stream),
            instances: self.instances.unwrap_or(defaults.instances),
            grants: self.grants.iter().copied().collect(),
            limits: self.limits.over(defaults.limits, &at.key("limits"), found),
            rollout: written.checked(at, found),
        }
    }
}

/// A plugin's own settings with stars for what their names call a secret.
fn masked(config: &Value) -> Value {
    match config {
        Value::Object(members) => members
            .iter()
            .map(|(name, value)| {
                let hide = secrets::is_telling(name) && !value.is_object() && !value.is_array();
                (name.clone(), if hide { json!("***") } else { masked(value) })
            })
            .collect(),
        Value::Array(items) => items.iter().map(masked).collect(),
        other => other.clone(),
    }
}

fn yes() -> bool {
    true
}
