use std::time::{Duration, UNIX_EPOCH};

use http::header::HOST;
use reqwest::{Method, Url};

use jackfield_core::config::{Config, ProviderKind};

use super::*;

/// 2026-11-22T03:04:05Z.
const THEN: u64 = 1_795_316_645;
const BODY: &[u8] = br#"{"messages":[]}"#;
const SECRET: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";
const TOKEN: &str = "AQoDYXdzEPT//////////wEXAMPLEtoken==";

const HAIKU: &str =
    "https://bedrock-runtime.us-east-1.amazonaws.com/model/anthropic.claude-3-haiku-20240307-v1%3A0/converse";
const PROFILE: &str = "https://bedrock-runtime.us-east-1.amazonaws.com/model/arn%3Aaws%3Abedrock%3Aus-east-1%3A123456789012%3Ainference-profile%2Fus.anthropic.claude-3-haiku-20240307-v1%3A0/converse";

/// What botocore 1.44.5 signs: the addresses are those its own client made of the model ids
/// `anthropic.claude-3-haiku-20240307-v1:0` and
/// `arn:aws:bedrock:us-east-1:123456789012:inference-profile/us.anthropic.claude-3-haiku-20240307-v1:0`, and
/// `botocore.auth.SigV4Auth(Credentials("AKIDEXAMPLE", SECRET, token), "bedrock", "us-east-1").add_auth(request)` signed
/// a POST of `BODY` with `Content-Type: application/json`, `botocore.auth.get_current_datetime` giving `THEN`.
const BOTOCORE: &[(&str, Option<&str>, &str)] = &[
    (HAIKU, None, "0fab0bcc2a000124ad0db8004f0df99f9227173153936b9d82b34198e7a5ebbd"),
    (HAIKU, Some(TOKEN), "18e5c559b5dee5f5f73ffc63e905bdf9bf747a2cce28c8fe000e16df4dd1df65"),
    (PROFILE, None, "62b0c24244e32566977779975e522cc51ed1e2b234932b466cf7fe22a1784478"),
    (PROFILE, Some(TOKEN), "77949483f9094ebc594fe038855b9d7b4d66bf1bdbf2e9e8a93ee4d7e7f86538"),
    (
        "http://127.0.0.1:8123/model/m/converse",
        None,
        "1040746ead749e0eb96f85be7e4c788e55d83bf8556fa7f055c88483c4454d38",
    ),
];

fn signer(token: Option<&str>) -> Signer {
    let token = token.map(|token| format!(", session_token: \"{token}\"")).unwrap_or_default();
    let text = format!(
        "providers: {{ aws: {{ kind: bedrock, region: us-east-1, access_key_id: AKIDEXAMPLE, secret_access_key: \"{SECRET}\"{token} }} }}"
    );
    let config = Config::from_text("test.yaml", &text, &|_| None).unwrap();
    let ProviderKind::Api(api) = config.providers()["aws"].kind() else { panic!() };
    Signer::new(api.aws.as_ref().unwrap())
}

#[test]
fn signs_what_botocore_signs() {
    for (url, token, signature) in BOTOCORE {
        let mut request = Request::new(Method::POST, Url::parse(url).unwrap());
        request.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        // What is configured is sent and not signed.
        request.headers_mut().insert("x-team", HeaderValue::from_static("a"));
        signer(*token).sign(&mut request, BODY, UNIX_EPOCH + Duration::from_secs(THEN)).unwrap();
        let header = |name: &str| request.headers().get(name).map(|value| value.to_str().unwrap());
        let more = if token.is_some() { ";x-amz-security-token" } else { "" };
        let wanted = format!(
            "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20261122/us-east-1/bedrock/aws4_request, SignedHeaders=content-type;host;x-amz-date{more}, Signature={signature}"
        );
        assert_eq!(header("authorization"), Some(&*wanted), "{url}");
        assert_eq!(header("x-amz-date"), Some("20261122T030405Z"));
        assert_eq!(header("x-amz-security-token"), *token);
        assert!(request.headers().get(HOST).is_none(), "the connection adds it");
        assert_eq!(request.url().as_str(), *url, "what is signed is what is sent");
        assert!(request.headers()["authorization"].is_sensitive());
    }
}
