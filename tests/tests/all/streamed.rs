//! Streams under validators that let them through by and by (`stream: window`), or judge them when they are out
//! (`stream: after`): what is delivered, what is written down, and what becomes of everybody when something breaks.

use jackfield_tests::gateway::{Ending, Streamed};
use jackfield_tests::guest::{stream_guard, validator};
use jackfield_tests::sse;
use jackfield_tests::upstream::{Answer, Match, Outcome, openai};
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

#[tokio::test]
async fn a_window_lets_through_what_its_validator_lets_through() {
    let a = |verdict: &str| vec![format!("v a {verdict}")];
    let next = |first: &str| vec![format!("v a {first}"), "v b accept".to_owned()];
    let long = "x".repeat(70_000);
    let rows = [
        (vec!["hello"], "hello", a("accept")),
        (vec!["hel", "lo wor", "ld"], "hello world", a("accept")),
        (
            vec!["\u{20ac}", "\u{e4}\u{1f600}\u{1f600}", "x\u{df}", "y\u{20ac}\u{20ac}"],
            "\u{20ac}\u{e4}\u{1f600}\u{1f600}x\u{df}y\u{20ac}\u{20ac}",
            a("accept"),
        ),
        (vec![], "", a("accept")),
        (vec![&long, "end"], &*format!("{long}end"), a("accept")),
        (vec!["so da", "rn good, ", "darn it"], "so d*** good, d*** it", a("replace")),
        (vec!["darn"], "d***", a("replace")),
        // Nothing of it was out: the next candidate's turn.
        (vec!["sec", "ret"], "fine", next("reject: a forbidden word")),
        (vec!["a s", "ecret"], "fine", next("reject: a forbidden word")),
        (vec!["boom"], "fine", next("fault: trap: wasm trap: wasm `unreachable` instruction executed")),
    ];
    for (pieces, want, found) in rows {
        let world = guarded("window", "reject").await;
        world.upstream.push_for(&Match::model("a"), openai::stream(&pieces));
        world.upstream.push_for(&Match::model("b"), openai::stream(&["fine"]));
        let got = stream(&world).await;
        assert_eq!(whole_text(&got), want, "{pieces:?}: {}", world.gateway.log().complaints());
        assert!(got.chunks().iter().any(|chunk| chunk["usage"]["total_tokens"] == 18), "{pieces:?}");
        let record = record(&world, got.header("x-jackfield-request-id").unwrap()).await;
        assert_eq!(
            (verdicts(&record), &record["outcome"]),
            (found.clone(), &json!("answered")),
            "{pieces:?}"
        );
        assert_eq!(models(&world), ["a", "b"][..found.len()], "{pieces:?}");
        assert_eq!(got.header("x-jackfield-attempts"), Some(found.len().to_string().as_str()));
    }
}

#[tokio::test]
async fn a_frame_whose_text_goes_whole_goes_as_it_came() {
    let world = guarded("window", "reject").await;
    // The guard always holds the last of these, so that each goes whole when the next is there.
    let mut frames = openai::stream_frames(&["12345", "abcde", "67890"]);
    frames.insert(2, bytes::Bytes::from_static(b": a comment\r\n\r\n"));
    frames.insert(3, openai::chunk(&json!({ "content": "ABCDE", "x": 1.0e2 }), None));
    world.upstream.push(Answer::sse(frames.clone()));
    assert_eq!(stream(&world).await.frames, frames);
}

#[tokio::test]
async fn when_no_answer_passes_the_window_one_error_has_all_issues() {
    let world = guarded("window", "reject").await;
    world.upstream.always(openai::stream(&["a se", "cret"]));
    let got = stream(&world).await;
    let error = got.error_body();
    assert_eq!((got.status, error["code"].as_str()), (502, Some("answer_rejected")));
    let message = error["message"].as_str().unwrap();
    for part in [
        "a (answer_rejected): ",
        "b (answer_rejected): ",
        "validator `v` rejected the answer: a forbidden word",
    ] {
        assert!(message.contains(part), "{message}");
    }
}

