//! What outlives worlds, and makes the next one. Boot and every reload take the same path: read what
//! changed, load it beside the live world, swap one pointer. What cannot be loaded changes nothing.

use std::path::Path;
use std::sync::Arc;

use arc_swap::ArcSwap;

use jackfield_core::config::{Config, Instances, PluginSettings as Configured, Source};
use jackfield_core::telemetry::metrics::{Metrics, ReloadChange};
use jackfield_gateway::policy::RouterSlot;
use jackfield_gateway::world::{LiveTable, Load, World};
use jackfield_plugin_host::{CallLimits, Catalog, Change, Plugin, PluginEngine, PluginSettings, Scan};
use jackfield_provider::Registry;

use tokio::sync::mpsc;

use super::generations::Generations;
use super::guards::{Failing, Guards};
use super::report::{LoadedPlugin, PluginReport};
use super::roster::roster;
use crate::admin::{Command, NotRolledBack, RolledBack, Roster};

/// Makes worlds. Owned by one task, so reloads never overlap.
pub(super) struct Keeper {
    config: Arc<Config>,
    providers: Registry,
    engine: PluginEngine,
    catalog: Catalog,
    live: Arc<LiveTable>,
    load: Arc<Load>,
    report: Arc<ArcSwap<PluginReport>>,
    roster: Arc<ArcSwap<Roster>>,
    metrics: Arc<Metrics>,
    guards: Guards,
    generations: Generations,
    /// Why the configuration file's last content was not taken, so that it is told once.
    rejected: Option<String>,
    generation: u64,
}

/// What a reload came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Reloaded {
    /// A file was still being written: look again soon.
    pub unsettled: bool,
}

impl Keeper {
    pub(super) fn new(
        config: Arc<Config>,
        providers: Registry,
        engine: PluginEngine,
        load: Arc<Load>,
    ) -> Self {
        let (live, report, guards) = (Arc::default(), Arc::default(), Guards::default());
        Self {
            config,
            providers,
            engine,
            catalog: Catalog::default(),
            live,
            load,
            report,
            roster: Arc::default(),
            metrics: Arc::default(),
            guards,
            generations: Generations::default(),
            rejected: None,
            generation: 0,
        }
    }

    /// The configuration that is in force.
    pub(super) fn config(&self) -> &Config {
        &self.config
    }

    /// What became of the plugin folder, as of the last look at it.
    pub(super) fn report(&self) -> Arc<ArcSwap<PluginReport>> {
        Arc::clone(&self.report)
    }

    /// The plugin folder for the admin port, as of the last look at it.
    pub(super) fn roster(&self) -> Arc<ArcSwap<Roster>> {
        Arc::clone(&self.roster)
    }

    /// What is counted.
    pub(super) fn metrics(&self) -> Arc<Metrics> {
        Arc::clone(&self.metrics)
    }

    /// The first world.
    pub(super) async fn first(&mut self) -> World {
        let config = Arc::clone(&self.config);
        self.rescan(&config).await;
        let slots = self.routers();
        self.world(slots)
    }

    /// Looks at the configuration file and the folder, and publishes a new world if anything changed.
    pub(super) async fn reload(&mut self, published: &ArcSwap<World>) -> Reloaded {
        let config = self.reread_config();
        let (changed, unsettled) = self.rescan(config.as_ref().unwrap_or(&Arc::clone(&self.config))).await;
        let reconfigured = config.is_some();
        if let Some(config) = config {
            self.config = config;
        }
        let slots = self.routers();
        if changed || reconfigured {
            let routers: Vec<&str> = slots.iter().map(|slot| slot.router.name()).collect();
            let routers = routers.join(", ");
            let world = self.world(slots);
            tracing::info!(
                target: "jackfield::world", generation = self.generation, reconfigured,
                routers, "a new world serves"
            );
            published.store(Arc::new(world));
        }
        Reloaded { unsettled }
    }

    /// Where to hear that a plugin's breaker opened.
    pub(super) fn failing(&mut self) -> mpsc::Receiver<Failing> {
        self.guards.listen()
    }

    /// A plugin keeps failing. If that began with a swap, its last good generation comes back.
    pub(super) fn roll_back(&mut self, failing: &Failing, published: &ArcSwap<World>) {
        let name = failing.name.as_str();
        // Told of a generation that is gone by now: its successor is innocent.
        let Some(current) = self.catalog.get(name).filter(|p| p.digest() == failing.digest) else { return };
        let Some(good) = self.guards.last_good(name, current.digest()) else {
            tracing::warn!(target: "jackfield::plugin", plugin = name, "it keeps failing and is left alone for a while");
            return;
        };
        let why = format!(
            "it kept failing after it was swapped in, and was rolled back to {}; these bytes are not loaded again until a restart",
            good.digest()
        );
        tracing::warn!(target: "jackfield::plugin", plugin = name, digest = current.digest(), "{why}");
        self.put_back(&good, &why, published);
    }

    /// Does what the admin port asks for, unless whoever asked has gone.
    pub(super) fn obey(&mut self, command: Command, published: &ArcSwap<World>) {
        let Command::RollBack { name, answer } = command;
        if !answer.is_closed() {
            let _ = answer.send(self.roll_back_by_hand(&name, published));
        }
    }

