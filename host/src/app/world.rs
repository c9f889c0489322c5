//! One world from one configuration: the path that boot takes, and every reload.

use std::path::Path;
use std::sync::Arc;

use jackfield_core::config::{Config, PluginSettings as Configured};
use jackfield_gateway::policy::RouterSlot;
use jackfield_gateway::world::{LiveTable, Load, World};
use jackfield_plugin_host::{CallLimits, Catalog, PluginEngine, PluginSettings};
use jackfield_provider::Registry;

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

/// Loads the plugins and puts a world together.
pub(super) async fn load(
    config: &Arc<Config>,
    providers: &Registry,
    engine: &PluginEngine,
    live: &Arc<LiveTable>,
    load: &Arc<Load>,
) -> (World, PluginReport) {
    let catalog = load_catalog(config, engine).await;
    let mut report = PluginReport::default();
    for refusal in &catalog.refusals {
        let file = refusal.path.display().to_string();
        tracing::warn!(target: "jackfield::plugin", file, reason = %refusal.reason, "refused a plugin file");
        report.refused.push((file, refusal.reason.clone()));
    }
    let names: Vec<String> = match config.orchestrator().routers() {
        Some(names) => names.to_vec(),
        None => catalog.plugins.iter().map(|plugin| plugin.name().to_owned()).collect(),
    };
    let mut slots = Vec::new();
    for name in names {
        let Some((plugin, router)) = catalog.get(&name).and_then(|plugin| Some((plugin, plugin.router()?)))
        else {
            let reason = "orchestrator.routers names it, and no such router is loaded";
            tracing::warn!(target: "jackfield::plugin", plugin = name, "{reason}");
            report.refused.push((name, reason.to_owned()));
            continue;
        };
        slots.push(RouterSlot { router, on_error: config.plugins().settings(&name).on_error });
        tracing::info!(
            target: "jackfield::plugin", plugin = name, digest = plugin.digest(), bytes = plugin.size(), "router loaded"
        );
        report.loaded.push(LoadedPlugin {
            name,
            version: plugin.about().map(|(_, version)| version.to_owned()),
            size: plugin.size(),
            digest: plugin.digest().to_owned(),
        });
    }
    let world = World::build(Arc::clone(config), slots, &|name| providers.get(name), live, load);
    (world, report)
}

/// Loads the configured plugin folder. A folder that is not there holds no plugins.
pub async fn load_catalog(config: &Config, engine: &PluginEngine) -> Catalog {
    let dir = config.plugins().dir();
    let settings = |name: &str| {
        let configured = config.plugins().settings(name);
        configured.enabled.then(|| plugin_settings(configured))
    };
    match Catalog::load_dir(engine, dir, &settings).await {
        Ok(catalog) => catalog,
        Err(error) => {
            let dir = shown(dir);
            tracing::warn!(target: "jackfield::plugin", dir, %error, "the plugin folder cannot be read: no plugins");
            Catalog::default()
        }
    }
}

/// One plugin's settings as the plugin room takes them.
pub fn plugin_settings(configured: &Configured) -> PluginSettings {
    let limits = configured.limits;
    // No section is an empty section: a plugin's own defaults then hold.
    let config = if configured.config.is_null() { "{}".to_owned() } else { configured.config.to_string() };
    PluginSettings {
        config,
        limits: CallLimits {
            cpu: limits.cpu,
            wall: limits.wall,
            memory: limits.memory,
            host_calls: u32::try_from(limits.host_calls).unwrap_or(u32::MAX),
        },
    }
}

fn shown(dir: &Path) -> String {
    std::path::absolute(dir).unwrap_or_else(|_| dir.to_owned()).display().to_string()
}