#[tokio::test]
async fn after_the_first_release_a_rejection_ends_the_stream_with_an_error_event() {
    // What the provider says, what the client has of it, and with which error it ends; by `on_error`.
    let rejected = ("answer_rejected", "validator `v` rejected the answer: a forbidden word");
    let failed = |code| (code, "validator `v` failed: trap: ");
    let rows = [
        ("accept", vec!["hello wor", "ld sec", "ret more"], "hello world", Err(rejected)),
        ("accept", vec!["hello wor", "ld boom ", "more"], "hello world boom more", Ok(())),
        ("reject", vec!["hello wor", "ld boom ", "more"], "hell", Err(failed("answer_rejected"))),
        ("fail", vec!["hello wor", "ld boom ", "more"], "hell", Err(failed("plugin_failed"))),
        ("accept", vec!["boom"], "boom", Ok(())),
    ];
    for (on_error, pieces, want, ending) in rows {
        let name = format!("{on_error} {pieces:?}");
        let world = guarded("window", on_error).await;
        world.upstream.push(openai::stream(&pieces));
        let got = stream(&world).await;
        let record = record(&world, got.header("x-jackfield-request-id").unwrap()).await;
        assert_eq!(models(&world), ["a"], "{name}");
        let Err((code, message)) = ending else {
            assert_eq!(whole_text(&got), want, "{name}");
            assert!(verdicts(&record)[0].starts_with("v a fault: trap: "), "{name}");
            assert_eq!(record["outcome"], "answered", "{name}");
            continue;
        };
        assert_eq!((got.status, &got.ending), (200, &Ending::Whole), "{name}");
        let (text, finish) = choice(&got, 0);
        assert!(want.starts_with(&text) && !text.is_empty() && finish.is_none(), "{name}: {text}");
        assert!(!String::from_utf8_lossy(&got.body).contains("sec"), "{name}: what was held is out");
        let error = got.error();
        assert_eq!(error.code.as_deref(), Some(code), "{name}");
        assert!(error.message.starts_with(message), "{name}: {}", error.message);
        assert_eq!((&record["outcome"], &record["reason"]), (&json!("broken_off"), &json!(code)), "{name}");
        // The model answered: it is not held to be unwell for that.
        world.upstream.push(openai::stream(&["fine"]));
        assert_eq!(whole_text(&stream(&world).await), "fine", "{name}");
    }
}

#[tokio::test]
async fn a_plugin_that_fails_before_anything_is_out_does_as_on_error_says() {
    let rows = [("reject", 200, "fine", 2), ("accept", 200, "a spin", 1), ("fail", 500, "plugin_failed", 1)];
    for (on_error, status, want, called) in rows {
        let settings = format!("v: {{ on_error: {on_error}, stream: window, limits: {{ cpu: 5ms }} }}");
        let world = world("v", &settings, &[("v.wasm", &guard())]).await;
        world.upstream.push(openai::stream(&["a ", "spin"]));
        world.upstream.push(openai::stream(&["fine"]));
        let got = stream(&world).await;
        assert_eq!((got.status, models(&world).len()), (status, called), "{on_error}");
        if status == 200 {
            assert_eq!(whole_text(&got), want, "{on_error}");
        } else {
            assert_eq!(got.error_body()["code"], want);
        }
        let record = record(&world, got.header("x-jackfield-request-id").unwrap()).await;
        assert!(verdicts(&record)[0].starts_with("v a fault: cpu_limit: "), "{:?}", verdicts(&record));
    }
}

