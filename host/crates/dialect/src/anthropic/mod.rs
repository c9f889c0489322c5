//! Anthropic's Messages: what its clients speak, and its own servers and those that are compatible with them.

mod client;
mod compose;
mod converse;
mod error;
mod events;
mod model;
mod reply;
mod request;
mod rewrite;
mod speech;
mod stream;
mod think;
mod turns;

pub use client::{CountTokens, Messages};
pub use error::{parse_error, render_error};
pub use reply::{parse_reply, render_reply};
pub use request::parse_request;
pub use speech::{MessagesSpeech, VERSION};
