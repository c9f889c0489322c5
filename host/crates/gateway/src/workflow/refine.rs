//! Progressive detail: a draft is worked out further only where a condition calls for it.

use std::sync::Arc;

use serde_json::Value;

use jackfield_core::config::Refine;
use jackfield_core::contract::Fault;
use jackfield_core::expression::Scope;

use super::prompt;
use super::repeat::OUTPUT;
use super::step::{Saying, StepRun, format_of, holds};

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
    let ask = &refine.ask;
    let system = match &ask.system {
        Some(system) => Some(prompt::render(system, &inner)?),
        None => prompt::system(run.step, scope)?,
    };
    let said = Saying {
        name: format!("{name}:refine"),
        whom: ask.call.as_ref().unwrap_or(&run.step.call),
        system,
        text: prompt::render(&ask.prompt, &inner)?,
        format: format_of(&run.step.output),
        aside: false,
    };
    run.ask(said, &inner).await
}
