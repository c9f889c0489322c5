//! Google's Gemini API.

use http::header::HeaderName;

use jackfield_dialect::gemini::GeminiSpeech;

use crate::api::{Auth, Kind};

/// What is particular to it.
pub(crate) fn kind() -> Kind {
    Kind {
        speech: &GeminiSpeech,
        headers: &[],
        auth: Auth::Key(HeaderName::from_static("x-goog-api-key"), ""),
    }
}
