//! What bounds calls when a provider is not well: a breaker for each model, a budget for all repeated calls.

use jackfield_tests::soon;
use jackfield_tests::upstream::{Match, openai};
use serde_json::json;

use super::{Rig, TO_B, fails, prompt};

#[tokio::test]
async fn a_model_that_keeps_failing_is_left_alone_while_another_answers() {
    const REQUESTS: usize = 30;
    let began = std::time::Instant::now();
    let rig = Rig::start(&[("a", "retries: 0")], TO_B).await;
    rig.upstream.always_for(&Match::model("a"), fails(500));
    rig.upstream.always_for(&Match::model("b"), openai::chat("ok"));
    for _ in 0..REQUESTS {
        assert_eq!(rig.gateway.chat(prompt(&json!({"model": "a"}))).await.status, 200);
    }
    // Five open it; then one call tries each second at most.
    let bound = 5 + 1 + usize::try_from(began.elapsed().as_secs()).unwrap();
    let calls = rig.called().iter().filter(|model| *model == "a").count();
    assert!(calls <= bound, "{calls} calls, at most {bound}");
    let skipped = json!({"step": "skipped", "model": "a", "provider": "up", "why": "breaker_open"});
    let records = rig.gateway.records();
    let count = records.iter().filter(|r| r["steps"].as_array().unwrap().contains(&skipped)).count();
    assert_eq!(count, REQUESTS - calls);
}

#[tokio::test]
async fn a_model_left_alone_is_tried_once_when_nobody_else_answers() {
    let rig = Rig::start(&[("b", "retries: 0")], TO_B).await;
    rig.upstream.always(fails(500));
    let ask = |model| rig.gateway.chat(prompt(&json!({"model": model})));
    // Each breaker opens in time, and for longer each time.
    let message = soon("both to be left alone", async {
        loop {
            let so_far = rig.called().len();
            let reply = ask("a").await;
            assert_eq!(reply.status, 502);
            if rig.called().split_off(so_far) == ["a"] {
                return reply.error().message;
            }
        }
    })
    .await;
    assert!(message.contains("a (upstream_failed): ") && message.contains("b: left alone"), "{message}");
    // The only candidate is tried whatever its breaker says, and an answer closes it.
    rig.upstream.always_for(&Match::model("b"), openai::chat("ok"));
    assert_eq!(ask("b").await.status, 200);
    let so_far = rig.called().len();
    assert_eq!(ask("a").await.status, 200);
    assert_eq!(rig.called().split_off(so_far).last().unwrap(), "b");
}

#[tokio::test]
async fn a_storm_of_failures_is_not_made_worse() {
    const REQUESTS: usize = 100;
    let began = std::time::Instant::now();
    let rig = Rig::start(&[("a", "retries: 10")], "").await;
    // Not an illness, so that the breaker stays out of it.
    rig.upstream.always(fails(429));
    for _ in 0..REQUESTS {
        assert_eq!(rig.gateway.chat(prompt(&json!({}))).await.status, 429);
    }
    // A fifth of the requests, the floor of ten, and what comes in by itself in the time it took.
    let bound = REQUESTS + REQUESTS / 5 + 10 + 1 + usize::try_from(began.elapsed().as_secs()).unwrap();
    let calls = rig.upstream.requests().len();
    assert!(calls <= bound && calls > REQUESTS, "{calls} calls, at most {bound}");
    let last = rig.gateway.records().remove(0);
    let denied = json!({"step": "retry_denied", "model": "a", "why": "budget"});
    assert!(last["steps"].as_array().unwrap().contains(&denied), "{last:#}");
}
