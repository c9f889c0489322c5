//! Pure transforms between the wire formats of model APIs and the contract, both ways.
//!
//! No I/O, no clock, no randomness: the same bytes in give the same words out. Used by `http` for what
//! clients send and by `provider` for what upstreams answer.

mod lenient;
/// OpenAI's chat completions.
pub mod openai;
/// Server-sent events: bytes to frames, split anywhere, bounded in size.
pub mod sse;
