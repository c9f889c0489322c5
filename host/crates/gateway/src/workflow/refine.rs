//! Progressive detail: a draft is worked out further only where a condition calls for it.

use std::sync::Arc;

use serde_json::Value;

use jackfield_core::config::Refine;
use jackfield_core::contract::Fault;
use jackfield_core::expression::Scope;

use super::ask::further;
use super::repeat::OUTPUT;
use super::step::{StepRun, holds};

/// The draft, or what became of it.
pub(super) async fn run(
    run: &StepRun<'_>,
    refine: &Refine,
    name: &str,
    scope: &Arc<Scope>,
    draft: Value,
) -> Result<Value, Fault> {
    let mut inner = Scope::inside(Arc::clone(scope));
    inner.insert(OUTPUT, draft.clone());
    if !holds(&refine.when, &inner)? {
        return Ok(draft);
    }
    further(run, &refine.ask, format!("{name}:refine"), false, scope, &inner).await
}
