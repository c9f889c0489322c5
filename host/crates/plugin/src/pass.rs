//! The right to run: a permit, the clock that interrupts, and the deadline. Given up while a guest waits for a model,
//! so that others run meanwhile and the wait is not held against it; what was left of its time is what it has after.
//!
//! Bounds: the wait is whoever's business is waited for; to run again a guest waits as long as it had time left. It
//! is given up with the `Pass`, however the call ends: a `Leave` that lives longer holds nothing.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Instant, timeout_at};

use jackfield_core::contract::PluginFaultKind;

use crate::call::Place;
use crate::engine::Inner;
use crate::limits::LimitHit;
use crate::ticker::Running;

/// One call's right to run.
pub(crate) struct Pass(Leave);

/// The right to give it up for a while. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Leave {
    engine: Arc<Inner>,
    shared: Arc<Shared>,
}

struct Shared {
    state: Mutex<State>,
    /// Ticks of computing.
    ticks: AtomicU32,
}

struct State {
    held: Option<Held>,
    /// When the call must be over; `None` while the guest waits for a model.
    deadline: Option<Instant>,
}

/// What is given up and taken again.
pub(crate) struct Held {
    _permit: OwnedSemaphorePermit,
    _running: Running,
}

impl Held {
    /// From now on the clock runs.
    pub(crate) fn new(permit: OwnedSemaphorePermit, engine: &Inner) -> Self {
        Self { _permit: permit, _running: engine.ticker.run() }
    }
}

impl Pass {
    /// The right to run until then.
    pub(crate) fn new(engine: &Arc<Inner>, held: Held, deadline: Instant) -> Self {
        let state = State { held: Some(held), deadline: Some(deadline) };
        let shared = Shared { state: Mutex::new(state), ticks: AtomicU32::new(0) };
        Self(Leave { engine: Arc::clone(engine), shared: Arc::new(shared) })
    }

    /// When the call must be over; `None` while somebody else is waited for.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.0.lock().deadline
    }

    /// How long the guest has computed, in ticks.
    pub(crate) fn ticks(&self) -> u32 {
        self.0.shared.ticks.load(Ordering::Relaxed)
    }

    /// For the one who waits in the middle of the call.
    pub(crate) fn leave(&self) -> Leave {
        self.0.clone()
    }
}

impl Drop for Pass {
    /// The call is over. Its instance may be dropped later, and has a `Leave`.
    fn drop(&mut self) {
        self.0.lock().held = None;
    }
}

impl Leave {
    /// The guest computed for a tick.
    pub(crate) fn ticked(&self) {
        self.shared.ticks.fetch_add(1, Ordering::Relaxed);
    }

    /// Waits for somebody else and lets others run meanwhile. An error is a guest that found no permit afterwards.
    pub(crate) async fn away<T>(&self, wait: impl Future<Output = T>) -> Result<T, LimitHit> {
        let left = self.give_up();
        let answer = wait.await;
        let deadline = Instant::now() + left;
        let held = self.again(deadline, left).await?;
        *self.lock() = State { held: Some(held), deadline: Some(deadline) };
        Ok(answer)
    }

    /// Gives up what is held, and says how much time was left.
    fn give_up(&self) -> Duration {
        let mut state = self.lock();
        state.held = None;
        let deadline = state.deadline.take();
        deadline.map_or(Duration::ZERO, |at| at.saturating_duration_since(Instant::now()))
    }

    /// What was given up. One who has run already stands in line like the others, and is not turned away.
    async fn again(&self, deadline: Instant, left: Duration) -> Result<Held, LimitHit> {
        let engine = &self.engine;
        if let Ok(permit) = Arc::clone(&engine.permits).try_acquire_owned() {
            return Ok(Held::new(permit, engine));
        }
        engine.waiting.fetch_add(1, Ordering::Relaxed);
        let _place = Place(&engine.waiting);
        match timeout_at(deadline, Arc::clone(&engine.permits).acquire_owned()).await {
            Ok(Ok(permit)) => Ok(Held::new(permit, engine)),
            _ => {
                let message = format!("no permit to go on was free within the {left:?} it had left");
                Err(LimitHit::new(PluginFaultKind::Overloaded, message))
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing under this lock can panic half-way through a change.
        self.shared.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
