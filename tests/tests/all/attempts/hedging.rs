//! A second call beside one that is slow to begin.

use jackfield_tests::upstream::{Answer, Match, openai};
use serde_json::json;

use super::{Rig, TO_B, fails, streamed};

/// A gateway that knows how quick `a` is, with `hedge` on.
async fn hedging(orchestrator: &str) -> Rig {
    let rig = Rig::start(&[("a", "hedge: true")], orchestrator).await;
    rig.upstream.always_for(&Match::model("b"), openai::stream(&["from b"]));
    for _ in 0..20 {
        rig.upstream.push_for(&Match::model("a"), openai::stream(&["quick"]));
        assert_eq!(streamed(&rig).await.collect().await.text(), "quick");
    }
    rig
}

#[tokio::test]
async fn a_slow_model_gets_another_beside_it_and_the_loser_is_cut_off() {
    let rig = hedging(TO_B).await;
    let slow = openai::stream_frames(&["slow"]);
    rig.upstream.push_for(&Match::model("a"), Answer::sse(slow[..1].to_vec()).gate("never"));
    let stream = streamed(&rig).await.collect().await;
    assert_eq!((stream.text(), stream.header("x-jackfield-attempts")), ("from b".into(), Some("2")));
    rig.upstream.disconnected(20).await;
    let steps = rig.steps(stream.header("x-jackfield-request-id").unwrap()).await;
    assert_eq!(steps, ["a slow, b beside", "b answered", "a abandoned"]);
    let line = rig.gateway.log().wait_for_requests(21).await.pop().unwrap();
    assert_eq!((line.get("model"), line.get("attempts")), (&json!("b"), &json!(2)));
}

#[tokio::test]
async fn the_slow_one_may_still_win_and_without_another_the_same_is_called() {
    let rig = hedging("").await;
    for gate in ["first", "second"] {
        let late = openai::stream_frames(&[gate]);
        let answer = late.into_iter().fold(Answer::sse(Vec::<String>::new()).gate(gate), Answer::bytes);
        rig.upstream.push_for(&Match::model("a"), answer);
    }
    let opened = async {
        rig.upstream.at_gate("first").await;
        rig.upstream.at_gate("second").await;
        rig.upstream.open("first");
    };
    let (stream, ()) = tokio::join!(streamed(&rig), opened);
    let stream = stream.collect().await;
    assert_eq!(stream.text(), "first");
    rig.upstream.disconnected(21).await;
    let steps = rig.steps(stream.header("x-jackfield-request-id").unwrap()).await;
    assert_eq!(steps, ["a slow, a beside", "a answered", "a abandoned"]);
}

#[tokio::test]
async fn when_one_of_the_two_fails_the_other_goes_on() {
    for (first, want) in [
        ("slow", ["a slow, b beside", "a upstream_failed", "b answered"]),
        ("beside", ["a slow, b beside", "b upstream_failed", "a answered"]),
    ] {
        let rig = hedging(TO_B).await;
        let answer = |gate: &str| if gate == first { fails(500) } else { openai::stream(&["other"]) };
        rig.upstream.push_for(&Match::model("a"), answer("slow").hang_before_head("slow"));
        rig.upstream.push_for(&Match::model("b"), answer("beside").hang_before_head("beside"));
        let opened = async {
            rig.upstream.at_gate("slow").await;
            rig.upstream.at_gate("beside").await;
            rig.upstream.open(first);
            rig.gateway.log().wait_for_text("an attempt failed").await;
            rig.upstream.open(if first == "slow" { "beside" } else { "slow" });
        };
        let (stream, ()) = tokio::join!(streamed(&rig), opened);
        let stream = stream.collect().await;
        assert_eq!(stream.text(), "other", "{first}");
        let steps = rig.steps(stream.header("x-jackfield-request-id").unwrap()).await;
        assert_eq!(steps, want, "{first}");
    }
}

#[tokio::test]
async fn without_the_word_nothing_is_hedged() {
    let rig = Rig::start(&[], TO_B).await;
    for _ in 0..20 {
        rig.upstream.push_for(&Match::model("a"), openai::stream(&["quick"]));
        streamed(&rig).await.collect().await;
    }
    rig.upstream.push_for(&Match::model("a"), openai::stream(&["late"]).hang_before_head("late"));
    let opened = async {
        rig.upstream.at_gate("late").await;
        // Longer than any of the twenty took.
        for _ in 0..20 {
            assert_eq!(rig.gateway.get("/health").await.status, 200);
        }
        rig.upstream.open("late");
    };
    let (stream, ()) = tokio::join!(streamed(&rig), opened);
    assert_eq!(stream.collect().await.text(), "late");
    assert_eq!(rig.called(), vec!["a"; 21]);
}

#[tokio::test]
async fn when_the_quicker_answer_is_rejected_the_slow_call_goes_on() {
    let rig = hedging("fallback: { a: [b] }, validators: [{ regex: \"quick|slow\" }]").await;
    let late = openai::stream(&["slow"]).hang_before_head("slow");
    rig.upstream.push_for(&Match::model("a"), late);
    let opened = async {
        rig.upstream.at_gate("slow").await;
        rig.gateway.log().wait_for_text("an attempt failed").await;
        rig.upstream.open("slow");
    };
    let (stream, ()) = tokio::join!(streamed(&rig), opened);
    let stream = stream.collect().await;
    assert_eq!(stream.text(), "slow");
    let steps = rig.steps(stream.header("x-jackfield-request-id").unwrap()).await;
    let want = ["a slow, b beside", "b validated -", "b answer_rejected", "a validated -", "a answered"];
    assert_eq!(steps, want);
    assert_eq!(rig.called().len(), 22, "nobody was called again");
}
