//! Streams under validators that let them through by and by (`stream: window`), or judge them when they are out
//! (`stream: after`): what is delivered, what is written down, and what becomes of everybody when something breaks.

/// Judged once it is out.
mod after;
/// Let through by and by.
mod window;

use jackfield_tests::gateway::{Ending, Streamed};
use jackfield_tests::guest::{stream_guard, validator};
use jackfield_tests::sse;
use jackfield_tests::upstream::{Answer, Outcome, openai};
use serde_json::{Value, json};

use crate::world::World;

/// Forbids `secret`, hides `darn`, and holds five bytes back for that.
fn guard() -> Vec<u8> {
    stream_guard("secret", "darn", 5)
}

/// A whole-answer check that rejects what begins with `b`.
fn rejects_b() -> Vec<u8> {
    validator(
        "(if (i32.eq (call $first) (i32.const 98)) (then (return (call $say (i32.const 1) (i32.const 1))))) (call $accept)",
    )
}

/// A gateway with the model `a`, which falls back to `b`; every answer is put through `validators`, which are these files.
async fn world(validators: &str, settings: &str, files: &[(&str, &[u8])]) -> World {
    let yaml = format!(
        "models:
  a: {{ provider: up, retries: 0 }}
  b: {{ provider: up, retries: 0 }}
orchestrator:
  default_model: a
  fallback: {{ a: [b] }}
  validators: [{validators}]
plugins:
  dir: PLUGINS
  validator_defaults: {{ limits: {{ cpu: 5s, wall: 30s }} }}
  settings: {{ {settings} }}
"
    );
    World::with_plugins(&yaml, files).await
}

/// The same with one guard as `v`.
async fn guarded(mode: &str, on_error: &str) -> World {
    world("v", &format!("v: {{ on_error: {on_error}, stream: {mode} }}"), &[("v.wasm", &guard())]).await
}

fn ask(stream: bool) -> String {
    let options = json!({ "include_usage": true });
    let mut body = json!({ "messages": [{ "role": "user", "content": "hello" }], "stream": stream });
    if stream {
        body["stream_options"] = options;
    }
    body.to_string()
}

async fn stream(world: &World) -> Streamed {
    world.gateway.stream(ask(true)).await
}

fn models(world: &World) -> Vec<String> {
    let model = |body: Value| body["model"].as_str().unwrap().to_owned();
    world.upstream.requests().iter().map(|request| model(request.json())).collect()
}

async fn record(world: &World, id: &str) -> Value {
    world.gateway.record(id).await
}

/// The verdicts of a request, as `name model verdict: issues`.
fn verdicts(record: &Value) -> Vec<String> {
    let steps = record["steps"].as_array().unwrap().iter().filter(|step| step["step"] == "validated");
    let said = |step: &Value| {
        let text = |name: &str| step[name].as_str().unwrap().to_owned();
        let issues: Vec<&str> =
            step["issues"].as_array().unwrap().iter().map(|i| i.as_str().unwrap()).collect();
        let said = [text("name"), text("model"), text("verdict")].join(" ");
        if issues.is_empty() { said } else { format!("{said}: {}", issues.join(", ")) }
    };
    steps.map(said).collect()
}

/// What the frames say of one choice: its text, and how it ended.
fn choice(got: &Streamed, index: u64) -> (String, Option<String>) {
    let mut all = (String::new(), None);
    for chunk in got.chunks() {
        for choice in chunk["choices"].as_array().into_iter().flatten() {
            if choice["index"] == index {
                assert!(all.1.is_none(), "something comes after the choice's end: {chunk}");
                all.0.push_str(choice["delta"]["content"].as_str().unwrap_or_default());
                all.1 = choice["finish_reason"].as_str().map(str::to_owned);
            }
        }
    }
    all
}

/// A stream of the first choice's texts that is well formed to its end.
fn whole_text(got: &Streamed) -> String {
    assert_eq!((got.status, &got.ending), (200, &Ending::Whole), "{}", String::from_utf8_lossy(&got.body));
    let (text, finish) = choice(got, 0);
    assert_eq!(finish.as_deref(), Some("stop"));
    assert_eq!(got.chunks()[0]["choices"][0]["delta"]["role"], "assistant", "the first says the role");
    assert_eq!(got.frames.last().unwrap(), openai::DONE.as_bytes());
    text
}

/// A stream whose beginning is out of the window when it stands at the gate `g`.
fn gated(pieces: &[&str]) -> Answer {
    let frames = openai::stream_frames(pieces);
    let rest = frames.len() - 3;
    let begun = Answer::sse(frames[..rest].to_vec()).gate("g");
    frames[rest..].iter().fold(begun, |answer, frame| answer.bytes(frame.clone()))
}

