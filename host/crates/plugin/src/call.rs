//! One call, from permit to fault. Every call has a deadline, a memory limit, a host-call limit and a
//! permit. By default it gets memory that no call before it has touched.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::{Instant, timeout_at};
use wasmtime::component::{Instance, InstancePre};
use wasmtime::{PoolConcurrencyLimitError, Store, Trap, UpdateDeadline};

use jackfield_core::contract::{Ask, PluginFault, PluginFaultKind, Routing};

use crate::bindings::exports::jackfield::plugin::{lifecycle, routing};
use crate::bindings::jackfield::plugin::types::{PluginError, PluginInfo};
use crate::blame::blame;
use crate::convert;
use crate::limits::{CHECK_CPU, CallLimits, HANDLES, LIFT_BYTES_PER_CALL, LimitHit};
use crate::state::{CallState, Shared};
use crate::warm::{IdleInstances, WarmInstance};

/// How long a first start and `check-config` may take on the wall: so much longer than they may compute that a busy
/// host is not what ends them.
const CHECK_WALL: Duration = Duration::from_secs(5);

/// What a call needs of a loaded plugin.
#[derive(Clone)]
pub(crate) struct Callable {
    pub shared: Arc<Shared>,
    pub pre: InstancePre<CallState>,
    pub limits: CallLimits,
}

/// What a call cost, for `plugin run` and the metrics.
#[derive(Clone, Copy, Debug, Default)]
pub struct CallCost {
    /// Bytes of linear memory the instance held at its end.
    pub memory: usize,
    /// Host functions called.
    pub host_calls: u32,
}

/// Asks a router about one request.
pub(crate) async fn route(
    plugin: &Callable,
    export: &routing::GuestIndices,
    idle: Option<&IdleInstances>,
    ask: Ask,
) -> Result<(Routing, CallCost), PluginFault> {
    let summary = convert::summary(&ask);
    within(plugin, plugin.limits.wall, async {
        let used = idle.and_then(IdleInstances::take);
        let mut instance = match used {
            Some(mut instance) => {
                instance.session.renew(plugin, Some(ask.clone()));
                instance
            }
            None => {
                let mut session = Session::open(plugin, &plugin.limits, Some(ask.clone())).await?;
                match export.load(&mut session.store, &session.instance) {
                    Ok(guest) => WarmInstance { session, guest, calls: 0 },
                    Err(error) => return Err(explain(&error, session.store.data())),
                }
            }
        };
        // From here to the end an early return, a trap or a cancelled future drops the instance.
        let WarmInstance { session, guest, .. } = &mut instance;
        let answer = guest.call_route(&mut session.store, &summary).await;
        let (answer, cost) = session.close(answer)?;
        let routing = answer.map_err(|error| convert::reported(&error))?;
        let routing = convert::routing(routing, &ask)?;
        if let Some(idle) = idle {
            instance.session.rest();
            idle.give(instance);
        }
        Ok((routing, cost))
    })
    .await
}

/// Makes an instance and throws it away.
pub(crate) async fn instantiate(plugin: &Callable) -> Result<(), PluginFault> {
    within(plugin, plugin.limits.wall, async { Session::open(plugin, &plugin.limits, None).await.map(drop) })
        .await
}

/// Makes a first instance, as patiently as settings are checked, and throws it away: what cannot start cannot serve.
pub(crate) async fn start(plugin: &Callable) -> Result<(), PluginFault> {
    let limits = CallLimits { cpu: CHECK_CPU, ..plugin.limits };
    within(plugin, CHECK_WALL, async { Session::open(plugin, &limits, None).await.map(drop) }).await
}

/// Asks a plugin whether its settings make sense.
pub(crate) async fn check_config(
    plugin: &Callable,
    export: &lifecycle::GuestIndices,
) -> Result<Result<PluginInfo, PluginError>, PluginFault> {
    let limits = CallLimits { cpu: CHECK_CPU, ..plugin.limits };
    let (answer, _) = within(plugin, CHECK_WALL, async {
        let mut session = Session::open(plugin, &limits, None).await?;
        let guest = export.load(&mut session.store, &session.instance);
        let answer = match guest {
            Ok(guest) => guest.call_check_config(&mut session.store, &plugin.shared.config).await,
            Err(error) => Err(error),
        };
        session.close(answer)
    })
    .await?;
    Ok(answer)
}

