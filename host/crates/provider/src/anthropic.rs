//! Anthropic, and every server that speaks its Messages.

use http::{HeaderName, HeaderValue};

use jackfield_dialect::anthropic::{MessagesSpeech, VERSION};

use crate::api::{Auth, Kind};

/// The version of the API; what the configuration or a client of the same API says goes before.
static HEADERS: [(HeaderName, HeaderValue); 1] =
    [(HeaderName::from_static("anthropic-version"), HeaderValue::from_static(VERSION))];

/// What is particular to it.
pub(crate) fn kind() -> Kind {
    Kind {
        speech: &MessagesSpeech,
        headers: &HEADERS,
        auth: Auth::Key(HeaderName::from_static("x-api-key"), ""),
    }
}
