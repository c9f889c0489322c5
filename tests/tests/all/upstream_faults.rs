//! What a client is told when a provider fails: whose fault it is, whether to come back, and never
//! a key. A failure after the first byte is a well-formed event, and then the end.

use std::time::Duration;

use jackfield_tests::gateway::Ending;
use jackfield_tests::upstream::{Answer, Outcome, Step, openai};
use serde_json::json;

use crate::world::{BASE, PLAIN, PROVIDER_KEY, STREAM, World};

/// What the provider does, and the status, code and words that must come back.
struct Case {
    name: &'static str,
    answer: Answer,
    status: u16,
    code: Option<&'static str>,
    says: &'static str,
}

fn case(name: &'static str, answer: Answer, status: u16, code: &'static str, says: &'static str) -> Case {
    Case { name, answer, status, code: Some(code), says }
}

/// Failures before any answer: the same for whole and for streamed requests.
fn before_the_answer() -> Vec<Case> {
    let leak = format!("Incorrect API key provided: {PROVIDER_KEY}");
    let refused = |status, message| openai::error(status, "invalid_request_error", Some("odd"), message);
    vec![
        // The client's own mistake, in the provider's words.
        Case {
            name: "400",
            answer: refused(400, "that is odd"),
            status: 400,
            code: None,
            says: "that is odd",
        },
        Case {
            name: "404",
            answer: refused(404, "no such thing"),
            status: 404,
            code: None,
            says: "no such thing",
        },
        Case {
            name: "422",
            answer: refused(422, "that is odder"),
            status: 422,
            code: None,
            says: "that is odder",
        },
        case(
            "401",
            openai::error(401, "authentication_error", Some("invalid_api_key"), &leak),
            502,
            "upstream_auth",
            "",
        ),
        case("403", openai::error(403, "permission_error", None, &leak), 502, "upstream_auth", ""),
        case("500", openai::error(500, "server_error", None, "we broke"), 502, "upstream_failed", ""),
        case(
            "502 of a proxy",
            Answer::raw(502, "text/html", "<html>Bad Gateway</html>"),
            502,
            "upstream_failed",
            "",
        ),
        case("500 without a body", Answer::status(500), 502, "upstream_failed", ""),
        case(
            "a redirect",
            Answer::status(307).header("location", "http://127.0.0.1:1/"),
            502,
            "upstream_broken",
            "",
        ),
        case("cut before the head", Answer::cut(), 502, "upstream_broken", ""),
        case("not HTTP", Answer::wire([Step::Bytes("SSH-2.0-x\r\n".into())]), 502, "upstream_broken", ""),
    ]
}

#[tokio::test]
async fn failures_before_the_answer_have_a_status_a_code_and_no_key() {
    let world = World::base().await;
    for case in before_the_answer() {
        for body in [PLAIN, STREAM] {
            world.upstream.always(case.answer.clone());
            let reply = world.gateway.chat(body).await;
            let name = case.name;
            assert_eq!(reply.status, case.status, "{name}: {}", reply.text());
            let error = reply.error();
            if case.code.is_some() {
                assert_eq!(error.code.as_deref(), case.code, "{name}: {error:?}");
            }
            assert!(error.message.contains(case.says), "{name}: {error:?}");
            assert!(!reply.text().contains(PROVIDER_KEY), "{name}: {}", reply.text());
        }
    }
}

