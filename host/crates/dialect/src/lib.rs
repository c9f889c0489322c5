//! Pure transforms between the wire formats of model APIs and the contract, both ways.
//!
//! No I/O, no clock, no randomness: the same bytes in give the same words out. `http` listens and answers through
//! `Client`, one for each API that clients speak; `provider` speaks through `Speech`, one for each API of providers.
//! Where both are the same API, the client's bytes are edited and the provider's are passed on; where they differ,
//! the request becomes a `Conversation` on the way, and the answer a `Reply` or `Chunk`s.

/// Anthropic's Messages.
pub mod anthropic;
/// Amazon Bedrock's Converse.
pub mod bedrock;
mod call_id;
mod client;
/// A request in nobody's dialect.
pub mod conversation;
/// Google's Gemini.
pub mod gemini;
mod lenient;
/// OpenAI's APIs.
pub mod openai;
mod path;
mod speech;
/// Server-sent events: bytes to frames, split anywhere, bounded in size.
pub mod sse;

pub use client::{Client, StreamHead, StreamWriter, client};
pub use speech::{Asked, ErrorBody, Speech, StreamReader, Written, write};
