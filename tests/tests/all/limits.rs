//! Clients that are slow, huge, broken or gone: each costs what is configured, and the next is served.

use std::time::{Duration, Instant};

use jackfield_tests::gateway::{CHAT, Gateway};
use jackfield_tests::upstream::{Answer, openai};

use crate::world::{BASE, PLAIN, STREAM, World};

async fn limited(limits: &str) -> World {
    World::start(&format!("server: {{ listen: 127.0.0.1:0, limits: {limits} }}\n{BASE}")).await
}

/// The head of a chat request with a body of this length.
fn head(length: usize) -> String {
    format!(
        "POST {CHAT} HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n"
    )
}

/// What came over a connection that the gateway ended: nothing, or an answer with this status.
async fn ended_with(gateway: &Gateway, sent: &[u8], status: &str) {
    let mut client = gateway.raw().await;
    client.send(sent).await;
    let (said, _) = client.closed().await;
    let said = String::from_utf8_lossy(&said).into_owned();
    let want = format!("HTTP/1.1 {status} ");
    assert!(
        said.is_empty() || said.starts_with(&want),
        "{:?}: {said:?}",
        String::from_utf8_lossy(&sent[..sent.len().min(80)])
    );
}

#[tokio::test]
async fn a_head_that_never_ends_is_not_waited_for() {
    let world = limited("{ header_timeout: 150ms, idle: 150ms }").await;
    for sent in ["", "POST /v1/chat", "POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\n"] {
        ended_with(&world.gateway, sent.as_bytes(), "408").await;
    }
    assert_eq!(world.gateway.get("/health").await.status, 200);
}

#[tokio::test]
async fn a_head_too_large_is_refused() {
    let world = limited("{ headers: 16KiB }").await;
    let fill = "x".repeat(64 << 10);
    let many: String = (0..4000).map(|n| format!("x-{n}: {n}\r\n")).collect();
    for head in [
        format!("GET /health HTTP/1.1\r\nhost: x\r\nx-fill: {fill}\r\n\r\n"),
        format!("GET /health?{fill} HTTP/1.1\r\nhost: x\r\n\r\n"),
        format!("GET /health HTTP/1.1\r\nhost: x\r\n{many}\r\n"),
        format!("GET /health HTTP/1.1\r\nhost: x\r\nx-fill: {fill}"),
    ] {
        ended_with(&world.gateway, head.as_bytes(), "431").await;
    }
    let fits = "x".repeat(8 << 10);
    let reply = world.gateway.send("GET", "/health", &[("x-fill", &fits)], "").await;
    assert_eq!(reply.status, 200, "a head within the limit");
}

#[tokio::test]
async fn a_connection_with_nothing_on_it_is_closed() {
    let world = limited("{ idle: 150ms }").await;
    world.upstream.always(openai::chat("ok"));
    let mut client = world.gateway.raw().await;
    for _ in 0..2 {
        client.send(format!("{}{PLAIN}", head(PLAIN.len()))).await;
        assert_eq!(client.reply().await.unwrap().status, 200);
    }
    let rested = Instant::now();
    let (said, end) = client.closed().await;
    assert!(said.is_empty() && end.is_ok(), "{said:?} {end:?}");
    // Far above the limit, far below every other one: it is this limit that closed it.
    assert!(rested.elapsed() < Duration::from_secs(5), "closed after {:?}", rested.elapsed());
}

#[tokio::test]
async fn a_client_that_waits_for_a_slow_answer_is_not_idle() {
    let world = limited("{ idle: 150ms, header_timeout: 150ms, body_timeout: 150ms }").await;
    world.upstream.push(Answer::json(200, &openai::chat_body("late")).hang_before_head("slow"));
    let asked = world.gateway.chat(PLAIN);
    let opened = async {
        world.upstream.at_gate("slow").await;
        // Longer than all three limits, measured by a connection that is idle for just as long.
        for _ in 0..2 {
            world.gateway.raw().await.closed().await.1.unwrap();
        }
        world.upstream.open("slow");
    };
    let (reply, ()) = tokio::join!(asked, opened);
    assert_eq!(reply.status, 200, "{}", reply.text());
}

#[tokio::test]
async fn a_body_that_never_ends_is_a_408() {
    let world = limited("{ body_timeout: 150ms }").await;
    let chunked = format!(
        "POST {CHAT} HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n2\r\n{{\"\r\n"
    );
    for (name, sent) in
        [("none of it", head(100)), ("half of it", head(100) + "{\"model\":"), ("chunks", chunked)]
    {
        let mut client = world.gateway.raw().await;
        client.send(sent).await;
        let reply = client.reply().await.unwrap_or_else(|| panic!("{name}: closed without an answer"));
        assert_eq!(reply.status, 408, "{name}");
        assert_eq!(reply.error().code.as_deref(), Some("body_timeout"), "{name}");
        // The rest of that body must not be taken for a request.
        assert!(client.closed().await.0.is_empty(), "{name}");
    }
    assert_eq!(world.upstream.requests().len(), 0);
}

