//! `stream: window`: what a validator lets go, in order and to the byte, and what its rejection or failure means when.

use jackfield_tests::gateway::Ending;
use jackfield_tests::guest::stream_guard;
use jackfield_tests::upstream::{Answer, Match, openai};
use serde_json::{Value, json};

use super::{ask, choice, guard, guarded, models, record, rejects_b, stream, verdicts, whole_text, world};
use crate::guests::{component, folder};

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

/// The same rules as the guard's, from a real toolchain; see `guests`.
#[tokio::test]
async fn a_rust_component_is_a_window() {
    is_a_window("rust-window").await;
}

#[tokio::test]
async fn a_python_component_is_a_window() {
    is_a_window("python-window").await;
}

async fn is_a_window(guest: &str) {
    let Some(folder) = folder() else { return };
    let guest = component(&folder, guest);
    let rows: [(&[&str], &str, &str); 4] = [
        (
            &["\u{20ac}\u{e4}", "\u{1f600}\u{1f600}xy", "z\u{20ac}"],
            "\u{20ac}\u{e4}\u{1f600}\u{1f600}xyz\u{20ac}",
            "v a accept",
        ),
        (&["so da", "rn good"], "so d*** good", "v a replace"),
        (&["a se", "cret"], "fine", "v a reject: a forbidden word"),
        (&["hello world, ", "a se", "cret"], "hello world,", "v a reject: a forbidden word"),
    ];
    let settings = "v: { on_error: fail, stream: window }";
    for (pieces, want, found) in rows {
        let world = world("v", settings, &[("v.wasm", &guest)]).await;
        world.upstream.push(openai::stream(pieces));
        world.upstream.push(openai::stream(&["fine"]));
        let got = stream(&world).await;
        let record = record(&world, got.header("x-jackfield-request-id").unwrap()).await;
        assert_eq!(verdicts(&record)[0], found, "{pieces:?}");
        if record["outcome"] == "answered" {
            assert_eq!(whole_text(&got), want, "{pieces:?}");
            continue;
        }
        let text = choice(&got, 0).0;
        assert!(want.starts_with(&text) && got.error().code.as_deref() == Some("answer_rejected"), "{text}");
    }
}
