//! Words everybody needs. Nothing here knows what a model or a plugin is.

mod drain;
mod ids;
mod money;
mod object;
mod pointer;
mod schema;
mod secret;
mod template;
mod text;

pub use drain::{Drain, DrainGuard, Signal};
pub use ids::{RequestId, RunId};
pub use money::NanoUsd;
pub use object::{JsonObject, ObjectEdit, ObjectError};
pub use pointer::json_pointer;
pub use schema::CompiledSchema;
pub use secret::Secret;
pub use template::{MAX_TEMPLATE, MAX_TEMPLATE_INPUTS, fill_template, template_inputs, unknown_in_template};
pub use text::{JsonText, LossyText, excerpt};
