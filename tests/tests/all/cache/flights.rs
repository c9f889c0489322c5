//! Identical requests that are under way at once: one call for all of them, whoever leaves, and what becomes of them when it
//! fails.

use std::sync::Arc;

use jackfield_tests::gateway::{CHAT, Gateway, Reply};
use jackfield_tests::soon;
use jackfield_tests::upstream::{Answer, Match, Outcome, Received, openai};
use serde_json::{Value, json};
use tokio::task::JoinSet;

use super::{ask, fared, keeping};
use crate::admin::YAML as ADMIN;
use crate::metrics::{get, reaches};
use crate::world::World;

/// A gateway with an admin port that keeps answers.
async fn counted(cache: &str, orchestrator: &str) -> Arc<World> {
    let cache = format!("orchestrator:\n  cache: {{ enabled: true, {cache} }}\n{orchestrator}");
    let yaml =
        ADMIN.replace("orchestrator:\n", &cache).replace("{ provider: up }", "{ provider: up, retries: 0 }");
    Arc::new(World::start(&yaml).await)
}

/// So many identical requests at once.
fn crowd(world: &Arc<World>, count: usize, body: &str) -> JoinSet<Reply> {
    let mut crowd = JoinSet::new();
    for _ in 0..count {
        let (world, body) = (Arc::clone(world), body.to_owned());
        crowd.spawn(async move { world.gateway.chat(body).await });
    }
    crowd
}

async fn in_flight(gateway: &Gateway, count: f64) {
    reaches(gateway, &[("requests_in_flight", count)]).await;
}

fn hello(stream: bool) -> String {
    ask(&json!({ "model": "model-a", "stream": stream }))
}

/// The steps of a request that tell of the cache and of calls.
async fn story(world: &World, reply: &Reply) -> Vec<Value> {
    let record = world.gateway.record(reply.header("x-jackfield-request-id").unwrap()).await;
    let steps = record["steps"].as_array().unwrap().iter();
    steps.filter(|step| ["cache", "attempt"].contains(&step["step"].as_str().unwrap())).cloned().collect()
}