#[tokio::test]
async fn several_choices_and_tool_calls_keep_their_order() {
    let world = guarded("window", "reject").await;
    let text = |index: u32, text: &str| {
        let choice = json!({ "index": index, "delta": { "content": text }, "finish_reason": null });
        format!("data: {}\n\n", json!({ "id": "x", "choices": [choice] }))
    };
    let finish = |index: u32| {
        let choice = json!({ "index": index, "delta": {}, "finish_reason": "stop" });
        format!("data: {}\n\n", json!({ "id": "x", "choices": [choice] }))
    };
    let call = json!({ "index": 0, "delta": { "tool_calls": [{ "index": 0, "id": "c", "type": "function", "function": { "name": "f", "arguments": "{}" } }] } });
    let call = format!("data: {}\n\n", json!({ "id": "x", "choices": [call] }));
    world.upstream.push(Answer::sse([
        text(0, "first"),
        text(1, "da"),
        text(0, " one"),
        call,
        text(1, "rn"),
        finish(1),
        finish(0),
        openai::DONE.to_owned(),
    ]));
    let got = stream(&world).await;
    assert_eq!(choice(&got, 0), ("first one".to_owned(), Some("stop".to_owned())));
    assert_eq!(choice(&got, 1), ("d***".to_owned(), Some("stop".to_owned())));
    let chunks = got.chunks();
    let at = |found: &dyn Fn(&Value) -> bool| chunks.iter().position(found).unwrap();
    let call =
        at(&|chunk| chunk.pointer("/choices/0/delta/tool_calls").is_some_and(|calls| calls[0]["id"] == "c"));
    let end =
        at(&|chunk| chunk["choices"][0]["index"] == 0 && chunk["choices"][0]["finish_reason"] == "stop");
    let before: String = chunks[..call]
        .iter()
        .filter(|c| c["choices"][0]["index"] == 0)
        .filter_map(|c| c.pointer("/choices/0/delta/content")?.as_str().map(str::to_owned))
        .collect();
    assert!(call < end && before == "first one", "{before}");
    // What a tool is called with is looked at too.
    for stream in [true, false] {
        let arguments = r#"{"a":"secret"}"#;
        world.upstream.push(match stream {
            true => openai::tool_call_stream("id", "f", &[arguments]),
            false => openai::tool_call("id", "f", arguments),
        });
        if !stream {
            world.upstream.push(openai::chat("fine"));
        }
        let id = match stream {
            true => world.gateway.stream(ask(true)).await.headers,
            false => world.gateway.chat(ask(false)).await.headers,
        };
        let record = record(&world, id["x-jackfield-request-id"].to_str().unwrap()).await;
        let found = verdicts(&record);
        // A name that was out cannot be taken back; a whole answer can.
        assert_eq!(found[0], "v a reject: a forbidden word", "{stream}");
        assert_eq!(record["outcome"], if stream { "broken_off" } else { "answered" });
    }
}

#[tokio::test]
async fn what_one_window_lets_go_is_what_the_next_one_sees() {
    let censor = stream_guard("d***", "good", 5);
    let files: &[(&str, &[u8])] = &[("v.wasm", &guard()), ("w.wasm", &censor)];
    let settings = "v: { on_error: reject, stream: window }, w: { on_error: reject, stream: window }";
    let rows = [
        ("v, w", vec!["v a reject", "fine"]),
        ("w, v", vec!["w a replace", "v a replace", "a d*** g*** one"]),
    ];
    for (order, mut want) in rows {
        let text = want.pop().unwrap();
        let world = world(order, settings, files).await;
        world.upstream.push(openai::stream(&["a da", "rn go", "od one"]));
        world.upstream.push(openai::stream(&["fine"]));
        let got = stream(&world).await;
        assert_eq!(whole_text(&got), text, "{order}");
        let record = record(&world, got.header("x-jackfield-request-id").unwrap()).await;
        let found = verdicts(&record);
        match order {
            // The first was not at its end when the second rejected.
            "v, w" => assert_eq!(found, ["w a reject: a forbidden word", "v b accept", "w b accept"]),
            _ => assert_eq!(found, want),
        }
    }
}

#[tokio::test]
async fn a_whole_answer_goes_through_a_check_of_streams_whatever_its_mode() {
    let rows = [
        ("fine", "fine", vec!["v a accept"]),
        ("so darn good", "so d*** good", vec!["v a replace"]),
        ("a secret", "other", vec!["v a reject: a forbidden word", "v b accept"]),
        (
            "boom",
            "other",
            vec!["v a fault: trap: wasm trap: wasm `unreachable` instruction executed", "v b accept"],
        ),
    ];
    for mode in ["hold", "window", "after"] {
        let world = guarded(mode, "reject").await;
        for (said, want, found) in &rows {
            world.upstream.push(openai::chat(said));
            if found.len() == 2 {
                world.upstream.push(openai::chat("other"));
            }
            let got = world.gateway.chat(ask(false)).await;
            let body = got.json();
            assert_eq!(body["choices"][0]["message"]["content"], *want, "{mode} {said}");
            assert_eq!(
                (&body["choices"][0]["finish_reason"], &body["usage"]["total_tokens"]),
                (&json!("stop"), &json!(18))
            );
            let record = record(&world, got.header("x-jackfield-request-id").unwrap()).await;
            assert_eq!(verdicts(&record), *found, "{mode} {said}");
        }
    }
    // Each choice is judged, and those that are not changed stay, with their tool calls.
    let world = guarded("window", "reject").await;
    let mut body = openai::chat_body("so darn good");
    body["choices"].as_array_mut().unwrap().push(json!({ "index": 1, "finish_reason": "tool_calls", "message": {
        "role": "assistant", "content": "other", "tool_calls": [{ "id": "c", "type": "function", "function": { "name": "f", "arguments": "{}" } }] } }));
    world.upstream.push(Answer::json(200, &body));
    let got = world.gateway.chat(ask(false)).await.json();
    assert_eq!(got["choices"][0]["message"]["content"], "so d*** good");
    assert_eq!(
        (&got["choices"][1]["message"]["content"], &got["choices"][1]["finish_reason"]),
        (&json!("other"), &json!("tool_calls"))
    );
    assert_eq!(got["choices"][1]["message"]["tool_calls"][0]["function"]["name"], "f");
}

