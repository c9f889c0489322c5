//! How trials end: a canary is promoted or withdrawn, a generation that keeps failing after its swap is rolled back. Every
//! end is a new world; none waits for a file to change.

use std::sync::Arc;

use arc_swap::ArcSwap;
use tokio::sync::mpsc;
use tokio::time::Instant;

use jackfield_gateway::world::World;

use super::Keeper;
use crate::app::generations::{Failing, Undone, Verdict};

impl Keeper {
    /// Where to hear that a plugin's breaker opened.
    pub(in crate::app) fn failing(&mut self) -> mpsc::Receiver<Failing> {
        self.generations.listen()
    }

    /// A plugin keeps failing. A canary is withdrawn; if it began with a swap, its last good generation comes back.
    pub(in crate::app) async fn roll_back(&mut self, failing: &Failing, published: &ArcSwap<World>) {
        let name = failing.name.as_str();
        let Undone { bad, good, canary } = match self.generations.judge(failing, &self.config) {
            Verdict::Gone => return,
            Verdict::Alone => {
                tracing::warn!(target: "jackfield::plugin", plugin = name, "it keeps failing and is left alone for a while");
                return;
            }
            Verdict::Undone(undone) => *undone,
        };
        let what = match canary {
            true => "it kept failing as a canary, and was withdrawn; every request goes to",
            false => "it kept failing after it was swapped in, and was rolled back to",
        };
        let again = match bad.digest() == good.digest() {
            true => "these settings are not tried again until they change",
            false => "these bytes are not loaded again with the same settings",
        };
        let why = format!("{what} {}; {again}", good.digest());
        tracing::warn!(target: "jackfield::plugin", plugin = name, digest = bad.digest(), "{why}");
        self.catalog = self.catalog.rolled_back(&good, &why, &mut self.memory).await;
        self.publish(published);
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

    fn publish(&mut self, published: &ArcSwap<World>) {
        let rules = self.rules();
        published.store(Arc::new(self.world(rules)));
    }
}
