//! One call, from permit to fault. Every call has a deadline, a memory limit, a host-call limit and a
//! permit. By default it gets memory that no call before it has touched.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::{AcquireError, OwnedSemaphorePermit};
use tokio::time::{Instant, timeout_at};

use jackfield_core::contract::{Ask, PluginFault, PluginFaultKind, Review, Routing, Validation};

use crate::bindings::exports::jackfield::plugin::lifecycle;
use crate::bindings::jackfield::plugin::types::{PluginError, PluginInfo};
use crate::convert;
use crate::engine::Inner;
use crate::instances::{Instances, Lease};
use crate::pass::{Held, Pass};
use crate::session::{CallCost, Callable, Session, fault};
use crate::wall::timed;

/// How much longer than its computing time `check-config` may take by the clock: the machine may be busy.
const CHECK_SLACK: Duration = Duration::from_secs(2);

/// Asks a router about one request.
pub(crate) async fn route(
    plugin: &Callable,
    instances: &Arc<Instances>,
    ask: Ask,
) -> Result<(Routing, CallCost), PluginFault> {
    let limits = &plugin.shared.limits;
    let summary = convert::summary(&ask);
    let mut turn = Turn::take(plugin, instances.lease(), limits.wall).await?;
    let call = async {
        let session = turn.lease.session().ok_or_else(gone)?;
        session.begin(limits.cpu, &turn.pass, Some(ask.clone()), None);
        let (answer, cost) = session.route(&summary).await?;
        let routing = answer.map_err(|error| convert::reported(&error))?;
        Ok((convert::routing(routing, &ask)?, cost))
    };
    let answer = timed(&turn.pass, limits.wall, call).await;
    if answer.is_ok() {
        turn.lease.went_well();
    }
    answer
}

/// Asks a validator about one answer.
pub(crate) async fn validate(
    plugin: &Callable,
    instances: &Arc<Instances>,
    review: Review,
) -> Result<(Validation, CallCost), PluginFault> {
    let limits = &plugin.shared.limits;
    let (request, response) = (convert::summary(&review.ask), convert::response_summary(&review.draft));
    let mut turn = Turn::take(plugin, instances.lease(), limits.wall).await?;
    let call = async {
        let session = turn.lease.session().ok_or_else(gone)?;
        let draft = Some(Arc::clone(&review.draft));
        session.begin(limits.cpu, &turn.pass, Some(review.ask.clone()), draft);
        let (answer, cost) = session.validate(&request, &response).await?;
        let validation = answer.map_err(|error| convert::reported(&error))?;
        Ok((convert::validation(validation)?, cost))
    };
    let answer = timed(&turn.pass, limits.wall, call).await;
    if answer.is_ok() {
        turn.lease.went_well();
    }
    answer
}

/// Makes an instance and throws it away: what a call with fresh memory pays when none is in stock. A plugin that
/// cannot even start is told from one that can.
pub(crate) async fn instantiate(plugin: &Callable) -> Result<(), PluginFault> {
    let none = Arc::new(Instances::warm());
    // A busy machine is not what a plugin is refused for.
    Turn::take(plugin, none.lease(), plugin.shared.limits.wall + CHECK_SLACK).await.map(drop)
}

/// Makes an instance for a call to come, if there is room for it and it starts well.
pub(crate) async fn make_ahead(plugin: &Callable) -> Option<Session> {
    let engine = &plugin.shared.engine;
    // What is kept ready must not be what others wait for.
    if engine.live.available_permits() <= engine.live_limit / 2 {
        return None;
    }
    let live = Arc::clone(&engine.live).try_acquire_owned().ok()?;
    let _permit = engine.permits.acquire().await.ok()?;
    let _running = engine.ticker.run();
    let deadline = Instant::now() + plugin.shared.limits.wall;
    timeout_at(deadline, Session::open(plugin, live)).await.ok()?.ok()
}

/// Asks a plugin whether its settings make sense.
pub(crate) async fn check_config(
    plugin: &Callable,
    export: &lifecycle::GuestIndices,
) -> Result<Result<PluginInfo, PluginError>, PluginFault> {
    let limits = &plugin.shared.limits;
    let wall = limits.check_config + CHECK_SLACK;
    let none = Arc::new(Instances::warm());
    let mut turn = Turn::take(plugin, none.lease(), wall).await?;
    let call = async {
        let session = turn.lease.session().ok_or_else(gone)?;
        session.begin(limits.check_config, &turn.pass, None, None);
        session.check_config(export, &plugin.shared.config).await
    };
    timed(&turn.pass, wall, call).await
}

/// What a call holds while it runs: an instance, and the right to run.
pub(crate) struct Turn {
    pub lease: Lease,
    pub pass: Pass,
}

impl Turn {
    /// Waits for a place and a permit, and makes an instance where none was ready. A guest that never ran is not to
    /// blame for the wait.
    pub(crate) async fn take(plugin: &Callable, lease: Lease, wall: Duration) -> Result<Self, PluginFault> {
        let engine = &plugin.shared.engine;
        let deadline = Instant::now() + wall;
        let live = match lease.is_ready() {
            true => None,
            false => Some(engine.place(deadline, wall).await?),
        };
        let permit = engine.permit(deadline, wall).await?;
        let pass = Pass::new(engine, Held::new(permit, engine), deadline);
        let mut turn = Self { lease, pass };
        if let Some(live) = live {
            turn.lease.fill(timed(&turn.pass, wall, Session::open(plugin, live)).await?);
        }
        Ok(turn)
    }
}

impl Inner {
    /// A place for an instance that lives.
    async fn place(&self, deadline: Instant, wall: Duration) -> Result<OwnedSemaphorePermit, PluginFault> {
        if let Ok(place) = Arc::clone(&self.live).try_acquire_owned() {
            return Ok(place);
        }
        self.wait(Arc::clone(&self.live).acquire_owned(), "place for an instance", deadline, wall).await
    }

    /// A permit to run.
    async fn permit(&self, deadline: Instant, wall: Duration) -> Result<OwnedSemaphorePermit, PluginFault> {
        if let Ok(permit) = Arc::clone(&self.permits).try_acquire_owned() {
            return Ok(permit);
        }
        self.wait(Arc::clone(&self.permits).acquire_owned(), "permit to run", deadline, wall).await
    }

    /// Waits in the queue, if there is room in it.
    async fn wait<T>(
        &self,
        turn: impl Future<Output = Result<T, AcquireError>>,
        what: &str,
        deadline: Instant,
        wall: Duration,
    ) -> Result<T, PluginFault> {
        let queue = self.queue;
        let before = self.waiting.fetch_add(1, Ordering::Relaxed);
        let _place = Place(&self.waiting);
        if before >= queue {
            return Err(fault(
                PluginFaultKind::Overloaded,
                format!("{queue} plugin calls are waiting already"),
            ));
        }
        match timeout_at(deadline, turn).await {
            Ok(Ok(turn)) => Ok(turn),
            Ok(Err(_)) => Err(fault(PluginFaultKind::Overloaded, "the plugin engine is stopping")),
            Err(_) => Err(fault(PluginFaultKind::Overloaded, format!("no {what} was free within {wall:?}"))),
        }
    }
}

/// A place in the queue.
pub(crate) struct Place<'a>(pub &'a AtomicUsize);

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

pub(crate) fn gone() -> PluginFault {
    fault(PluginFaultKind::Overloaded, "no instance is free")
}
