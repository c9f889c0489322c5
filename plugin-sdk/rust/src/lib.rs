//! Write routing rules and answer checks for the Jackfield LLM gateway in Rust.
//!
//! A rule is a function from a `Request` to whatever says best which model answers; the attribute
//! `router` makes a WebAssembly component of it, which a running gateway picks up from a folder.
//!
//! ```
//! # use jackfield_plugin as jackfield;
//! use jackfield::prelude::*;
//!
//! #[derive(Deserialize)]
//! struct Config {
//!     keyword: String,
//!     model: String,
//! }
//!
//! #[jackfield::router]
//! fn route(request: &Request, config: &Config) -> Option<Target> {
//!     request.contains(&config.keyword).then(|| Target::model(&config.model))
//! }
//! ```
//!
//! A check of answers is a function of the request and the answer, under the attribute `validator`:
//!
//! ```
//! # use jackfield_plugin as jackfield;
//! use jackfield::prelude::*;
//!
//! #[jackfield::validator]
//! fn check(_request: &Request, response: &Response) -> Validation {
//!     match response.json::<Vec<String>>() {
//!         Ok(items) if items.is_empty() => Validation::reject("the list is empty"),
//!         Ok(items) => Validation::accept().score(1.0 / items.len() as f64),
//!         Err(error) => Validation::repair(format!("Answer with a JSON list of strings ({error}).")),
//!     }
//! }
//! ```
//!
//! The functions of `models`, `load`, `budget`, `clock`, `kv`, `log` and `llm` ask the host that
//! runs the plugin. In a native unit test there is none: `testing::Host` plays it, and a call outside of
//! `testing::Host::run` fails the test.

// Floor 0: what `wit/` says, in Rust, and who answers on this target.
mod bindings;
#[cfg(all(target_family = "wasm", feature = "heap"))]
mod heap;
mod imports;
#[cfg(not(target_family = "wasm"))]
pub mod testing;

// Floor 1: the words of a rule.
mod decision;
mod error;
mod into_routing;
mod request;
mod response;
mod target;
mod validation;

// Floor 2: what a rule may ask the host.
pub mod budget;
pub mod clock;
pub mod config;
pub mod json;
pub mod kv;
pub mod llm;
pub mod load;
pub mod log;
pub mod models;

// Floor 3: from a function to a component.
mod component;
mod panic;
pub mod prelude;

pub use bindings::imports::jackfield::plugin::types::{
    Decision, FinishReason, ReasoningLevel as Reasoning, RejectClass, Rejection, RequestSummary,
    ResponseSummary, Routing, Target, TokenUsage, Validation, Verdict,
};
pub use error::Error;
pub use into_routing::IntoRouting;
pub use jackfield_plugin_macros::{router, validator};
pub use request::{Message, Request};
pub use response::{Response, ToolCall};
pub use validation::IntoValidation;

/// What the attribute macros expand to. Not for hands: it changes without notice.
#[doc(hidden)]
pub mod __private {
    pub use crate::bindings::{lifecycle, routing, validation};
    pub use crate::component::{Component, Plugin, Router, Validator};
    pub use crate::config::{decode, decode_nothing};
}
