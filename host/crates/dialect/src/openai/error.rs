//! Errors in this dialect: written for clients, read from providers.

use serde::{Deserialize, Serialize};

use jackfield_core::base::LossyText;
use jackfield_core::contract::{Blame, Fault, FaultKind};

use crate::speech::ErrorBody;

/// Reads an error body. Anything that is not one reads as empty.
pub fn parse_error(body: &[u8]) -> ErrorBody {
    #[derive(Deserialize)]
    struct Wire {
        error: Inner,
    }
    #[derive(Deserialize)]
    struct Inner {
        message: Option<LossyText>,
        code: Option<serde_json::Value>,
    }
    match serde_json::from_slice::<Wire>(body) {
        Ok(Wire { error }) => ErrorBody {
            message: error.message.map(|text| text.0),
            code: error.code.and_then(|c| match c {
                serde_json::Value::String(text) => Some(text),
                serde_json::Value::Number(number) => Some(number.to_string()),
                _ => None,
            }),
        },
        Err(_) => ErrorBody::default(),
    }
}

/// Writes a fault as `{"error": {message, type, param, code}}`.
pub fn render_error(fault: &Fault) -> Vec<u8> {
    #[derive(Serialize)]
    struct Out<'a> {
        error: Inner<'a>,
    }
    #[derive(Serialize)]
    struct Inner<'a> {
        message: &'a str,
        r#type: &'static str,
        param: Option<&'a str>,
        code: &'static str,
    }
    let error = Inner {
        message: &fault.message,
        r#type: type_of(fault.kind),
        param: fault.param.as_deref(),
        code: fault.kind.reason(),
    };
    serde_json::to_vec(&Out { error }).unwrap_or_default()
}

fn type_of(kind: FaultKind) -> &'static str {
    match kind {
        FaultKind::Unauthenticated | FaultKind::InvalidToken => "authentication_error",
        FaultKind::ModelNotAllowed | FaultKind::RejectedForbidden | FaultKind::HostNotAllowed => {
            "permission_error"
        }
        FaultKind::UpstreamRateLimited | FaultKind::RejectedRateLimited => "rate_limit_error",
        FaultKind::RejectedInvalid => "invalid_request_error",
        // OpenAI's own word for an account without money.
        FaultKind::BudgetExceeded | FaultKind::PriceUnknown => "insufficient_quota",
        kind => match kind.blame() {
            Blame::Client => "invalid_request_error",
            Blame::Upstream => "upstream_error",
            Blame::Plugin => "plugin_error",
            Blame::Host => "server_error",
        },
    }
}
