//! What a failed call means: whose fault it is, whether another try makes sense, and what may be shown.

use std::error::Error;
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderMap, RETRY_AFTER};

use jackfield_core::base::{Secret, excerpt};
use jackfield_core::contract::{Fault, FaultKind, UpstreamAnswer};
use jackfield_dialect::ErrorBody;

/// The longest `retry-after` believed.
const MAX_RETRY_AFTER: Duration = Duration::from_secs(3_600);
/// What is quoted of a provider's own message, in characters.
const MAX_QUOTE: usize = 512;
/// What is told of a failure that a provider had its words in, in characters.
const MAX_SAID: usize = 1_024;

/// An answer with an error status.
pub(crate) struct ErrorAnswer<'a> {
    pub status: u16,
    pub headers: &'a HeaderMap,
    pub body: Bytes,
    /// What the body says.
    pub error: ErrorBody,
    /// When to come back, by the body.
    pub told: Option<Duration>,
}

/// What an answer with an error status means.
pub(crate) fn status_fault(provider: &str, secrets: &[Secret], answer: ErrorAnswer<'_>) -> Fault {
    let ErrorAnswer { status, headers, body, error, told } = answer;
    let wait = retry_after(headers).or(told.map(|wait| wait.min(MAX_RETRY_AFTER)));
    // Google's word for a key that is none: the status calls it the request's fault.
    let refused =
        (401..=403).contains(&status) || (status == 400 && error.code.as_deref() == Some("API_KEY_INVALID"));
    let leaks =
        secrets.iter().any(|secret| memchr::memmem::find(&body, secret.expose().as_bytes()).is_some());
    let said = if leaks { String::new() } else { said(&error) };
    let fault = match status {
        // The provider's words stay here: some repeat a part of the key.
        _ if refused => Fault::new(
            FaultKind::UpstreamAuth,
            format!(
                "`{provider}` refused this gateway's key (status {status}{}); check the provider's api_key",
                aws_name(&error)
            ),
        ),
        // OpenAI's word for an account without money: no wait helps.
        429 if error.code.as_deref() == Some("insufficient_quota") => Fault::new(
            FaultKind::UpstreamAuth,
            format!("the quota of this gateway's key at `{provider}` is spent (status {status})"),
        ),
        // Bedrock's word for a model that is being loaded: nothing is limited.
        429 if error.code.as_deref() == Some("ModelNotReadyException") => {
            Fault::new(FaultKind::UpstreamFailed, format!("`{provider}` is not ready{said}"))
                .with_retry_after(retry_after(headers))
        }
        429 => Fault::new(FaultKind::UpstreamRateLimited, format!("`{provider}` is limiting its rate{said}"))
            .with_retry_after(wait),
        300..=399 => Fault::new(
            FaultKind::UpstreamBroken,
            format!("`{provider}` answered with a redirect (status {status}); check its base_url"),
        ),
        // 424 is Bedrock's status for a model that failed.
        408 | 424 | 500.. => {
            Fault::new(FaultKind::UpstreamFailed, format!("`{provider}` failed with status {status}{said}"))
                .with_retry_after(wait)
        }
        _ => {
            let kind = match is_context_length(&error) {
                true => FaultKind::ContextLength,
                false => FaultKind::UpstreamRefused,
            };
            let fault =
                Fault::new(kind, format!("`{provider}` refused the request with status {status}{said}"));
            if leaks {
                return fault.with_status(status);
            }
            let content_type = headers.get(CONTENT_TYPE).and_then(|v| v.to_str().ok()).map(str::to_owned);
            fault.with_upstream(UpstreamAnswer { status, content_type, body })
        }
    };
    fault.with_status(status)
}

/// Whether the conversation is too long for the model. OpenAI and others say so by code; the rest in words: vLLM and
/// Mistral (“maximum context length”), llama.cpp (“available context size”), Anthropic (“prompt is too long”),
/// Gemini (“input token count … exceeds”).
fn is_context_length(error: &ErrorBody) -> bool {
    const WORDS: &[&str] =
        &["context length", "context size", "context window", "prompt is too long", "input token count"];
    let said = error.message.as_deref().unwrap_or_default().to_ascii_lowercase();
    error.code.as_deref() == Some("context_length_exceeded") || WORDS.iter().any(|words| said.contains(words))
}

/// Why AWS refuses, where it is by one of its names: an expired token and a missing right have other remedies.
fn aws_name(error: &ErrorBody) -> String {
    let name = error.code.as_deref().filter(|code| {
        code.ends_with("Exception") && code.len() <= 64 && code.bytes().all(|b| b.is_ascii_alphanumeric())
    });
    name.map(|name| format!(", {name}")).unwrap_or_default()
}

/// The fault without our secrets, should the provider have repeated one, and with no more of its words than are quoted
/// elsewhere.
pub(crate) fn scrubbed(mut fault: Fault, secrets: &[Secret]) -> Fault {
    for secret in secrets {
        if fault.message.contains(secret.expose()) {
            fault.message = fault.message.replace(secret.expose(), "***");
        }
    }
    fault.message = excerpt(&fault.message, MAX_SAID);
    fault
}

