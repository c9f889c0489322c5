//! Invariant 10: a same-dialect call carries the client's bytes, and the provider's, but for the
//! named edits.

use jackfield_tests::gateway::Ending;
use jackfield_tests::upstream::{Answer, openai};

use crate::world::{PLAIN, PROVIDER_KEY, STREAM, World};

/// What the client sends, and what the provider must get.
const REQUESTS: &[(&str, &str, &str)] = &[
    (
        "nothing to change: white space, order and unknown fields stay",
        "{ \"zeta\" : [ 1 ,2 ],\t\"messages\":[{\"content\":\"hi\",\"name\":\"ana\",\"role\":\"user\"}],\r\n\"model\":\"test-model\" }\n",
        "{ \"zeta\" : [ 1 ,2 ],\t\"messages\":[{\"content\":\"hi\",\"name\":\"ana\",\"role\":\"user\"}],\r\n\"model\":\"test-model\" }\n",
    ),
    (
        "numbers that no type holds",
        r#"{"model":"test-model","messages":[{"role":"user","content":"n"}],"a":1e400,"b":12345678901234567890123,"c":1.0e+2,"d":-0,"e":[-0.0,1E-7],"seed":18446744073709551616}"#,
        r#"{"model":"test-model","messages":[{"role":"user","content":"n"}],"a":1e400,"b":12345678901234567890123,"c":1.0e+2,"d":-0,"e":[-0.0,1E-7],"seed":18446744073709551616}"#,
    ),
    (
        "escapes stay as they were spelt",
        r#"{"model":"test-model","messages":[{"role":"user","content":"caf\u00e9 \/ \ud83d\ude00 \u0000 \ud800 é"}]}"#,
        r#"{"model":"test-model","messages":[{"role":"user","content":"caf\u00e9 \/ \ud83d\ude00 \u0000 \ud800 é"}]}"#,
    ),
    (
        "keys that only look alike, and repeated keys further down",
        "{\"model\":\"test-model\",\"m\u{43e}del\":1,\"\u{e9}\":2,\"e\u{301}\":3,\"Model\":4,\"messages\":[{\"role\":\"user\",\"content\":\"x\"}],\"extra\":{\"a\":1,\"a\":2}}",
        "{\"model\":\"test-model\",\"m\u{43e}del\":1,\"\u{e9}\":2,\"e\u{301}\":3,\"Model\":4,\"messages\":[{\"role\":\"user\",\"content\":\"x\"}],\"extra\":{\"a\":1,\"a\":2}}",
    ),
    (
        "the model's name in place",
        r#"{"a":1, "model" : "renamed-model" ,"messages":[{"role":"user","content":"renamed-model"}]}"#,
        r#"{"a":1, "model" : "upstream-id" ,"messages":[{"role":"user","content":"renamed-model"}]}"#,
    ),
    (
        "the model's key spelt with an escape",
        r#"{"m\u006fdel":"renamed-model","messages":[{"role":"user","content":"x"}]}"#,
        r#"{"m\u006fdel":"upstream-id","messages":[{"role":"user","content":"x"}]}"#,
    ),
    (
        "no model",
        "{\"messages\":[{\"role\":\"user\",\"content\":\"x\"}] }\n",
        "{\"messages\":[{\"role\":\"user\",\"content\":\"x\"}],\"model\":\"test-model\" }\n",
    ),
    (
        "the model auto",
        r#"{"model":"auto","messages":[{"role":"user","content":"x"}]}"#,
        r#"{"model":"test-model","messages":[{"role":"user","content":"x"}]}"#,
    ),
    (
        "our label alone in metadata: first",
        r#"{ "metadata":{"task":"code"}, "model":"test-model","messages":[{"role":"user","content":"x"}]}"#,
        r#"{ "model":"test-model","messages":[{"role":"user","content":"x"}]}"#,
    ),
    (
        "our label alone in metadata: last",
        r#"{"model":"test-model","messages":[{"role":"user","content":"x"}] , "metadata" : { "task" : "code" } }"#,
        r#"{"model":"test-model","messages":[{"role":"user","content":"x"}] }"#,
    ),
    (
        "our label among others",
        r#"{"model":"test-model","metadata":{"run":"7", "task":"code" ,"who":"\u00e9"},"messages":[{"role":"user","content":"x"}]}"#,
        r#"{"model":"test-model","metadata":{"run":"7", "who":"\u00e9"},"messages":[{"role":"user","content":"x"}]}"#,
    ),
    (
        "metadata without our label",
        r#"{"model":"test-model","metadata":{"tasks":"code"},"messages":[{"role":"user","content":"x"}]}"#,
        r#"{"model":"test-model","metadata":{"tasks":"code"},"messages":[{"role":"user","content":"x"}]}"#,
    ),
    (
        "a task further down is the client's own",
        r#"{"model":"test-model","metadata":{"inner":{"task":"code"}},"task":"code","messages":[{"role":"user","content":"x","task":"code"}]}"#,
        r#"{"model":"test-model","metadata":{"inner":{"task":"code"}},"task":"code","messages":[{"role":"user","content":"x","task":"code"}]}"#,
    ),
];

