//! Embeddings by input: what is known of a request is not asked for again, and requests that are alike in all but their inputs
//! go together while a call is under way; what each is told and charged is its own.

use std::sync::Arc;

use jackfield_tests::gateway::{Reply, Setup};
use jackfield_tests::soon;
use jackfield_tests::upstream::{Answer, Match, Upstream, openai};
use serde_json::{Value, json};
use tokio::task::JoinSet;

use super::{fared, until_world};
use crate::world::World;

const PATH: &str = "/v1/embeddings";

/// Two models, of which a token costs 1 000 nano-dollars, and one of half a nano-dollar.
async fn start(cache: &str, orchestrator: &str) -> World {
    World::start(&format!(
        "state: \":memory:\"
models:
  a: {{ provider: up, retries: 0, price: {{ input: 1, output: 0 }} }}
  b: {{ provider: up, retries: 0, price: {{ input: 1, output: 0 }} }}
  tiny: {{ provider: up, retries: 0, price: {{ input: 0.0005, output: 0 }} }}
orchestrator:
  default_model: a
  cache: {{ enabled: true, {cache} }}
{orchestrator}"
    ))
    .await
}

/// An answer with these vectors of one number each, which took so many tokens.
fn vectors(numbers: &[u32], tokens: u64) -> Answer {
    let data: Vec<Value> = numbers
        .iter()
        .enumerate()
        .map(|(index, number)| json!({ "object": "embedding", "index": index, "embedding": [number] }))
        .collect();
    let usage = json!({ "prompt_tokens": tokens, "total_tokens": tokens });
    Answer::json(200, &json!({ "object": "list", "data": data, "model": "up", "usage": usage }))
}

async fn embed(world: &World, more: Value) -> Reply {
    let mut body = json!({ "model": "a" });
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    let reply = world.gateway.post_json(PATH, &body).await;
    assert_eq!(reply.status, 200, "{body}: {}", reply.text());
    reply
}

/// The numbers of an answer, whose entries must be in order.
fn numbers(reply: &Reply) -> Vec<u64> {
    let reply = reply.json();
    let data = reply["data"].as_array().unwrap();
    assert!(
        data.iter().enumerate().all(|(at, one)| one["index"] == at && one["object"] == "embedding"),
        "{reply}"
    );
    data.iter().map(|one| one["embedding"][0].as_u64().unwrap()).collect()
}

/// What the last call was asked for.
fn sent(world: &World) -> Value {
    world.upstream.requests().last().unwrap().json()["input"].clone()
}

async fn record(world: &World, reply: &Reply) -> Value {
    world.gateway.record(reply.header("x-jackfield-request-id").unwrap()).await
}

