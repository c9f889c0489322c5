//! A component behind the contract's `Router`.

use jackfield_core::contract::{Ask, BoxFuture, PluginFault, Router, Routing};

use crate::bindings::exports::jackfield::plugin::routing::GuestIndices;
use crate::call::{self, CallCost, Callable};

/// A routing rule that is a WebAssembly component.
pub struct ComponentRouter {
    callable: Callable,
    export: GuestIndices,
}

impl ComponentRouter {
    pub(crate) fn new(callable: Callable, export: GuestIndices) -> Self {
        Self { callable, export }
    }

    /// Decides about one request, and says what it cost.
    pub async fn route_measured(&self, ask: Ask) -> Result<(Routing, CallCost), PluginFault> {
        call::route(&self.callable, &self.export, ask).await
    }
}

impl Router for ComponentRouter {
    fn name(&self) -> &str {
        &self.callable.shared.name
    }

    fn route(&self, ask: Ask) -> BoxFuture<'_, Result<Routing, PluginFault>> {
        Box::pin(
            async move { call::route(&self.callable, &self.export, ask).await.map(|(routing, _)| routing) },
        )
    }
}
