//! A component behind the contract's `Router`.

use std::sync::Arc;

use jackfield_core::contract::{Ask, BoxFuture, PluginFault, Router, Routing};

use crate::bindings::exports::jackfield::plugin::routing::GuestIndices;
use crate::call::{self, CallCost, Callable};
use crate::state::Shared;
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

    /// The same rule, for calls that leave no trace. Instances that are used again are its own.
    pub(crate) fn shadow(&self) -> Self {
        let shared = Shared { shadow: true, ..Shared::clone(&self.callable.shared) };
        let callable = Callable { shared: Arc::new(shared), ..self.callable.clone() };
        let idle = self.idle.is_some().then(IdleInstances::default);
        Self { callable, export: self.export.clone(), idle }
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
