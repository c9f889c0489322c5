//! The plugin folder as the gateway sees it. Immutable; every reload publishes a new one. What moves (calls,
//! faults, memory) is looked at through handles.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::SystemTime;

use jackfield_core::config::{Grant, Instances, OnError, PluginLimits, Share};
use jackfield_core::telemetry::metrics::PluginSeries;
use jackfield_gateway::policy::{Breaker, RouterStats, ShadowTally};
use jackfield_plugin_host::Plugin;

/// Every plugin of the folder, by name.
#[derive(Default)]
pub struct Roster {
    /// In the order of their names.
    pub plugins: Vec<PluginStatus>,
}

/// One plugin of the folder.
pub struct PluginStatus {
    /// Its name: the file's, without the ending.
    pub name: String,
    /// What became of it.
    pub standing: Standing,
    /// What happens to a request when it fails.
    pub on_error: OnError,
    /// Whether each call gets an instance of its own.
    pub instances: Instances,
    /// What it may do beyond looking and deciding.
    pub grants: BTreeSet<Grant>,
    /// What one call may cost.
    pub limits: PluginLimits,
    /// The generation that is loaded, if one is.
    pub loaded: Option<LoadedGeneration>,
    /// A newer one that is on trial.
    pub canary: Option<LoadedCanary>,
    /// Why the file as it is now is not what is loaded, if it is not.
    pub refused: Option<RefusedFile>,
}

/// What became of a plugin.
pub enum Standing {
    /// It is asked, unless its breaker is open.
    Serves,
    /// It is asked and not obeyed, and this came of it.
    Shadow(Arc<ShadowTally>),
    /// It is loaded, and `orchestrator.routers` does not name it.
    NotListed,
    /// `enabled: false`.
    Disabled,
    /// Its file was refused, and no earlier generation is there.
    Refused,
}

/// A generation of a plugin.
pub struct LoadedGeneration {
    /// How many generations of this name had been loaded with it, from 1.
    pub number: u64,
    /// Since when it serves.
    pub since: SystemTime,
    /// The plugin itself.
    pub plugin: Plugin,
    /// What it did.
    pub stats: Arc<RouterStats>,
    /// What is counted under its name.
    pub series: Arc<PluginSeries>,
    /// Leaves it alone when it keeps failing.
    pub breaker: Arc<Breaker>,
}

/// A generation on trial.
pub struct LoadedCanary {
    /// The share of the requests that it gets.
    pub share: Share,
    /// The generation.
    pub loaded: LoadedGeneration,
}

/// A file that was refused.
pub struct RefusedFile {
    /// Why.
    pub reason: String,
    /// SHA-256 of its content, in hexadecimal, as far as it was read.
    pub digest: Option<String>,
}

impl Roster {
    /// The plugin of this name.
    pub fn get(&self, name: &str) -> Option<&PluginStatus> {
        self.plugins.iter().find(|plugin| plugin.name == name)
    }
}

impl PluginStatus {
    /// Whether its breaker opened, and no call went well since.
    pub fn breaker_open(&self) -> bool {
        self.loaded.as_ref().is_some_and(|loaded| loaded.breaker.has_opened())
    }

    /// What became of it, in a word.
    pub fn state(&self) -> &'static str {
        match &self.standing {
            Standing::Serves | Standing::Shadow(_) if self.breaker_open() => "breaker_open",
            Standing::Serves => "serves",
            Standing::Shadow(_) => "shadow",
            Standing::NotListed => "not_listed",
            Standing::Disabled => "disabled",
            Standing::Refused => "refused",
        }
    }
}