#[tokio::test]
async fn a_client_that_leaves_in_its_body_is_forgotten() {
    let world = limited("{ in_flight: 1 }").await;
    world.upstream.always(openai::chat("ok"));
    for sent in [head(100), head(100) + "{\"model\":"] {
        let mut client = world.gateway.raw().await;
        client.send(sent).await;
        client.finish_sending().await;
        let (said, _) = client.closed().await;
        assert!(!said.starts_with(b"HTTP/1.1 2"), "{:?}", String::from_utf8_lossy(&said));
    }
    // Its place among the requests under way is free again.
    assert_eq!(world.gateway.chat(PLAIN).await.status, 200);
    assert_eq!(world.upstream.requests().len(), 1);
}

#[tokio::test]
async fn one_request_too_many_is_a_503_and_the_next_one_after_is_served() {
    let world = limited("{ in_flight: 1 }").await;
    for answer in [openai::chat("first"), openai::stream(&["second"])] {
        world.upstream.push(answer.hang_before_head("busy"));
    }
    world.upstream.always(openai::chat("third"));
    let first = world.gateway.chat(PLAIN);
    let meanwhile = async {
        world.upstream.at_gate("busy").await;
        let refused = world.gateway.chat(PLAIN).await;
        assert_eq!(refused.status, 503, "{}", refused.text());
        assert_eq!(refused.error().code.as_deref(), Some("overloaded"));
        assert_eq!(world.gateway.get("/health").await.status, 200, "a probe is not a request");
        world.upstream.open("busy");
    };
    let (first, ()) = tokio::join!(first, meanwhile);
    assert_eq!(first.status, 200);
    // A stream counts until its end, and gives its place back there.
    assert_eq!(world.gateway.stream(STREAM).await.text(), "second");
    assert_eq!(world.gateway.chat(PLAIN).await.status, 200);
}

#[tokio::test]
async fn a_stream_keeps_its_place_until_its_end() {
    let world = limited("{ in_flight: 1 }").await;
    let frames = openai::stream_frames(&["a"]);
    world.upstream.push(Answer::sse(frames[..2].to_vec()).gate("rest"));
    world.upstream.always(openai::chat("ok"));
    let mut stream = world.gateway.open_stream(STREAM).await;
    stream.next_frame().await.unwrap();
    assert_eq!(world.gateway.chat(PLAIN).await.status, 503);
    // A client that leaves gives its place back as well.
    drop(stream);
    world.upstream.disconnected(0).await;
    jackfield_tests::soon("the place to be free", async {
        while world.gateway.chat(PLAIN).await.status != 200 {}
    })
    .await;
}

#[tokio::test]
async fn a_client_that_leaves_ends_the_providers_work() {
    let world = World::base().await;
    let frames = openai::stream_frames(&["a"]);
    let cases = [
        ("before the head", STREAM, Answer::status(200).hang_before_head("0")),
        ("in a stream", STREAM, Answer::sse(frames[..2].to_vec()).gate("1")),
        ("in a whole answer", PLAIN, Answer::status(200).bytes("{").gate("2")),
    ];
    for (index, (name, body, answer)) in cases.into_iter().enumerate() {
        world.upstream.push(answer);
        let mut client = world.gateway.raw().await;
        client.send(format!("{}{body}", head(body.len()))).await;
        world.upstream.at_gate(&index.to_string()).await;
        assert_eq!(world.upstream.requests().len(), index + 1, "{name}");
        drop(client);
        world.upstream.disconnected(index).await;
    }
}

#[tokio::test]
async fn pipelined_requests_are_answered_in_order() {
    let world = World::base().await;
    for text in ["one", "two"] {
        world.upstream.push(openai::chat(text));
    }
    let one = format!("{}{PLAIN}", head(PLAIN.len()));
    let mut client = world.gateway.raw().await;
    client.send(format!("{one}{one}GET /nowhere HTTP/1.1\r\nhost: x\r\n\r\n")).await;
    for (status, says) in [(200, "one"), (200, "two"), (404, "unknown_path")] {
        let reply = client.reply().await.unwrap();
        assert_eq!(reply.status, status);
        assert!(String::from_utf8_lossy(&reply.body).contains(says), "{reply:?}");
    }
}

#[tokio::test]
async fn malformed_http_costs_its_own_connection_and_no_other() {
    let world = World::base().await;
    let two_lengths = head(PLAIN.len()).replace("\r\n\r\n", "\r\ncontent-length: 3\r\n\r\n") + PLAIN;
    let bad_chunk = format!(
        "POST {CHAT} HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\nffffffffffffffffff\r\n{{"
    );
    let cases: &[&[u8]] = &[
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 a TLS client\r\n\r\n",
        b"hello\r\n\r\n",
        b"GET /health HTTP/9.9\r\nhost: x\r\n\r\n",
        b"GET /health HTTP/1.1\r\nbad header\r\n\r\n",
        b"GET /health HTTP/1.1\r\nx: a\0b\r\n\r\n",
        two_lengths.as_bytes(),
        bad_chunk.as_bytes(),
    ];
    for sent in cases {
        ended_with(&world.gateway, sent, "400").await;
        assert_eq!(world.gateway.get("/health").await.status, 200);
    }
    assert_eq!(world.upstream.requests().len(), 0);
}
