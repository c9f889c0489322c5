//! Calls of plugins, by plugin; and what of them serves.
//!
//! A canary's calls are told from those of what serves by a label. A plugin's series live as long as its file: one that leaves the folder takes its series along, so that a folder
//! in which names come and go does not fill memory. A canary's live as long as it is on trial.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::{Family, MetricConstructor};
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::{Registry, Unit};

use crate::contract::{PluginFaultKind, Usage};

use super::histogram::Histogram;
use super::resolved::Resolved;

/// From a call with warm memory to the longest that one may be allowed.
const DURATION: &[f64] = &[
    0.000025, 0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0,
    10.0, 60.0,
];

/// The outcome of a call that went well.
const OK: &str = "ok";

/// Calls of plugins, and what of them serves.
#[derive(Debug)]
pub struct PluginMetrics {
    /// Calls that wait for their turn; put in when somebody looks.
    pub queue_length: Gauge,
    /// Guests that run; put in when somebody looks.
    pub running: Gauge,
    /// Files that are refused at present.
    pub refusals: Gauge,
    families: Families,
    known: Mutex<BTreeMap<(String, bool), Arc<PluginSeries>>>,
}

/// What is counted of one plugin, whichever of its generations serves; and, apart from it, of its canary.
#[derive(Debug)]
pub struct PluginSeries {
    plugin: Plugin,
    ok: Counter,
    faults: Resolved,
    duration: Histogram,
    peak_memory: Gauge,
    generation: Gauge,
    breaker_open: Gauge,
    compared: OnceLock<[Counter; Compared::ALL.len()]>,
    llm: Mutex<Llm>,
    families: Families,
}

/// What came of asking a shadow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compared {
    /// It would have done what was done.
    Agreed,
    /// It would have done something else.
    Disagreed,
    /// It had no opinion.
    Abstained,
    /// It failed.
    Failed,
    /// It was not asked.
    Skipped,
}

/// What a plugin asked of models. Looked up as it comes: that is nothing beside a model's answer.
#[derive(Debug, Default)]
struct Llm {
    outcomes: BTreeMap<&'static str, Counter>,
    tokens: BTreeMap<&'static str, Counter>,
    /// The plugin is gone: what still comes is counted where nobody looks.
    gone: bool,
}

#[derive(Clone, Debug)]
struct Families {
    calls: Family<Call, Counter>,
    duration: Family<Plugin, Histogram, NewHistogram>,
    peak_memory: Family<Plugin, Gauge>,
    generation: Family<Plugin, Gauge>,
    breaker_open: Family<Plugin, Gauge>,
    shadow: Family<Shadow, Counter>,
    llm_calls: Family<Call, Counter>,
    llm_tokens: Family<Tokens, Counter>,
}