#[tokio::test]
async fn failures_of_a_whole_answer() {
    let compressed =
        b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03\xab\xae\x05\x00\x43\xbf\xa6\xa3\x02\x00\x00\x00";
    let cases = [
        case("not JSON", Answer::raw(200, "application/json", "<html>"), 502, "upstream_broken", ""),
        case("not a completion", Answer::json(200, &json!({"ok": true})), 502, "upstream_broken", ""),
        case("no choices", Answer::json(200, &json!({"choices": []})), 502, "upstream_broken", "choices"),
        case("nothing", Answer::raw(200, "application/json", ""), 502, "upstream_broken", ""),
        case(
            "compressed unasked",
            Answer::raw(200, "application/json", &compressed[..]).header("content-encoding", "gzip"),
            502,
            "upstream_broken",
            "",
        ),
        case(
            "cut in a body of known length",
            Answer::status(200)
                .header("content-type", "application/json")
                .header("content-length", "900")
                .bytes("{\"choices\":[")
                .then_cut(),
            502,
            "upstream_broken",
            "",
        ),
        case(
            "cut in a body in chunks",
            Answer::status(200).bytes("{\"choices\":[").then_cut(),
            502,
            "upstream_broken",
            "",
        ),
        case(
            "closed in a body in chunks",
            Answer::status(200).bytes("{\"choices\":[").then_close(),
            502,
            "upstream_broken",
            "",
        ),
    ];
    let world = World::base().await;
    for case in cases {
        world.upstream.always(case.answer);
        let reply = world.gateway.chat(PLAIN).await;
        assert_eq!(reply.status, case.status, "{}: {}", case.name, reply.text());
        let error = reply.error();
        assert_eq!(error.code.as_deref(), case.code, "{}: {error:?}", case.name);
        assert!(error.message.contains(case.says), "{}: {error:?}", case.name);
    }
}

#[tokio::test]
async fn slowing_down_is_passed_on_with_the_time_to_wait() {
    let world = World::base().await;
    let limited = openai::error(429, "rate_limit_error", Some("rate_limit_exceeded"), "slow down");
    let cases = [(limited.clone().header("retry-after", "7"), Some("7")), (limited, None)];
    for (answer, wait) in cases {
        world.upstream.always(answer);
        let reply = world.gateway.chat(PLAIN).await;
        assert_eq!((reply.status, reply.header("retry-after")), (429, wait), "{}", reply.text());
        assert_eq!(reply.error().kind, "rate_limit_error");
    }
}

#[tokio::test]
async fn a_provider_that_is_not_there_is_a_502_and_serves_again_when_it_is_back() {
    let world = World::base().await;
    world.upstream.always(openai::chat("back"));
    world.upstream.refuse_connections().await;
    let reply = world.gateway.chat(PLAIN).await;
    assert_eq!(reply.status, 502, "{}", reply.text());
    assert_eq!(reply.error().code.as_deref(), Some("upstream_unreachable"));
    world.upstream.accept_connections();
    assert_eq!(world.gateway.chat(PLAIN).await.status, 200);
}

/// A model with so little patience that a test need not have much.
fn impatient(timeouts: &str) -> String {
    BASE.replace(
        "test-model: { provider: up,",
        &format!("test-model: {{ provider: up, timeouts: {timeouts},"),
    )
}

#[tokio::test]
async fn each_deadline_ends_the_call_and_the_providers_work() {
    let hang = || Answer::status(200).hang_before_head("never");
    let half = || Answer::status(200).header("content-type", "application/json").bytes("{").gate("never");
    let slow_head = || Answer::wire([Step::Bytes("HTTP/1.1 200 OK\r\n".into()), Step::Gate("never".into())]);
    let cases = [
        ("the head never comes", "{ first_byte: 150ms }", hang(), PLAIN),
        ("the head never ends", "{ first_byte: 150ms }", slow_head(), PLAIN),
        ("the head never comes, streamed", "{ first_byte: 150ms }", hang(), STREAM),
        ("the body stops", "{ idle: 150ms }", half(), PLAIN),
        ("the whole takes too long", "{ total: 150ms }", hang(), PLAIN),
        ("the whole takes too long, in the body", "{ total: 300ms }", half(), PLAIN),
    ];
    for (name, timeouts, answer, body) in cases {
        let world = World::start(&impatient(timeouts)).await;
        world.upstream.push(answer);
        let reply = world.gateway.chat(body).await;
        assert_eq!(reply.status, 504, "{name}: {}", reply.text());
        assert_eq!(reply.error().code.as_deref(), Some("upstream_timeout"), "{name}");
        assert_eq!(world.upstream.outcome(0).await, Outcome::Disconnected, "{name}");
    }
}