/// A call that ended without a whole answer.
pub(crate) fn transport_fault(provider: &str, error: reqwest::Error) -> Fault {
    let kind = if error.is_timeout() {
        FaultKind::UpstreamTimeout
    } else if error.is_connect() {
        FaultKind::UpstreamUnreachable
    } else {
        FaultKind::UpstreamBroken
    };
    let what = match kind {
        FaultKind::UpstreamTimeout => "could not be reached in time",
        FaultKind::UpstreamUnreachable => "could not be reached",
        _ => "broke off its answer",
    };
    let unsent = error.is_connect();
    // The address is the configuration's business, not the client's.
    let error = error.without_url();
    Fault::new(kind, format!("`{provider}` {what}: {}", root(&error))).unsent(unsent)
}

/// The innermost cause: the outer ones only repeat that sending failed.
fn root(error: &dyn Error) -> String {
    let mut at = error;
    while let Some(inner) = at.source() {
        at = inner;
    }
    at.to_string()
}

fn said(error: &ErrorBody) -> String {
    match &error.message {
        Some(message) => format!(": {}", excerpt(message, MAX_QUOTE)),
        None => String::new(),
    }
}

/// `retry-after` in seconds. The date form is rare and needs a clock both sides agree on: not read.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let seconds: f64 = headers.get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()?;
    (seconds.is_finite() && seconds >= 0.0)
        .then(|| Duration::from_secs_f64(seconds.min(MAX_RETRY_AFTER.as_secs_f64())))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(status: u16, headers: &[(&'static str, &'static str)], body: &'static str) -> Fault {
        let headers = headers.iter().map(|(n, v)| (n.parse().unwrap(), v.parse().unwrap())).collect();
        let key = Secret::new("sk-secret-123".into());
        let body = Bytes::from_static(body.as_bytes());
        let error = jackfield_dialect::openai::parse_error(&body);
        status_fault("up", &[key], ErrorAnswer { status, headers: &headers, body, error, told: None })
    }

    #[test]
    fn what_a_provider_says_of_its_failure_is_told_in_part_and_without_our_secrets() {
        let secret = Secret::new("sk-secret-123".into());
        let said = format!("it failed\n{}sk-secret-123{}", "x".repeat(MAX_SAID - 20), "y".repeat(1 << 20));
        let told = scrubbed(Fault::new(FaultKind::UpstreamFailed, said), &[secret]).message;
        assert_eq!(told.chars().count(), MAX_SAID);
        assert!(told.starts_with("it failedx") && told.contains("x***y") && !told.contains("sk-"), "{told}");
    }

    #[test]
    fn every_status_has_its_meaning() {
        let cases = [
            (302, FaultKind::UpstreamBroken),
            (400, FaultKind::UpstreamRefused),
            (401, FaultKind::UpstreamAuth),
            (402, FaultKind::UpstreamAuth),
            (403, FaultKind::UpstreamAuth),
            (404, FaultKind::UpstreamRefused),
            (408, FaultKind::UpstreamFailed),
            (422, FaultKind::UpstreamRefused),
            (424, FaultKind::UpstreamFailed),
            (429, FaultKind::UpstreamRateLimited),
            (500, FaultKind::UpstreamFailed),
            (503, FaultKind::UpstreamFailed),
            (529, FaultKind::UpstreamFailed),
        ];
        for (status, kind) in cases {
            let fault = fault(status, &[], "{}");
            assert_eq!((fault.kind, fault.status), (kind, Some(status)));
        }
    }

    #[test]
    fn some_words_change_what_a_status_means() {
        use FaultKind as K;
        let cases = [
            (400, r#"{"error":{"message":"no","code":"context_length_exceeded"}}"#, K::ContextLength),
            (
                400,
                r#"{"error":{"message":"This model's maximum context length is 8192 tokens"}}"#,
                K::ContextLength,
            ),
            (400, r#"{"error":{"message":"prompt is too long: 9 > 8"}}"#, K::ContextLength),
            (
                413,
                r#"{"error":{"message":"the request exceeds the available context size"}}"#,
                K::ContextLength,
            ),
            (400, r#"{"error":{"message":"max_tokens is too large"}}"#, K::UpstreamRefused),
            (500, r#"{"error":{"message":"context length"}}"#, K::UpstreamFailed),
            (429, r#"{"error":{"message":"no money","code":"insufficient_quota"}}"#, K::UpstreamAuth),
            (
                429,
                r#"{"error":{"message":"slow down","code":"rate_limit_exceeded"}}"#,
                K::UpstreamRateLimited,
            ),
        ];
        for (status, body, kind) in cases {
            assert_eq!(fault(status, &[], body).kind, kind, "{status} {body}");
        }
    }

    #[test]
    fn waits_are_read_and_bounded() {
        let cases = [
            ("7", Some(7.0)),
            ("0.5", Some(0.5)),
            ("999999", Some(3_600.0)),
            ("-1", None),
            ("NaN", None),
            ("soon", None),
        ];
        for (text, want) in cases {
            let got = fault(429, &[("retry-after", text)], "").retry_after;
            assert_eq!(got.map(|d| d.as_secs_f64()), want, "{text}");
        }
    }

    #[test]
    fn a_body_that_repeats_our_key_is_not_passed_on() {
        let leaky = fault(400, &[], r#"{"error":{"message":"bad"},"echo":"Bearer sk-secret-123"}"#);
        assert!(leaky.upstream.is_none());
        let auth = fault(401, &[], r#"{"error":{"message":"Incorrect API key provided: sk-secret-123"}}"#);
        assert!(auth.upstream.is_none() && !auth.message.contains("sk-secret"));
        let clean = fault(400, &[("content-type", "application/json")], r#"{"error":{"message":"bad"}}"#);
        assert_eq!(clean.upstream.unwrap().content_type.as_deref(), Some("application/json"));
    }
}
