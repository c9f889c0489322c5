//! Which generations of each plugin serve: the base, a canary on trial beside it, and what the base took the place of,
//! to go back to. Each has a breaker of its own.
//!
//! The catalog says what is in the folder, and this follows it: the newest generation of a plugin serves at once, or is
//! a canary where the settings ask for one and something serves already. A canary ends in one of four ways: it lives
//! through its probation (or is promoted before), its breaker opens, a newer one comes, or what serves is put back. A person may
//! end it too, and may go back from a base however old it is.

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio::sync::mpsc;
use tokio::time::Instant;

use jackfield_core::config::{Config, Grant, PluginSettings, Rollout, StreamMode, ValidatorOnError};
use jackfield_core::contract::Router;
use jackfield_core::telemetry::metrics::{Metrics, PluginSeries, ReloadChange};
use jackfield_gateway::policy::{Breaker, Check, Seat, ShadowTally, ValidatorSlot};
use jackfield_plugin_host::{Catalog, Plugin};

use super::numbering::{Mark, Numbering};
use super::validators::unfit_validator;

/// Openings that may wait to be heard. One that finds no room is not told: its breaker still leaves the rule alone, and
/// a canary whose breaker is open is not promoted.
const WAITING: usize = 16;

/// The generations of every plugin.
pub(super) struct Generations {
    by_name: BTreeMap<String, Serving>,
    /// How many generations there have been.
    count: u64,
    numbering: Numbering,
    metrics: Arc<Metrics>,
    tell: mpsc::Sender<Failing>,
    hear: Option<mpsc::Receiver<Failing>>,
}

/// A generation whose breaker opened.
#[derive(Clone, Debug)]
pub(super) struct Failing {
    pub name: String,
    number: u64,
}

/// The generations of one plugin.
pub(super) struct Serving {
    pub base: Generation,
    pub canary: Option<Generation>,
    /// What the base took the place of, and since when the base has been on trial.
    before: Option<Before>,
}

/// What a base took the place of.
struct Before {
    plugin: Plugin,
    mark: Mark,
    /// Since when the base has been on trial.
    since: Instant,
}

/// One loading of one plugin.
pub(super) struct Generation {
    pub plugin: Plugin,
    pub breaker: Arc<Breaker>,
    pub tally: Arc<ShadowTally>,
    pub mark: Mark,
    router: Option<Arc<dyn Router>>,
    check: Option<Check>,
    shadow: bool,
    number: u64,
    since: Instant,
    tell: mpsc::Sender<Failing>,
}

/// What is to be done about a generation whose breaker opened.
pub(super) enum Verdict {
    /// It is gone by now: its successor is innocent.
    Gone,
    /// Nothing: there is nothing better to go back to.
    Alone,
    /// It has been undone.
    Undone(Box<Undone>),
}

/// A generation that serves no more, and what serves instead.
pub(super) struct Undone {
    pub bad: Plugin,
    pub good: Plugin,
    pub canary: bool,
}

impl Generations {
    /// None yet. What becomes of them is counted.
    pub(super) fn new(metrics: Arc<Metrics>) -> Self {
        let (tell, hear) = mpsc::channel(WAITING);
        let (by_name, numbering) = (BTreeMap::new(), Numbering::default());
        Self { by_name, count: 0, numbering, metrics, tell, hear: Some(hear) }
    }

    /// Brings the generations up to the catalog and the settings.
    pub(super) fn follow(&mut self, catalog: &Catalog, config: &Config) {
        self.by_name.retain(|name, _| {
            let stays = catalog.get(name).is_some();
            if !stays {
                self.metrics.plugins.forget(name, false);
                self.metrics.plugins.forget(name, true);
            }
            stays
        });
        self.numbering.bound(|name| catalog.get(name).is_some());
        for plugin in &catalog.plugins {
            let rollout = config.plugins().settings(plugin.name()).rollout;
            let mut new = |like: Option<&Generation>| {
                self.count += 1;
                // New settings of the same bytes are no new generation.
                let mark = like.filter(|like| like.plugin.digest() == plugin.digest());
                let mark = mark.map_or_else(|| self.numbering.next(plugin.name()), |like| like.mark.clone());
                Generation::new(plugin, &rollout, mark, self.count, &self.tell)
            };
            match self.by_name.get_mut(plugin.name()) {
                Some(serving) => serving.follow(plugin, &rollout, &self.metrics, &mut new),
                None => {
                    let serving = Serving { base: new(None), canary: None, before: None };
                    self.by_name.insert(plugin.name().to_owned(), serving);
                }
            }
        }
    }

    /// What is counted of a plugin and, apart from it, of its canary if it has one. The metrics are told which they are.
    pub(super) fn series(&self, serving: &Serving) -> (Arc<PluginSeries>, Option<Arc<PluginSeries>>) {
        let (plugins, name) = (&self.metrics.plugins, serving.base.plugin.name());
        let of = |generation: &Generation, canary| {
            let series = plugins.of(name, canary);
            series.serves(generation.mark.number);
            series
        };
        if serving.canary.is_none() {
            plugins.forget(name, true);
        }
        (of(&serving.base, false), serving.canary.as_ref().map(|canary| of(canary, true)))
    }

