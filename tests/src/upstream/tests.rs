//! Every feature of the scripted provider, proved over reqwest or a bare socket.

use std::io;

use bytes::Bytes;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::{Answer, Match, Outcome, Step, Upstream, openai};
use crate::soon;

fn client() -> reqwest::Client {
    reqwest::Client::builder().no_proxy().build().unwrap()
}

async fn ask(upstream: &Upstream, body: &'static str) -> reqwest::Response {
    let url = format!("{}/chat/completions", upstream.base_url());
    soon("an answer's head", client().post(url).body(body).send()).await.unwrap()
}

/// A bare connection on which one request has been sent.
async fn bare(upstream: &Upstream) -> TcpStream {
    let mut socket = TcpStream::connect(upstream.address()).await.unwrap();
    socket.write_all(b"POST /x HTTP/1.1\r\nhost: test\r\ncontent-length: 2\r\n\r\n{}").await.unwrap();
    socket
}

/// All that comes until the connection's end, and how it ended.
async fn drain(mut socket: TcpStream) -> (String, io::Result<()>) {
    let mut all = Vec::new();
    let end = soon("the connection's end", socket.read_to_end(&mut all)).await.map(|_| ());
    (String::from_utf8_lossy(&all).into_owned(), end)
}

#[tokio::test]
async fn answers_in_order_then_by_default_then_not_at_all() {
    let upstream = Upstream::start().await;
    upstream.push(openai::chat("first"));
    upstream.push(openai::error(429, "rate_limit", Some("slow_down"), "later"));
    for (status, pointer, want) in
        [(200, "/choices/0/message/content", "first"), (429, "/error/code", "slow_down")]
    {
        let reply = ask(&upstream, "{}").await;
        assert_eq!(reply.status().as_u16(), status);
        let body: serde_json::Value = serde_json::from_slice(&reply.bytes().await.unwrap()).unwrap();
        assert_eq!(body.pointer(pointer), Some(&json!(want)));
    }
    assert_eq!(ask(&upstream, "{}").await.status().as_u16(), 501, "the script is empty");
    assert_eq!(upstream.unscripted(), 1);
    upstream.always(Answer::status(204));
    for _ in 0..2 {
        assert_eq!(ask(&upstream, "{}").await.status().as_u16(), 204);
    }
}