#[tokio::test]
async fn of_ten_inputs_of_which_seven_are_known_three_are_asked_for() {
    let world = start("", "").await;
    let seven = ["b", "c", "d", "f", "g", "h", "j"];
    world.upstream.push(vectors(&[1, 2, 3, 5, 6, 7, 9], 70));
    let reply = embed(&world, json!({ "input": seven })).await;
    assert_eq!((fared(&reply), reply.header("x-jackfield-cost-usd")), ("miss", Some("0.00007")));

    world.upstream.push(vectors(&[0, 4, 8], 60));
    let ten = json!({ "input": ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j"] });
    let reply = embed(&world, ten.clone()).await;
    assert_eq!(sent(&world), json!(["a", "e", "i"]));
    assert_eq!(numbers(&reply), (0..10).collect::<Vec<_>>());
    assert_eq!(fared(&reply), "miss", "not all of it was there");
    // Told what all of it takes, and charged what was asked for.
    assert_eq!(reply.json()["usage"], json!({ "prompt_tokens": 130, "total_tokens": 130 }));
    assert_eq!(reply.header("x-jackfield-cost-usd"), Some("0.00006"));
    let kept = record(&world, &reply).await;
    assert_eq!(kept["usage"]["input_tokens"], 60, "{kept:#}");
    let why: Vec<&Value> = kept["steps"].as_array().unwrap().iter().map(|step| &step["why"]).collect();
    assert!(why.contains(&&json!("7 of 10 inputs are kept, 3 are asked for")), "{kept:#}");

    for input in [ten["input"].clone(), json!("e"), json!(["j", "a"]), json!(["a", "a"])] {
        let reply = embed(&world, json!({ "input": input })).await;
        assert_eq!((fared(&reply), reply.header("x-jackfield-cost-usd")), ("hit", Some("0.00")), "{input}");
    }
    assert_eq!(numbers(&embed(&world, json!({ "input": ["j", "a", "j"] })).await), [9, 0, 9]);
    assert_eq!(world.upstream.requests().len(), 2);

    // What stands twice is asked for once.
    world.upstream.push(vectors(&[20], 10));
    let reply = embed(&world, json!({ "input": ["new", "a", "new"] })).await;
    assert_eq!((sent(&world), numbers(&reply)), (json!(["new"]), vec![20, 0, 20]));
}

#[tokio::test]
async fn what_makes_vectors_differ_is_asked_for_and_what_cannot_be_divided_is_kept_whole() {
    let world = start("", "").await;
    world.upstream.always(vectors(&[1], 10));
    for (more, calls) in [
        (json!({ "input": "x" }), 1),
        (json!({ "input": ["x"] }), 1),
        (json!({ "input": "x", "user": "somebody" }), 1),
        (json!({ "input": "x", "dimensions": 3 }), 2),
        (json!({ "input": "x", "encoding_format": "base64" }), 3),
        (json!({ "input": "x", "model": "b" }), 4),
        (json!({ "input": [[1, 2]] }), 5),
        (json!({ "input": [1, 2] }), 5),
        // Nobody knows what that is: the whole answer is kept, for the same request alone.
        (json!({ "input": "x", "encoding_format": "int8" }), 6),
        (json!({ "input": "x", "encoding_format": "int8" }), 6),
        (json!({ "input": ["x"], "encoding_format": "int8" }), 7),
    ] {
        embed(&world, more.clone()).await;
        assert_eq!(world.upstream.requests().len(), calls, "{more}");
    }
    for (header, value, calls) in [("cache-control", "no-cache", 8), ("x-jackfield-cache", "bypass", 9)] {
        let body = json!({ "model": "a", "input": "x" }).to_string();
        let reply = world.gateway.post_raw(PATH, body, &[(header, value)]).await;
        assert_eq!((reply.status, world.upstream.requests().len()), (200, calls), "{header}");
    }
    // Switched off, a whole answer is kept.
    let world = start("embeddings: { per_input: false }", "").await;
    world.upstream.push(vectors(&[1, 2], 10));
    world.upstream.push(vectors(&[2], 5));
    embed(&world, json!({ "input": ["x", "y"] })).await;
    assert_eq!(fared(&embed(&world, json!({ "input": ["x", "y"] })).await), "hit");
    assert_eq!(fared(&embed(&world, json!({ "input": ["y"] })).await), "miss");
}

#[tokio::test]
async fn an_answer_that_does_not_say_which_is_which_is_passed_on_and_not_kept() {
    let world = start("", "").await;
    world.upstream.push(vectors(&[1], 10));
    embed(&world, json!({ "input": "x" })).await;
    let odd =
        r#"{"data":[{"index":5,"embedding":[7]}],"model":"up","usage":{"prompt_tokens":3,"total_tokens":3}}"#;
    for _ in 0..2 {
        world.upstream.push(Answer::raw(200, "application/json", odd));
        let reply = embed(&world, json!({ "input": ["y"] })).await;
        assert_eq!((fared(&reply), reply.text()), ("miss", odd.to_owned()));
    }
    // A part of a request that comes back like that is paid for, and the whole is asked for.
    world.upstream.push(Answer::raw(200, "application/json", odd));
    world.upstream.push(vectors(&[1, 2], 20));
    let reply = embed(&world, json!({ "input": ["x", "z"] })).await;
    assert_eq!((sent(&world), numbers(&reply)), (json!(["x", "z"]), vec![1, 2]));
    assert_eq!(reply.header("x-jackfield-cost-usd"), Some("0.000023"));
}

#[tokio::test]
async fn vectors_of_two_models_are_never_put_together() {
    let world = start("", "  fallback: { a: [b] }\n").await;
    world.upstream.push_for(&Match::model("a"), vectors(&[1], 10));
    embed(&world, json!({ "input": "x" })).await;
    world.upstream.always_for(&Match::model("a"), openai::error(500, "server_error", None, "no"));
    world.upstream.push_for(&Match::model("b"), vectors(&[11, 12], 20));
    let reply = embed(&world, json!({ "input": ["x", "y"] })).await;
    assert_eq!((reply.header("x-jackfield-model"), numbers(&reply)), (Some("b"), vec![11, 12]));
    assert_eq!(sent(&world), json!(["x", "y"]));
    // The other one's are kept under its own name.
    let reply = embed(&world, json!({ "input": ["y", "x"], "model": "b" })).await;
    assert_eq!((fared(&reply), numbers(&reply)), ("hit", vec![12, 11]));
}

#[tokio::test]
async fn a_downgrade_in_the_middle_asks_for_all_of_it() {
    let budgets = "  budgets: { models: { a: { daily_limit_tokens: 12 } }, on_exceeded: { downgrade: b } }\n";
    let world = start("", budgets).await;
    world.upstream.push_for(&Match::model("a"), vectors(&[1], 10));
    embed(&world, json!({ "input": "x" })).await;
    world.upstream.push_for(&Match::model("b"), vectors(&[12], 5));
    world.upstream.push_for(&Match::model("b"), vectors(&[11, 12], 9));
    let reply = embed(&world, json!({ "input": ["x", "y"] })).await;
    assert_eq!((reply.header("x-jackfield-model"), numbers(&reply)), (Some("b"), vec![11, 12]));
    assert_eq!((sent(&world), world.upstream.requests().len()), (json!(["x", "y"]), 3));
}

/// A gateway with a call under way, and requests for each of these inputs beside it, which wait for it.
async fn beside(
    world: &Arc<World>,
    model: &'static str,
    inputs: &[&'static str],
) -> JoinSet<(&'static str, Reply)> {
    world
        .upstream
        .push_for(&Match::path(PATH).and_text("the first"), vectors(&[100], 10).hang_before_head("first"));
    let mut asking = JoinSet::new();
    for input in [&["the first"][..], inputs].concat() {
        let there = Arc::clone(world);
        asking.spawn(async move {
            let body = json!({ "model": model, "input": input });
            (input, there.gateway.post_json(PATH, &body).await)
        });
        if input == "the first" {
            world.upstream.at_gate("first").await;
        }
    }
    asking
}

#[tokio::test]
async fn requests_beside_a_call_under_way_go_together_and_each_pays_its_share() {
    let world = Arc::new(start("embeddings: { wait: 1s }", "  budgets: { daily_limit_usd: 1 }\n").await);
    // Seven tokens of half a nano-dollar: four nano-dollars, rounded once.
    world.upstream.push_for(&Match::path(PATH).and_text("beside"), vectors(&[0, 1, 2], 7));
    let asking =
        beside(&world, "tiny", &["beside", "beside as well", "beside, and much longer than those"]).await;
    let together = world.upstream.wait_for_requests(2).await.remove(1).json();
    world.upstream.open("first");
    let replies = soon("all answers", asking.join_all()).await;
    assert_eq!(world.upstream.requests().len(), 2);
    let order: Vec<&str> =
        together["input"].as_array().unwrap().iter().map(|one| one.as_str().unwrap()).collect();
    assert_eq!(order.len(), 3);
    let (mut nanos, mut tokens, mut told) = (0, 0, 0);
    for (input, reply) in replies.iter().filter(|(input, _)| *input != "the first") {
        assert_eq!((reply.status, fared(reply)), (200, "miss"), "{}", reply.text());
        assert_eq!(numbers(reply), [order.iter().position(|one| one == input).unwrap() as u64], "{input}");
        assert_eq!(reply.header("x-jackfield-attempts"), Some("1"));
        let cost: f64 = reply.header("x-jackfield-cost-usd").unwrap().parse().unwrap();
        nanos += (cost * 1e9).round() as u64;
        let kept = record(&world, reply).await;
        tokens += kept["usage"]["input_tokens"].as_u64().unwrap();
        told += reply.json()["usage"]["prompt_tokens"].as_u64().unwrap();
        let why: Vec<&Value> = kept["steps"].as_array().unwrap().iter().map(|step| &step["why"]).collect();
        assert!(why.contains(&&json!("asked for together with 2 other requests")), "{kept:#}");
    }
    assert_eq!((nanos, tokens, told), (4, 7, 7));
    // Each vector is kept under its own input.
    for input in order {
        let reply = embed(&world, json!({ "input": input, "model": "tiny" })).await;
        assert_eq!(fared(&reply), "hit");
    }
}

#[tokio::test]
async fn a_call_for_several_that_is_refused_is_made_for_each_and_only_who_is_wrong_is_told_so() {
    let world = Arc::new(start("embeddings: { wait: 1s }", "  budgets: { daily_limit_usd: 1 }\n").await);
    let refused = || openai::error(400, "invalid_request_error", None, "too long");
    world.upstream.always_for(&Match::path(PATH).and_text("too long"), refused());
    world.upstream.always_for(&Match::path(PATH).and_text("good"), vectors(&[1], 10));
    let asking = beside(&world, "a", &["good", "good too", "too long"]).await;
    world.upstream.wait_for_requests(5).await;
    world.upstream.open("first");
    for (input, reply) in soon("all answers", asking.join_all()).await {
        assert_eq!(reply.status, if input == "too long" { 400 } else { 200 }, "{input}: {}", reply.text());
    }
    assert_eq!(world.upstream.requests().len(), 5, "the first, one for all, and each by itself");
}

#[tokio::test]
async fn who_has_no_budget_is_left_out_and_with_a_batch_of_one_nobody_waits() {
    let keys = "keys:
  - { key: jf-ann-aaaaaaaaaaaa, project: search, user: ann }
  - { key: jf-bob-bbbbbbbbbbbb, project: search, user: bob }
";
    let world = start(
        "embeddings: { wait: 1s }",
        &format!("  budgets: {{ users: {{ bob: {{ daily_limit_tokens: 5 }} }} }}\n{keys}"),
    )
    .await;
    let ask = async |key: &str, input: &str| {
        let bearer = format!("Bearer {key}");
        let body = json!({ "model": "a", "input": input }).to_string();
        world.gateway.post_raw(PATH, body, &[("authorization", &bearer)]).await
    };
    world
        .upstream
        .push_for(&Match::path(PATH).and_text("first"), vectors(&[1], 10).hang_before_head("first"));
    world.upstream.push_for(&Match::path(PATH).and_text("hers"), vectors(&[2, 3], 10));
    let opening = async {
        world.upstream.at_gate("first").await;
        let beside = tokio::join!(
            ask("jf-ann-aaaaaaaaaaaa", "hers"),
            ask("jf-ann-aaaaaaaaaaaa", "hers too"),
            ask("jf-bob-bbbbbbbbbbbb", "a text of his that is longer than five tokens")
        );
        world.upstream.open("first");
        beside
    };
    let (first, (one, two, his)) = tokio::join!(ask("jf-ann-aaaaaaaaaaaa", "first"), opening);
    assert_eq!((first.status, one.status, two.status, his.status), (200, 200, 200, 402), "{}", his.text());
    assert!(his.error().message.contains("user `bob`"), "{}", his.text());
    assert_eq!(world.upstream.requests().len(), 2);

    let world = Arc::new(start("embeddings: { wait: 1s, batch: 1 }", "").await);
    world.upstream.always_for(&Match::path(PATH).and_text("beside"), vectors(&[1], 10));
    let asking = beside(&world, "a", &["beside", "beside too"]).await;
    world.upstream.wait_for_requests(3).await;
    world.upstream.open("first");
    assert!(soon("all answers", asking.join_all()).await.iter().all(|(_, reply)| reply.status == 200));
}

/// Where whole answers are kept, the rest of one whose vectors are kept apart is none; nor the other way round.
#[tokio::test]
async fn a_reload_that_keeps_whole_answers_serves_none_without_its_vectors() {
    let upstream = Upstream::start().await;
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("jackfield.yaml");
    let text = |per_input: bool| {
        format!(
            "server: {{ listen: 127.0.0.1:0 }}\nmodels: {{ a: {{ provider: up }} }}\n\
             orchestrator: {{ default_model: a, cache: {{ enabled: true, embeddings: {{ per_input: {per_input} }} }} }}\n\
             providers: {{ up: {{ kind: openai, base_url: \"{}\" }} }}\nplugins: {{ dir: \"{}\" }}\n",
            upstream.base_url(),
            dir.path().display()
        )
    };
    std::fs::write(&file, text(true)).unwrap();
    let gateway = Setup::file(&file).start().await;
    let body = json!({ "model": "a", "input": ["x", "y"] });
    for (generation, per_input) in [(1, true), (2, false), (3, true)] {
        if generation > 1 {
            std::fs::write(&file, text(per_input)).unwrap();
            until_world(&gateway, generation).await;
        }
        upstream.push(vectors(&[1, 2], 10));
        // What the first kept is there again in the end.
        for want in [if generation == 3 { "hit" } else { "miss" }, "hit"] {
            let reply = gateway.post_json(PATH, &body).await;
            assert_eq!((reply.status, fared(&reply)), (200, want), "{generation}: {}", reply.text());
            assert_eq!(numbers(&reply), [1, 2], "{generation}");
        }
    }
    assert_eq!(upstream.requests().len(), 2);
}
