//! Worlds for commands that answer no requests: the same load path as `serve`, and nothing listens.

use std::sync::Arc;

use jackfield_core::config::Config;
use jackfield_gateway::policy::Rules;
use jackfield_gateway::world::{LiveTable, Load, World};
use jackfield_plugin_host::PluginEngine;
use jackfield_provider::Registry;

use super::keeper::Keeper;
use super::{App, BuildError, PluginReport};

/// The world that `serve` would begin with, and what became of the plugin folder. Nothing is written down of it.
pub async fn first_world(config: Config, engine: PluginEngine) -> Result<(World, PluginReport), BuildError> {
    let App { config, providers, engine, .. } = App::offline(config, engine)?;
    let mut keeper = Keeper::new(config, providers, engine, Arc::default());
    let world = keeper.first().await;
    Ok((world, PluginReport::clone(&keeper.report().load())))
}

/// A world with the configuration's models and no plugins: what a plugin that is tried by itself looks at.
pub fn world_without_plugins(config: Config) -> Result<World, BuildError> {
    let providers = Registry::build(&config)?;
    let (live, load, metrics) = (Arc::<LiveTable>::default(), Arc::<Load>::default(), Arc::default());
    let provider = |name: &str| providers.get(name);
    Ok(World::build(1, Arc::new(config), Rules::default(), &provider, &live, &load, &metrics))
}
