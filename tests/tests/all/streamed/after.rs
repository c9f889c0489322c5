//! `stream: after`: every byte goes out as it comes, and what is found is in the record.

use jackfield_tests::gateway::Ending;
use jackfield_tests::guest::{stream_guard, validator};
use jackfield_tests::upstream::{Answer, openai};
use serde_json::{Value, json};

use super::{ask, guard, guarded, models, record, rejects_b, stream, verdicts, whole_text, world};

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
