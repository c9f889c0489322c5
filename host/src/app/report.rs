//! What became of the plugin folder, for whoever started the gateway.

use jackfield_core::config::Share;

/// What became of the plugin folder.
#[derive(Clone, Debug, Default)]
pub struct PluginReport {
    /// What serves, shadows included, in the order in which it is asked.
    pub loaded: Vec<LoadedPlugin>,
    /// What does not, and why.
    pub refused: Vec<(String, String)>,
}

/// A plugin that serves.
#[derive(Clone, Debug)]
pub struct LoadedPlugin {
    /// Its name.
    pub name: String,
    /// The version it gives itself.
    pub version: Option<String>,
    /// The component's size, in bytes.
    pub size: u64,
    /// SHA-256 of the file, in hexadecimal.
    pub digest: String,
    /// Whether it is only compared.
    pub shadow: bool,
    /// A newer generation of it that is on trial.
    pub canary: Option<LoadedCanary>,
}

/// A generation on trial.
#[derive(Clone, Debug)]
pub struct LoadedCanary {
    /// The version it gives itself.
    pub version: Option<String>,
    /// SHA-256 of its file, in hexadecimal; the same as the one it is to replace when only the settings are new.
    pub digest: String,
    /// The share of the requests that it gets.
    pub share: Share,
}
