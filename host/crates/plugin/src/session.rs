//! One instance and its store: made, given a call, closed.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::OwnedSemaphorePermit;
use wasmtime::component::{Instance, InstancePre};
use wasmtime::{PoolConcurrencyLimitError, Store, Trap, UpdateDeadline};

use jackfield_core::contract::{Ask, Draft, PluginFault, PluginFaultKind};

use crate::bindings::exports::jackfield::plugin::{lifecycle, routing, stream_validation, validation};
use crate::bindings::jackfield::plugin::types::{
    PluginError, PluginInfo, RequestSummary, ResponseSummary, Routing, Validation,
};
use crate::blame::blame;
use crate::convert;
use crate::limits::LimitHit;
use crate::pass::Pass;
use crate::state::{CallState, Shared};

/// What instances are made from.
#[derive(Clone)]
pub(crate) struct Callable {
    pub shared: Arc<Shared>,
    pub pre: InstancePre<CallState>,
    pub exports: Exports,
}

/// What of a component can be called.
#[derive(Clone, Default)]
pub(crate) struct Exports {
    pub lifecycle: Option<lifecycle::GuestIndices>,
    pub routing: Option<routing::GuestIndices>,
    pub validation: Option<validation::GuestIndices>,
    pub stream_validation: Option<stream_validation::GuestIndices>,
}

/// The functions of one instance.
struct Guests {
    routing: Option<routing::Guest>,
    validation: Option<validation::Guest>,
    stream_validation: Option<stream_validation::Guest>,
}

/// What a call cost, for `plugin run` and the metrics.
#[derive(Clone, Copy, Debug, Default)]
pub struct CallCost {
    /// Bytes of linear memory the instance held at its end.
    pub memory: usize,
    /// Host functions called.
    pub host_calls: u32,
    /// Questions to models.
    pub llm_calls: u32,
    /// Tokens those took, as far as providers said.
    pub llm_tokens: u64,
}

/// One instance and its store.
pub(crate) struct Session {
    store: Store<CallState>,
    instance: Instance,
    guests: Guests,
    /// Calls it has answered.
    pub calls: u32,
    /// Its place among the instances that may live.
    _live: OwnedSemaphorePermit,
}

impl Session {
    /// Makes an instance: what runs of the guest is its start, under the limits of a call.
    pub(crate) async fn open(plugin: &Callable, live: OwnedSemaphorePermit) -> Result<Self, PluginFault> {
        let limits = &plugin.shared.limits;
        let mut store = Store::new(&plugin.shared.engine.engine, CallState::new(Arc::clone(&plugin.shared)));
        store.limiter(|state| &mut state.space);
        store.set_hostcall_fuel(limits.host_call_size);
        store.set_max_component_handles(limits.handles as usize);
        store.set_epoch_deadline(1);
        store.epoch_deadline_callback(|mut store| {
            store.data_mut().meter.tick()?;
            if let Some(leave) = &store.data().leave {
                leave.ticked();
            }
            // Give way to other requests; the next tick is counted again.
            Ok(UpdateDeadline::YieldCustom(1, Box::pin(tokio::task::yield_now())))
        });
        let instance = match plugin.pre.instantiate_async(&mut store).await {
            Ok(instance) => instance,
            Err(error) => return Err(explain(&error, store.data())),
        };
        match Guests::load(&plugin.exports, &mut store, &instance) {
            Ok(guests) => Ok(Self { store, instance, guests, calls: 0, _live: live }),
            Err(error) => Err(explain(&error, store.data())),
        }
    }

    /// A call begins: counters at zero, a deadline of its own.
    pub(crate) fn begin(&mut self, cpu: Duration, pass: &Pass, ask: Option<Ask>, draft: Option<Arc<Draft>>) {
        self.store.data_mut().begin(cpu, pass.leave(), ask, draft);
        self.store.set_epoch_deadline(1);
    }

    /// The call is over and went well: lets go of the request.
    pub(crate) fn rest(&mut self) {
        self.store.data_mut().rest();
        self.calls = self.calls.saturating_add(1);
    }

    /// The call is over, however it ended: what it said of itself is told now, not when the instance is dropped.
    pub(crate) fn hear_out(&self) {
        if let Some(wasi) = &self.store.data().wasi {
            wasi.stdio().finish();
        }
    }

