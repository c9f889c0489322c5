//! A component behind the contract's `Validator`.

#[cfg(test)]
mod tests;

use std::sync::Arc;

use jackfield_core::contract::{BoxFuture, PluginFault, Review, Validation, Validator};

use crate::call;
use crate::instances::Instances;
use crate::session::{CallCost, Callable};

/// A check of whole answers that is a WebAssembly component.
pub struct ComponentValidator {
    callable: Arc<Callable>,
    instances: Arc<Instances>,
}

impl ComponentValidator {
    pub(crate) fn new(callable: Arc<Callable>, instances: Arc<Instances>) -> Self {
        Self { callable, instances }
    }

    /// Judges one answer, and says what it cost.
    pub async fn validate_measured(&self, review: Review) -> Result<(Validation, CallCost), PluginFault> {
        call::validate(&self.callable, &self.instances, review).await
    }
}

impl Validator for ComponentValidator {
    fn name(&self) -> &str {
        &self.callable.shared.name
    }

    fn validate(&self, review: Review) -> BoxFuture<'_, Result<Validation, PluginFault>> {
        Box::pin(async move { self.validate_measured(review).await.map(|(validation, _)| validation) })
    }
}
