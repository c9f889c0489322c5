//! A component behind the contract's `Router`.

use std::sync::atomic::Ordering;

use jackfield_core::contract::{Ask, BoxFuture, PluginFault, Router, Routing};

use crate::bindings::exports::jackfield::plugin::routing::GuestIndices;
use crate::call::{self, CallCost, Callable};
use crate::warm::IdleInstances;

/// A routing rule that is a WebAssembly component.
pub struct ComponentRouter {
    callable: Callable,
    export: GuestIndices,
    /// Instances that wait for their next call, where they are used again.
    idle: Option<IdleInstances>,
}

impl ComponentRouter {
    pub(crate) fn new(callable: Callable, export: GuestIndices, idle: Option<IdleInstances>) -> Self {
        Self { callable, export, idle }
    }

    /// The most linear memory an instance of it has held, in bytes; that of `check-config` counts too.
    pub fn peak_memory(&self) -> usize {
        self.callable.shared.peak_memory.load(Ordering::Relaxed)
    }

    /// Makes an instance and throws it away: what a call with fresh memory pays before it begins.
    pub async fn instantiate(&self) -> Result<(), PluginFault> {
        call::instantiate(&self.callable).await
    }

    /// Decides about one request, and says what it cost.
    pub async fn route_measured(&self, ask: Ask) -> Result<(Routing, CallCost), PluginFault> {
        call::route(&self.callable, &self.export, self.idle.as_ref(), ask).await
    }
}

impl Router for ComponentRouter {
    fn name(&self) -> &str {
        &self.callable.shared.name
    }

    fn route(&self, ask: Ask) -> BoxFuture<'_, Result<Routing, PluginFault>> {
        Box::pin(async move { self.route_measured(ask).await.map(|(routing, _)| routing) })
    }
}
