//! What the gateway says about itself: the log (who writes it, in which form, how loud) and the metrics.

mod format;
/// What is counted.
pub mod metrics;
mod subscriber;

pub use format::{LogFormat, LogLevel};
pub use subscriber::init;
