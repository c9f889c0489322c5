//! OpenAI's APIs: chat completions, the dialect most clients and most servers speak; embeddings, where they are the
//! same both ways; and responses, which only clients speak here.

mod alike;
mod answer_format;
mod azure;
mod chunk;
mod client;
mod compose;
mod converse;
/// Texts as vectors.
pub mod embeddings;
mod error;
mod picture;
mod reply;
mod request;
mod responses;
mod rewrite;
mod speech;

/// What other dialects have in common with these.
pub(crate) mod fields {
    pub(crate) use super::converse::{is_task_alone, read};
    pub(crate) use super::request::{
        excerpt, malformed, messages_of, model_of, object, optional, task_of, wrong_type,
    };
    pub(crate) use super::rewrite::{plain_ids, quoted, without_task};
}

pub use azure::AzureSpeech;
pub use chunk::{DONE_FRAME, parse_chunk, render_chunk, render_error_frame};
pub use client::Chat;
pub use embeddings::Embeddings;
pub use error::{parse_error, render_error};
pub use reply::{parse_reply, render_reply};
pub use request::{MAX_NAME, parse_request};
pub use responses::Responses;
pub use rewrite::{Rewrite, TASK_FIELD, rewrite_request};
pub use speech::ChatSpeech;