    /// A plugin's generations.
    pub(super) fn get(&self, name: &str) -> Option<&Serving> {
        self.by_name.get(name)
    }

    /// Judges a generation whose breaker opened, and undoes it if it is new and something better is there. A base is
    /// not judged while its successor is on trial.
    pub(super) fn judge(&mut self, failing: &Failing, config: &Config) -> Verdict {
        let Some(serving) = self.by_name.get_mut(&failing.name) else { return Verdict::Gone };
        if let Some(canary) = serving.canary.take_if(|canary| canary.number == failing.number) {
            let good = serving.base.plugin.clone();
            return Verdict::Undone(Box::new(Undone { bad: canary.plugin, good, canary: true }));
        }
        if serving.base.number != failing.number {
            return Verdict::Gone;
        }
        let rollout = config.plugins().settings(&failing.name).rollout;
        // Later failures have some other cause, and an older rule would not be better.
        if serving.canary.is_some()
            || serving.base.shadow
            || serving.before.as_ref().is_none_or(|before| before.since.elapsed() >= rollout.probation)
        {
            return Verdict::Alone;
        }
        self.go_back(&failing.name, config).map_or(Verdict::Alone, |undone| Verdict::Undone(Box::new(undone)))
    }

    /// Undoes the newest generation of a plugin because somebody says so: its canary, if it has one, or else its
    /// base, whenever that came. Nothing if it took no other's place, or that is given out already.
    pub(super) fn undo(&mut self, name: &str, config: &Config) -> Option<Undone> {
        let serving = self.by_name.get_mut(name)?;
        if let Some(canary) = serving.canary.take() {
            return Some(Undone { bad: canary.plugin, good: serving.base.plugin.clone(), canary: true });
        }
        self.go_back(name, config)
    }

    /// Puts what a base took the place of back, unless it wants what is granted no more.
    fn go_back(&mut self, name: &str, config: &Config) -> Option<Undone> {
        let settings = config.plugins().settings(name);
        let serving = self.by_name.get_mut(name)?;
        serving.before.take_if(|before| !before.plugin.wants().is_subset(&settings.grants));
        let Before { plugin: good, mark, .. } = serving.before.take()?;
        self.count += 1;
        let back = Generation::new(&good, &settings.rollout, mark.again_now(), self.count, &self.tell);
        let bad = std::mem::replace(&mut serving.base, back).plugin;
        Some(Undone { bad, good, canary: false })
    }

    /// Makes a plugin's canary its base. Says whether there was one.
    pub(super) fn promote(&mut self, name: &str) -> bool {
        self.by_name.get_mut(name).is_some_and(|serving| serving.promote(&self.metrics))
    }

    /// When the next canary's probation is over.
    pub(super) fn next_promotion(&self, config: &Config) -> Option<Instant> {
        self.ends(config).map(|(_, end)| end).min()
    }

    /// The canaries whose probation is over: those that lived through it, and those that did not and were not heard.
    pub(super) fn due(&self, config: &Config) -> (Vec<String>, Vec<Failing>) {
        let now = Instant::now();
        let (mut good, mut bad) = (Vec::new(), Vec::new());
        for (canary, _) in self.ends(config).filter(|(_, end)| *end <= now) {
            match canary.breaker.has_opened() {
                false => good.push(canary.plugin.name().to_owned()),
                true => bad.push(canary.failing()),
            }
        }
        (good, bad)
    }

    /// Where openings are heard. There is one listener; a second hears nothing.
    pub(super) fn listen(&mut self) -> mpsc::Receiver<Failing> {
        self.hear.take().unwrap_or_else(|| mpsc::channel(1).1)
    }

    /// Every canary and when its probation is over.
    fn ends(&self, config: &Config) -> impl Iterator<Item = (&Generation, Instant)> {
        self.by_name.values().filter_map(|serving| serving.canary.as_ref()).map(|canary| {
            let probation = config.plugins().settings(canary.plugin.name()).rollout.probation;
            (canary, canary.since + probation)
        })
    }
}

