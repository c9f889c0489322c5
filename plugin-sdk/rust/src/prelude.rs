//! What nearly every rule names: `use jackfield::prelude::*;`.
//!
//! `Deserialize` is serde's own; its derive wants `serde` among the plugin's dependencies.

pub use serde::Deserialize;

pub use crate::{
    Decision, Error, FinishReason, IntoRouting, IntoValidation, Reasoning, RejectClass, Request, Response,
    Routing, Target, Validation, Verdict,
};
