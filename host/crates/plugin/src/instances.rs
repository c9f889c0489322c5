//! The instances of one plugin generation: made ahead of their call, used again where that is asked for, and
//! thrown away off the request's path.
//!
//! **Fresh** (the default): a call takes an instance that was never used from a small stock, or makes one when the
//! stock is empty; afterwards the janitor, a task of this generation, drops it and makes the next. **Warm**: last in,
//! first out, so that a quiet plugin keeps few; one call at a time; an instance whose call failed, was cancelled or
//! answered nonsense is never seen again. Bounds: 4 instances in stock, 8 idle warm ones, each of those for at most
//! 10 000 calls; and nothing is kept ready that takes more than half of the places for living instances.

#[cfg(test)]
mod tests;

use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::mpsc;
use tokio::task::AbortHandle;

use crate::call;
use crate::session::{Callable, Session};

/// Instances made ahead for one plugin.
const STOCK: usize = 4;
/// Idle warm instances kept of one plugin.
const MAX_IDLE: usize = 8;
/// Calls after which a warm instance is given up: what a guest leaks, it leaks no further.
const MAX_CALLS: u32 = 10_000;
/// Used instances that may wait for the janitor. One that finds no room is dropped where it is.
const SPENT: usize = 32;

/// The instances of one generation that wait for their call.
pub(crate) struct Instances {
    ready: Arc<Ready>,
    /// Fresh instances have somebody who makes and drops them; warm ones do not need him.
    janitor: Option<Janitor>,
}

#[derive(Default)]
struct Ready {
    stack: Mutex<Vec<Session>>,
}

struct Janitor {
    spent: mpsc::Sender<Session>,
    task: AbortHandle,
}

/// An instance for one call, or the place for one. Whatever becomes of the call, the instance goes back to those it
/// came from when this is dropped.
pub(crate) struct Lease {
    from: Arc<Instances>,
    session: Option<Session>,
    went_well: bool,
}

impl Instances {
    /// The instances of a plugin whose every call gets one of its own. To be called within a runtime.
    pub(crate) fn fresh(plugin: &Arc<Callable>) -> Self {
        let ready = Arc::<Ready>::default();
        let (spent, used) = mpsc::channel(SPENT);
        let task = tokio::spawn(tidy(Arc::clone(plugin), Arc::clone(&ready), used)).abort_handle();
        Self { ready, janitor: Some(Janitor { spent, task }) }
    }

    /// The instances of a plugin that uses them again.
    pub(crate) fn warm() -> Self {
        Self { ready: Arc::default(), janitor: None }
    }

    /// Instances of the same sort for another way to call the plugin.
    pub(crate) fn like(&self, plugin: &Arc<Callable>) -> Self {
        match &self.janitor {
            Some(_) => Self::fresh(plugin),
            None => Self::warm(),
        }
    }

    /// How many instances wait.
    #[cfg(test)]
    pub(crate) fn in_stock(&self) -> usize {
        self.ready.len()
    }

    /// An instance, if one is ready; else a place for one.
    pub(crate) fn lease(self: &Arc<Self>) -> Lease {
        Lease { from: Arc::clone(self), session: self.ready.pop(), went_well: false }
    }

    fn take_back(&self, session: Session, went_well: bool) {
        match &self.janitor {
            // Whoever finds the janitor busy drops it himself.
            Some(janitor) => drop(janitor.spent.try_send(session)),
            None if went_well && session.calls < MAX_CALLS => self.ready.push(session, MAX_IDLE),
            None => {}
        }
    }
}

impl Drop for Janitor {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Lease {
    /// Whether an instance was ready.
    pub(crate) fn is_ready(&self) -> bool {
        self.session.is_some()
    }

    /// Puts an instance made for this call into its place.
    pub(crate) fn fill(&mut self, session: Session) {
        self.session = Some(session);
    }

    /// The instance, once there is one.
    pub(crate) fn session(&mut self) -> Option<&mut Session> {
        self.session.as_mut()
    }

    /// The call went well: the instance may be used again, where they are.
    pub(crate) fn went_well(mut self) {
        if let Some(session) = &mut self.session {
            session.rest();
        }
        self.went_well = true;
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        if let Some(session) = self.session.take() {
            session.hear_out();
            self.from.take_back(session, self.went_well);
        }
    }
}

impl Ready {
    fn pop(&self) -> Option<Session> {
        self.lock().pop()
    }

    fn push(&self, session: Session, most: usize) {
        let mut stack = self.lock();
        if stack.len() < most {
            stack.push(session);
        }
    }

    fn len(&self) -> usize {
        self.lock().len()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Session>> {
        self.stack.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Keeps the stock full and drops what was used. A plugin that fails while it starts is left to its next call, which
/// tells of it.
async fn tidy(plugin: Arc<Callable>, ready: Arc<Ready>, mut used: mpsc::Receiver<Session>) {
    loop {
        while ready.len() < STOCK {
            match call::make_ahead(&plugin).await {
                Some(session) => ready.push(session, STOCK),
                None => break,
            }
        }
        let Some(session) = used.recv().await else { return };
        drop(session);
        while let Ok(session) = used.try_recv() {
            drop(session);
        }
    }
}
