//! `POST /v1/embeddings`: byte for byte to providers that have it, with the same candidates, repeated calls and trail as
//! any request.

use jackfield_tests::gateway::Setup;
use jackfield_tests::upstream::{Answer, Match, Upstream, openai};
use serde_json::{Value, json};

use crate::world::{BASE, PROVIDER_KEY, World};

const PATH: &str = "/v1/embeddings";
/// An answer as no serialiser writes it.
const ANSWER: &str = "{ \"object\":\"list\", \"data\":[{\"object\":\"embedding\",\"index\":0,\"embedding\":[ 1.50e-1,-0.0]}],\n\"model\":\"up\",\"usage\":{\"prompt_tokens\":7,\"total_tokens\":7}, \"new\":1 }";

fn answer() -> Answer {
    Answer::raw(200, "application/json", ANSWER)
}

#[tokio::test]
async fn the_bytes_are_the_clients_and_the_providers() {
    let rows = [
        (
            "{ \"input\":\"caf\\u00e9\" , \"model\":\"test-model\",\"x\":1e400 }",
            "{ \"input\":\"caf\\u00e9\" , \"model\":\"test-model\",\"x\":1e400 }",
        ),
        (
            r#"{"model":"renamed-model","input":["a","b"],"encoding_format":"base64","dimensions":3}"#,
            r#"{"model":"upstream-id","input":["a","b"],"encoding_format":"base64","dimensions":3}"#,
        ),
        (r#"{"input":[[1, 2],[3]],"model":"test-model"}"#, r#"{"input":[[1, 2],[3]],"model":"test-model"}"#),
        (r#"{"input":"x","metadata":{"task":"code"}}"#, r#"{"input":"x","model":"test-model"}"#),
    ];
    for (asked, sent) in rows {
        let world = World::base().await;
        world.upstream.push(answer());
        let reply = world.gateway.post_raw(PATH, asked, &[]).await;
        assert_eq!((reply.status, reply.text()), (200, ANSWER.to_owned()));
        let got = world.upstream.only_request();
        assert_eq!((&*got.path, String::from_utf8_lossy(&got.body).into_owned()), (PATH, sent.to_owned()));
        assert_eq!(got.header("authorization"), Some(&*format!("Bearer {PROVIDER_KEY}")));
        let record = world.gateway.record(reply.header("x-jackfield-request-id").unwrap()).await;
        assert_eq!(
            (&record["usage"]["input_tokens"], &record["usage"]["output_tokens"]),
            (&json!(7), &json!(0))
        );
    }
}

#[tokio::test]
async fn mistakes_are_named_and_the_provider_is_not_asked() {
    let rows = [
        (json!({}), "input"),
        (json!({"input": []}), "input"),
        (json!({"input": ["x", 7]}), "input[1]"),
        (json!({"input": "x", "stream": true}), "stream"),
        (json!({"input": "x", "dimensions": 0}), "dimensions"),
    ];
    let world = World::base().await;
    for (body, param) in rows {
        let reply = world.gateway.post_json(PATH, &body).await;
        assert_eq!((reply.status, reply.error().param.as_deref()), (400, Some(param)), "{body}");
    }
    assert_eq!(world.upstream.requests().len(), 0);
}

#[tokio::test]
async fn a_providers_refusal_is_passed_on_and_what_is_no_answer_is_not() {
    let world = World::base().await;
    let refusal = r#"{"error":{"message":"too long","type":"x","param":null,"code":"odd"} }"#;
    world.upstream.push(Answer::raw(400, "application/json", refusal));
    let asked = json!({"model": "test-model", "input": "x"});
    let reply = world.gateway.post_json(PATH, &asked).await;
    assert_eq!((reply.status, reply.text()), (400, refusal.to_owned()));
    for answer in [openai::chat("hello"), Answer::raw(200, "text/html", "<html>")] {
        world.upstream.push(answer);
        let reply = world.gateway.post_json(PATH, &asked).await;
        assert_eq!((reply.status, reply.error().code.as_deref()), (502, Some("upstream_broken")));
    }
}

/// A gateway whose model `a` is called again once and falls back to `b`; both keys are the scripted provider's.
async fn with_fallback() -> (Upstream, jackfield_tests::gateway::Gateway) {
    let upstream = Upstream::start().await;
    let yaml = format!(
        "providers:\n  up: {{ kind: openai, base_url: \"{}\", api_key: \"${{K1}}\", api_keys: [\"${{K2}}\"] }}
models:\n  a: {{ provider: up, retries: 1, backoff: 1ms }}\n  b: {{ provider: up, retries: 0 }}
orchestrator: {{ default_model: a, fallback: {{ a: [b] }} }}\nplugins: {{ dir: /nonexistent }}\n",
        upstream.base_url()
    );
    let setup = Setup::yaml(&yaml).env("K1", "sk-first-8c1e5a9d").env("K2", "sk-second-3b7f2d60");
    (upstream, setup.start().await)
}

#[tokio::test]
async fn calls_are_repeated_keys_rotated_and_others_tried() {
    let fails = |status| openai::error(status, "error", None, "it broke");
    let rows: [(Vec<Answer>, &[&str], &str); 3] = [
        (vec![fails(500), answer()], &["a", "a"], "a"),
        (vec![fails(401), answer()], &["a", "a"], "a"),
        (vec![fails(500), fails(500)], &["a", "a", "b"], "b"),
    ];
    for (script, called, answers) in rows {
        let (upstream, gateway) = with_fallback().await;
        for answer in script {
            upstream.push_for(&Match::model("a"), answer);
        }
        upstream.always_for(&Match::model("b"), answer());
        let reply = gateway.post_json(PATH, &json!({"input": "x"})).await;
        assert_eq!((reply.status, reply.text()), (200, ANSWER.to_owned()));
        assert_eq!(reply.header("x-jackfield-model"), Some(answers));
        assert_eq!(reply.header("x-jackfield-attempts"), Some(&*called.len().to_string()));
        let models: Vec<Value> = upstream.requests().iter().map(|r| r.json()["model"].clone()).collect();
        assert_eq!(models, called);
    }
}

#[tokio::test]
async fn nothing_rates_or_judges_it() {
    let world = World::start(
        "models:
  rater: { provider: up }
  high: { provider: up }
  low: { provider: up }
orchestrator:
  default_model: low
  router: { model: rater, thresholds: { complexity: { high: high, low: low } }, on_failure: high, timeout: 2s }
  validators: [not_empty]
",
    )
    .await;
    world.upstream.always(answer());
    let asked = json!({"input": "a text"});
    let reply = world.gateway.post_json(PATH, &asked).await;
    assert_eq!((reply.status, reply.header("x-jackfield-route")), (200, Some("default")), "{}", reply.text());
    assert_eq!(world.upstream.only_request().json()["model"], "low");
    let header = [("x-jackfield-validators", "not_empty")];
    let reply = world.gateway.post_raw(PATH, asked.to_string(), &header).await;
    assert_eq!((reply.status, reply.error().param.as_deref()), (400, Some("x-jackfield-validators")));
}

/// The numbers in four bytes of base64's sextets each, little-endian.
fn floats(base64: &str) -> Vec<f32> {
    const DIGITS: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let digits = base64.chars().filter(|c| *c != '=').map(|c| DIGITS.find(c).unwrap());
    let bits: Vec<bool> = digits.flat_map(|digit| (0..6).rev().map(move |at| digit >> at & 1 == 1)).collect();
    let byte = |bits: &[bool]| bits.iter().fold(0_u8, |byte, bit| byte << 1 | u8::from(*bit));
    let bytes: Vec<u8> = bits.chunks_exact(8).map(byte).collect();
    bytes.chunks_exact(4).map(|four| f32::from_le_bytes(four.try_into().unwrap())).collect()
}

#[tokio::test]
async fn the_simulation_makes_the_same_unit_vectors_in_both_encodings() {
    let world = World::start(&format!("{BASE}  sim-model: {{ provider: sim }}\n")).await;
    let ask = async |more: Value| -> Vec<Vec<f32>> {
        let mut body = json!({"model": "sim-model"});
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let reply = world.gateway.post_json(PATH, &body).await;
        assert_eq!(reply.status, 200, "{}", reply.text());
        let reply = reply.json();
        assert!(reply["usage"]["total_tokens"].as_u64().unwrap() > 0);
        let vector = |entry: &Value| match entry["embedding"].as_str() {
            Some(base64) => floats(base64),
            None => serde_json::from_value(entry["embedding"].clone()).unwrap(),
        };
        reply["data"].as_array().unwrap().iter().map(vector).collect()
    };
    let one = ask(json!({"input": "a"})).await;
    assert_eq!(one[0].len(), 8);
    let length: f32 = one[0].iter().map(|n| n * n).sum();
    assert!((length - 1.0).abs() < 1e-5, "{length}");
    let many = ask(json!({"input": ["b", "a"]})).await;
    assert_eq!((many.len(), &many[1]), (2, &one[0]));
    assert_ne!(many[0], many[1]);
    assert_eq!(ask(json!({"input": ["b", "a"], "encoding_format": "base64"})).await, many);
    assert_eq!(ask(json!({"input": "a", "dimensions": 3})).await[0].len(), 3);
    assert_eq!(ask(json!({"input": [[1, 2], [3]]})).await.len(), 2);
    assert_eq!(ask(json!({"input": [1, 2]})).await.len(), 1);
    let huge = json!({"model": "sim-model", "input": "a", "dimensions": 1_000_000});
    let reply = world.gateway.post_json(PATH, &huge).await;
    assert_eq!((reply.status, reply.error().param.as_deref()), (400, Some("dimensions")));
}