#[tokio::test]
async fn a_held_stream_goes_through_a_check_of_streams_as_a_whole() {
    // By its own mode, or because another check in the list holds it.
    for (list, mode) in [("v", "hold"), ("v, not_empty", "window")] {
        let settings = format!("v: {{ on_error: reject, stream: {mode} }}");
        let world = world(list, &settings, &[("v.wasm", &guard())]).await;
        world.upstream.push(openai::stream(&["hello world, it is a sec", "ret"]));
        world.upstream.push(openai::stream(&["so da", "rn good"]));
        let got = stream(&world).await;
        assert_eq!(
            (whole_text(&got).as_str(), models(&world)),
            ("so d*** good", vec!["a".to_owned(), "b".to_owned()])
        );
        assert_eq!(got.header("x-jackfield-model"), Some("b"), "{mode}");
    }
}

#[tokio::test]
async fn a_component_that_cannot_look_at_streams_is_no_window() {
    for (on_error, status) in [("reject", 502), ("accept", 200)] {
        let settings = format!("v: {{ on_error: {on_error}, stream: window }}");
        let world = world("v", &settings, &[("v.wasm", &rejects_b())]).await;
        let complaints = world.gateway.log().complaints();
        for part in ["`stream: window`", "`validation` alone", "write `stream: hold` or `stream: after`"] {
            assert!(complaints.contains(part), "{complaints}");
        }
        for streamed in [true, false] {
            let answer = || if streamed { openai::stream(&["good"]) } else { openai::chat("good") };
            (0..2).for_each(|_| world.upstream.push(answer()));
            let got = match streamed {
                true => stream(&world).await.status,
                false => world.gateway.chat(ask(false)).await.status,
            };
            assert_eq!(got, status, "{on_error} {streamed}");
            if status == 200 {
                world.upstream.push(answer());
                assert_eq!(world.gateway.chat(ask(streamed)).await.status, 200);
            }
        }
    }
}

#[tokio::test]
async fn what_a_window_holds_is_bounded() {
    for (on_error, want) in [("reject", "fine"), ("accept", "x")] {
        let world = guarded("window", on_error).await;
        // One byte of text is held, and everything behind it.
        let comment = format!(": {}\n\n", "c".repeat(3 << 20));
        let mut frames = openai::stream_frames(&["x"]);
        (0..3).for_each(|_| frames.insert(2, comment.clone().into()));
        world.upstream.push(Answer::sse(frames));
        world.upstream.push(openai::stream(&["fine"]));
        let got = stream(&world).await;
        assert_eq!(whole_text(&got), want);
        let record = record(&world, got.header("x-jackfield-request-id").unwrap()).await;
        let found = &verdicts(&record)[0];
        assert!(found.contains("memory_limit: it holds back more than 8 MiB of one answer"), "{found}");
    }
}