#[tokio::test]
async fn rules_match_by_model_and_path_and_fall_back_to_the_common_script() {
    let upstream = Upstream::start().await;
    upstream.always(Answer::raw(200, "text/plain", "anybody"));
    upstream.always_for(&Match::path("/v1/models"), Answer::raw(200, "text/plain", "models"));
    upstream.push_for(&Match::model("a"), Answer::raw(200, "text/plain", "a once"));
    upstream
        .always_for(&Match::model("b").and_path("/v1/chat/completions"), Answer::raw(200, "text/plain", "b"));
    let cases = [
        ("/v1/models?limit=1", "", "models"),
        ("/v1/chat/completions", r#"{"model":"a"}"#, "a once"),
        ("/v1/chat/completions", r#"{"model":"a"}"#, "anybody"),
        ("/v1/chat/completions", r#"{"model":"b"}"#, "b"),
        ("/v1/embeddings", r#"{"model":"b"}"#, "anybody"),
        ("/v1/chat/completions", "not json", "anybody"),
    ];
    for (path, body, want) in cases {
        let url = format!("http://{}{path}", upstream.address());
        let reply = soon("an answer", client().post(url).body(body).send()).await.unwrap();
        assert_eq!(reply.text().await.unwrap(), want, "{path} {body}");
    }
}

#[tokio::test]
async fn records_requests_to_the_byte_in_order_of_arrival() {
    let upstream = Upstream::start().await;
    upstream.always(Answer::status(200));
    let bodies: [&[u8]; 3] = [b"{ \"n\" : 1e400 }\r\n", b"\xff\x00raw", b""];
    let client = client();
    for (index, body) in bodies.iter().enumerate() {
        let url = format!("{}/p{index}?q=%20", upstream.base_url());
        client.put(url).header("X-Mark", index).body(*body).send().await.unwrap();
    }
    let seen = upstream.wait_for_requests(3).await;
    for (index, body) in bodies.iter().enumerate() {
        assert_eq!(seen[index].body, *body);
        assert_eq!(seen[index].method, http::Method::PUT);
        assert_eq!(seen[index].path, format!("/v1/p{index}?q=%20"));
        assert_eq!(seen[index].header("x-mark"), Some(index.to_string().as_str()));
    }
    assert_eq!(upstream.connections(), 1, "one client keeps one connection alive");
    assert_eq!(seen[2].connection, 0);
}

#[tokio::test]
async fn whole_bodies_are_announced_and_streams_are_chunked_byte_for_byte() {
    let upstream = Upstream::start().await;
    let odd = Bytes::from_static(b" {\"a\":1.0e+2}\r\n\t");
    let frames: [&'static [u8]; 3] = [b"data: {}\r\n\r\n", b": note\n\n", b"data: [DONE]\n\n"];
    upstream.push(Answer::raw(200, "application/json", odd.clone()));
    upstream.push(Answer::sse(frames));
    let whole = ask(&upstream, "{}").await;
    assert_eq!(whole.headers()["content-length"], odd.len().to_string());
    assert_eq!(whole.bytes().await.unwrap(), odd);
    let streamed = ask(&upstream, "{}").await;
    assert_eq!(streamed.headers()["transfer-encoding"], "chunked");
    assert_eq!(streamed.headers()["content-type"], "text/event-stream");
    assert_eq!(streamed.bytes().await.unwrap(), frames.concat());
    assert_eq!(upstream.outcome(0).await, Outcome::Finished);
    assert_eq!(upstream.outcome(1).await, Outcome::Finished);
}

#[tokio::test]
async fn a_gate_holds_the_rest_back_and_lets_what_is_before_it_through() {
    let upstream = Upstream::start().await;
    upstream.push(Answer::sse(["data: 1\n\n"]).gate("second").bytes("data: 2\n\n"));
    let mut reply = ask(&upstream, "{}").await;
    let first = soon("the first frame", reply.chunk()).await.unwrap().unwrap();
    assert_eq!(first, "data: 1\n\n");
    upstream.at_gate("second").await;
    assert_eq!(upstream.only_request().outcome, Outcome::Open);
    upstream.open("second");
    let second = soon("the second frame", reply.chunk()).await.unwrap().unwrap();
    assert_eq!(second, "data: 2\n\n");
    assert_eq!(reply.chunk().await.unwrap(), None);
    assert_eq!(upstream.outcome(0).await, Outcome::Finished);
}

#[tokio::test]
async fn hangs_before_the_head_until_the_gate_opens() {
    let upstream = Upstream::start().await;
    upstream.push(Answer::status(200).hang_before_head("head"));
    let asked = async {
        let reply = ask(&upstream, "{}").await;
        assert!(matches!(upstream.only_request().outcome, Outcome::Finished));
        reply.status().as_u16()
    };
    let opened = async {
        upstream.at_gate("head").await;
        assert_eq!(upstream.only_request().outcome, Outcome::Open);
        upstream.open("head");
    };
    assert_eq!(tokio::join!(asked, opened).0, 200);
}

#[tokio::test]
async fn a_slow_head_comes_in_the_pieces_it_was_written_in() {
    let upstream = Upstream::start().await;
    upstream.push(Answer::wire([
        Step::Bytes("HTTP/1.1 200 OK\r\ncontent-".into()),
        Step::Gate("head".into()),
        Step::Bytes("length: 2\r\n\r\nok".into()),
    ]));
    let mut socket = bare(&upstream).await;
    let mut first = [0; 25];
    soon("half a head", socket.read_exact(&mut first)).await.unwrap();
    assert_eq!(&first, b"HTTP/1.1 200 OK\r\ncontent-");
    upstream.open("head");
    let (rest, end) = drain(socket).await;
    assert_eq!(rest, "length: 2\r\n\r\nok");
    end.unwrap();
    assert_eq!(upstream.outcome(0).await, Outcome::Finished);
}

#[tokio::test]
async fn cuts_are_resets_and_closes_are_not() {
    let reset = Some(io::ErrorKind::ConnectionReset);
    let cases = [
        ("before the head", Answer::cut(), "", reset),
        ("in the head", Answer::wire([Step::Bytes("HTTP/1.1 2".into()), Step::Cut]), "HTTP/1.1 2", reset),
        ("in a stream", Answer::sse(["data: 1\n\n"]).then_cut(), "9\r\ndata: 1\n\n\r\n", reset),
        (
            "in a body of known length",
            Answer::status(200).header("content-length", "9").bytes("{\"a\"").then_cut(),
            "\r\n\r\n{\"a\"",
            reset,
        ),
        ("closed in a stream", Answer::sse(["data: 1\n\n"]).then_close(), "9\r\ndata: 1\n\n\r\n", None),
        ("closed before the head", Answer::wire([Step::Close]), "", None),
    ];
    for (name, answer, tail, want) in cases {
        let upstream = Upstream::start().await;
        upstream.push(answer);
        let (said, end) = drain(bare(&upstream).await).await;
        assert!(said.ends_with(tail), "{name}: {said:?}");
        assert_eq!(said.is_empty(), tail.is_empty(), "{name}: {said:?}");
        assert_eq!(end.err().map(|e| e.kind()), want, "{name}");
        assert_eq!(upstream.outcome(0).await, Outcome::Broken, "{name}");
    }
}

#[tokio::test]
async fn a_client_that_leaves_is_noticed_wherever_the_answer_stands() {
    let cases = [
        ("before the head", Answer::status(200).hang_before_head("never")),
        ("in a stream", Answer::sse(["data: 1\n\n"]).gate("never").bytes("data: 2\n\n")),
        ("on the wire", Answer::wire([Step::Bytes("HTTP/1.1 ".into()), Step::Gate("never".into())])),
    ];
    for (name, answer) in cases {
        let upstream = Upstream::start().await;
        upstream.push(answer);
        let socket = bare(&upstream).await;
        upstream.at_gate("never").await;
        assert_eq!(upstream.only_request().outcome, Outcome::Open, "{name}");
        drop(socket);
        upstream.disconnected(0).await;
    }
}

#[tokio::test]
async fn refuses_connections_and_takes_them_again_on_the_same_port() {
    let upstream = Upstream::start().await;
    upstream.push(Answer::status(200).hang_before_head("never"));
    upstream.always(Answer::status(204));
    let open = bare(&upstream).await;
    upstream.at_gate("never").await;
    upstream.refuse_connections().await;
    let (said, _) = drain(open).await;
    assert_eq!(said, "", "the open answer never came");
    upstream.disconnected(0).await;
    let refused = TcpStream::connect(upstream.address()).await;
    assert_eq!(refused.unwrap_err().kind(), io::ErrorKind::ConnectionRefused);
    upstream.accept_connections();
    assert_eq!(ask(&upstream, "{}").await.status().as_u16(), 204);
}

#[tokio::test]
async fn ends_with_its_owner() {
    let upstream = Upstream::start().await;
    upstream.push(Answer::sse(["data: 1\n\n"]).gate("never"));
    let address = upstream.address();
    let mut reply = ask(&upstream, "{}").await;
    assert!(reply.chunk().await.unwrap().is_some());
    drop(upstream);
    let end = soon("the stream's end", async { while let Ok(Some(_)) = reply.chunk().await {} });
    end.await;
    let refused = TcpStream::connect(address).await;
    assert_eq!(refused.unwrap_err().kind(), io::ErrorKind::ConnectionRefused);
}

#[tokio::test]
async fn ready_answers_have_openais_shape() {
    let upstream = Upstream::start().await;
    upstream.push(openai::tool_call("call_1", "weather", r#"{"city":"Ghent"}"#));
    upstream.push(openai::stream(&["Hel", "lo"]));
    upstream.push(openai::tool_call_stream("call_1", "weather", &[r#"{"city":"#, r#""Ghent"}"#]));
    let whole = ask(&upstream, "{}").await.bytes().await.unwrap();
    let whole: serde_json::Value = serde_json::from_slice(&whole).unwrap();
    assert_eq!(whole["choices"][0]["message"]["tool_calls"][0]["function"]["name"], "weather");
    assert_eq!(whole["choices"][0]["finish_reason"], "tool_calls");
    for (pointer, want) in [
        ("/choices/0/delta/content", "Hello"),
        ("/choices/0/delta/tool_calls/0/function/arguments", r#"{"city":"Ghent"}"#),
    ] {
        let body = ask(&upstream, "{}").await.bytes().await.unwrap();
        let (frames, rest) = crate::sse::split(&body);
        assert!(rest.is_empty());
        assert_eq!(frames.last().unwrap(), openai::DONE);
        let said: String = frames
            .iter()
            .filter_map(|frame| serde_json::from_str::<serde_json::Value>(&crate::sse::data(frame)?).ok())
            .filter_map(|chunk| chunk.pointer(pointer)?.as_str().map(str::to_owned))
            .collect();
        assert_eq!(said, want);
        assert_eq!(frames[frames.len() - 2], openai::usage_frame());
    }
}

#[tokio::test]
#[should_panic(expected = "in vain for 2 requests; seen:\n0 connections")]
async fn a_wait_in_vain_says_what_was_seen() {
    let upstream = Upstream::start().await;
    tokio::time::pause();
    upstream.wait_for_requests(2).await;
}