/// The same, for streamed answers.
const STREAMED_REQUESTS: &[(&str, &str, &str)] = &[
    (
        "usage is asked for",
        "{\"model\":\"test-model\",\"stream\":true,\"messages\":[{\"role\":\"user\",\"content\":\"x\"}]\n}",
        "{\"model\":\"test-model\",\"stream\":true,\"messages\":[{\"role\":\"user\",\"content\":\"x\"}],\"stream_options\":{\"include_usage\":true}\n}",
    ),
    (
        "the client asked itself",
        r#"{"model":"test-model","stream":true,"stream_options":{ "include_usage" : true },"messages":[{"role":"user","content":"x"}]}"#,
        r#"{"model":"test-model","stream":true,"stream_options":{ "include_usage" : true },"messages":[{"role":"user","content":"x"}]}"#,
    ),
    (
        "the client asked for none, and other options stay",
        r#"{"model":"test-model","stream":true,"stream_options":{"x":1.0e+2,"include_usage":false},"messages":[{"role":"user","content":"x"}]}"#,
        r#"{"model":"test-model","stream":true,"stream_options":{"x":1.0e+2,"include_usage":true},"messages":[{"role":"user","content":"x"}]}"#,
    ),
    (
        "options that are null",
        r#"{"model":"test-model","stream":true,"stream_options":null,"messages":[{"role":"user","content":"x"}]}"#,
        r#"{"model":"test-model","stream":true,"stream_options":{"include_usage":true},"messages":[{"role":"user","content":"x"}]}"#,
    ),
];

#[tokio::test]
async fn a_request_keeps_every_byte_but_the_named_ones() {
    let world = World::base().await;
    for (name, sent, want) in REQUESTS {
        world.upstream.push(openai::chat("ok"));
        let reply = world.gateway.chat(*sent).await;
        assert_eq!(reply.status, 200, "{name}: {}", reply.text());
        assert_eq!(world.upstream.requests().last().unwrap().text(), *want, "{name}");
    }
    for (name, sent, want) in STREAMED_REQUESTS {
        world.upstream.push(openai::stream(&["ok"]));
        let reply = world.gateway.stream(*sent).await;
        assert_eq!(reply.status, 200, "{name}: {:?}", reply.body);
        assert_eq!(world.upstream.requests().last().unwrap().text(), *want, "{name}");
    }
    assert_eq!(world.upstream.unscripted(), 0);
}

#[tokio::test]
async fn a_megabyte_goes_through_unchanged_both_ways() {
    let world = World::base().await;
    let text = "0123456789abcde\\n".repeat(64 * 1024);
    let body = PLAIN.replace("hello", &text);
    let answer = openai::chat_body(&text).to_string();
    world.upstream.push(Answer::raw(200, "application/json", answer.clone()));
    let reply = world.gateway.chat(body.clone()).await;
    assert!(reply.status == 200 && reply.body == answer, "{} with {} bytes", reply.status, reply.body.len());
    assert!(world.upstream.only_request().body == body, "the request was changed");
}

#[tokio::test]
async fn the_providers_own_headers_are_sent_and_none_of_the_clients() {
    let world = World::base().await;
    world.upstream.push(openai::chat("ok"));
    let private = [
        ("authorization", "Bearer of-the-client-0123456789"),
        ("x-api-key", "of-the-client-0123456789"),
        ("cookie", "session=of-the-client"),
        ("x-jackfield-task", "code"),
        ("x-forwarded-for", "10.0.0.1"),
    ];
    let reply = world.gateway.post_raw("/v1/chat/completions", PLAIN, &private).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    let got = world.upstream.only_request();
    assert_eq!((got.method.as_str(), got.path.as_str()), ("POST", "/v1/chat/completions"));
    assert_eq!(got.header("authorization"), Some(format!("Bearer {PROVIDER_KEY}").as_str()));
    assert_eq!(got.header("content-type"), Some("application/json"));
    assert_eq!(got.header("content-length"), Some(PLAIN.len().to_string().as_str()));
    // A compressed stream cannot be read while it comes, so none is invited.
    assert!(matches!(got.header("accept-encoding"), None | Some("identity")), "{:?}", got.headers);
    for (name, value) in &private[1..] {
        assert_eq!(got.header(name), None, "{name}: {value}");
    }
}