#[derive(Clone, Debug)]
struct NewHistogram;

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Plugin {
    plugin: String,
    canary: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Call {
    plugin: String,
    canary: bool,
    outcome: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Tokens {
    plugin: String,
    canary: bool,
    direction: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Shadow {
    plugin: String,
    outcome: &'static str,
}

impl Compared {
    const ALL: [Self; 5] = [Self::Agreed, Self::Disagreed, Self::Abstained, Self::Failed, Self::Skipped];

    fn name(self) -> &'static str {
        match self {
            Self::Agreed => "agreed",
            Self::Disagreed => "disagreed",
            Self::Abstained => "abstained",
            Self::Failed => "failed",
            Self::Skipped => "skipped",
        }
    }
}

impl MetricConstructor<Histogram> for NewHistogram {
    fn new_metric(&self) -> Histogram {
        Histogram::new(DURATION)
    }
}

impl PluginMetrics {
    pub(super) fn register(registry: &mut Registry) -> Self {
        let families = Families {
            calls: Family::default(),
            duration: Family::new_with_constructor(NewHistogram),
            peak_memory: Family::default(),
            generation: Family::default(),
            breaker_open: Family::default(),
            shadow: Family::default(),
            llm_calls: Family::default(),
            llm_tokens: Family::default(),
        };
        let metrics = Self {
            queue_length: Gauge::default(),
            running: Gauge::default(),
            refusals: Gauge::default(),
            families,
            known: Mutex::default(),
        };
        let Families {
            calls,
            duration,
            peak_memory,
            generation,
            breaker_open,
            shadow,
            llm_calls,
            llm_tokens,
        } = &metrics.families;
        registry.register("shadow", "What came of asking a shadow", shadow.clone());
        registry.register("plugin_calls", "Calls of a plugin: ok, or what kind of fault", calls.clone());
        let help = "Questions of a plugin to a model: answered, or what became of it";
        registry.register("plugin_llm_calls", help, llm_calls.clone());
        let help = "Tokens that a plugin's questions to models took; they are in those of the models too";
        registry.register("plugin_llm_tokens", help, llm_tokens.clone());
        registry.register_with_unit(
            "plugin_call_duration",
            "Time a call of a plugin took, its wait for a turn and for models included",
            Unit::Seconds,
            duration.clone(),
        );
        registry.register_with_unit(
            "plugin_peak_memory",
            "The most linear memory an instance of the generation that serves has held",
            Unit::Bytes,
            peak_memory.clone(),
        );
        for (name, help, family) in [
            ("plugin_generation", "Which of the plugin's generations serves, from 1", generation),
            ("plugin_breaker_open", "Whether the plugin is left alone because it kept failing", breaker_open),
        ] {
            registry.register(name, help, family.clone());
        }
        for (name, help, gauge) in [
            ("plugin_queue_length", "Calls of plugins that wait for their turn", &metrics.queue_length),
            ("plugin_running_guests", "Guests that run at this moment", &metrics.running),
            ("plugin_refusals", "Plugin files that are refused at present", &metrics.refusals),
        ] {
            registry.register(name, help, gauge.clone());
        }
        metrics
    }

    /// What is counted of the plugin of this name, or of its canary. Look it up once a world.
    pub fn of(&self, name: &str, canary: bool) -> Arc<PluginSeries> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (name.to_owned(), canary);
        if let Some(series) = known.get(&key) {
            return Arc::clone(series);
        }
        let plugin = Plugin { plugin: name.to_owned(), canary };
        let families = self.families.clone();
        let series = Arc::new(PluginSeries {
            ok: families.calls.get_or_create_owned(&plugin.call(OK)),
            faults: Resolved::default(),
            duration: families.duration.get_or_create_owned(&plugin),
            peak_memory: families.peak_memory.get_or_create_owned(&plugin),
            generation: families.generation.get_or_create_owned(&plugin),
            breaker_open: families.breaker_open.get_or_create_owned(&plugin),
            compared: OnceLock::new(),
            llm: Mutex::default(),
            plugin,
            families,
        });
        known.insert(key, Arc::clone(&series));
        series
    }

    /// The plugin is gone, or its canary. Calls that are still under way are counted where nobody looks.
    pub fn forget(&self, name: &str, canary: bool) {
        let key = (name.to_owned(), canary);
        let gone = self.known.lock().unwrap_or_else(PoisonError::into_inner).remove(&key);
        let Some(PluginSeries { plugin, faults, llm, .. }) = gone.as_deref() else { return };
        let Families {
            calls,
            duration,
            peak_memory,
            generation,
            breaker_open,
            shadow,
            llm_calls,
            llm_tokens,
        } = &self.families;
        let mut llm = llm.lock().unwrap_or_else(PoisonError::into_inner);
        llm.gone = true;
        for outcome in llm.outcomes.keys() {
            llm_calls.remove(&plugin.call(outcome));
        }
        for direction in llm.tokens.keys() {
            llm_tokens.remove(&plugin.tokens(direction));
        }
        drop(llm);
        for what in Compared::ALL.iter().filter(|_| !canary) {
            shadow.remove(&plugin.shadow(*what));
        }
        for outcome in faults.reasons().chain([OK]) {
            calls.remove(&plugin.call(outcome));
        }
        duration.remove(plugin);
        for family in [peak_memory, generation, breaker_open] {
            family.remove(plugin);
        }
    }
}

impl PluginSeries {
    /// A call went well.
    pub fn answered(&self, took: Duration) {
        self.ok.inc();
        self.duration.observe(took);
    }

    /// A call failed; `took` is `None` when none was made.
    pub fn failed(&self, kind: PluginFaultKind, took: Option<Duration>) {
        self.faults.inc(kind as usize, kind.reason(), |reason| {
            self.families.calls.get_or_create_owned(&self.plugin.call(reason))
        });
        if let Some(took) = took {
            self.duration.observe(took);
        }
    }

    /// It asked a model, and this came of it.
    pub fn asked_model(&self, outcome: &'static str, usage: Option<&Usage>) {
        let mut llm = self.llm.lock().unwrap_or_else(PoisonError::into_inner);
        let Llm { outcomes, tokens, gone } = &mut *llm;
        if *gone {
            return;
        }
        let (calls, families) = (&self.families.llm_calls, &self.families.llm_tokens);
        let counter =
            outcomes.entry(outcome).or_insert_with(|| calls.get_or_create_owned(&self.plugin.call(outcome)));
        counter.inc();
        for (direction, count) in usage
            .into_iter()
            .flat_map(|usage| [("input", usage.input_tokens), ("output", usage.output_tokens)])
        {
            let counter = tokens
                .entry(direction)
                .or_insert_with(|| families.get_or_create_owned(&self.plugin.tokens(direction)));
            counter.inc_by(count);
        }
    }

    /// It was asked as a shadow, and this came of it.
    pub fn compared(&self, what: Compared) {
        let counters = self.compared.get_or_init(|| {
            Compared::ALL.map(|what| self.families.shadow.get_or_create_owned(&self.plugin.shadow(what)))
        });
        if let Some(counter) = counters.get(what as usize) {
            counter.inc();
        }
    }

    /// Which of its generations serves now.
    pub fn serves(&self, generation: u64) {
        let generation = i64::try_from(generation).unwrap_or(i64::MAX);
        self.generation.set(generation);
    }

    /// What is to be seen of it at this moment: its peak memory in bytes, and whether its breaker is open.
    pub fn looked_at(&self, peak_memory: usize, breaker_open: bool) {
        let bytes = i64::try_from(peak_memory).unwrap_or(i64::MAX);
        self.peak_memory.set(bytes);
        self.breaker_open.set(i64::from(breaker_open));
    }
}

impl Plugin {
    fn call(&self, outcome: &'static str) -> Call {
        Call { plugin: self.plugin.clone(), canary: self.canary, outcome }
    }

    fn tokens(&self, direction: &'static str) -> Tokens {
        Tokens { plugin: self.plugin.clone(), canary: self.canary, direction }
    }

    fn shadow(&self, what: Compared) -> Shadow {
        Shadow { plugin: self.plugin.clone(), outcome: what.name() }
    }
}
