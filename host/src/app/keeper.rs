//! What outlives worlds, and makes the next one. Boot and every reload take the same path: read what
//! changed, load it beside the live world, swap one pointer. What cannot be loaded changes nothing.

mod trials;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arc_swap::ArcSwap;

use jackfield_core::config::{Config, Instances, PluginSettings as Configured, Source, ValidatorOnError};
use jackfield_core::telemetry::metrics::{Metrics, ReloadChange};
use jackfield_gateway::policy::{RouterSlot, Rules, ShadowSlot, ShadowTasks, ValidatorSlot};
use jackfield_gateway::world::{LiveTable, Load, World};
use jackfield_plugin_host::{Catalog, Change, Memory, Plugin, PluginEngine, PluginSettings, Scan};
use jackfield_provider::Registry;
use jackfield_store::Store;

use super::generations::{Generations, Serving};
use super::report::{LoadedCanary, LoadedPlugin, PluginReport};
use super::roster::roster;
use super::validators::unfit_validator;
use crate::admin::Roster;

/// Makes worlds. Owned by one task, so reloads never overlap.
pub(super) struct Keeper {
    config: Arc<Config>,
    providers: Registry,
    engine: PluginEngine,
    catalog: Catalog,
    memory: Memory,
    /// Whether what is learnt of plugins is written down.
    remembers: bool,
    live: Arc<LiveTable>,
    store: Arc<Store>,
    load: Arc<Load>,
    report: Arc<ArcSwap<PluginReport>>,
    roster: Arc<ArcSwap<Roster>>,
    metrics: Arc<Metrics>,
    generations: Generations,
    shadows: Arc<ShadowTasks>,
    /// Why the plugin folder cannot be read, so that it is told once.
    unreadable: Option<String>,
    /// Why the configuration file's last content was not taken, so that it is told once.
    rejected: Option<String>,
    /// The files that its prompts are read from: a change of one may mend it.
    awaited: Vec<PathBuf>,
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
        let (live, report, metrics) = (Arc::default(), Arc::default(), Arc::<Metrics>::default());
        let store = Arc::default();
        let generations = Generations::new(Arc::clone(&metrics));
        // The other half of the permits is for the routers that decide.
        let shadows = Arc::new(ShadowTasks::new(config.plugins().running() / 2));
        let memory = engine.memory(config.plugins().dir());
        Self {
            config,
            providers,
            engine,
            catalog: Catalog::default(),
            memory,
            remembers: false,
            live,
            store,
            load,
            report,
            roster: Arc::default(),
            metrics,
            generations,
            shadows,
            unreadable: None,
            rejected: None,
            awaited: Vec::new(),
            generation: 0,
        }
    }

    /// Writes down what is learnt of plugins, for the next start: for the one that serves.
    pub(super) fn remembering(mut self) -> Self {
        self.remembers = true;
        self.memory = self.memory.write_changes();
        self
    }

    /// Keeps what requests leave behind here. To be called before the first world.
    pub(super) fn storing(mut self, store: Arc<Store>) -> Self {
        self.live = Arc::new(LiveTable::with_store(Arc::clone(&store)));
        self.store = store;
        self
    }

    /// The configuration that is in force.
    pub(super) fn config(&self) -> &Config {
        &self.config
    }

    /// The files that prompts are read from: those in force, and those of a configuration that was not taken.
    pub(super) fn prompt_files(&self) -> impl Iterator<Item = &Path> {
        self.config.files().iter().chain(&self.awaited).map(PathBuf::as_path)
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

    /// Where shadows are asked; whoever stops serving ends it.
    pub(super) fn shadows(&self) -> Arc<ShadowTasks> {
        Arc::clone(&self.shadows)
    }

    /// The first world.
    pub(super) async fn first(&mut self) -> World {
        let config = Arc::clone(&self.config);
        self.rescan(&config).await;
        let rules = self.rules();
        self.world(rules)
    }

    /// Looks at the configuration file and the folder, and publishes a new world if anything changed.
    pub(super) async fn reload(&mut self, published: &ArcSwap<World>) -> Reloaded {
        let config = self.reread_config().await;
        let (changed, unsettled) = self.rescan(config.as_ref().unwrap_or(&Arc::clone(&self.config))).await;
        let reconfigured = config.is_some();
        if let Some(config) = config {
            self.config = config;
        }
        let rules = self.rules();
        if changed || reconfigured {
            let routers: Vec<&str> = rules.routers.iter().map(RouterSlot::name).collect();
            let shadows: Vec<&str> = rules.shadows.iter().map(|slot| slot.seat.router.name()).collect();
            let (routers, shadows) = (routers.join(", "), shadows.join(", "));
            let world = self.world(rules);
            tracing::info!(
                target: "jackfield::world", generation = self.generation, reconfigured,
                routers, shadows, "a new world serves"
            );
            published.store(Arc::new(world));
        }
        Reloaded { unsettled }
    }

    /// The configuration file's new content, if it changed and is fine. What is bound at start stays.
    async fn reread_config(&mut self) -> Option<Arc<Config>> {
        let Source::File(path) = self.config.source() else { return None };
        let read = Config::load(Some(path));
        let files = match &read {
            Ok(next) => next.files(),
            Err(report) => report.files(),
        };
        let files = files.to_vec();
        let taken = read.map_err(|report| format!("\n{report}")).and_then(|mut next| {
            if next.fingerprint() == self.config.fingerprint() {
                return Ok(None);
            }
            // The socket stays where it is: the new keys must be fit to guard that address, not the one written.
            next.listen_on(self.config.server().listen()).map_err(|refused| refused.to_string())?;
            let providers = Registry::build(&next).map_err(|error| error.to_string())?;
            Ok(Some((Arc::new(next), providers)))
        });
        // Last, because it changes something.
        let taken = match taken {
            Ok(Some((next, providers))) => self.open_state(&next).await.map(|()| Some((next, providers))),
            other => other,
        };
        match taken {
            Ok(taken) => {
                self.rejected = None;
                self.awaited.clear();
                let (next, providers) = taken?;
                self.metrics.host.changed(ReloadChange::ConfigTaken);
                self.tell_bound(&next);
                self.providers = providers;
                Some(next)
            }
            Err(why) => {
                self.awaited = files;
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
        let shares = old.state().shared().is_some() || new.state().shared().is_some();
        let changed = [
            ("server.admin", server.admin().listen() != new.server().admin().listen()),
            ("server.drain", server.drain() != new.server().drain()),
            ("server.limits.connections", limits.connections != new.server().limits().connections),
            ("server.limits.headers", limits.headers != new.server().limits().headers),
            ("server.limits.header_timeout", limits.header_timeout != new.server().limits().header_timeout),
            ("server.limits.idle", limits.idle != new.server().limits().idle),
            ("telemetry", old.telemetry() != new.telemetry()),
            // A file that was opened for it is in force; a server is never joined or left.
            ("state, shared_state", old.state() != new.state() && (shares || !self.writes_to(new))),
            ("plugins.concurrency.running", old.plugins().running() != new.plugins().running()),
            ("plugins.concurrency.queue", old.plugins().queue() != new.plugins().queue()),
            ("plugins.concurrency.instances", old.plugins().instances() != new.plugins().instances()),
            ("plugins.cache", old.plugins().cache() != new.plugins().cache()),
            ("plugins.watch", old.plugins().watch() != new.plugins().watch()),
        ];
        let changed: Vec<&str> =
            changed.into_iter().filter(|(_, changed)| *changed).map(|(name, _)| name).collect();
        if !changed.is_empty() {
            let settings = changed.join(", ");
            tracing::warn!(target: "jackfield::world", settings, "these settings changed and take effect at the next start");
        }
    }

    /// Whether what is written down goes where this configuration says.
    fn writes_to(&self, config: &Config) -> bool {
        let file = Store::file(config).map(|(path, _)| path.display().to_string());
        file.as_deref() == self.store.path()
    }

    /// Opens the file that a new configuration needs and none before did. A store that has counted in memory goes on with that
    /// until the next start.
    async fn open_state(&self, next: &Arc<Config>) -> Result<(), String> {
        if self.store.path().is_some() || Store::file(next).is_none() {
            return Ok(());
        }
        let (store, next) = (Arc::clone(&self.store), Arc::clone(next));
        let opened = tokio::task::spawn_blocking(move || store.write_down(&next)).await;
        let opened = opened.map_err(|error| error.to_string())?.map_err(|error| error.to_string())?;
        if opened {
            tracing::info!(target: "jackfield::world", state = self.store.path(), "the state's file is open: what is spent from now on is written down there");
        }
        Ok(())
    }

    /// Brings the catalog up to the folder. Says whether anything changed, and whether to look again.
    async fn rescan(&mut self, config: &Config) -> (bool, bool) {
        let dir = config.plugins().dir();
        if !self.memory.is_of(dir) {
            self.memory = self.engine.memory(dir);
            if self.remembers {
                self.memory = std::mem::take(&mut self.memory).write_changes();
            }
        }
        match self.catalog.rescan(&self.engine, dir, &enabled(config), &mut self.memory).await {
            Ok(Scan { catalog, changes, unsettled }) => {
                for change in &changes {
                    tell(change);
                    self.metrics.host.changed(counted(change));
                }
                self.catalog = catalog;
                self.unreadable = None;
                // A refusal alone changes nothing that serves.
                let changed = changes.iter().any(|change| !matches!(change, Change::Refused { .. }));
                (changed, unsettled)
            }
            Err(error) => {
                let (dir, error) = (shown(dir), error.to_string());
                let why = format!("{dir}: {error}");
                if self.unreadable.as_ref() != Some(&why) {
                    tracing::warn!(target: "jackfield::plugin", dir, error, "the plugin folder cannot be read; what was loaded goes on");
                    self.unreadable = Some(why);
                }
                (false, false)
            }
        }
    }

    /// The rules in the order in which they are asked. What became of everything else is reported.
    fn rules(&mut self) -> Rules {
        self.generations.follow(&self.catalog, &self.config);
        let mut report = PluginReport::default();
        for refusal in &self.catalog.refusals {
            report.refused.push((refusal.path.display().to_string(), refusal.reason.clone()));
        }
        let names: Vec<String> = match self.config.orchestrator().routers() {
            Some(names) => names.to_vec(),
            // One that only checks answers decides nothing.
            None => {
                let plugins = self.catalog.plugins.iter();
                let routers = plugins.filter(|plugin| plugin.kind().router);
                routers.map(|plugin| plugin.name().to_owned()).collect()
            }
        };
        let mut rules = Rules { tasks: Arc::clone(&self.shadows), ..Rules::default() };
        for name in names {
            let found = self.generations.get(&name).and_then(|serving| {
                let settings = self.config.plugins().settings(&name);
                let (base, canary) = self.generations.series(serving);
                let canary = serving.canary.as_ref().zip(canary);
                let canary = canary.and_then(|(canary, series)| canary.seat(&series, settings));
                Some((serving, serving.base.seat(&base, settings)?, canary))
            });
            let Some((serving, base, canary)) = found else {
                let reason = "orchestrator.routers names it, and no such router is loaded";
                self.refuse(&name, reason, &mut report);
                continue;
            };
            let settings = self.config.plugins().settings(&name);
            report.loaded.push(loaded(serving, settings));
            if settings.rollout.shadow {
                let (place, tally) = (rules.routers.len(), Arc::clone(&serving.base.tally));
                rules.shadows.push(ShadowSlot { seat: base, place, tally });
                continue;
            }
            let canary = settings.rollout.canary.zip(canary);
            rules.routers.push(RouterSlot { base, canary, on_error: settings.on_error });
        }
        rules.validators = self.validators(&mut report);
        let refusals = i64::try_from(self.catalog.refusals.len()).unwrap_or(i64::MAX);
        self.metrics.plugins.refusals.set(refusals);
        let roster = roster(&self.config, &self.catalog, &self.generations, &rules);
        self.roster.store(Arc::new(roster));
        self.report.store(Arc::new(report));
        rules
    }

    /// The plugins that check answers: those that the configuration names, if they are loaded.
    fn validators(&self, report: &mut PluginReport) -> BTreeMap<String, ValidatorSlot> {
        let mut slots = BTreeMap::new();
        for name in self.config.orchestrator().validator_names() {
            let settings = self.config.plugins().settings(name);
            let on_error = settings.validator_on_error.unwrap_or(ValidatorOnError::Reject);
            let found = match self.generations.get(name) {
                Some(serving) => {
                    let (series, _) = self.generations.series(serving);
                    let slot = serving.base.validator(on_error, settings.stream, &series, settings);
                    slot.map(|slot| (serving, slot))
                }
                None => Err(unfit_validator(None, settings.stream).unwrap_or_default()),
            };
            let (serving, slot) = match found {
                Ok(found) => found,
                Err(why) => {
                    self.refuse(name, &format!("{why}: its on_error decides"), report);
                    continue;
                }
            };
            if !report.loaded.iter().any(|known| known.name == name) {
                report.loaded.push(loaded(serving, settings));
            }
            slots.insert(name.to_owned(), slot);
        }
        for plugin in self.catalog.plugins.iter().filter(|plugin| {
            let kind = plugin.kind();
            (kind.validator || kind.stream_validator)
                && !kind.router
                && !self.config.orchestrator().names_validator(plugin.name())
        }) {
            self.refuse(plugin.name(), "it is a validator, and no list of validators names it", report);
        }
        slots
    }

    /// Reports what does not serve, and tells it once.
    fn refuse(&self, name: &str, reason: &str, report: &mut PluginReport) {
        let told = self.report.load().refused.iter().any(|(who, why)| who == name && why == reason);
        if !told {
            tracing::warn!(target: "jackfield::plugin", plugin = name, "{reason}");
        }
        report.refused.push((name.to_owned(), reason.to_owned()));
    }

    fn world(&mut self, rules: Rules) -> World {
        self.generation += 1;
        let provider = |name: &str| self.providers.get(name);
        let (config, metrics) = (Arc::clone(&self.config), &self.metrics);
        let world = World::build(self.generation, config, rules, &provider, &self.live, &self.load, metrics);
        metrics.upstream.keep_only(|provider, model| world.models().counts(provider, model));
        metrics.host.world(self.generation);
        world
    }
}

/// What is told of a plugin that serves.
fn loaded(serving: &Serving, settings: &Configured) -> LoadedPlugin {
    let version = |plugin: &Plugin| plugin.about().map(|(_, version)| version.to_owned());
    let plugin = &serving.base.plugin;
    let canary = settings.rollout.canary.zip(serving.canary.as_ref());
    LoadedPlugin {
        name: plugin.name().to_owned(),
        version: version(plugin),
        size: plugin.size(),
        digest: plugin.digest().to_owned(),
        shadow: settings.rollout.shadow,
        canary: canary.map(|(share, canary)| LoadedCanary {
            version: version(&canary.plugin),
            digest: canary.plugin.digest().to_owned(),
            share,
        }),
    }
}

/// What a change is counted as.
fn counted(change: &Change) -> ReloadChange {
    match change {
        Change::Added { .. } => ReloadChange::PluginAdded,
        Change::Replaced { .. } => ReloadChange::PluginReplaced,
        Change::Removed { .. } => ReloadChange::PluginRemoved,
        Change::Refused { .. } => ReloadChange::PluginRefused,
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

/// The configured plugin folder as it is now, for commands. What is remembered of it counts, and nothing is added. A
/// folder that is not there holds no plugins.
pub async fn load_catalog(config: &Config, engine: &PluginEngine) -> Catalog {
    let dir = config.plugins().dir();
    match Catalog::default().rescan(engine, dir, &enabled(config), &mut engine.memory(dir)).await {
        Ok(scan) => scan.catalog,
        Err(error) => {
            let dir = shown(dir);
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
    // No section is an empty section: a plugin's own defaults then hold.
    let config = if configured.config.is_null() { "{}".to_owned() } else { configured.config.to_string() };
    PluginSettings {
        config,
        warm: configured.instances == Instances::Warm,
        sha256: configured.sha256.clone(),
        grants: configured.grants.clone(),
        limits: configured.limits,
    }
}

fn shown(dir: &Path) -> String {
    std::path::absolute(dir).unwrap_or_else(|_| dir.to_owned()).display().to_string()
}

#[cfg(test)]
mod tests;