#[tokio::test]
async fn the_servers_own_bound_on_a_request_ends_it_too() {
    let limits = "server: { listen: 127.0.0.1:0, limits: { request_timeout: 150ms } }\n";
    let world = World::start(&format!("{limits}{BASE}")).await;
    world.upstream.push(Answer::status(200).hang_before_head("never"));
    let reply = world.gateway.chat(PLAIN).await;
    assert_eq!(reply.status, 504, "{}", reply.text());
    world.upstream.disconnected(0).await;
}

#[tokio::test]
async fn a_stream_that_breaks_ends_with_one_error_event() {
    let role = openai::chunk(&json!({"role": "assistant", "content": ""}), None);
    let text = openai::chunk(&json!({"content": "Hel"}), None);
    let so_far = || Answer::sse([role.clone(), text.clone()]);
    let error = "data: {\"error\":{\"message\":\"overloaded\",\"type\":\"server_error\"}}\n\n";
    let cases = [
        ("cut", so_far().then_cut(), "upstream_broken"),
        ("closed in the middle", so_far().then_close(), "upstream_broken"),
        ("cut within a frame", so_far().bytes("data: {\"choi").then_cut(), "upstream_broken"),
        ("ended without a finish", so_far(), "upstream_broken"),
        ("ended within a frame", so_far().bytes("data: {\"choices\":[]}"), "upstream_broken"),
        ("garbage", so_far().bytes("data: <html>\n\n").gate("never"), "upstream_broken"),
        ("an error of the provider's", so_far().bytes(error).gate("never"), "upstream_failed"),
        ("silence", so_far().gate("never"), "upstream_timeout"),
    ];
    let timeouts = format!("{{ idle: {}ms }}", Duration::from_millis(300).as_millis());
    for (name, answer, code) in cases {
        let world = World::start(&impatient(&timeouts)).await;
        world.upstream.push(answer);
        let got = world.gateway.stream(STREAM).await;
        let body = String::from_utf8_lossy(&got.body).into_owned();
        assert_eq!((got.status, &got.ending), (200, &Ending::Whole), "{name}: {body}");
        assert_eq!(got.frames.len(), 3, "{name}: {body}");
        assert_eq!(got.frames[..2], [role.clone(), text.clone()], "{name}: {body}");
        assert_eq!(got.error().code.as_deref(), Some(code), "{name}: {body}");
        assert!(body.ends_with("\n\n") && !body.contains("[DONE]"), "{name}: {body}");
        assert_ne!(world.upstream.outcome(0).await, Outcome::Open, "{name}");
    }
}

#[tokio::test]
async fn a_stream_that_breaks_before_its_first_content_is_a_plain_error() {
    let role = openai::chunk(&json!({"role": "assistant", "content": ""}), None);
    let cases = [
        ("cut before any frame", Answer::sse(Vec::<String>::new()).then_cut(), "upstream_broken"),
        ("ended before any frame", Answer::sse(Vec::<String>::new()), "upstream_broken"),
        ("cut after the role", Answer::sse([role]).then_cut(), "upstream_broken"),
        ("an error first", Answer::sse(["data: {\"error\":{\"message\":\"x\"}}\n\n"]), "upstream_failed"),
        ("a whole answer instead", openai::chat("whole"), "upstream_broken"),
    ];
    let world = World::base().await;
    for (name, answer, code) in cases {
        world.upstream.always(answer);
        let reply = world.gateway.chat(STREAM).await;
        assert_eq!(reply.status, 502, "{name}: {}", reply.text());
        assert_eq!(reply.error().code.as_deref(), Some(code), "{name}");
    }
}