#[tokio::test]
async fn after_delivers_every_byte_and_writes_down_what_it_finds() {
    let checks = [
        ("good", guard(), "v a accept"),
        ("darn", guard(), "v a replace"),
        ("secret", guard(), "v a reject: a forbidden word"),
        ("boom", guard(), "v a fault: trap: wasm trap: wasm `unreachable` instruction executed"),
        ("good", rejects_b(), "v a accept"),
        ("bad", rejects_b(), "v a reject: say it again"),
        (
            "b",
            validator("(call $score (f64.const 0.25)) (call $say (i32.const 2) (i32.const 12))"),
            "v a repair",
        ),
    ];
    for on_error in ["reject", "accept", "fail"] {
        for (text, guest, found) in &checks {
            let settings = format!("v: {{ on_error: {on_error}, stream: after }}");
            let world = world("v", &settings, &[("v.wasm", guest)]).await;
            let frames = openai::stream_frames(&[&text[..1], &text[1..]]);
            world.upstream.push(Answer::sse(frames.clone()));
            let got = stream(&world).await;
            assert_eq!(
                (got.status, &got.frames, &got.ending),
                (200, &frames, &Ending::Whole),
                "{on_error} {text}"
            );
            let record = record(&world, got.header("x-jackfield-request-id").unwrap()).await;
            assert_eq!(
                (verdicts(&record), &record["outcome"]),
                (vec![(*found).to_owned()], &json!("answered"))
            );
            assert_eq!(models(&world), ["a"]);
            let score = if found.contains("repair") { json!(0.25) } else { Value::Null };
            assert_eq!(record["score"], score);
            let log = world.gateway.log().text();
            let told = log.contains("an answer that was delivered does not pass");
            assert_eq!(told, !found.contains("accept") && !found.contains("fault"), "{log}");
        }
    }
}

#[tokio::test]
async fn after_lets_an_answer_begin_and_asks_all_of_its_validators() {
    let files: &[(&str, &[u8])] = &[("v.wasm", &guard()), ("w.wasm", &rejects_b())];
    let settings = "v: { on_error: reject, stream: after }, w: { on_error: reject, stream: after }";
    let world = world("v, w", settings, files).await;
    let frames = openai::stream_frames(&["b se", "cret"]);
    let end = frames.len() - 1;
    let rest = frames[2..]
        .iter()
        .fold(Answer::sse(frames[..2].to_vec()).gate("rest"), |answer, frame| answer.bytes(frame.clone()));
    world.upstream.push(rest);
    let mut got = world.gateway.open_stream(ask(true)).await;
    let id = got.headers["x-jackfield-request-id"].to_str().unwrap().to_owned();
    for frame in &frames[..2] {
        assert_eq!(got.next_frame().await.as_ref(), Some(frame), "it is delivered as it comes");
    }
    world.upstream.open("rest");
    let rest = got.collect().await;
    assert_eq!((&rest.frames[..], &rest.ending), (&frames[2..=end], &Ending::Whole));
    // The end marker says that the record is there.
    let record = record(&world, &id).await;
    assert_eq!(verdicts(&record), ["v a reject: a forbidden word", "w a reject: say it again"]);
}

#[tokio::test]
async fn after_sees_what_was_delivered_and_leaves_what_is_too_large() {
    // Behind a window, behind a hold: the text that the client got.
    for mode in ["window", "hold"] {
        let censor = stream_guard("d***", "good", 5);
        let settings =
            format!("v: {{ on_error: reject, stream: {mode} }}, w: {{ on_error: reject, stream: after }}");
        let world = world("v, w", &settings, &[("v.wasm", &guard()), ("w.wasm", &censor)]).await;
        world.upstream.push(openai::stream(&["so da", "rn fine"]));
        let got = stream(&world).await;
        assert_eq!(whole_text(&got), "so d*** fine", "{mode}");
        let record = record(&world, got.header("x-jackfield-request-id").unwrap()).await;
        assert_eq!(verdicts(&record), ["v a replace", "w a reject: a forbidden word"], "{mode}");
    }
    let world = guarded("after", "fail").await;
    let piece = openai::chunk(&json!({ "content": "x".repeat(1 << 20) }), None);
    let mut frames = openai::stream_frames(&["end"]);
    (0..9).for_each(|_| frames.insert(1, piece.clone()));
    world.upstream.push(Answer::sse(frames.clone()));
    let got = stream(&world).await;
    assert!(got.frames == frames, "every byte is delivered");
    let record = record(&world, got.header("x-jackfield-request-id").unwrap()).await;
    assert_eq!(
        verdicts(&record),
        ["v a skipped: the answer is larger than the 8 MiB that are kept to be judged"]
    );
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