    /// Asks the guest about a request.
    pub(crate) async fn route(
        &mut self,
        summary: &RequestSummary,
    ) -> Result<(Result<Routing, PluginError>, CallCost), PluginFault> {
        let answer = match &self.guests.routing {
            Some(guest) => guest.call_route(&mut self.store, summary).await,
            None => Err(not_a("router")),
        };
        self.close(answer)
    }

    /// Asks the guest about an answer.
    pub(crate) async fn validate(
        &mut self,
        request: &RequestSummary,
        response: &ResponseSummary,
    ) -> Result<(Result<Validation, PluginError>, CallCost), PluginFault> {
        let answer = match &self.guests.validation {
            Some(guest) => guest.call_validate(&mut self.store, request, response).await,
            None => Err(not_a("validator")),
        };
        self.close(answer)
    }

    /// Tells the guest that a stream begins.
    pub(crate) async fn open_stream(
        &mut self,
        request: &RequestSummary,
    ) -> Result<Result<(), PluginError>, PluginFault> {
        let answer = match &self.guests.stream_validation {
            Some(guest) => guest.call_open(&mut self.store, request).await,
            None => Err(not_a("stream-validator")),
        };
        self.close(answer).map(|(answer, _)| answer)
    }

    /// Tells the guest of a piece of the stream, or of its end.
    pub(crate) async fn stream_step(
        &mut self,
        piece: Option<&stream_validation::Delta>,
    ) -> Result<Result<stream_validation::Step, PluginError>, PluginFault> {
        let answer = match (&self.guests.stream_validation, piece) {
            (Some(guest), Some(delta)) => guest.call_push(&mut self.store, delta).await,
            (Some(guest), None) => guest.call_finish(&mut self.store).await,
            (None, _) => Err(not_a("stream-validator")),
        };
        self.close(answer).map(|(answer, _)| answer)
    }

    /// Asks the guest whether its settings make sense.
    pub(crate) async fn check_config(
        &mut self,
        export: &lifecycle::GuestIndices,
        config: &str,
    ) -> Result<Result<PluginInfo, PluginError>, PluginFault> {
        let answer = match export.load(&mut self.store, &self.instance) {
            Ok(guest) => guest.call_check_config(&mut self.store, config).await,
            Err(error) => Err(error),
        };
        self.close(answer).map(|(answer, _)| answer)
    }

    fn close<T>(&self, answer: wasmtime::Result<T>) -> Result<(T, CallCost), PluginFault> {
        let state = self.store.data();
        let (llm_calls, llm_tokens) = state.meter.llm();
        let (memory, host_calls) = (state.space.memory(), state.meter.host_calls());
        let cost = CallCost { memory, host_calls, llm_calls, llm_tokens };
        let answer = answer.and_then(|value| Ok(state.meter.verdict().map(|()| value)?));
        answer.map(|value| (value, cost)).map_err(|error| explain(&error, state))
    }
}

impl Guests {
    fn load(exports: &Exports, store: &mut Store<CallState>, instance: &Instance) -> wasmtime::Result<Self> {
        let Exports { routing, validation, stream_validation, .. } = exports;
        Ok(Self {
            routing: routing.as_ref().map(|e| e.load(&mut *store, instance)).transpose()?,
            validation: validation.as_ref().map(|e| e.load(&mut *store, instance)).transpose()?,
            stream_validation: stream_validation
                .as_ref()
                .map(|e| e.load(&mut *store, instance))
                .transpose()?,
        })
    }
}

fn not_a(kind: &str) -> wasmtime::Error {
    LimitHit::new(PluginFaultKind::Abi, format!("it is no {kind}")).into()
}

/// What ended a guest, as a typed fault.
fn explain(error: &wasmtime::Error, state: &CallState) -> PluginFault {
    if let Some(hit) = error.downcast_ref::<LimitHit>() {
        return fault(hit.kind, &hit.message);
    }
    if let Some(hit) = blame(error, &state.plugin.limits) {
        return fault(hit.kind, &hit.message);
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

pub(crate) fn fault(kind: PluginFaultKind, message: impl std::fmt::Display) -> PluginFault {
    PluginFault { kind, message: convert::tame(&message.to_string(), 1_024) }
}