impl Serving {
    /// Brings one plugin's generations up to what was loaded last.
    fn follow(
        &mut self,
        plugin: &Plugin,
        rollout: &Rollout,
        metrics: &Metrics,
        new: &mut dyn FnMut(Option<&Generation>) -> Generation,
    ) {
        let newest = self.canary.as_ref().unwrap_or(&self.base);
        if rollout.shadow != self.base.shadow {
            // Nothing decided under this name before, or nothing does now.
            *self = Self { base: new(Some(&self.base)), canary: None, before: None };
        } else if newest.plugin.is(plugin) {
            if rollout.canary.is_none() {
                self.promote(metrics);
            }
        } else if self.base.plugin.is_like(plugin) {
            if self.canary.take().is_some() {
                metrics.host.changed(ReloadChange::CanaryWithdrawn);
                tracing::info!(target: "jackfield::plugin", plugin = plugin.name(), "the canary is withdrawn: what serves was put back");
            }
        } else if let Some(share) =
            rollout.canary.filter(|_| self.base.router.is_some() && plugin.kind().router)
        {
            // Even of the same bytes: what it does is to be seen apart.
            self.canary = Some(new(None));
            tracing::info!(
                target: "jackfield::plugin", plugin = plugin.name(), digest = plugin.digest(), %share,
                probation = ?rollout.probation, "a canary is on trial"
            );
        } else {
            self.canary = None;
            let by = new(Some(&self.base));
            self.take_over(by);
        }
        for generation in [Some(&mut self.base), self.canary.as_mut()].into_iter().flatten() {
            if generation.breaker.threshold() != rollout.rollback {
                generation.breaker = Arc::new(Breaker::new(rollout.rollback));
            }
        }
    }

    /// New settings of the same bytes are nothing to go back from.
    fn take_over(&mut self, by: Generation) {
        let since = by.since;
        let Generation { plugin, mark, .. } = std::mem::replace(&mut self.base, by);
        if plugin.digest() != self.base.plugin.digest() {
            self.before = Some(Before { plugin, mark, since });
        }
    }

    fn promote(&mut self, metrics: &Metrics) -> bool {
        let Some(mut canary) = self.canary.take() else { return false };
        canary.mark = canary.mark.again_now();
        metrics.host.changed(ReloadChange::CanaryPromoted);
        let plugin = canary.plugin.name().to_owned();
        let digest = canary.plugin.digest().to_owned();
        tracing::info!(target: "jackfield::plugin", plugin, digest, "the canary is promoted and gets every request");
        self.take_over(canary);
        true
    }
}

impl Generation {
    fn new(
        plugin: &Plugin,
        rollout: &Rollout,
        mark: Mark,
        number: u64,
        tell: &mpsc::Sender<Failing>,
    ) -> Self {
        Self {
            plugin: plugin.clone(),
            breaker: Arc::new(Breaker::new(rollout.rollback)),
            tally: Arc::default(),
            mark,
            router: if rollout.shadow { plugin.shadow() } else { plugin.router() },
            check: Check::of(plugin.validator(), plugin.stream_validator()),
            shadow: rollout.shadow,
            number,
            since: Instant::now(),
            tell: tell.clone(),
        }
    }

    /// The generation as the policy sees it, if it is a router, and as it is counted.
    pub(super) fn seat(&self, series: &Arc<PluginSeries>, settings: &PluginSettings) -> Option<Seat> {
        let (router, breaker) = (Arc::clone(self.router.as_ref()?), Arc::clone(&self.breaker));
        let (stats, series) = (Arc::clone(&self.mark.stats), Arc::clone(series));
        let consults = self.consults(settings);
        Some(Seat { router, breaker, opened: self.opened(), stats, series, consults })
    }

    /// The generation as the policy sees it, if it is a validator that can do so with streams; else why not.
    pub(super) fn validator(
        &self,
        on_error: ValidatorOnError,
        mode: StreamMode,
        series: &Arc<PluginSeries>,
        settings: &PluginSettings,
    ) -> Result<ValidatorSlot, &'static str> {
        match (unfit_validator(Some(&self.plugin), mode), &self.check) {
            (None, Some(check)) => Ok(ValidatorSlot {
                check: check.clone(),
                mode,
                on_error,
                breaker: Some(Arc::clone(&self.breaker)),
                opened: self.opened(),
                consults: self.consults(settings).then(|| Arc::clone(series)),
                completer: None,
                identity: self.identity(on_error, mode, settings).into(),
            }),
            (unfit, _) => Err(unfit.unwrap_or_default()),
        }
    }

    /// What makes an answer that it let through worth nothing when it changes.
    fn identity(&self, on_error: ValidatorOnError, mode: StreamMode, settings: &PluginSettings) -> String {
        let (digest, config, consults) =
            (self.plugin.digest(), self.plugin.config(), self.consults(settings));
        format!("{digest} {} {} {consults} {config}", on_error.name(), mode.name())
    }

    /// Whether it may ask models. By the settings in force: a generation that was loaded with a grant, and serves on
    /// as a base or comes back, does not keep it when it is withdrawn.
    fn consults(&self, settings: &PluginSettings) -> bool {
        self.plugin.wants().contains(&Grant::Llm) && settings.grants.contains(&Grant::Llm) && !self.shadow
    }

    /// What is called when the breaker opens.
    fn opened(&self) -> Arc<dyn Fn() + Send + Sync> {
        let (tell, failing) = (self.tell.clone(), self.failing());
        Arc::new(move || {
            let _ = tell.try_send(failing.clone());
        })
    }

    fn failing(&self) -> Failing {
        Failing { name: self.plugin.name().to_owned(), number: self.number }
    }
}
