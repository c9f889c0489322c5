//! The composition root: builds the house from a configuration, serves it, and stops in two stages.
//!
//! Build, then spawn: `App::build` starts nothing; `App::bind` loads the plugins and listens;
//! `Bound::serve` serves, and reloads what changes, until told to stop. Boot is the first load of a world:
//! there is one path.

mod alerts;
mod cpu;
mod engine;
mod generations;
mod keeper;
mod numbering;
mod offline;
mod report;
mod roster;
mod validators;
mod watch;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use arc_swap::ArcSwap;
use tokio::sync::{mpsc, oneshot, watch as flag};

use jackfield_core::base::{Drain, Signal};
use jackfield_core::config::Config;
use jackfield_gateway::policy::ShadowTasks;
use jackfield_gateway::world::{Load, World};
use jackfield_plugin_host::{EngineError, PluginEngine};
use jackfield_provider::{Registry, RegistryError};
use jackfield_store::{StateError, Store};

use crate::admin::{self, Admin, Command};
use crate::http::{self, Api, Server, ServerOptions};

pub use engine::{StartedEngine, start_engine, start_engine_with};
pub use jackfield_gateway::world::Requests;
use keeper::Keeper;
pub use keeper::{load_catalog, plugin_settings};
pub use offline::{first_world, world_without_plugins};
pub use report::{LoadedCanary, LoadedPlugin, PluginReport};
pub use validators::unfit_validator;

/// The house could not be built.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// A provider.
    #[error(transparent)]
    Provider(#[from] RegistryError),
    /// The plugin engine.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// What is written down.
    #[error(transparent)]
    State(#[from] StateError),
}

/// The house could not be opened.
#[derive(Debug, thiserror::Error)]
#[error("listen on {address} ({key}): {error}")]
pub struct BindError {
    /// What in the configuration says where to listen.
    pub key: &'static str,
    /// Where.
    pub address: SocketAddr,
    /// Why not.
    pub error: std::io::Error,
}

/// How long other hosts are told what was spent here once the API is done.
const SHARED_FAREWELL: Duration = Duration::from_secs(2);
/// How long an answer of the admin port may take to go out once the API is done.
const ADMIN_FAREWELL: Duration = Duration::from_secs(1);

/// A house that is built and not yet open.
pub struct App {
    config: Arc<Config>,
    providers: Registry,
    engine: PluginEngine,
    store: Arc<Store>,
}

/// A house that listens.
pub struct Bound {
    server: Server,
    config: Arc<Config>,
    plugins: Arc<ArcSwap<PluginReport>>,
    shadows: Arc<ShadowTasks>,
    keeper: Keeper,
    commands: mpsc::Receiver<Command>,
    admin: Option<Server>,
    world: Arc<ArcSwap<World>>,
    drain: Drain,
    signal: Signal,
    /// Ends what is still open when the drain's time is up.
    cut: flag::Sender<bool>,
}

/// How a house stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stopped {
    /// Every open request finished.
    Drained,
    /// The drain's time was up; so many connections were cut.
    Cut(usize),
}

impl App {
    /// Builds everything that can be built without starting anything but the plugin engine's clock. Plugins are
    /// compiled in this process, and nothing about them outlives it.
    pub fn build(config: Config) -> Result<Self, BuildError> {
        let engine = start_engine(&config)?;
        Self::with_engine(config, engine)
    }

    /// Builds everything around this plugin engine, and opens what is written down.
    pub fn with_engine(config: Config, engine: PluginEngine) -> Result<Self, BuildError> {
        let store = Arc::new(Store::open(&config)?);
        Ok(Self { store, ..Self::offline(config, engine)? })
    }

    /// Builds everything for a command that serves nothing: no file is opened or made.
    fn offline(config: Config, engine: PluginEngine) -> Result<Self, BuildError> {
        let providers = Registry::build(&config)?;
        Ok(Self { config: Arc::new(config), providers, engine, store: Arc::default() })
    }

    /// Loads the plugins, puts the first world together, and listens.
    pub async fn bind(self) -> Result<Bound, BindError> {
        let Self { config, providers, engine, store } = self;
        let load = Arc::new(Load::reading(cpu::times));
        let keeper = Keeper::new(Arc::clone(&config), providers, engine.clone(), Arc::clone(&load));
        let mut keeper = keeper.remembering().storing(store);
        let world = Arc::new(ArcSwap::from_pointee(keeper.first().await));
        let (drain, signal) = Drain::pair();
        let (cut, cutting) = flag::channel(false);
        let api = Arc::new(Api {
            world: Arc::clone(&world),
            load: Arc::clone(&load),
            drain: signal.clone(),
            cut: cutting,
            since: SystemTime::now(),
        });
        let limits = config.server().limits();
        let options = ServerOptions {
            connections: limits.connections,
            head_bytes: limits.headers,
            head_timeout: limits.header_timeout,
            idle: limits.idle,
        };
        let server = bind("server.listen", config.server().listen(), http::routes(api), options).await?;
        let (command, commands) = mpsc::channel(watch::COMMANDS);
        let admin = match config.server().admin().listen() {
            None => None,
            Some(address) => {
                let admin = Admin {
                    world: Arc::clone(&world),
                    roster: keeper.roster(),
                    metrics: keeper.metrics(),
                    load,
                    engine,
                    commands: command,
                    address: address.ip(),
                };
                let routes = admin::routes(Arc::new(admin));
                Some(bind("server.admin", address, routes, admin::OPTIONS).await?)
            }
        };
        let (plugins, shadows) = (keeper.report(), keeper.shadows());
        Ok(Bound { server, config, plugins, shadows, keeper, commands, admin, world, drain, signal, cut })
    }
}

