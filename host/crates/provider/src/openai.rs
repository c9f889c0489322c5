//! OpenAI, and every server that speaks its chat completions.

use http::header::AUTHORIZATION;

use jackfield_dialect::openai::ChatSpeech;

use crate::api::{Auth, Kind};

/// What is particular to it.
pub(crate) fn kind() -> Kind {
    Kind { speech: &ChatSpeech, headers: &[], auth: Auth::Key(AUTHORIZATION, "Bearer ") }
}
