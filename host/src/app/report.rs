//! What became of the plugin folder, for whoever started the gateway.

/// What became of the plugin folder.
#[derive(Clone, Debug, Default)]
pub struct PluginReport {
    /// What serves, in the order in which it is asked.
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
}
