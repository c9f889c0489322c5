//! How trials end: a canary is promoted or withdrawn, a generation that keeps failing after its swap is rolled back. A
//! person may say so too (the admin port). Every end is a new world; none waits for a file to change.

use std::sync::Arc;

use arc_swap::ArcSwap;
use tokio::sync::mpsc;
use tokio::time::Instant;

use jackfield_core::telemetry::metrics::ReloadChange;
use jackfield_gateway::world::World;

use super::Keeper;
use crate::admin::{Act, Command, NotDone};
use crate::app::generations::{Failing, Undone, Verdict};

impl Keeper {
    /// Where to hear that a plugin's breaker opened.
    pub(in crate::app) fn failing(&mut self) -> mpsc::Receiver<Failing> {
        self.generations.listen()
    }

    /// A plugin keeps failing. A canary is withdrawn; if it began with a swap, its last good generation comes back.
    pub(in crate::app) async fn roll_back(&mut self, failing: &Failing, published: &ArcSwap<World>) {
        let name = failing.name.as_str();
        let undone = match self.generations.judge(failing, &self.config) {
            Verdict::Gone => return,
            Verdict::Alone => {
                tracing::warn!(target: "jackfield::plugin", plugin = name, "it keeps failing and is left alone for a while");
                return;
            }
            Verdict::Undone(undone) => *undone,
        };
        let what = match undone.canary {
            true => "it kept failing as a canary, and was withdrawn; every request goes to",
            false => "it kept failing after it was swapped in, and was rolled back to",
        };
        let why = self.put_back(&undone, what, published).await;
        tracing::warn!(target: "jackfield::plugin", plugin = name, digest = undone.bad.digest(), "{why}");
    }

    /// Makes a plugin's canary the generation that serves, whatever is left of its probation. Says whether there
    /// was a canary of that name.
    pub(in crate::app) fn promote(&mut self, name: &str, published: &ArcSwap<World>) -> bool {
        let promoted = self.generations.promote(name);
        if promoted {
            self.publish(published);
        }
        promoted
    }

    /// Does what the admin port asks for, unless whoever asked has gone.
    pub(in crate::app) async fn obey(&mut self, command: Command, published: &ArcSwap<World>) {
        let Command { act, name, answer } = command;
        if !answer.is_closed() {
            let _ = answer.send(match act {
                Act::RollBack => self.roll_back_by_hand(&name, published).await,
                Act::Promote => self.promote_by_hand(&name, published),
            });
        }
    }

    /// When to call [`Self::promote_due`].
    pub(in crate::app) fn next_promotion(&self) -> Option<Instant> {
        self.generations.next_promotion(&self.config)
    }

    /// Ends the probations that are over.
    pub(in crate::app) async fn promote_due(&mut self, published: &ArcSwap<World>) {
        let (good, bad) = self.generations.due(&self.config);
        for name in good {
            self.promote(&name, published);
        }
        for failing in bad {
            self.roll_back(&failing, published).await;
        }
    }

    async fn roll_back_by_hand(&mut self, name: &str, published: &ArcSwap<World>) -> Result<(), NotDone> {
        self.is_loaded(name)?;
        let Some(undone) = self.generations.undo(name, &self.config) else {
            return Err(NotDone::Nothing(format!(
                "`{name}` has no earlier generation to go back to: none was replaced since this process started, \
                 or the last rollback went back to it already"
            )));
        };
        let what = match undone.canary {
            true => "withdrawn by hand; every request goes to",
            false => "rolled back by hand to",
        };
        let why = self.put_back(&undone, what, published).await;
        tracing::info!(target: "jackfield::plugin", plugin = name, digest = undone.bad.digest(), "{why}");
        Ok(())
    }

    fn promote_by_hand(&mut self, name: &str, published: &ArcSwap<World>) -> Result<(), NotDone> {
        self.is_loaded(name)?;
        match self.promote(name, published) {
            true => Ok(()),
            false => Err(NotDone::Nothing(format!(
                "`{name}` has no canary: new files and settings are on trial where plugins.settings.{name}.canary gives \
                 a share, until their probation is over"
            ))),
        }
    }

    fn is_loaded(&self, name: &str) -> Result<(), NotDone> {
        match (self.generations.get(name), self.roster.load().get(name)) {
            (Some(_), _) => Ok(()),
            (None, Some(status)) => {
                let state = status.state();
                Err(NotDone::Nothing(format!("no generation of `{name}` is loaded: it is {state}")))
            }
            (None, None) => Err(NotDone::Unknown),
        }
    }

    /// Publishes a world without the generation that was undone, and condemns its bytes. Says why.
    async fn put_back(&mut self, undone: &Undone, what: &str, published: &ArcSwap<World>) -> String {
        let Undone { bad, good, canary } = undone;
        let again = match bad.digest() == good.digest() {
            true => "these settings are not tried again until they change",
            false => "these bytes are not loaded again with the same settings",
        };
        let why = format!("{what} {}; {again}", good.digest());
        self.catalog = self.catalog.rolled_back(good, &why, &mut self.memory).await;
        self.metrics.host.changed(match canary {
            true => ReloadChange::CanaryWithdrawn,
            false => ReloadChange::PluginRolledBack,
        });
        self.publish(published);
        why
    }

    fn publish(&mut self, published: &ArcSwap<World>) {
        let rules = self.rules();
        published.store(Arc::new(self.world(rules)));
    }
}
