//! Workflows and runs by their names: who may run what, and what goes along.

use http::HeaderMap;

use jackfield_core::base::excerpt;
use jackfield_core::config::Workflow;
use jackfield_core::contract::{Caller, Fault, FaultKind};
use jackfield_store::runs::Owner;
use std::sync::Arc;

use crate::world::World;

/// The prefix of a model name that names a workflow instead.
pub const WORKFLOW_PREFIX: &str = "workflow/";

/// What is said to this gateway about one request is not said of the steps.
const OURS: &str = "x-jackfield-";

/// The workflow of this name.
///
/// # Errors
/// There is none.
pub fn workflow(world: &World, name: &str) -> Result<Arc<Workflow>, Fault> {
    world.config().workflows().get(name).cloned().ok_or_else(|| {
        let known: Vec<&str> = world.config().workflows().keys().map(String::as_str).collect();
        let known = match known.is_empty() {
            true => "none is configured".to_owned(),
            false => format!("there are: {}", known.join(", ")),
        };
        let message = format!("the workflow '{}' does not exist here; {known}", excerpt(name, 64));
        Fault::new(FaultKind::UnknownWorkflow, message)
    })
}

/// Whether the caller's key may run this workflow: where it lists models, `workflow/NAME` must be among them. The models of the
/// steps are held against the list as those of any request.
pub fn may_run(caller: &Caller, name: &str) -> Result<(), Fault> {
    if may_name(caller, name) {
        return Ok(());
    }
    let message = format!("this key may not use the model '{WORKFLOW_PREFIX}{name}'");
    Err(Fault::new(FaultKind::ModelNotAllowed, message).with_param("model"))
}

/// Whether the caller's key may name this workflow.
pub fn may_name(caller: &Caller, name: &str) -> bool {
    let named = |model: &String| model.strip_prefix(WORKFLOW_PREFIX) == Some(name);
    caller.models.as_deref().is_none_or(|models| models.iter().any(named))
}

/// The workflows that the caller's key may name; `None`: all.
pub(super) fn nameable(caller: &Caller) -> Option<Vec<String>> {
    let models = caller.models.as_deref()?.iter();
    Some(models.filter_map(|model| model.strip_prefix(WORKFLOW_PREFIX)).map(str::to_owned).collect())
}

/// Whose the runs are that this caller begins, and those that it sees.
pub(super) fn owner(caller: &Caller) -> Owner {
    Owner { project: caller.project.clone(), key: caller.key.as_deref().map(str::to_owned) }
}

pub(super) fn unknown_run(id: &str) -> Fault {
    let message = format!("no run '{}' is kept for this project or key", excerpt(id, 64));
    Fault::new(FaultKind::UnknownRun, message)
}

/// The headers that the steps' requests have: the run's, without what was said of the run's own request.
pub(super) fn passed_on(mut headers: HeaderMap) -> HeaderMap {
    let ours: Vec<_> = headers.keys().filter(|name| name.as_str().starts_with(OURS)).cloned().collect();
    for name in ours {
        headers.remove(name);
    }
    headers
}