#[tokio::test]
async fn fifty_at_once_make_one_call_whole_and_streamed() {
    for stream in [false, true] {
        let world = counted("", "").await;
        let answer =
            if stream { openai::stream(&["one", " for", " all"]) } else { openai::chat("one for all") };
        world.upstream.push(answer.hang_before_head("all here"));
        let asking = crowd(&world, 50, &hello(stream));
        in_flight(&world.gateway, 50.0).await;
        world.upstream.open("all here");
        let replies = soon("all answers", asking.join_all()).await;
        assert_eq!(world.upstream.requests().len(), 1, "{stream}");
        let first = &replies[0].body;
        assert!(replies.iter().all(|reply| reply.status == 200 && reply.body == first));
        let of = |outcome: &str| replies.iter().filter(|reply| fared(reply) == outcome).count();
        assert_eq!((of("miss"), of("joined") + of("hit")), (1, 49), "{stream}");
        assert!(of("joined") > 0);
        // The call is the opener's, and only its trail has it.
        for reply in &replies {
            let story = story(&world, reply).await;
            let calls = story.iter().filter(|step| step["step"] == "attempt").count();
            assert_eq!(calls, usize::from(fared(reply) == "miss"), "{story:?}");
            if fared(reply) == "joined" {
                let opener = replies.iter().find(|reply| fared(reply) == "miss").unwrap();
                assert_eq!(story[0]["why"], *opener.header("x-jackfield-request-id").unwrap());
            }
        }
        let end = reaches(
            &world.gateway,
            &[
                (r#"cache_requests_total{outcome="miss"}"#, 1.0),
                (r#"upstream_calls_total{provider="up",model="model-a",outcome="ok"}"#, 1.0),
                (r#"requests_total{outcome="answered",reason="none"}"#, 50.0),
            ],
        )
        .await;
        assert_eq!(
            get(&end, r#"tokens_total{provider="up",model="model-a",direction="output"}"#),
            7.0,
            "counted once"
        );
    }
}

#[tokio::test]
async fn the_opener_leaves_and_its_call_goes_on() {
    for stream in [false, true] {
        let world = counted("", "").await;
        let frames = openai::stream_frames(&["a", "b", "c"]);
        let answer = match stream {
            // Two frames are out when it waits.
            true => Answer::sse(frames[..2].to_vec()).gate("left").bytes(frames[2..].concat()),
            false => openai::chat("abc").hang_before_head("left"),
        };
        world.upstream.push(answer);
        let opener = if stream {
            let mut stream = world.gateway.open_stream(hello(true)).await;
            assert!(stream.next_frame().await.is_some());
            drop(stream);
            None
        } else {
            let mut raw = world.gateway.raw().await;
            let body = hello(false);
            raw.send(format!(
                "POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
                body.len()
            ))
            .await;
            world.upstream.at_gate("left").await;
            Some(raw)
        };
        let follower = crowd(&world, 1, &hello(stream));
        drop(opener);
        reaches(&world.gateway, &[(r#"requests_total{outcome="client_left",reason="none"}"#, 1.0)]).await;
        // The call, which holds its opener's place, and the follower.
        in_flight(&world.gateway, 2.0).await;
        world.upstream.open("left");
        let reply = soon("the follower's answer", follower.join_all()).await.pop().unwrap();
        assert!(
            reply.status == 200 && ["joined", "hit"].contains(&fared(&reply)),
            "{stream} {}",
            fared(&reply)
        );
        if stream {
            assert!(
                reply.text().ends_with("[DONE]\n\n") && reply.text().contains("\"c\""),
                "{}",
                reply.text()
            );
        }
        let later = world.gateway.chat(hello(stream)).await;
        assert_eq!((fared(&later), &later.body), ("hit", &reply.body));
        assert_eq!(world.upstream.requests().len(), 1, "{stream}");
        assert_eq!(world.upstream.requests()[0].outcome, Outcome::Finished, "{stream}");
    }
}

#[tokio::test]
async fn the_record_of_an_opener_that_leaves_waits_for_what_its_call_costs() {
    for stream in [false, true] {
        let cache = "orchestrator:\n  cache: { enabled: true }\n";
        let yaml = ADMIN
            .replace("orchestrator:\n", cache)
            .replace("{ provider: up }", "{ provider: up, retries: 0, price: { input: 1, output: 10 } }");
        let world = World::start(&yaml).await;
        let frames = openai::stream_frames(&["a", "b", "c"]);
        world.upstream.push(match stream {
            true => Answer::sse(frames[..2].to_vec()).gate("left").bytes(frames[2..].concat()),
            false => openai::chat("abc").hang_before_head("left"),
        });
        let opener = world.gateway.open_stream(hello(stream));
        match stream {
            true => drop(opener.await),
            false => {
                tokio::select! { _ = opener => panic!("answered"), () = world.upstream.at_gate("left") => {} }
            }
        }
        reaches(&world.gateway, &[(r#"requests_total{outcome="client_left",reason="none"}"#, 1.0)]).await;
        assert!(world.gateway.records().is_empty() && world.gateway.log().requests().is_empty(), "{stream}");
        world.upstream.open("left");
        let line = world.gateway.log().wait_for_requests(1).await.remove(0);
        assert_eq!((line.get("outcome"), line.get("cost_usd")), (&json!("client_left"), &json!("0.000081")));
        assert_eq!(
            (line.get("model"), line.get("output_tokens")),
            (&json!("model-a"), &json!(7)),
            "{stream}"
        );
        let record = world.gateway.records().remove(0);
        assert_eq!(
            (&record["outcome"], &record["cost_usd"]),
            (&json!("client_left"), &json!("0.000081")),
            "{record:#}"
        );
        let attempts: Vec<&Value> =
            record["steps"].as_array().unwrap().iter().filter(|s| s["step"] == "attempt").collect();
        assert_eq!((attempts.len(), &attempts[0]["outcome"]), (1, &json!("answered")), "{record:#}");
    }
}

#[tokio::test]
async fn a_follower_is_given_nothing_older_than_it_wants() {
    let world = counted("", "  fallback: { model-a: [model-b] }\n").await;
    world.upstream.push_for(&Match::model("model-b"), openai::chat("old"));
    let of_b = ask(&json!({ "model": "model-b" }));
    assert_eq!(fared(&world.gateway.chat(of_b.clone()).await), "miss");
    let ageing = async {
        loop {
            let reply = world.gateway.chat(of_b.clone()).await;
            if story(&world, &reply).await[0]["age_us"].as_u64().unwrap() > 1_000_000 {
                return;
            }
        }
    };
    soon("the answer to be older than a second", ageing).await;
    let failing = openai::error(500, "server_error", None, "no").hang_before_head("both here");
    world.upstream.always_for(&Match::model("model-a"), failing);
    world.upstream.always_for(&Match::model("model-b"), openai::chat("new"));
    let opener = crowd(&world, 1, &hello(false));
    world.upstream.at_gate("both here").await;
    let there = Arc::clone(&world);
    let follower = tokio::spawn(async move {
        there.gateway.post_raw(CHAT, hello(false), &[("cache-control", "max-age=1")]).await
    });
    in_flight(&world.gateway, 2.0).await;
    world.upstream.open("both here");
    let opener = soon("the opener's answer", opener.join_all()).await.remove(0);
    let follower = soon("the follower's answer", follower).await.unwrap();
    assert_eq!((fared(&opener), opener.text().contains("old")), ("hit", true), "{}", opener.text());
    assert_eq!((fared(&follower), follower.text().contains("new")), ("miss", true), "{}", follower.text());
}

#[tokio::test]
async fn a_call_that_nobody_waits_for_any_more_is_kept_all_the_same() {
    let world = counted("", "").await;
    world.upstream.push(openai::chat("late").hang_before_head("left"));
    let mut asking = crowd(&world, 3, &hello(false));
    in_flight(&world.gateway, 3.0).await;
    world.upstream.at_gate("left").await;
    asking.shutdown().await;
    reaches(&world.gateway, &[(r#"requests_total{outcome="client_left",reason="none"}"#, 3.0)]).await;
    // The call holds its opener's place.
    in_flight(&world.gateway, 1.0).await;
    world.upstream.open("left");
    reaches(&world.gateway, &[("cache_entries", 1.0), ("requests_in_flight", 0.0)]).await;
    let reply = world.gateway.chat(hello(false)).await;
    assert_eq!((fared(&reply), world.upstream.requests().len()), ("hit", 1));
}

#[tokio::test]
async fn when_the_call_fails_one_of_the_others_asks_again_for_all() {
    let failing = || openai::error(500, "server_error", None, "no").hang_before_head("all here");
    for stream in [false, true] {
        for (again, calls, good) in [(true, 2, 19), (false, 2, 0)] {
            let world = counted("", "").await;
            world.upstream.push(failing());
            world.upstream.always(match (again, stream) {
                (true, true) => openai::stream(&["ok"]),
                (true, false) => openai::chat("ok"),
                // Until all wait for the second call too.
                (false, _) => openai::error(500, "server_error", None, "no").hang_before_head("all again"),
            });
            let asking = crowd(&world, 20, &hello(stream));
            in_flight(&world.gateway, 20.0).await;
            world.upstream.open("all here");
            if !again {
                in_flight(&world.gateway, 19.0).await;
                world.upstream.at_gate("all again").await;
                world.upstream.open("all again");
            }
            let replies = soon("all answers", asking.join_all()).await;
            let answered = replies.iter().filter(|reply| reply.status == 200).count();
            let failed = replies.iter().filter(|reply| reply.status == 502).count();
            assert_eq!((answered, failed), (good, 20 - good), "{stream} {again}");
            let made = world.upstream.requests().len();
            assert!(made == calls || (!again && made <= 4), "{stream} {again}: {made} calls for twenty");
        }
    }
}

#[tokio::test]
async fn a_stream_that_breaks_off_breaks_off_for_all_and_is_not_kept() {
    let world = counted("", "").await;
    let frames = openai::stream_frames(&["broken"]);
    world.upstream.push(Answer::sse(frames[..2].to_vec()).gate("all here").then_cut());
    world.upstream.always(openai::stream(&["good"]));
    let asking = crowd(&world, 5, &hello(true));
    in_flight(&world.gateway, 5.0).await;
    world.upstream.at_gate("all here").await;
    world.upstream.open("all here");
    let replies = soon("all answers", asking.join_all()).await;
    let broken = |reply: &&Reply| reply.text().contains("broken") && reply.text().contains("upstream_");
    assert!(replies.iter().filter(broken).count() >= 1);
    // Who came too late for that one has a whole answer.
    let whole = |text: String| text.contains("good") && text.ends_with("[DONE]\n\n");
    assert!(replies.iter().all(|reply| broken(&reply) || whole(reply.text())));
    assert!(whole(world.gateway.chat(hello(true)).await.text()));
}

#[tokio::test]
async fn tenants_dialects_and_streams_have_calls_of_their_own() {
    let keys = "keys:\n  - { key: jf-one-0123456789abcdef, project: p }\n  - { key: jf-two-0123456789abcdef, project: q }\n";
    let world = World::start(&format!("{keys}{}", super::yaml("", ""))).await;
    world.upstream.always(openai::chat("ok").hang_before_head("all here"));
    let world = Arc::new(world);
    let mut asking = JoinSet::new();
    let rows = [
        ("one", super::CHAT, ask(&json!({}))),
        ("two", super::CHAT, ask(&json!({}))),
        ("one", super::CHAT, ask(&json!({ "stream": true }))),
        ("one", "/v1/responses", json!({ "model": "a", "input": "hello" }).to_string()),
        ("one", super::MESSAGES, ask(&json!({ "max_tokens": 10 }))),
    ];
    let count = rows.len();
    for (key, path, body) in rows {
        let world = Arc::clone(&world);
        asking.spawn(async move {
            let bearer = format!("Bearer jf-{key}-0123456789abcdef");
            world.gateway.post_raw(path, body, &[("authorization", &bearer)]).await
        });
    }
    world.upstream.wait_for_requests(count).await;
    world.upstream.open("all here");
    soon("all answers", asking.join_all()).await;
    assert_eq!(world.upstream.requests().len(), count);
}

#[tokio::test]
async fn a_followers_own_time_bounds_its_wait() {
    let world = World::start(&format!(
        "server: {{ listen: 127.0.0.1:0, limits: {{ request_timeout: 2s }} }}\n{}",
        super::yaml("", "")
    ))
    .await;
    world.upstream.always(openai::chat("never").hang_before_head("never"));
    let world = Arc::new(world);
    let asking = crowd(&world, 3, &ask(&json!({})));
    let replies = soon("all to be told", asking.join_all()).await;
    assert!(replies.iter().all(|reply| reply.status == 504), "{replies:?}");
}

/// A stream of so many pieces of 16 KiB.
fn long(pieces: usize) -> Vec<bytes::Bytes> {
    let mut frames = openai::stream_frames(&["~"]);
    let piece = openai::chunk(&json!({ "content": "~".repeat(16 << 10) }), None);
    frames.splice(1..2, std::iter::repeat_n(piece, pieces));
    frames
}

/// The first two of them, and the rest behind a gate.
fn behind(gate: &str, frames: &[bytes::Bytes]) -> Answer {
    let first = Answer::sse(frames[..2].to_vec()).gate(gate);
    frames[2..].iter().cloned().fold(first, Answer::bytes)
}

/// A stream to the byte.
fn to_the_byte() -> String {
    ask(&json!({ "model": "model-a", "stream": true, "stream_options": { "include_usage": true } }))
}

#[tokio::test]
async fn an_answer_too_large_to_be_kept_waits_for_its_slowest_reader() {
    let world = counted("max_size: 1MiB", "").await;
    // Far more than the system's buffers hold.
    let frames = long(4_096);
    let whole: usize = frames.iter().map(bytes::Bytes::len).sum();
    // Both are there before it is too large for a follower.
    world.upstream.push(behind("both", &frames));
    let body = to_the_byte();
    let mut slow = world.gateway.narrow(64 << 10).await;
    slow.send(format!(
        "POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    ))
    .await;
    world.upstream.at_gate("both").await;
    let mut quick = world.gateway.open_stream(body.clone()).await;
    assert_eq!(quick.headers["x-jackfield-cache"], "joined");
    world.upstream.open("both");
    let sent = || world.upstream.requests()[0].sent;
    let reading = tokio::spawn(async move {
        let mut bytes = 0;
        while let Some(frame) = quick.next_frame().await {
            bytes += frame.len();
        }
        bytes
    });
    // Until nothing moves while the gateway answers others.
    let (mut last, mut still) = (0, 0);
    while still < 3 {
        for _ in 0..50 {
            assert_eq!(world.gateway.get("/health").await.status, 200);
        }
        still = if sent() == last && last > 1 << 20 { still + 1 } else { 0 };
        last = sent();
    }
    assert!(last < whole * 3 / 4, "{last} of {whole} bytes were taken from the provider");
    assert!(!reading.is_finished());
    // It takes no followers any more: who asks now has a call of its own.
    world.upstream.push(openai::stream(&["short"]));
    let own = world.gateway.chat(body.clone()).await;
    assert_eq!((fared(&own), world.upstream.requests().len()), ("miss", 2));
    let reply = slow.reply().await.unwrap();
    assert!(reply.body == frames.concat(), "not every byte came to the slow one");
    assert_eq!(soon("the quick one", reading).await.unwrap(), whole);
    // What is kept is the short one, and what was too large is not.
    assert_eq!(world.gateway.chat(body).await.body, own.body);
}

#[tokio::test]
async fn the_quick_goes_on_when_the_slow_leaves_and_the_call_ends_with_its_last_reader() {
    let world = counted("max_size: 1MiB", "").await;
    let body = to_the_byte();
    for slow_alone in [false, true] {
        let frames = long(1_024);
        let whole: usize = frames.iter().map(bytes::Bytes::len).sum();
        let at = world.upstream.requests().len();
        let gate = format!("both {slow_alone}");
        world.upstream.push(behind(&gate, &frames));
        let mut slow = world.gateway.open_stream(body.clone()).await;
        assert!(slow.next_frame().await.is_some());
        let quick = world.gateway.open_stream(body.clone()).await;
        world.upstream.open(&gate);
        if slow_alone {
            drop(quick);
            drop(slow);
            // Too large to be kept, and nobody reads it: the provider is told to stop.
            world.upstream.disconnected(at).await;
            continue;
        }
        drop(slow);
        let got = quick.collect().await;
        assert_eq!(got.body.len(), whole);
    }
}

#[tokio::test]
async fn a_fallback_happens_inside_of_the_shared_call() {
    let world = keeping("", "  fallback: { a: [b] }\n").await;
    let world = Arc::new(world);
    world.upstream.push_for(
        &Match::model("a"),
        openai::error(503, "server_error", None, "no").hang_before_head("here"),
    );
    // Who comes too late for that call finds what `b` said.
    world.upstream.always_for(&Match::model("a"), openai::error(503, "server_error", None, "no"));
    world.upstream.push_for(&Match::model("b"), openai::chat("from b"));
    let asking = crowd(&world, 10, &ask(&json!({})));
    world.upstream.at_gate("here").await;
    world.upstream.open("here");
    let replies = soon("all answers", asking.join_all()).await;
    assert!(
        replies.iter().all(|reply| reply.status == 200 && reply.header("x-jackfield-model") == Some("b"))
    );
    let of_b = world.upstream.requests().iter().filter(|sent| sent.json()["model"] == "b").count();
    assert_eq!(of_b, 1);
}

#[tokio::test]
async fn what_the_openers_budget_cut_short_is_nobody_elses_answer() {
    let orchestrator = "  budgets: { users: { ana: { daily_limit_usd: 0.0005 } } }\n";
    let cache = format!("orchestrator:\n  cache: {{ enabled: true }}\n{orchestrator}");
    let yaml = ADMIN
        .replace("orchestrator:\n", &cache)
        .replace("model-a: { provider: up }", "model-a: { provider: up, price: { input: 1, output: 10 } }");
    let keys =
        "keys:\n  - { key: anas-key-0123456789, user: ana }\n  - { key: bobs-key-0123456789, user: bob }\n";
    let world = World::start(&format!("state: \":memory:\"\n{keys}{yaml}")).await;
    let mut cut = openai::chat_body("the begin");
    cut["choices"][0]["finish_reason"] = json!("length");
    world.upstream.push(Answer::json(200, &cut).hang_before_head("both here"));
    world.upstream.push(openai::chat("the beginning and the end"));
    let body = hello(false);
    let asks = async |key: &str| {
        let authorization = format!("Bearer {key}-key-0123456789");
        world.gateway.post_raw(CHAT, body.clone(), &[("authorization", &authorization)]).await
    };
    let bob = async {
        world.upstream.wait_for_requests(1).await;
        asks("bobs").await
    };
    let both = async {
        in_flight(&world.gateway, 2.0).await;
        world.upstream.open("both here");
    };
    let (ana, bob, ()) = soon("all answers", Box::pin(async { tokio::join!(asks("anas"), bob, both) })).await;
    let said = |reply: &Reply| {
        let choice = reply.json()["choices"][0].clone();
        (choice["message"]["content"].clone(), choice["finish_reason"].clone(), fared(reply).to_owned())
    };
    assert_eq!(said(&ana), (json!("the begin"), json!("length"), "miss".to_owned()));
    assert_eq!(said(&bob), (json!("the beginning and the end"), json!("stop"), "miss".to_owned()));
    let bounds: Vec<bool> = world.upstream.requests().iter().map(bound).collect();
    assert_eq!(bounds, [true, false], "only hers was told where to stop");
}

/// Whether a provider was told where to stop.
fn bound(sent: &Received) -> bool {
    let sent = sent.json();
    ["max_tokens", "max_completion_tokens"].iter().any(|name| sent.get(name).is_some())
}
