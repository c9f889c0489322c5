//! Azure OpenAI: OpenAI's chat completions at a resource's own address, with a key header of its own.

use http::header::HeaderName;

use jackfield_dialect::openai::AzureSpeech;

use crate::api::{Auth, Kind};

/// What is particular to it. `dated`: a dated version of the API is spoken, not v1.
pub(crate) fn kind(dated: bool) -> Kind {
    let speech = if dated { &AzureSpeech::Deployments } else { &AzureSpeech::V1 };
    Kind { speech, headers: &[], auth: Auth::Key(HeaderName::from_static("api-key"), "") }
}
