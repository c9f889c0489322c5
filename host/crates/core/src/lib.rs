//! The words every other crate speaks: no I/O, no sockets, no engine.
//!
//! Rooms, bottom floor first; a room imports only from rooms above it in this list.

/// Words everybody needs: ids, secrets, tasks with an owner and an end.
pub mod base;
/// What is known about well-known models: prices, windows, abilities.
pub mod catalogue;
/// One file of YAML, checked as a whole into types that cannot hold nonsense.
pub mod config;
/// The meaning of one request, whoever sent it and whoever answers; and the seams.
pub mod contract;
/// What stands in `${…}`: CEL's words over JSON's values, bounded.
pub mod expression;
/// The log subscriber, the names of what it prints, and the metrics.
pub mod telemetry;
