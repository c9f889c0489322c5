//! The log: who writes it, in which form, and how loud.

mod format;
mod subscriber;

pub use format::{LogFormat, LogLevel};
pub use subscriber::init;
