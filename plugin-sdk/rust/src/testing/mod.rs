//! A played host for unit tests: no gateway, no WebAssembly, plain `cargo test`.
//!
//! ```
//! # use jackfield_plugin as jackfield;
//! use jackfield::{prelude::*, testing::Host};
//!
//! fn route(request: &Request) -> Option<Target> {
//!     request.contains("urgent").then(|| Target::model("fast-model"))
//! }
//!
//! let target = Host::new().prompt("urgent: the build is red").run(route);
//! assert_eq!(target, Some(Target::model("fast-model")));
//! ```
//!
//! This module does not exist on WebAssembly, and outside of `Host::run` the plugin's questions fail the test:
//! a plugin cannot take the play for the real thing. The contract's behaviour is kept where a rule can see it
//! (what is absent, what is an error), its limits are not; `jackfield plugin run` runs the component itself.

mod host;
mod memory;
mod model;
pub(crate) mod served;
mod stage;

pub use host::Host;
pub use model::Model;

#[cfg(test)]
mod tests;