    fn roll_back_by_hand(
        &mut self,
        name: &str,
        published: &ArcSwap<World>,
    ) -> Result<RolledBack, NotRolledBack> {
        let Some(current) = self.catalog.get(name) else {
            return Err(match self.roster.load().get(name) {
                Some(status) => NotRolledBack::Nothing(format!(
                    "no generation of `{name}` is loaded: it is {}",
                    status.state()
                )),
                None => NotRolledBack::Unknown,
            });
        };
        let Some(good) = self.guards.earlier(name, current.digest()) else {
            return Err(NotRolledBack::Nothing(format!(
                "`{name}` has no earlier generation to go back to: none was replaced since this process started, \
                 or the last rollback went back to it already"
            )));
        };
        let why = format!(
            "rolled back by hand to {}; these bytes are not loaded again until a restart",
            good.digest()
        );
        tracing::info!(target: "jackfield::plugin", plugin = name, digest = current.digest(), "{why}");
        self.put_back(&good, &why, published);
        Ok(RolledBack)
    }

    /// Has an earlier generation serve again, and quarantines the bytes that are left.
    fn put_back(&mut self, good: &Plugin, why: &str, published: &ArcSwap<World>) {
        self.catalog = self.catalog.rolled_back(good, why);
        self.generations.rolled_back(good.name(), good.digest(), &self.metrics);
        self.metrics.host.changed(ReloadChange::PluginRolledBack);
        let slots = self.routers();
        published.store(Arc::new(self.world(slots)));
    }

    /// The configuration file's new content, if it changed and is fine. What is bound at start stays.
    fn reread_config(&mut self) -> Option<Arc<Config>> {
        let Source::File(path) = self.config.source() else { return None };
        let taken = Config::load(Some(path)).map_err(|report| format!("\n{report}")).and_then(|mut next| {
            if next.fingerprint() == self.config.fingerprint() {
                return Ok(None);
            }
            // The socket stays where it is: the new keys must be fit to guard that address, not the one written.
            next.listen_on(self.config.server().listen()).map_err(|refused| refused.to_string())?;
            let providers = Registry::build(&next).map_err(|error| error.to_string())?;
            Ok(Some((next, providers)))
        });
        match taken {
            Ok(taken) => {
                self.rejected = None;
                let (next, providers) = taken?;
                self.metrics.host.changed(ReloadChange::ConfigTaken);
                self.tell_bound(&next);
                self.providers = providers;
                Some(Arc::new(next))
            }
            Err(why) => {
                if self.rejected.as_ref() != Some(&why) {
                    tracing::warn!(target: "jackfield::world", "the configuration is not taken; the last good one goes on: {why}");
                    self.rejected = Some(why);
                    self.metrics.host.changed(ReloadChange::ConfigRejected);
                }
                None
            }
        }
    }

    /// Names the settings that changed and only take effect at a restart.
    fn tell_bound(&self, next: &Config) {
        let (old, new) = (&self.config, next);
        let (server, limits) = (old.server(), old.server().limits());
        let changed = [
            ("server.admin", server.admin().listen() != new.server().admin().listen()),
            ("server.drain", server.drain() != new.server().drain()),
            ("server.limits.connections", limits.connections != new.server().limits().connections),
            ("server.limits.headers", limits.headers != new.server().limits().headers),
            ("server.limits.header_timeout", limits.header_timeout != new.server().limits().header_timeout),
            ("server.limits.idle", limits.idle != new.server().limits().idle),
            ("telemetry", old.telemetry() != new.telemetry()),
            ("plugins.concurrency.running", old.plugins().running() != new.plugins().running()),
            ("plugins.concurrency.queue", old.plugins().queue() != new.plugins().queue()),
            ("plugins.watch", old.plugins().watch() != new.plugins().watch()),
        ];
        let changed: Vec<&str> =
            changed.into_iter().filter(|(_, changed)| *changed).map(|(name, _)| name).collect();
        if !changed.is_empty() {
            let settings = changed.join(", ");
            tracing::warn!(target: "jackfield::world", settings, "these settings changed and take effect at the next start");
        }
    }

    /// Brings the catalog up to the folder. Says whether anything changed, and whether to look again.
    async fn rescan(&mut self, config: &Config) -> (bool, bool) {
        let dir = config.plugins().dir();
        match self.catalog.rescan(&self.engine, dir, &enabled(config)).await {
            Ok(Scan { catalog, changes, unsettled }) => {
                for change in &changes {
                    tell(change);
                    self.count(change);
                    if let Change::Replaced { name, digest } = change {
                        self.guards.replaced(self.catalog.get(name), digest);
                    }
                }
                self.catalog = catalog;
                // A refusal alone changes nothing that serves.
                let changed = changes.iter().any(|change| !matches!(change, Change::Refused { .. }));
                (changed, unsettled)
            }
            Err(error) => {
                let dir = shown(dir);
                tracing::warn!(target: "jackfield::plugin", dir, %error, "the plugin folder cannot be read; what was loaded goes on");
                (false, false)
            }
        }
    }

