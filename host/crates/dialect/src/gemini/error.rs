//! Google's errors: `{"error": {code, message, status, details}}`, sometimes in a list.

use std::time::Duration;

use serde::Deserialize;

use jackfield_core::base::LossyText;
use jackfield_core::contract::{Fault, FaultKind};

use crate::lenient::lenient;
use crate::speech::ErrorBody;

/// Google's word for a key that is none: it comes with the status 400.
const BAD_KEY: &str = "API_KEY_INVALID";

#[derive(Deserialize)]
struct Wire {
    error: WireError,
}

#[derive(Default, Deserialize)]
struct WireError {
    #[serde(default, deserialize_with = "lenient")]
    code: Option<u16>,
    #[serde(default, deserialize_with = "lenient")]
    message: Option<LossyText>,
    #[serde(default, deserialize_with = "lenient")]
    status: Option<LossyText>,
    #[serde(default, deserialize_with = "lenient")]
    details: Vec<Detail>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Detail {
    #[serde(default, deserialize_with = "lenient")]
    reason: Option<LossyText>,
    #[serde(default, deserialize_with = "lenient")]
    retry_delay: Option<LossyText>,
}

fn read(body: &[u8]) -> WireError {
    let listed = serde_json::from_slice::<Vec<Wire>>(body).ok().and_then(|list| list.into_iter().next());
    let wire = listed.or_else(|| serde_json::from_slice::<Wire>(body).ok());
    wire.map(|wire| wire.error).unwrap_or_default()
}

/// Reads an error body. Anything that is not one reads as empty.
pub(super) fn parse_error(body: &[u8]) -> ErrorBody {
    let WireError { message, status, details, .. } = read(body);
    let bad_key = details.iter().any(|detail| detail.reason.as_ref().is_some_and(|word| word.0 == BAD_KEY));
    let code = if bad_key { Some(BAD_KEY.to_owned()) } else { status.map(|text| text.0) };
    ErrorBody { message: message.map(|text| text.0), code }
}

/// When to come back, by `RetryInfo`: `"retryDelay": "34.5s"`.
pub(super) fn retry_after(body: &[u8]) -> Option<Duration> {
    let delay = read(body).details.into_iter().find_map(|detail| detail.retry_delay)?;
    let seconds: f64 = delay.0.strip_suffix('s')?.parse().ok()?;
    Duration::try_from_secs_f64(seconds).ok()
}

/// An error in the place of an answer, or inside a stream.
pub(super) fn fault_in(error: &str) -> Fault {
    let error: WireError = serde_json::from_str(error).unwrap_or_default();
    let kind = match error.code {
        Some(429) => FaultKind::UpstreamRateLimited,
        _ => FaultKind::UpstreamFailed,
    };
    let said = error.message.map_or_else(|| "no message".to_owned(), |text| text.0);
    Fault::new(kind, format!("the provider ended its answer with an error: {said}"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[test]
    fn errors_tell_message_code_and_wait() {
        let limited = json!({"error": {"code": 429, "message": "slow down", "status": "RESOURCE_EXHAUSTED", "details": [
            {"@type": "type.googleapis.com/google.rpc.Help", "links": []},
            {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "34.5s"}]}});
        let told = ErrorBody { message: Some("slow down".into()), code: Some("RESOURCE_EXHAUSTED".into()) };
        for body in [limited.clone(), json!([limited])] {
            assert_eq!(parse_error(body.to_string().as_bytes()), told, "{body}");
            assert_eq!(retry_after(body.to_string().as_bytes()), Some(Duration::from_millis(34_500)));
        }
        let key = json!({"error": {"code": 400, "message": "API key not valid", "status": "INVALID_ARGUMENT", "details":
            [{"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "API_KEY_INVALID", "domain": "x"}]}});
        assert_eq!(parse_error(key.to_string().as_bytes()).code.as_deref(), Some(BAD_KEY));
        assert_eq!(retry_after(key.to_string().as_bytes()), None);
    }

    #[test]
    fn odd_waits_are_none() {
        for delay in
            [json!("soon"), json!("-1s"), json!("NaNs"), json!("1e99s"), json!("5"), json!(5), json!(null)]
        {
            let body = json!({"error": {"details": [{"retryDelay": delay}]}}).to_string();
            assert_eq!(retry_after(body.as_bytes()), None, "{body}");
        }
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..200), text in any::<String>()) {
            parse_error(&bytes);
            retry_after(&bytes);
            fault_in(&text);
            let body = json!({"error": {"message": text, "status": text, "details": [{"retryDelay": text}]}}).to_string();
            prop_assert_eq!(parse_error(body.as_bytes()).message, Some(text));
            retry_after(body.as_bytes());
        }
    }
}
