//! A component behind the contract's `Router`.

use std::sync::Arc;

use jackfield_core::contract::{Ask, BoxFuture, PluginFault, Router, Routing};

use crate::call;
use crate::instances::Instances;
use crate::session::{CallCost, Callable};
use crate::state::Shared;

/// A routing rule that is a WebAssembly component.
pub struct ComponentRouter {
    callable: Arc<Callable>,
    instances: Arc<Instances>,
}

impl ComponentRouter {
    pub(crate) fn new(callable: Arc<Callable>, instances: Arc<Instances>) -> Self {
        Self { callable, instances }
    }

    /// The same rule, for calls that leave no trace. Instances that are used again are its own.
    pub(crate) fn shadow(&self) -> Self {
        let shared = Shared { shadow: true, ..Shared::clone(&self.callable.shared) };
        let callable = Arc::new(Callable { shared: Arc::new(shared), ..Callable::clone(&self.callable) });
        let instances = Arc::new(self.instances.like(&callable));
        Self { callable, instances }
    }

    /// Makes an instance and throws it away: what a call with fresh memory pays when none is in stock.
    pub async fn instantiate(&self) -> Result<(), PluginFault> {
        call::instantiate(&self.callable).await
    }

    #[cfg(test)]
    pub(crate) fn in_stock(&self) -> usize {
        self.instances.in_stock()
    }

    /// Decides about one request, and says what it cost.
    pub async fn route_measured(&self, ask: Ask) -> Result<(Routing, CallCost), PluginFault> {
        call::route(&self.callable, &self.instances, ask).await
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
