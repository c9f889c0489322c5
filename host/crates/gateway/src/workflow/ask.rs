//! A further call of a step: one that improves its answer, works it out, or judges it.

use std::sync::Arc;

use serde_json::Value;

use jackfield_core::config::Ask;
use jackfield_core::contract::Fault;
use jackfield_core::expression::Scope;

use super::prompt;
use super::step::{Saying, StepRun, format_of};

/// Makes the call. `scope` is what the step's own expressions see, `seen` what this call's do; `aside`: it judges.
pub(super) async fn further(
    run: &StepRun<'_>,
    ask: &Ask,
    name: String,
    aside: bool,
    scope: &Arc<Scope>,
    seen: &Scope,
) -> Result<Value, Fault> {
    let system = match &ask.system {
        Some(system) => Some(prompt::render(system, seen)?),
        None => prompt::system(run.step, scope)?,
    };
    // What improves an answer gives another of its kind.
    let output = if aside { &ask.output } else { &run.step.output };
    let said = Saying {
        name,
        whom: ask.call.as_ref().unwrap_or(&run.step.call),
        system,
        text: prompt::render(&ask.prompt, seen)?,
        format: format_of(output),
        aside,
    };
    run.ask(said, seen).await
}
