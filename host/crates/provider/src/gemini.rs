//! Google's Gemini API.

use http::header::HeaderName;

use jackfield_dialect::gemini::GeminiSpeech;

use crate::api::Kind;

/// What is particular to it.
pub(crate) fn kind() -> Kind {
    Kind { speech: &GeminiSpeech, headers: &[], key: (HeaderName::from_static("x-goog-api-key"), "") }
}
