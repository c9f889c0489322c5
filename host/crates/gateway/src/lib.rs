//! The story of one request: who decides where it goes, who answers, what is told of it.
//!
//! Names neither wasmtime nor reqwest nor axum: routers and providers come in as the contract's traits.

/// Leaves alone what keeps failing.
mod breaker;
/// What one call costs, from its reservation to the ledger.
mod charge;
/// One request from admission to its last byte.
pub mod pipeline;
/// Who decides which models may answer, and why.
pub mod policy;
/// Runs of workflows: graphs of calls through the pipeline.
pub mod workflow;
/// The immutable picture one request sees: configuration, rules, models, providers.
pub mod world;