#[tokio::test]
async fn a_whole_answer_keeps_every_byte() {
    let bodies = [
        openai::chat_body("plain").to_string(),
        "\r\n { \"choices\" : [ {\"message\":{\"content\":\"x\"}} ],\t\"unknown\":{\"b\":1,\"a\":1e400,\"a\":-0} }\n\n".to_owned(),
        r#"{"choices":[{"message":{"role":"assistant","content":"caf\u00e9 \/ \ud83d\ude00","reasoning_content":null}}],"usage":{"prompt_tokens":1,"completion_tokens":2,"total_tokens":3,"x":12345678901234567890123}}"#.to_owned(),
        r#"{"choices":[{"message":{"role":"assistant","content":null,"refusal":"no"},"finish_reason":"stop"}],"service_tier":"default"}"#.to_owned(),
        r#"{"choices":[{"message":{"role":"assistant","content":"half a pair: \ud83d"},"finish_reason":"a new reason"}]}"#.to_owned(),
    ];
    let world = World::base().await;
    for body in bodies {
        world.upstream.push(Answer::raw(200, "application/json", body.clone()));
        let reply = world.gateway.chat(PLAIN).await;
        assert_eq!((reply.status, reply.text()), (200, body));
        assert_eq!(reply.header("content-type"), Some("application/json"));
    }
}

const ROLE: &str = "data: {\"id\":\"c\",\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":\"\"}}]}\n\n";
const TEXT: &str =
    "data: {\"id\":\"c\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"hi\"}}],\"usage\":null}\n\n";
const STOP: &str =
    "data: {\"id\":\"c\",\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n";
const USAGE: &str = "data: {\"id\":\"c\",\"choices\":[],\"usage\":{\"prompt_tokens\":1,\"completion_tokens\":2,\"total_tokens\":3}}\n\n";
const DONE: &str = "data: [DONE]\n\n";
const CRLF: &str = "event: message\r\nid: 7\r\nretry: 10\r\ndata: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"crlf\"}}]}\r\n\r\n";
const COMMENT: &str = ": keep-alive\n\n";
const ODD: &str = "data:{\"zz\":1e400,\t\"choices\":[ {\"index\":0,\"delta\":{\"content\":\"\\u00e9\\/\",\"x\":[-0]}} ],\"obfuscation\":\"a8f\"}\n\n";
const HALF_PAIR: &str = "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"\\ud83d\"}}]}\n\n";
const STOP_WITH_USAGE: &str = "data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}],\"usage\":{\"prompt_tokens\":1,\"completion_tokens\":2,\"total_tokens\":3}}\n\n";

/// What the provider streams, and what a client gets that did not ask for usage.
const STREAMS: &[(&str, &[&str], &[&str])] = &[
    ("the usage chunk is ours and goes", &[ROLE, TEXT, STOP, USAGE, DONE], &[ROLE, TEXT, STOP, DONE]),
    ("no usage chunk", &[ROLE, TEXT, STOP, DONE], &[ROLE, TEXT, STOP, DONE]),
    (
        "usage beside a choice is the provider's own way",
        &[TEXT, STOP_WITH_USAGE, DONE],
        &[TEXT, STOP_WITH_USAGE, DONE],
    ),
    (
        "comments, CRLF, other fields, odd white space, unknown keys",
        &[COMMENT, ROLE, CRLF, ODD, COMMENT, STOP, USAGE, DONE],
        &[COMMENT, ROLE, CRLF, ODD, COMMENT, STOP, DONE],
    ),
    ("half of a surrogate pair", &[ROLE, HALF_PAIR, STOP, DONE], &[ROLE, HALF_PAIR, STOP, DONE]),
];

#[tokio::test]
async fn a_stream_keeps_every_byte_but_the_usage_chunk_nobody_asked_for() {
    let asked =
        STREAM.replace(r#""stream":true"#, r#""stream":true,"stream_options":{"include_usage":true}"#);
    let world = World::base().await;
    for (name, sent, want) in STREAMS {
        let bytewise = sent.concat().into_bytes().into_iter().map(|byte| vec![byte]);
        let answers =
            [Answer::sse(sent.iter().copied()), Answer::sse([sent.concat()]), Answer::sse(bytewise)];
        for (cut, answer) in answers.into_iter().enumerate() {
            for (body, want) in [(STREAM, want.concat()), (asked.as_str(), sent.concat())] {
                world.upstream.push(answer.clone());
                let got = world.gateway.stream(body.to_owned()).await;
                let text = String::from_utf8_lossy(&got.body);
                assert_eq!(got.status, 200, "{name}, cut {cut}: {text}");
                assert_eq!(text, want, "{name}, cut {cut}");
                assert_eq!(got.ending, Ending::Whole, "{name}, cut {cut}");
                let kind = got.header("content-type").unwrap();
                assert!(kind.starts_with("text/event-stream"), "{name}: {kind}");
            }
        }
    }
}

#[tokio::test]
async fn frames_are_passed_on_as_they_come() {
    let world = World::base().await;
    world.upstream.push(Answer::sse([ROLE, TEXT]).gate("rest").bytes(STOP).bytes(DONE));
    let mut stream = world.gateway.open_stream(STREAM).await;
    assert_eq!(stream.next_frame().await.unwrap(), ROLE);
    assert_eq!(stream.next_frame().await.unwrap(), TEXT);
    // Both were read while the provider still held the rest back.
    world.upstream.at_gate("rest").await;
    world.upstream.open("rest");
    assert_eq!(stream.collect().await.frames, [STOP, DONE]);
}
