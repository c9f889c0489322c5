//! Who answers a plugin's questions: the host on WebAssembly, the test's fake anywhere else.
//!
//! The rest of the crate calls these and names neither. On WebAssembly the fake does not exist, and natively
//! the host's side cannot be reached: a plugin can never run on the wrong one.

#[cfg(target_family = "wasm")]
pub(crate) use crate::bindings::imports::jackfield::plugin::{
    budget, clock, config, kv, llm, load, log, models, request, response,
};

#[cfg(not(target_family = "wasm"))]
pub(crate) use crate::testing::served::{
    budget, clock, config, kv, llm, load, log, models, request, response,
};