async fn bind(
    key: &'static str,
    address: SocketAddr,
    routes: axum::Router,
    options: ServerOptions,
) -> Result<Server, BindError> {
    let bound = Server::bind(address, routes, options).await;
    bound.map_err(|error| BindError { key, address, error })
}

/// A task that does not outlive its owner.
struct AbortOnDrop(tokio::task::JoinHandle<()>);

impl AbortOnDrop {
    /// Ends it, and waits until nothing of it is left.
    async fn end(mut self) {
        self.0.abort();
        // How it ended is nobody's concern any more.
        let _ = (&mut self.0).await;
    }
}

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Bound {
    /// Where it listens.
    pub fn addr(&self) -> SocketAddr {
        self.server.local_addr().unwrap_or_else(|_| self.config.server().listen())
    }

    /// Where the admin port listens, if it is open.
    pub fn admin_addr(&self) -> Option<SocketAddr> {
        self.admin.as_ref().and_then(|server| server.local_addr().ok())
    }

    /// The file in which what is spent and run is written down; `None`: there is none.
    pub fn state(&self) -> Option<String> {
        self.world.load().store().path().map(str::to_owned)
    }

    /// What became of the plugin folder; follows every reload.
    pub fn plugins(&self) -> Arc<ArcSwap<PluginReport>> {
        Arc::clone(&self.plugins)
    }

    /// The last requests, while it serves and after.
    pub fn requests(&self) -> Arc<Requests> {
        Arc::clone(self.world.load().requests())
    }

    /// Serves until `stop`, then drains for as long as the configuration says.
    pub async fn serve(self, stop: impl Future<Output = ()> + Send) -> Stopped {
        let wait = self.config.server().drain();
        let telling = alerts::tell(Arc::clone(&self.world), self.keeper.metrics());
        let telling = AbortOnDrop(tokio::spawn(telling));
        let store = Arc::clone(self.world.load().store());
        let sharing = Arc::clone(&store);
        let sharing = AbortOnDrop(tokio::spawn(async move { sharing.share().await }));
        let flights = Arc::clone(self.world.load().flights());
        let runs = Arc::clone(self.world.load().runs());
        let (keeper, world, commands, asked) = (self.keeper, self.world, self.commands, self.signal.clone());
        // Ends by itself when the drain begins; cut with the rest when a reload is in the way of that.
        let keeping = AbortOnDrop(match self.config.plugins().watch() {
            true => tokio::spawn(watch::watch(keeper, world, commands, asked)),
            false => tokio::spawn(watch::hold(keeper, world, commands, asked)),
        });
        let (done, api_is_done) = oneshot::channel::<()>();
        let api = async {
            let cut = self.server.serve(stop, wait, self.drain, self.signal, self.cut).await;
            // What is still under way can be resumed.
            runs.end().await;
            // Nobody waits for what a shadow would have done.
            self.shadows.end().await;
            // Nor for an answer whose readers are gone.
            flights.end().await;
            if tokio::time::timeout(SHARED_FAREWELL, store.shared_all()).await.is_err() {
                tracing::warn!(target: "jackfield::store", "the shared state was not told all that was spent here; what was reserved for it comes back there");
            }
            drop(done);
            cut
        };
        let (cut, ()) = tokio::join!(api, serve_admin(self.admin, api_is_done));
        // All hold the state: once this returns, nobody here has its file open.
        for task in [keeping, telling, sharing] {
            task.end().await;
        }
        match cut {
            0 => Stopped::Drained,
            cut => Stopped::Cut(cut),
        }
    }
}

/// Serves the admin port, if it is open, until the API is done: a drain can be watched.
async fn serve_admin(server: Option<Server>, api_is_done: oneshot::Receiver<()>) {
    let Some(server) = server else { return };
    let (drain, signal) = Drain::pair();
    let stop = async {
        let _ = api_is_done.await;
    };
    server.serve(stop, ADMIN_FAREWELL, drain, signal, flag::Sender::new(false)).await;
}
