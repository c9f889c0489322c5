//! The plugin engine that a configuration asks for: who compiles, and where what was compiled is kept.

use std::path::PathBuf;

use jackfield_core::config::{Config, PluginCache};
use jackfield_plugin_host::{Compiler, Concurrency, EngineError, PluginEngine, PrivateFolder};

/// An engine, and what its start was not able to do.
pub struct StartedEngine {
    /// The engine.
    pub engine: PluginEngine,
    /// Why nothing compiled is kept, when the configuration would have it kept.
    pub warning: Option<String>,
}

/// An engine that compiles in this process and keeps nothing: for the gateway as a library, and for tests.
pub fn start_engine(config: &Config) -> Result<PluginEngine, EngineError> {
    let plugins = config.plugins();
    PluginEngine::start(Concurrency {
        running: plugins.running(),
        queue: plugins.queue(),
        instances: plugins.instances(),
    })
}

/// An engine that has plugins compiled by a child process of this program, and keeps what was compiled where the
/// configuration says. A folder that cannot be trusted is told of and done without.
pub fn start_engine_with(config: &Config, program: PathBuf) -> Result<StartedEngine, EngineError> {
    let compiler = Compiler::Child { program };
    let engine = start_engine(config)?.compiling_with(compiler.clone());
    let kept = match config.plugins().cache() {
        PluginCache::Off => return Ok(StartedEngine { engine, warning: None }),
        PluginCache::Homeless => {
            Err("left out, and neither XDG_CACHE_HOME nor HOME is an absolute path".to_owned())
        }
        PluginCache::Folder(folder) => PrivateFolder::open(folder)
            .and_then(|private| engine.clone().keeping_in(compiler, private))
            .map_err(|refused| format!("{} {refused}", folder.display())),
    };
    Ok(match kept {
        Ok(engine) => StartedEngine { engine, warning: None },
        Err(why) => {
            let then = "no compiled plugin is kept, and a restart remembers no plugin";
            StartedEngine { engine, warning: Some(format!("plugins.cache: {why}: {then}")) }
        }
    })
}
