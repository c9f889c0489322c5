//! `workflows:` graphs of steps, each one call of a model. The block of the seed documents loads as it is.
//!
//! What comes out is checked: every name is there, every expression can be read and refers to what there is before it, no
//! step waits for itself. Steps are in the file's order; what a step needs, said or implied by an expression, is in `needs`.

mod step;
mod types;

pub use step::{
    Ask, Call, Choose, Foreach, MAX_BATCH, MAX_ITEMS, MAX_ITERATIONS, Refine, Repeat, Step, StepOutput, Until,
};
pub use types::{Input, InputKind, OnDisconnect, StepFailure, Workflow};
