//! The plugin folder as the gateway sees it. Immutable; every reload publishes a new one. What moves (calls,
//! faults, memory) is looked at through handles.

use std::sync::Arc;
use std::time::SystemTime;

use jackfield_core::config::{Instances, OnError};
use jackfield_gateway::policy::{Breaker, RouterStats};
use jackfield_plugin_host::{CallLimits, Plugin};

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
    /// What one call may cost.
    pub limits: CallLimits,
    /// The generation that is loaded, if one is.
    pub loaded: Option<LoadedGeneration>,
    /// Why the file as it is now is not what is loaded, if it is not.
    pub refused: Option<RefusedFile>,
}

/// What became of a plugin.
pub enum Standing {
    /// It is asked, unless its breaker is open.
    Serves(Arc<Breaker>),
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
    /// Whether its breaker is open at this moment.
    pub fn breaker_open(&self) -> bool {
        matches!(&self.standing, Standing::Serves(breaker) if breaker.is_open())
    }

    /// What became of it, in a word.
    pub fn state(&self) -> &'static str {
        match &self.standing {
            Standing::Serves(_) if self.breaker_open() => "breaker_open",
            Standing::Serves(_) => "serves",
            Standing::NotListed => "not_listed",
            Standing::Disabled => "disabled",
            Standing::Refused => "refused",
        }
    }
}

impl LoadedGeneration {
    /// The most memory that an instance of it held, in bytes.
    pub fn peak_memory(&self) -> usize {
        self.plugin.component_router().map_or(0, |router| router.peak_memory())
    }
}
