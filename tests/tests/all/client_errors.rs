//! What a client is told about its own mistakes: OpenAI's error shape, a status an SDK understands,
//! and words that say what to change. The provider is never asked.

use jackfield_tests::gateway::CHAT;

use crate::world::{BASE, PLAIN, World};

const JSON: (&str, &str) = ("content-type", "application/json");

/// A body, and the status, code, field and words that must come back.
struct Case {
    body: &'static [u8],
    status: u16,
    code: &'static str,
    param: Option<&'static str>,
    says: &'static str,
}

const fn case(
    body: &'static [u8],
    status: u16,
    code: &'static str,
    param: Option<&'static str>,
    says: &'static str,
) -> Case {
    Case { body, status, code, param, says }
}

const BODIES: &[Case] = &[
    // Nothing is announced as nothing.
    case(b"", 415, "unsupported_media_type", None, "content-type"),
    case(br#"{"model":"#, 400, "malformed_body", None, ""),
    case(br#"{"messages":[]} x"#, 400, "malformed_body", None, ""),
    case(b"[1]", 400, "malformed_body", None, "object"),
    case(b"null", 400, "malformed_body", None, "object"),
    case(b"{\"model\":\"\xff\"}", 400, "malformed_body", None, "UTF-8"),
    case(br#"{"model":"a","messages":[],"model":"b"}"#, 400, "invalid_request", Some("model"), "twice"),
    case(br#"{"model":"a","m\u006fdel":"b","messages":[]}"#, 400, "invalid_request", Some("model"), "twice"),
    case(br#"{"model":"test-model"}"#, 400, "invalid_request", Some("messages"), "messages"),
    case(br#"{"messages":[]}"#, 400, "invalid_request", Some("messages"), "at least one"),
    case(br#"{"messages":"hi"}"#, 400, "invalid_request", Some("messages"), "array"),
    case(br#"{"messages":["hi"]}"#, 400, "invalid_request", Some("messages[0]"), "object"),
    case(br#"{"messages":[{"content":"x"}]}"#, 400, "invalid_request", Some("messages[0].role"), "role"),
    case(
        br#"{"messages":[{"role":"king","content":"x"}]}"#,
        400,
        "invalid_request",
        Some("messages[0].role"),
        "king",
    ),
    case(
        br#"{"messages":[{"role":"user","content":7}]}"#,
        400,
        "invalid_request",
        Some("messages[0].content"),
        "string",
    ),
    case(
        br#"{"messages":[{"role":"user","content":[{"type":"text","text":7}]}]}"#,
        400,
        "invalid_request",
        Some("messages[0].content[0].text"),
        "string",
    ),
    case(
        br#"{"model":7,"messages":[{"role":"user","content":"x"}]}"#,
        400,
        "invalid_request",
        Some("model"),
        "string",
    ),
    case(
        br#"{"stream":"yes","messages":[{"role":"user","content":"x"}]}"#,
        400,
        "invalid_request",
        Some("stream"),
        "boolean",
    ),
    case(
        br#"{"temperature":"hot","messages":[{"role":"user","content":"x"}]}"#,
        400,
        "invalid_request",
        Some("temperature"),
        "number",
    ),
    case(
        br#"{"max_tokens":0,"messages":[{"role":"user","content":"x"}]}"#,
        400,
        "invalid_request",
        Some("max_tokens"),
        "at least 1",
    ),
    case(
        br#"{"tools":{},"messages":[{"role":"user","content":"x"}]}"#,
        400,
        "invalid_request",
        Some("tools"),
        "array",
    ),
    case(
        br#"{"metadata":7,"messages":[{"role":"user","content":"x"}]}"#,
        400,
        "invalid_request",
        Some("metadata"),
        "object",
    ),
    case(
        br#"{"metadata":{"task":7},"messages":[{"role":"user","content":"x"}]}"#,
        400,
        "invalid_request",
        Some("metadata.task"),
        "string",
    ),
    case(
        br#"{"stream":true,"stream_options":{"include_usage":1},"messages":[{"role":"user","content":"x"}]}"#,
        400,
        "invalid_request",
        Some("stream_options.include_usage"),
        "boolean",
    ),
    case(
        br#"{"model":"test-mode","messages":[{"role":"user","content":"x"}]}"#,
        404,
        "model_not_found",
        Some("model"),
        "test-mode",
    ),
    case(
        br#"{"model":"task/cod","messages":[{"role":"user","content":"x"}]}"#,
        400,
        "unknown_task",
        None,
        "code",
    ),
    case(
        br#"{"metadata":{"task":"cod"},"messages":[{"role":"user","content":"x"}]}"#,
        400,
        "unknown_task",
        None,
        "code",
    ),
];

#[tokio::test]
async fn a_wrong_body_is_refused_with_its_place_and_reason() {
    let world = World::base().await;
    for case in BODIES {
        let name = String::from_utf8_lossy(case.body);
        let reply = world.gateway.chat(case.body).await;
        assert_eq!(reply.status, case.status, "{name}: {}", reply.text());
        let error = reply.error();
        assert_eq!(error.code.as_deref(), Some(case.code), "{name}: {error:?}");
        assert_eq!(error.kind, "invalid_request_error", "{name}: {error:?}");
        if case.param.is_some() {
            assert_eq!(error.param.as_deref(), case.param, "{name}: {error:?}");
        }
        assert!(error.message.contains(case.says), "{name}: {error:?}");
        let ids = ["x-jackfield-request-id", "x-request-id", "request-id"].map(|name| reply.header(name));
        assert!(
            ids.iter().all(|id| id.is_some_and(|id| id.starts_with("req_") && Some(id) == ids[0])),
            "{name}"
        );
    }
    assert_eq!(world.upstream.requests().len(), 0, "the provider was asked");
}

#[tokio::test]
async fn a_wrong_head_is_refused() {
    let world = World::base().await;
    type Headers = &'static [(&'static str, &'static str)];
    let cases: &[(&str, &str, Headers, u16, &str)] = &[
        ("GET", CHAT, &[], 405, "method_not_allowed"),
        ("DELETE", CHAT, &[JSON], 405, "method_not_allowed"),
        ("POST", "/v1/models", &[JSON], 405, "method_not_allowed"),
        ("POST", "/v1/chat/completion", &[JSON], 404, "unknown_path"),
        ("POST", "/v1/chat/completions/", &[JSON], 404, "unknown_path"),
        ("GET", "/", &[], 404, "unknown_path"),
        ("GET", "/v1/../admin", &[], 404, "unknown_path"),
        ("POST", CHAT, &[("content-type", "text/plain")], 415, "unsupported_media_type"),
        ("POST", CHAT, &[JSON, ("x-jackfield-task", "cod")], 400, "unknown_task"),
    ];
    for (method, path, headers, status, code) in cases {
        let name = format!("{method} {path} {headers:?}");
        let body = if *method == "GET" { "" } else { PLAIN };
        let reply = world.gateway.send(method, path, headers, body).await;
        assert_eq!(reply.status, *status, "{name}: {}", reply.text());
        assert_eq!(reply.error().code.as_deref(), Some(*code), "{name}");
        assert_eq!(reply.header("allow").is_some(), *status == 405, "{name}: {:?}", reply.headers);
    }
    for announced in ["application/json", "application/json; charset=utf-8", "APPLICATION/JSON"] {
        world.upstream.push(jackfield_tests::upstream::openai::chat("ok"));
        let reply = world.gateway.post_raw(CHAT, PLAIN, &[("content-type", announced)]).await;
        assert_eq!(reply.status, 200, "{announced}: {}", reply.text());
    }
}

#[tokio::test]
async fn fifty_megabytes_are_refused_however_they_come() {
    let world = World::base().await;
    let announced = format!(
        "POST {CHAT} HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 52428800\r\n\r\n"
    );
    let chunked = format!(
        "POST {CHAT} HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n3200000\r\n"
    );
    for (name, head, sent) in [
        ("announced and sent", &announced, 50 << 20),
        ("in chunks, never announced", &chunked, 50 << 20),
        ("announced and not sent", &announced, 0),
    ] {
        let mut client = world.gateway.raw().await;
        client.send(head).await;
        let reply = client.reply_while_sending(&vec![b' '; sent]).await;
        let reply = reply.unwrap_or_else(|| panic!("{name}: no answer"));
        assert_eq!(reply.status, 413, "{name}: {}", String::from_utf8_lossy(&reply.body));
        assert_eq!(reply.error().code.as_deref(), Some("body_too_large"), "{name}");
    }
    assert_eq!(world.upstream.requests().len(), 0);
}

#[tokio::test]
async fn a_body_may_be_as_large_as_configured_and_no_larger() {
    let limits = format!("server: {{ listen: 127.0.0.1:0, limits: {{ body: {}B }} }}\n", PLAIN.len());
    let world = World::start(&format!("{limits}{BASE}")).await;
    world.upstream.always(jackfield_tests::upstream::openai::chat("ok"));
    assert_eq!(world.gateway.chat(PLAIN).await.status, 200);
    assert_eq!(world.gateway.chat(format!("{PLAIN} ")).await.status, 413);
}