#[tokio::test]
async fn a_client_that_leaves_ends_the_call_in_every_mode_and_no_verdict_is_taken() {
    // Before anything is out, and in the middle.
    let rows = [
        ("hold", "hello world", false),
        ("window", "hel", false),
        ("window", "hello world", true),
        ("after", "hello world", true),
    ];
    for (mode, text, begins) in rows {
        // Two places for instances: streams that kept theirs would soon leave none.
        let settings =
            format!("v: {{ on_error: reject, stream: {mode} }} }}\n  concurrency: {{ instances: 2");
        let world = world("v", &settings, &[("v.wasm", &guard())]).await;
        for round in 0..3 {
            world.upstream.push(gated(&[text]));
            let mut asking = Box::pin(world.gateway.open_stream(ask(true)));
            let count = world.upstream.requests().len();
            let id = if begins {
                let got = asking.await;
                world.upstream.at_gate("g").await;
                Some(got.headers["x-jackfield-request-id"].to_str().unwrap().to_owned())
            } else {
                tokio::select! {
                    biased;
                    _ = &mut asking => panic!("{mode} {text}: it began"),
                    () = world.upstream.at_gate("g") => {}
                }
                drop(asking);
                None
            };
            assert_eq!(world.upstream.outcome(count).await, Outcome::Disconnected, "{mode} {text}");
            let line = world.gateway.log().wait_for_requests(round + 1).await[round].clone();
            assert_eq!(line.get("outcome"), &json!("client_left"), "{mode} {text}");
            if let Some(id) = id {
                assert_eq!(verdicts(&record(&world, &id).await), [""; 0], "{mode} {text}");
            }
        }
    }
}

#[tokio::test]
async fn a_provider_that_breaks_off_leaves_a_well_formed_end_in_every_mode() {
    // What came before the break, whether the client saw any of it, and what it has then.
    let rows = [
        ("hold", "hello world", "fine", true),
        ("window", "hel", "fine", true),
        ("window", "hello world", "hello ", false),
        ("after", "hello world", "hello world", false),
    ];
    for (mode, said, want, next) in rows {
        let world = guarded(mode, "reject").await;
        world.upstream.push(Answer::sse(openai::stream_frames(&[said])[..2].to_vec()).then_cut());
        world.upstream.push(openai::stream(&["fine"]));
        let got = stream(&world).await;
        let record = record(&world, got.header("x-jackfield-request-id").unwrap()).await;
        if next {
            assert_eq!((whole_text(&got).as_str(), models(&world).len()), (want, 2), "{mode} {said}");
            assert_eq!(verdicts(&record), ["v b accept"], "{mode}");
            continue;
        }
        assert_eq!((got.status, &got.ending), (200, &Ending::Whole), "{mode}");
        assert_eq!(choice(&got, 0), (want.to_owned(), None), "{mode}");
        assert!(sse::data(got.frames.last().unwrap()).is_some(), "{mode}");
        assert_eq!(got.error().code.as_deref(), Some("upstream_broken"), "{mode}");
        assert_eq!((&record["outcome"], verdicts(&record)), (&json!("broken_off"), Vec::new()), "{mode}");
        assert_eq!(models(&world), ["a"], "{mode}");
    }
}

/// What a client does not read stays with the provider: what lies in between is bounded by the buffers of two
/// connections, which the system lets grow to some tens of megabytes at most.
#[tokio::test]
async fn a_client_that_does_not_read_holds_the_provider_back() {
    const PIECE: usize = 64 << 10;
    const PIECES: usize = 1_024;
    let frames = |pieces: usize| {
        let mut frames = openai::stream_frames(&["~"]);
        let piece = openai::chunk(&json!({ "content": "~".repeat(PIECE) }), None);
        frames.splice(1..2, std::iter::repeat_n(piece, pieces));
        frames
    };
    let body = ask(true);
    let request = format!(
        "POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    for mode in ["none", "window", "after"] {
        let world = match mode {
            "none" => world("", "", &[]).await,
            mode => guarded(mode, "fail").await,
        };
        let frames = frames(PIECES);
        let whole: usize = frames.iter().map(bytes::Bytes::len).sum();
        world.upstream.push(Answer::sse(frames.clone()));
        let mut client = world.gateway.narrow(64 << 10).await;
        client.send(&request).await;
        let sent = || world.upstream.requests().first().map_or(0, |request| request.sent);
        // Until nothing moves while the gateway answers others.
        let (mut last, mut still) = (0, 0);
        while still < 3 {
            for _ in 0..50 {
                assert_eq!(world.gateway.get("/health").await.status, 200);
            }
            still = if sent() == last && last > 0 { still + 1 } else { 0 };
            last = sent();
        }
        assert!(last < whole * 3 / 4, "{mode}: {last} of {whole} bytes were taken from the provider");
        assert_eq!(world.upstream.requests()[0].outcome, Outcome::Open, "{mode}");
        let reply = client.reply().await.unwrap();
        assert_eq!(reply.status, 200);
        let texts = reply.body.iter().filter(|byte| **byte == b'~').count();
        assert_eq!(texts, PIECE * PIECES, "{mode}");
        if mode != "window" {
            assert!(reply.body == frames.concat(), "{mode}: not every byte came");
        }
        assert!(reply.body.ends_with(openai::DONE.as_bytes()), "{mode}");
    }
}