    /// Brings the generations and the metrics up to a change.
    fn count(&mut self, change: &Change) {
        let counted = match change {
            Change::Added { name, digest } => {
                self.generations.loaded(name, digest, &self.metrics);
                ReloadChange::PluginAdded
            }
            Change::Replaced { name, digest } => {
                self.generations.loaded(name, digest, &self.metrics);
                ReloadChange::PluginReplaced
            }
            Change::Removed { name } => {
                self.generations.removed(name, &self.metrics);
                ReloadChange::PluginRemoved
            }
            Change::Refused { .. } => ReloadChange::PluginRefused,
        };
        self.metrics.host.changed(counted);
    }

    /// The routers in the order in which they are asked. What became of everything else is reported.
    fn routers(&mut self) -> Vec<RouterSlot> {
        let mut report = PluginReport::default();
        for refusal in &self.catalog.refusals {
            report.refused.push((refusal.path.display().to_string(), refusal.reason.clone()));
        }
        let names: Vec<String> = match self.config.orchestrator().routers() {
            Some(names) => names.to_vec(),
            None => self.catalog.plugins.iter().map(|plugin| plugin.name().to_owned()).collect(),
        };
        let mut slots = Vec::new();
        for name in names {
            let found = self.catalog.get(&name).and_then(|plugin| {
                Some((plugin, plugin.router()?, Arc::clone(&self.generations.current(&name)?.stats)))
            });
            let Some((plugin, router, stats)) = found else {
                let reason = "orchestrator.routers names it, and no such router is loaded";
                let told = self.report.load().refused.iter().any(|(who, why)| *who == name && why == reason);
                if !told {
                    tracing::warn!(target: "jackfield::plugin", plugin = name, "{reason}");
                }
                report.refused.push((name, reason.to_owned()));
                continue;
            };
            let (breaker, opened) = self.guards.of(plugin);
            let on_error = self.config.plugins().settings(&name).on_error;
            slots.push(RouterSlot { router, on_error, breaker, opened, stats });
            report.loaded.push(LoadedPlugin {
                name,
                version: plugin.about().map(|(_, version)| version.to_owned()),
                size: plugin.size(),
                digest: plugin.digest().to_owned(),
            });
        }
        let refusals = i64::try_from(self.catalog.refusals.len()).unwrap_or(i64::MAX);
        self.metrics.plugins.refusals.set(refusals);
        let roster = roster(&self.config, &self.catalog, &self.generations, &slots);
        self.roster.store(Arc::new(roster));
        self.report.store(Arc::new(report));
        slots
    }

    fn world(&mut self, slots: Vec<RouterSlot>) -> World {
        self.generation += 1;
        let provider = |name: &str| self.providers.get(name);
        let (config, metrics) = (Arc::clone(&self.config), &self.metrics);
        let world = World::build(self.generation, config, slots, &provider, &self.live, &self.load, metrics);
        metrics.upstream.keep_only(|provider, model| world.models().counts(provider, model));
        metrics.host.world(self.generation);
        world
    }
}

fn tell(change: &Change) {
    match change {
        Change::Added { name, digest } => {
            tracing::info!(target: "jackfield::plugin", plugin = name, digest, "plugin added");
        }
        Change::Replaced { name, digest } => {
            tracing::info!(target: "jackfield::plugin", plugin = name, digest, "plugin replaced");
        }
        Change::Removed { name } => {
            tracing::info!(target: "jackfield::plugin", plugin = name, "plugin removed");
        }
        Change::Refused { refusal, serving } => {
            let then =
                if *serving { "the last good one goes on serving" } else { "nothing serves in its place" };
            let file = refusal.path.display().to_string();
            tracing::warn!(target: "jackfield::plugin", file, reason = %refusal.reason, then, "refused a plugin file");
        }
    }
}

/// The configured plugin folder as it is now, for commands. A folder that is not there holds no plugins.
pub async fn load_catalog(config: &Config, engine: &PluginEngine) -> Catalog {
    match Catalog::default().rescan(engine, config.plugins().dir(), &enabled(config)).await {
        Ok(scan) => scan.catalog,
        Err(error) => {
            let dir = shown(config.plugins().dir());
            tracing::warn!(target: "jackfield::plugin", dir, %error, "the plugin folder cannot be read: no plugins");
            Catalog::default()
        }
    }
}

/// Each plugin's settings, for those that are not switched off.
fn enabled(config: &Config) -> impl Fn(&str) -> Option<PluginSettings> + Sync + '_ {
    |name| {
        let configured = config.plugins().settings(name);
        configured.enabled.then(|| plugin_settings(configured))
    }
}

/// One plugin's settings as the plugin room takes them.
pub fn plugin_settings(configured: &Configured) -> PluginSettings {
    let limits = configured.limits;
    // No section is an empty section: a plugin's own defaults then hold.
    let config = if configured.config.is_null() { "{}".to_owned() } else { configured.config.to_string() };
    PluginSettings {
        config,
        warm: configured.instances == Instances::Warm,
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
