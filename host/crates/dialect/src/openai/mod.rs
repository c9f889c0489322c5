//! OpenAI's chat completions, the dialect most clients and most servers speak.

mod answer_format;
mod chunk;
mod client;
mod compose;
mod converse;
mod error;
mod reply;
mod request;
mod rewrite;
mod speech;

/// What other dialects have in common with these.
pub(crate) mod fields {
    pub(crate) use super::converse::{is_task_alone, read};
    pub(crate) use super::request::{excerpt, malformed, model_of, object, optional, task_of, wrong_type};
    pub(crate) use super::rewrite::{quoted, without_task};
}

pub use chunk::{DONE_FRAME, parse_chunk, render_chunk, render_error_frame};
pub use client::Chat;
pub use error::{parse_error, render_error};
pub use reply::{parse_reply, render_reply};
pub use request::{MAX_NAME, parse_request};
pub use rewrite::{Rewrite, TASK_FIELD, rewrite_request};
pub use speech::ChatSpeech;