/// Runs one call under a permit and a wall-clock deadline.
async fn within<T>(
    plugin: &Callable,
    wall: Duration,
    call: impl Future<Output = Result<T, PluginFault>>,
) -> Result<T, PluginFault> {
    let engine = &plugin.shared.engine;
    let deadline = Instant::now() + wall;
    // A guest that never ran is not to blame for the wait.
    let permit = timeout_at(deadline, permit(&engine.permits, &engine.waiting, engine.queue));
    let _permit = permit.await.unwrap_or_else(|_| {
        Err(fault(PluginFaultKind::Overloaded, format!("no permit to run was free within {wall:?}")))
    })?;
    let _running = engine.ticker.run();
    timeout_at(deadline, call).await.unwrap_or_else(|_| {
        Err(fault(PluginFaultKind::WallLimit, format!("took longer than {wall:?}, waiting included")))
    })
}

/// A permit to run, or a place in the queue, or neither.
async fn permit<'a>(
    permits: &'a Semaphore,
    waiting: &'a AtomicUsize,
    queue: usize,
) -> Result<SemaphorePermit<'a>, PluginFault> {
    struct Place<'a>(&'a AtomicUsize);
    impl Drop for Place<'_> {
        fn drop(&mut self) {
            self.0.fetch_sub(1, Ordering::Relaxed);
        }
    }
    if let Ok(permit) = permits.try_acquire() {
        return Ok(permit);
    }
    let before = waiting.fetch_add(1, Ordering::Relaxed);
    let _place = Place(waiting);
    if before >= queue {
        return Err(fault(PluginFaultKind::Overloaded, format!("{queue} plugin calls are waiting already")));
    }
    permits.acquire().await.map_err(|_| fault(PluginFaultKind::Overloaded, "the plugin engine is stopping"))
}

/// One instance and its store.
pub(crate) struct Session {
    store: Store<CallState>,
    instance: Instance,
}

impl Session {
    async fn open(plugin: &Callable, limits: &CallLimits, ask: Option<Ask>) -> Result<Self, PluginFault> {
        let state = CallState::new(Arc::clone(&plugin.shared), limits, ask);
        let mut store = Store::new(&plugin.shared.engine.engine, state);
        store.limiter(|state| &mut state.space);
        store.set_hostcall_fuel(LIFT_BYTES_PER_CALL);
        store.set_max_component_handles(HANDLES);
        store.set_epoch_deadline(1);
        store.epoch_deadline_callback(|mut store| {
            store.data_mut().meter.tick()?;
            // Give way to other requests; the next tick is counted again.
            Ok(UpdateDeadline::YieldCustom(1, Box::pin(tokio::task::yield_now())))
        });
        match plugin.pre.instantiate_async(&mut store).await {
            Ok(instance) => Ok(Self { store, instance }),
            Err(error) => Err(explain(&error, store.data())),
        }
    }

    /// Makes a used instance ready for its next call: counters at zero, a deadline of its own.
    fn renew(&mut self, plugin: &Callable, ask: Option<Ask>) {
        self.store.data_mut().renew(&plugin.limits, ask);
        self.store.set_epoch_deadline(1);
    }

    /// Lets go of the request that was decided about.
    fn rest(&mut self) {
        self.store.data_mut().rest();
    }

    fn close<T>(&self, answer: wasmtime::Result<T>) -> Result<(T, CallCost), PluginFault> {
        let state = self.store.data();
        let cost = CallCost { memory: state.space.memory(), host_calls: state.meter.host_calls() };
        let answer = answer.and_then(|value| Ok(state.meter.verdict().map(|()| value)?));
        answer.map(|value| (value, cost)).map_err(|error| explain(&error, state))
    }
}

/// What ended a guest, as a typed fault.
fn explain(error: &wasmtime::Error, state: &CallState) -> PluginFault {
    if let Some(hit) = error.downcast_ref::<LimitHit>() {
        return fault(hit.kind, &hit.message);
    }
    if let Some(hit) = blame(error) {
        return fault(hit.kind, hit.message);
    }
    if error.is::<PoolConcurrencyLimitError>() {
        return fault(PluginFaultKind::Overloaded, "no instance is free");
    }
    if let Some(denied) = &state.space.denied {
        return fault(denied.kind, &denied.message);
    }
    let cause = error.root_cause();
    match error.downcast_ref::<Trap>() {
        Some(
            trap @ (Trap::InvalidChar
            | Trap::InvalidDiscriminant
            | Trap::ListOutOfBounds
            | Trap::StringOutOfBounds
            | Trap::UnalignedPointer),
        ) => fault(PluginFaultKind::Abi, trap),
        Some(trap) => fault(PluginFaultKind::Trap, trap),
        // What is no trap was found by the host while reading the guest's answer.
        None => fault(PluginFaultKind::Abi, cause),
    }
}

fn fault(kind: PluginFaultKind, message: impl std::fmt::Display) -> PluginFault {
    PluginFault { kind, message: convert::tame(&message.to_string(), 1_024) }
}
