//! Errors in this dialect: written for clients, read from providers.

use serde::{Deserialize, Serialize};

use jackfield_core::base::LossyText;
use jackfield_core::contract::{Blame, Fault, FaultKind};

use crate::lenient::lenient;
use crate::speech::ErrorBody;

/// The status of an API that is overloaded.
pub(super) const OVERLOADED: u16 = 529;

/// Reads an error's body. Anything that is none reads as empty. The code is the error's type.
pub fn parse_error(body: &[u8]) -> ErrorBody {
    #[derive(Deserialize)]
    struct Wire {
        error: Inner,
    }
    #[derive(Deserialize)]
    struct Inner {
        #[serde(default, deserialize_with = "lenient")]
        r#type: Option<LossyText>,
        #[serde(default, deserialize_with = "lenient")]
        message: Option<LossyText>,
    }
    match serde_json::from_slice::<Wire>(body) {
        Ok(Wire { error }) => {
            ErrorBody { message: error.message.map(|text| text.0), code: error.r#type.map(|text| text.0) }
        }
        Err(_) => ErrorBody::default(),
    }
}

/// Writes a fault as `{"type": "error", "error": {type, message}}`.
pub fn render_error(fault: &Fault) -> Vec<u8> {
    #[derive(Serialize)]
    struct Out<'a> {
        r#type: &'static str,
        error: Inner<'a>,
    }
    #[derive(Serialize)]
    struct Inner<'a> {
        r#type: &'static str,
        message: &'a str,
    }
    let r#type = match fault.status {
        Some(OVERLOADED) => "overloaded_error",
        _ => type_of(fault.kind),
    };
    let error = Inner { r#type, message: &fault.message };
    serde_json::to_vec(&Out { r#type: "error", error }).unwrap_or_default()
}

fn type_of(kind: FaultKind) -> &'static str {
    use FaultKind as K;
    match kind {
        K::Unauthenticated | K::InvalidToken => "authentication_error",
        K::ModelNotAllowed | K::RejectedForbidden | K::HostNotAllowed => "permission_error",
        K::UnknownPath
        | K::UnknownModel
        | K::UnknownPlugin
        | K::UnknownRequest
        | K::UnknownWorkflow
        | K::UnknownRun => "not_found_error",
        K::BodyTooLarge => "request_too_large",
        K::RejectedRateLimited | K::UpstreamRateLimited => "rate_limit_error",
        K::UpstreamTimeout | K::WorkflowTimeout => "timeout_error",
        K::Overloaded | K::Stopping | K::RejectedUnavailable => "overloaded_error",
        K::RejectedInvalid => "invalid_request_error",
        K::BudgetExceeded | K::PriceUnknown => "billing_error",
        kind => match kind.blame() {
            Blame::Client => "invalid_request_error",
            Blame::Upstream | Blame::Plugin | Blame::Host => "api_error",
        },
    }
}

/// What an error of this type in the middle of a stream means.
pub(super) fn kind_of(error_type: &str) -> FaultKind {
    match error_type {
        "authentication_error" | "billing_error" | "permission_error" => FaultKind::UpstreamAuth,
        "rate_limit_error" => FaultKind::UpstreamRateLimited,
        "invalid_request_error" | "not_found_error" | "request_too_large" => FaultKind::UpstreamRefused,
        _ => FaultKind::UpstreamFailed,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn errors_have_the_apis_own_types() {
        let rows = [
            (FaultKind::MalformedBody, "invalid_request_error"),
            (FaultKind::Unsupported, "invalid_request_error"),
            (FaultKind::ContextLength, "invalid_request_error"),
            (FaultKind::Unauthenticated, "authentication_error"),
            (FaultKind::ModelNotAllowed, "permission_error"),
            (FaultKind::UnknownModel, "not_found_error"),
            (FaultKind::BodyTooLarge, "request_too_large"),
            (FaultKind::UpstreamRateLimited, "rate_limit_error"),
            (FaultKind::UpstreamTimeout, "timeout_error"),
            (FaultKind::Overloaded, "overloaded_error"),
            (FaultKind::UpstreamFailed, "api_error"),
            (FaultKind::PluginFailed, "api_error"),
            (FaultKind::BudgetExceeded, "billing_error"),
        ];
        for (kind, want) in rows {
            let body = render_error(&Fault::new(kind, "what \"happened\""));
            let read = parse_error(&body);
            assert_eq!(
                (read.code.as_deref(), read.message.as_deref()),
                (Some(want), Some("what \"happened\"")),
                "{kind:?}"
            );
            assert!(body.starts_with(br#"{"type":"error","error":{"#));
        }
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = parse_error(&bytes);
        }
    }
}
