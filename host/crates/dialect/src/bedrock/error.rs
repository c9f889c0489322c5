//! Bedrock's errors: a JSON body with a message, and a name that stands in a header or, in a stream, in the frame.

use serde::Deserialize;

use jackfield_core::base::{LossyText, excerpt};
use jackfield_core::contract::{Fault, FaultKind};

use crate::lenient::lenient;
use crate::speech::ErrorBody;

/// How the models of several makers say that a conversation is too long; the status is that of any other mistake.
const TOO_LONG: &[&str] = &[
    "context length",
    "context window",
    "input is too long",
    "input tokens exceeded",
    "prompt is too long",
    "too many input tokens",
];
/// What is quoted of a message, in characters.
const MAX_QUOTE: usize = 512;

#[derive(Default, Deserialize)]
#[serde(default)]
struct Wire {
    #[serde(alias = "Message", deserialize_with = "lenient")]
    message: Option<LossyText>,
    #[serde(rename = "__type", deserialize_with = "lenient")]
    kind: Option<LossyText>,
}

/// Reads an error. `kind` is what the header said. Anything that is none reads as empty.
pub(super) fn parse(kind: Option<&str>, body: &[u8]) -> ErrorBody {
    let wire: Wire = serde_json::from_slice(body).unwrap_or_default();
    let message = wire.message.map(|text| text.0);
    let kind = kind.map(str::to_owned).or(wire.kind.map(|text| text.0));
    let kind = kind.as_deref().map(name_of).filter(|name| !name.is_empty());
    let code =
        match is_too_long(message.as_deref()) && kind.is_none_or(|kind| is(kind, "ValidationException")) {
            true => Some("context_length_exceeded".to_owned()),
            false => kind.map(str::to_owned),
        };
    ErrorBody { message, code }
}

/// What an exception in the middle of a stream means.
pub(super) fn in_stream(kind: &str, body: &[u8]) -> Fault {
    let error = parse(Some(kind), body);
    let kind = name_of(kind);
    let fault = match kind {
        _ if error.code.as_deref() == Some("context_length_exceeded") => FaultKind::ContextLength,
        _ if is(kind, "ValidationException") => FaultKind::UpstreamRefused,
        _ if is(kind, "ThrottlingException") => FaultKind::UpstreamRateLimited,
        _ if is(kind, "AccessDeniedException") => FaultKind::UpstreamAuth,
        _ => FaultKind::UpstreamFailed,
    };
    let said = match error.message {
        Some(message) if fault != FaultKind::UpstreamAuth => format!(": {}", excerpt(&message, MAX_QUOTE)),
        _ => String::new(),
    };
    let kind = excerpt(kind, 64);
    Fault::new(fault, format!("the provider ended its stream with {kind}{said}"))
}

/// The name alone: `ns#Name:http://…` is how some services write it.
fn name_of(kind: &str) -> &str {
    let kind = kind.split(':').next().unwrap_or_default();
    kind.rsplit('#').next().unwrap_or_default().trim()
}

/// In a stream the names begin with a small letter.
fn is(kind: &str, name: &str) -> bool {
    kind.eq_ignore_ascii_case(name)
}

fn is_too_long(message: Option<&str>) -> bool {
    let said = message.unwrap_or_default().to_ascii_lowercase();
    TOO_LONG.iter().any(|words| said.contains(words))
}
