//! Amazon Bedrock's Converse: one API for the models of many makers. Providers speak it, clients do not.
//!
//! What is written and read here is what botocore's model of the service says (`bedrock-runtime`, 2023-09-30, as of
//! botocore 1.44). The signature is the provider room's: it needs the time.

mod compose;
mod error;
mod events;
mod frames;
mod parts;
mod reply;
mod speech;

pub use frames::{MAX_FRAME, STREAM_TYPE};
pub use speech::ConverseSpeech;

#[cfg(test)]
mod tests;
