//! Google's Gemini API: `generateContent` and `streamGenerateContent`, spoken to providers.
//!
//! What shapes this room: a system's words stand apart (`systemInstruction`), speakers alternate, a function's result is told
//! by the function's name, a call's arguments come whole, a stream has no end marker, and newer models want the signatures
//! of their function calls back. Those travel in the calls' ids (`call_id`).

mod chunk;
mod compose;
mod contents;
mod error;
mod model;
mod part;
mod reply;
mod speech;

pub use speech::GeminiSpeech;
