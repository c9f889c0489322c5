//! What every test of Jackfield stands on: a scripted provider and a real gateway, both over real
//! sockets on ports the system picks.
//!
//! Nothing here sleeps. A test waits for something that happened, or for a gate it opens itself, and
//! one generous deadline (`PATIENCE`) turns a wait that will never end into a failure that says
//! what was seen.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a harness that cannot go on fails the test that uses it"
)]

/// The gateway under test, in this process, with a log of its own.
pub mod gateway;
/// Plugins made without a toolchain.
pub mod guest;
/// A real server that gateways share limits and answers at.
pub mod redis;
/// Server-sent events as bytes: cutting a stream into frames and reading them.
pub mod sse;
/// A provider that answers what the test wrote down, and remembers what it was asked.
pub mod upstream;

use std::time::Duration;

/// How long any single wait may take before the test fails. Never reached by a test that passes.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// Waits for something that will happen.
///
/// # Panics
/// After [`PATIENCE`], with `what` was waited for.
pub async fn soon<T>(what: &str, future: impl Future<Output = T>) -> T {
    match tokio::time::timeout(PATIENCE, future).await {
        Ok(value) => value,
        Err(_) => panic!("waited {PATIENCE:?} in vain for {what}"),
    }
}
