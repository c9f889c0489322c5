//! `workflows:` graphs of steps, each one call of a model. The block of the seed documents loads as it is.
//!
//! What comes out is checked: every name is there, every expression can be read and refers to what there is before it, no
//! step waits for itself. Steps are in the file's order; what a step needs, said or implied by an expression, is in `needs`.

// What comes out.
mod describe;
mod step;
mod types;

// What is written.
mod raw;

// The checks: a workflow, its steps, their expressions; then what they have to do with each other.
mod check;
mod check_call;
mod check_foreach;
mod check_repeat;
mod check_step;
mod graph;
mod nested;
mod reader;
mod shape;

pub(crate) use check::{Workflows, check_all, show};
pub(crate) use raw::RawWorkflow;
pub use step::{
    Ask, Call, Choose, Foreach, MAX_BATCH, MAX_ITEMS, MAX_ITERATIONS, Refine, Repeat, Step, StepOutput, Until,
};
pub use types::{Input, InputKind, OnDisconnect, StepFailure, Workflow};

/// Workflows in one file.
const MAX_WORKFLOWS: usize = 256;
/// Steps of one workflow.
const MAX_STEPS: usize = 64;
/// Workflows inside each other, the outermost included.
pub const MAX_NESTED: usize = 8;
/// Calls of one run, or of one step, at the same time.
const MAX_PARALLEL: usize = 64;
/// The longest name of a step or a variable, in bytes.
const MAX_NAME: usize = 64;
/// Names that expressions use for something else.
const LOCALS: &[&str] =
    &["input", "output", "request", "results", "index", "issues", "iteration", "evaluation"];
