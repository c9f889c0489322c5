//! Who is asking, from the client's key. A key goes no further than this file.

use axum::http::header::AUTHORIZATION;
use axum::http::{HeaderMap, HeaderName, HeaderValue};

use jackfield_core::config::Keys;
use jackfield_core::contract::{Caller, Fault, FaultKind};

/// Words that mark a header as a credential. Whatever contains one is taken out before plugins look.
const CREDENTIALS: [&str; 7] =
    ["authorization", "cookie", "api-key", "apikey", "token", "secret", "password"];

/// Where clients of Anthropic's API put their key.
const X_API_KEY: HeaderName = HeaderName::from_static("x-api-key");

/// The caller behind a request's key. Everybody is nobody in particular where no keys are configured.
pub(super) fn caller(keys: &Keys, headers: &HeaderMap) -> Result<Caller, Fault> {
    if keys.is_empty() {
        return Ok(Caller::default());
    }
    let unauthenticated = |message: &str| Fault::new(FaultKind::Unauthenticated, message);
    let (authorization, api_key) = (headers.get(AUTHORIZATION), headers.get(X_API_KEY));
    let presented = [authorization.and_then(bearer), api_key.and_then(|value| value.to_str().ok())];
    // A client may send both, one of them for somebody else.
    if let Some(caller) = presented.into_iter().flatten().find_map(|key| keys.caller(key.trim())) {
        return Ok(caller.clone());
    }
    Err(unauthenticated(match (presented, authorization, api_key) {
        ([None, None], None, None) => {
            "no API key: send 'Authorization: Bearer YOUR_KEY' or 'x-api-key: YOUR_KEY'"
        }
        ([None, None], Some(_), _) => "the Authorization header is not 'Bearer YOUR_KEY'",
        _ => "the API key is not known to this gateway",
    }))
}

/// What an `Authorization` header of the bearer scheme presents.
pub(crate) fn bearer(value: &HeaderValue) -> Option<&str> {
    let (scheme, presented) = value.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| presented.trim())
}

/// The headers without credentials: what plugins may see.
pub(super) fn without_credentials(mut headers: HeaderMap) -> HeaderMap {
    let secret = |name: &str| CREDENTIALS.iter().any(|word| name.contains(word));
    let names: Vec<_> = headers.keys().filter(|name| secret(name.as_str())).cloned().collect();
    for name in names {
        headers.remove(name);
    }
    headers
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_are_taken_out_and_the_rest_stays() {
        let mut headers = HeaderMap::new();
        for name in [
            "authorization",
            "x-api-key",
            "api-key",
            "cookie",
            "set-cookie",
            "x-amz-security-token",
            "proxy-authorization",
            "x-team",
            "accept",
        ] {
            headers.insert(name, "v".parse().unwrap());
        }
        let mut left: Vec<String> = without_credentials(headers).keys().map(|n| n.to_string()).collect();
        left.sort();
        assert_eq!(left, ["accept", "x-team"]);
    }
}
