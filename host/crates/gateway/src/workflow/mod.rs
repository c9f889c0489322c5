//! Runs of workflows: graphs of steps, each one or more calls through the whole pipeline.
//!
//! Reading order: `registry` begins a run and owns its task; `run` goes through a workflow's graph; `step` is one step of it,
//! with `foreach`, `repeat` and `refine` as the ways to make more than one call; `call` is one of those, and `journal` keeps what it
//! answered, so that a run which broke off goes on without paying twice. `model` lets a workflow answer as a model does.
//!
//! Bounded: `MAX_RUNS` runs, `max_parallel` calls of each at once, its `timeout`, its `budget_usd`, and what bounds every request.
//! Names neither the HTTP edge nor the database.

mod ask;
mod board;
mod call;
mod context;
mod foreach;
mod input;
mod interrupted;
mod journal;
mod listing;
mod model;
/// Workflows and runs by their names.
pub mod named;
mod prompt;
mod record;
mod refine;
mod registry;
mod repeat;
mod run;
mod step;
mod tally;

pub use board::{Event, Listening};
pub use input::checked;
pub use listing::{MAX_LISTED, RunList, RunSummary};
pub use model::answer;
pub use record::{ErrorRecord, RunRecord, RunStatus, Spent, StepRecord, StepStatus};
pub use registry::{Resumed, RunAsk, Runs, Started};

use std::time::Duration;

use jackfield_core::config::Workflow;
use jackfield_core::contract::{Fault, FaultKind};

/// Waits for so long at most.
async fn wait_for<T>(timeout: Duration, future: impl Future<Output = T>) -> Option<T> {
    tokio::time::timeout(timeout, future).await.ok()
}

/// A workflow's time is up.
fn late(workflow: &Workflow) -> Fault {
    let (name, timeout) = (&workflow.name, workflow.timeout);
    let message = format!("the workflow '{name}' was not done within {timeout:?} (workflows.{name}.timeout)");
    Fault::new(FaultKind::WorkflowTimeout, message)
}
