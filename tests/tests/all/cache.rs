//! Answers that are kept: what is the same request and what is not, whose they are, what is never kept, and that a kept
//! answer is the first one's bytes.

mod flights;
mod vectors;

use jackfield_tests::gateway::{CHAT, Gateway, Reply, Setup};
use jackfield_tests::guest::{stream_guard, validator};
use jackfield_tests::upstream::{Answer, Match, Upstream, anthropic, openai};
use serde_json::{Value, json};

use crate::admin::YAML as ADMIN;
use crate::dialects::MESSAGES;
use crate::metrics::{get, reaches, scrape};
use crate::world::{World, put};

/// A model with a fallback, two tasks, and a cache.
pub(crate) const MODELS: &str = "
models:
  a: { provider: up, retries: 0 }
  b: { provider: up, retries: 0 }
";

/// A gateway that keeps answers, with these settings of the cache and this besides in `orchestrator`.
pub(crate) async fn keeping(cache: &str, orchestrator: &str) -> World {
    World::start(&yaml(cache, orchestrator)).await
}

pub(crate) fn yaml(cache: &str, orchestrator: &str) -> String {
    format!(
        "{MODELS}orchestrator:\n  default_model: a\n  cache: {{ enabled: true, {cache} }}\n{orchestrator}"
    )
}

pub(crate) fn ask(more: &Value) -> String {
    let mut body = json!({ "model": "a", "messages": [{ "role": "user", "content": "hello" }] });
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    body.to_string()
}

pub(crate) fn fared(reply: &Reply) -> &str {
    reply.header("x-jackfield-cache").unwrap_or("none")
}

async fn chat(world: &World, body: &str, headers: &[(&str, &str)]) -> Reply {
    let reply = world.gateway.post_raw(CHAT, body.to_owned(), headers).await;
    assert_eq!(reply.status, 200, "{body}: {}", reply.text());
    reply
}

#[tokio::test]
async fn the_same_request_however_it_is_written_and_any_other_is_not() {
    let world = keeping("max_temperature: 0.5", "").await;
    world.upstream.always(openai::chat("ok"));
    let first = chat(&world, &ask(&json!({})), &[]).await;
    assert_eq!(fared(&first), "miss");
    let same = [
        ask(&json!({})),
        r#"{"messages":[{"content":"hello","role":"user"}],"model":"a"}"#.to_owned(),
        "{ \"model\" : \"a\",\n\"messages\": [ {\"role\":\"user\", \"content\":\"h\\u0065llo\"} ] }"
            .to_owned(),
        ask(&json!({ "stream": false })),
        ask(&json!({ "user": "someone" })),
        ask(&json!({ "metadata": { "label": "x" }, "safety_identifier": "s", "prompt_cache_key": "k" })),
        // Left to the gateway, it is the same model.
        ask(&json!({ "model": "auto" })),
    ];
    for body in same {
        let reply = chat(&world, &body, &[]).await;
        assert_eq!((fared(&reply), &reply.body), ("hit", &first.body), "{body}");
        assert_eq!(reply.header("x-jackfield-attempts"), Some("0"));
        assert_eq!(reply.header("x-jackfield-model"), Some("a"));
    }
    let other = [
        ask(&json!({ "messages": [{ "role": "user", "content": "hello " }] })),
        ask(&json!({ "messages": [{ "role": "system", "content": "hello" }] })),
        ask(&json!({ "messages": [{ "role": "user", "content": "hello", "name": "x" }] })),
        ask(&json!({ "messages": [{ "role": "user", "content": [{ "type": "text", "text": "hello" }] }] })),
        ask(&json!({ "model": "b" })),
        ask(&json!({ "temperature": 0 })),
        ask(&json!({ "temperature": 0.5 })),
        ask(&json!({ "max_tokens": 5 })),
        ask(&json!({ "max_tokens": 6 })),
        ask(&json!({ "n": 2 })),
        ask(&json!({ "seed": 12345678901234567890u64 })),
        ask(&json!({ "stop": ["x"] })),
        ask(&json!({ "logit_bias": { "1": 2 } })),
        ask(&json!({ "response_format": { "type": "json_object" } })),
        ask(&json!({ "unheard_of": 1 })),
        ask(&json!({ "unheard_of": 2 })),
        ask(&json!({ "store": true, "metadata": { "label": "x" } })),
        ask(&json!({ "store": true, "metadata": { "label": "y" } })),
    ];
    for (at, body) in other.iter().enumerate() {
        assert_eq!(fared(&chat(&world, body, &[]).await), "miss", "{body}");
        assert_eq!(world.upstream.requests().len(), at + 2);
        assert_eq!(fared(&chat(&world, body, &[]).await), "hit", "{body}");
    }
    // Numbers that a float would make one of.
    for number in ["12345678901234567890123", "12345678901234567890124"] {
        let body = ask(&json!({ "x": 7 })).replace('7', number);
        assert_eq!(fared(&chat(&world, &body, &[]).await), "miss", "{body}");
    }
}

/// Its name, what the request says, its headers, and how it and the next one fare.
type Row = (&'static str, Value, &'static [(&'static str, &'static str)], [&'static str; 2]);

#[tokio::test]
async fn what_is_not_to_be_kept_is_neither_read_nor_kept() {
    let tool = json!([{ "type": "function", "function": { "name": "f" } }]);
    let task = "  routes: [ { task: hot, model: a, temperature: 0.9 }, { task: cool, model: a, temperature: 0.1 } ]\n";
    let rows: &[Row] = &[
        ("plain", json!({}), &[], ["miss", "hit"]),
        ("hot", json!({ "temperature": 0.31 }), &[], ["bypass", "bypass"]),
        ("as the row says", json!({ "metadata": { "task": "hot" } }), &[], ["bypass", "bypass"]),
        (
            "hot, and the row says less",
            json!({ "metadata": { "task": "cool" }, "temperature": 2 }),
            &[],
            ["miss", "hit"],
        ),
        ("tools", json!({ "tools": tool }), &[], ["bypass", "bypass"]),
        ("functions", json!({ "functions": [{ "name": "f" }] }), &[], ["bypass", "bypass"]),
        ("no-store", json!({}), &[("cache-control", "no-store")], ["bypass", "bypass"]),
        ("bypass", json!({}), &[("x-jackfield-cache", "bypass")], ["bypass", "bypass"]),
        ("no-cache", json!({}), &[("cache-control", "no-cache")], ["miss", "miss"]),
        ("max-age=0", json!({}), &[("cache-control", "max-age=0, foo")], ["miss", "miss"]),
        ("max-age", json!({}), &[("cache-control", "max-age=1000")], ["miss", "hit"]),
        ("both", json!({}), &[("cache-control", "No-Cache, NO-STORE")], ["bypass", "bypass"]),
    ];
    for (name, more, headers, want) in rows {
        let world = keeping("", task).await;
        world.upstream.always(openai::chat("ok"));
        for want in want {
            let reply = chat(&world, &ask(more), headers).await;
            assert_eq!(fared(&reply), *want, "{name}");
            let record = world.gateway.record(reply.header("x-jackfield-request-id").unwrap()).await;
            assert_eq!(record["cache"], *want, "{name}");
        }
        let calls = want.iter().filter(|fared| **fared != "hit").count();
        assert_eq!(world.upstream.requests().len(), calls, "{name}");
        // What came past the cache did not get into it; what was only not read did.
        let after = if want[0] == "bypass" { "miss" } else { "hit" };
        if !headers.is_empty() {
            assert_eq!(fared(&chat(&world, &ask(more), &[]).await), after, "{name}");
        }
    }
    let world = keeping("tools: true", "").await;
    world.upstream.always(openai::tool_call("id", "f", "{}"));
    for want in ["miss", "hit"] {
        assert_eq!(fared(&chat(&world, &ask(&json!({ "tools": tool })), &[]).await), want);
    }
    let reply = world.gateway.post_raw(CHAT, ask(&json!({})), &[("x-jackfield-cache", "hit")]).await;
    assert_eq!((reply.status, reply.error().param.as_deref()), (400, Some("x-jackfield-cache")));
    let off = World::start(&yaml("", "").replace("enabled: true", "enabled: false")).await;
    off.upstream.always(openai::chat("ok"));
    for _ in 0..2 {
        assert_eq!(fared(&chat(&off, &ask(&json!({})), &[("x-jackfield-cache", "what")]).await), "none");
    }
    assert_eq!(off.upstream.requests().len(), 2);
}

#[tokio::test]
async fn tenants_share_what_the_scope_says() {
    let key = |name: &str| format!("jf-{name}-0123456789abcdef");
    let keys = [
        ("one", "project: p, user: ana"),
        ("two", "project: p, user: ben"),
        ("three", "project: q, user: ana"),
        ("four", "project: q, user: ana"),
    ];
    let list: String =
        keys.iter().map(|(name, who)| format!("  - {{ key: {}, {who} }}\n", key(name))).collect();
    for (scope, want) in [
        ("shared", ["miss", "hit", "hit", "hit"]),
        ("project", ["miss", "hit", "miss", "hit"]),
        ("user", ["miss", "miss", "miss", "hit"]),
    ] {
        let world = World::start(&format!("keys:\n{list}{}", yaml(&format!("scope: {scope}"), ""))).await;
        world.upstream.always(openai::chat("ok"));
        for ((name, _), want) in keys.iter().zip(want) {
            let bearer = format!("Bearer {}", key(name));
            let reply = chat(&world, &ask(&json!({})), &[("authorization", &bearer)]).await;
            assert_eq!(fared(&reply), want, "{scope} {name}");
        }
    }
}

/// Path, request, and the answers that providers of each API give.
fn everywhere() -> Vec<(&'static str, Value)> {
    let said = json!([{ "role": "user", "content": "hello" }]);
    let mut all = Vec::new();
    for model in ["open-model", "anth-model"] {
        for stream in [false, true] {
            all.push((CHAT, json!({ "model": model, "messages": said, "stream": stream })));
            all.push((
                MESSAGES,
                json!({ "model": model, "messages": said, "stream": stream, "max_tokens": 50 }),
            ));
            all.push(("/v1/responses", json!({ "model": model, "input": "hello", "stream": stream })));
        }
    }
    all.push(("/v1/embeddings", json!({ "model": "open-model", "input": ["a", "b"] })));
    all
}

async fn two_providers(more: &str) -> (Upstream, Gateway) {
    let models = crate::dialects::MODELS;
    crate::dialects::world(&format!("{models}orchestrator:\n  cache: {{ enabled: true }}\n{more}")).await
}

fn answers(upstream: &Upstream, stream: bool) {
    let vectors = json!({ "object": "list", "model": "e", "usage": { "prompt_tokens": 1, "total_tokens": 1 },
        "data": [{ "object": "embedding", "index": 0, "embedding": [0.5] }, { "object": "embedding", "index": 1, "embedding": [1.5] }] });
    let (chat, messages) = match stream {
        true => (openai::stream(&["he", "y", "!"]), anthropic::stream(&["he", "y", "!"])),
        false => (openai::chat("hey!"), anthropic::message("hey!")),
    };
    upstream.push_for(&Match::path("/v1/chat/completions"), chat);
    upstream.push_for(&Match::path("/v1/messages"), messages);
    upstream.push_for(&Match::path("/v1/embeddings"), Answer::json(200, &vectors));
}

#[tokio::test]
async fn a_kept_answer_is_the_first_ones_bytes_in_every_dialect() {
    for (path, body) in everywhere() {
        let (upstream, gateway) = two_providers("").await;
        let stream = body["stream"] == true;
        answers(&upstream, stream);
        let headers = [("anthropic-version", "2023-06-01")];
        let mut replies = Vec::new();
        for want in ["miss", "hit", "hit"] {
            let reply = gateway.post_raw(path, body.to_string(), &headers).await;
            assert_eq!(reply.status, 200, "{path} {body}: {}", reply.text());
            assert_eq!(fared(&reply), want, "{path} {body}");
            replies.push(reply);
        }
        assert!(!replies[0].body.is_empty());
        for reply in &replies[1..] {
            assert_eq!(reply.text(), replies[0].text(), "{path} {body}");
            assert_eq!(reply.header("content-type"), replies[0].header("content-type"));
            assert_ne!(
                reply.header("x-jackfield-request-id"),
                replies[0].header("x-jackfield-request-id"),
                "each request has an id of its own"
            );
        }
        // What the client of another API asks is another request.
        assert_eq!(upstream.requests().len(), 1, "{path} {body}");
    }
}

#[tokio::test]
async fn who_asks_for_the_usage_gets_the_providers_own_chunk_of_it() {
    let world = keeping("", "").await;
    world.upstream.always(openai::stream(&["a", "b"]));
    let with = ask(&json!({ "stream": true, "stream_options": { "include_usage": true } }));
    let without = ask(&json!({ "stream": true }));
    for want in ["miss", "hit"] {
        let got = world.gateway.stream(without.clone()).await;
        assert_eq!(got.header("x-jackfield-cache"), Some(want));
        assert!(got.chunks().iter().all(|chunk| !chunk["usage"].is_object()));
        let got = world.gateway.stream(with.clone()).await;
        assert_eq!(got.header("x-jackfield-cache"), Some(want));
        assert_eq!(got.frames, openai::stream_frames(&["a", "b"]), "{want}");
    }
}

/// An answer that a filter stopped.
fn filtered(stream: bool) -> Answer {
    let text = serde_json::to_string(&openai::chat_body("hm")).unwrap();
    if !stream {
        return Answer::raw(200, "application/json", text.replace("\"stop\"", "\"content_filter\""));
    }
    let frames = openai::stream_frames(&["hm"]);
    let frames = frames
        .iter()
        .map(|frame| String::from_utf8(frame.to_vec()).unwrap().replace("\"stop\"", "\"content_filter\""));
    Answer::sse(frames.collect::<Vec<_>>())
}

#[tokio::test]
async fn what_is_no_good_answer_is_not_kept() {
    let says = |text: &str, stream: bool| if stream { openai::stream(&[text]) } else { openai::chat(text) };
    let cut = |text: &str, stream: bool| match stream {
        true => Answer::sse(openai::stream_frames(&[text])[..2].to_vec()).then_cut(),
        false => Answer::cut(),
    };
    for stream in [false, true] {
        let rows: Vec<(&str, &str, Answer, bool)> = vec![
            ("good", "", says("ok", stream), true),
            ("an error", "", openai::error(500, "server_error", None, "no"), false),
            ("a refusal", "", openai::error(400, "invalid_request_error", None, "no"), false),
            ("broken off", "", cut("ok", stream), false),
            ("a filter's", "", filtered(stream), false),
            ("rejected", "  validators: [{ max_length: 2 }]\n", says("too long", stream), false),
            ("let through", "  validators: [{ max_length: 2 }]\n", says("ok", stream), true),
        ];
        for (name, validators, answer, kept) in rows {
            let world = keeping("", validators).await;
            world.upstream.push(answer);
            world.upstream.always(says("ok", stream));
            let body = ask(&json!({ "stream": stream }));
            let fared = |reply: &Reply| fared(reply).to_owned();
            let first = world.gateway.chat(body.clone()).await;
            assert_eq!(fared(&first), "miss", "{name} {stream}");
            let second = world.gateway.chat(body.clone()).await;
            assert_eq!(second.status, 200, "{name} {stream}");
            assert_eq!(fared(&second), if kept { "hit" } else { "miss" }, "{name} {stream}");
            assert_eq!(fared(&world.gateway.chat(body).await), "hit", "{name} {stream}");
        }
    }
}

#[tokio::test]
async fn an_answer_is_kept_under_the_candidate_that_gave_it() {
    let world = keeping("", "  fallback: { a: [b] }\n").await;
    world.upstream.push_for(&Match::model("a"), openai::error(500, "server_error", None, "no"));
    world.upstream.push_for(&Match::model("b"), openai::chat("from b"));
    let first = chat(&world, &ask(&json!({})), &[]).await;
    assert_eq!((fared(&first), first.header("x-jackfield-model")), ("miss", Some("b")));
    // `a` has its turn first, and when it fails again, nobody calls `b`.
    world.upstream.push_for(&Match::model("a"), openai::error(500, "server_error", None, "no"));
    let second = chat(&world, &ask(&json!({})), &[]).await;
    assert_eq!((fared(&second), second.header("x-jackfield-model")), ("hit", Some("b")));
    assert_eq!((second.header("x-jackfield-attempts"), &second.body), (Some("1"), &first.body));
    // Whoever names `b` gets the same, and `a` is asked as long as it has not answered.
    assert_eq!(fared(&chat(&world, &ask(&json!({ "model": "b" })), &[]).await), "hit");
    world.upstream.push_for(&Match::model("a"), openai::chat("from a"));
    let third = chat(&world, &ask(&json!({})), &[]).await;
    assert_eq!((fared(&third), third.header("x-jackfield-model")), ("miss", Some("a")));
    assert_eq!(world.upstream.requests().len(), 4);
}

/// Rejects answers that begin with `b`, and accepts all others.
fn strict() -> Vec<u8> {
    validator(
        "(if (i32.eq (call $first) (i32.const 98)) (then (return (call $say (i32.const 1) (i32.const 1))))) (call $accept)",
    )
}

fn judged(settings: &str) -> String {
    format!(
        "{}plugins:\n  dir: PLUGINS\n  validator_defaults: {{ limits: {{ cpu: 5s, wall: 30s }} }}\n  settings: {{ v: {{ {settings} }} }}\n",
        yaml("", "  validators: [v]\n")
    )
}

#[tokio::test]
async fn an_answer_goes_with_the_validator_that_let_it_through() {
    let world =
        World::with_plugins(&judged("on_error: reject"), &[("v.wasm", &validator("(call $accept)"))]).await;
    world.upstream.always(openai::chat("bad"));
    let text = |reply: &Reply| reply.text();
    for want in ["miss", "hit"] {
        let reply = chat(&world, &ask(&json!({})), &[]).await;
        assert_eq!(fared(&reply), want);
        assert!(text(&reply).contains("bad"));
    }
    put(world.plugins(), "v.wasm", &strict());
    let refused = async { while world.gateway.chat(ask(&json!({}))).await.status != 502 {} };
    jackfield_tests::soon("the new validator to refuse what the old one let through", refused).await;
    // The old one's answers are the old one's still.
    put(world.plugins(), "v.wasm", &validator("(call $accept)"));
    let back = async {
        loop {
            let reply = world.gateway.chat(ask(&json!({}))).await;
            if reply.status == 200 {
                return fared(&reply).to_owned();
            }
        }
    };
    assert_eq!(jackfield_tests::soon("the first validator to be back", back).await, "hit");
}

#[tokio::test]
async fn what_a_validator_let_through_by_failing_or_after_delivery_is_not_kept() {
    let traps = validator("unreachable");
    for (name, settings, guest, stream, want) in [
        ("failing", "on_error: accept", &traps, false, ["miss", "miss"]),
        ("failing, streamed", "on_error: accept", &traps, true, ["miss", "miss"]),
        ("refused after delivery", "on_error: reject, stream: after", &strict(), true, ["miss", "miss"]),
        (
            "good after delivery",
            "on_error: reject, stream: after",
            &validator("(call $accept)"),
            true,
            ["miss", "hit"],
        ),
        (
            "replaced",
            "on_error: reject",
            &validator("(call $say (i32.const 3) (i32.const 3))"),
            false,
            ["miss", "hit"],
        ),
        (
            "replaced, streamed",
            "on_error: reject",
            &validator("(call $say (i32.const 3) (i32.const 3))"),
            true,
            ["miss", "hit"],
        ),
        (
            "in a window",
            "on_error: reject, stream: window",
            &stream_guard("forbidden", "hidden", 8),
            true,
            ["miss", "hit"],
        ),
    ] {
        let world = World::with_plugins(&judged(settings), &[("v.wasm", guest)]).await;
        world.upstream.always(if stream { openai::stream(&["b", "ad"]) } else { openai::chat("bad") });
        let mut bodies = Vec::new();
        for want in want {
            let reply = chat(&world, &ask(&json!({ "stream": stream })), &[]).await;
            assert_eq!(fared(&reply), want, "{name}: {}", world.gateway.log().complaints());
            bodies.push(reply.text());
        }
        if want[1] == "hit" {
            assert_eq!(bodies[0], bodies[1], "{name}");
        }
    }
}

/// Waits until the world of this number serves.
async fn until_world(gateway: &Gateway, number: u64) {
    let serves = async {
        loop {
            let lines = gateway.log().lines();
            if lines.iter().any(|line| line.target == "jackfield::world" && *line.get("generation") == number)
            {
                return;
            }
            tokio::task::yield_now().await;
        }
    };
    jackfield_tests::soon("the next world", serves).await;
}

#[tokio::test]
async fn a_changed_configuration_does_not_serve_what_another_gave() {
    let upstream = Upstream::start().await;
    upstream.always(openai::chat("ok"));
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("jackfield.yaml");
    let text = |model: &str, header: &str, rest: &str| {
        format!(
            "server: {{ listen: 127.0.0.1:0 }}\norchestrator: {{ default_model: a, cache: {{ enabled: true }}, {rest} }}\n\
             models: {{ a: {{ provider: up, {model} }} }}\n\
             providers: {{ up: {{ kind: openai, base_url: \"{}\", headers: {{ x-org: {header} }} }} }}\nplugins: {{ dir: \"{}\" }}\n",
            upstream.base_url(),
            dir.path().display()
        )
    };
    std::fs::write(&file, text("id: one", "x", "")).unwrap();
    let gateway = Setup::file(&file).start().await;
    let mut served = 1;
    let calls = || upstream.requests().len();
    for want in ["miss", "hit"] {
        assert_eq!(fared(&gateway.chat(ask(&json!({}))).await), want);
    }
    let rows = [
        ("another id", text("id: two", "x", ""), "miss"),
        ("the first again", text("id: one", "x", ""), "hit"),
        ("another header", text("id: one", "y", ""), "miss"),
        ("another validator", text("id: one", "x", "validators: [{ max_length: 9 }]"), "miss"),
        ("its parameter", text("id: one", "x", "validators: [{ max_length: 8 }]"), "miss"),
        ("what has no say", text("id: one, timeouts: { total: 77s }", "x", "hedge: true"), "hit"),
    ];
    for (name, text, want) in rows {
        std::fs::write(&file, text).unwrap();
        served += 1;
        until_world(&gateway, served).await;
        let before = calls();
        let reply = gateway.chat(ask(&json!({}))).await;
        assert_eq!((reply.status, fared(&reply)), (200, want), "{name}");
        assert_eq!(calls() - before, usize::from(want == "miss"), "{name}");
    }
}

#[tokio::test]
async fn it_is_counted_kept_within_its_size_and_told_in_log_and_record() {
    let yaml =
        ADMIN.replace("orchestrator:\n", "orchestrator:\n  cache: { enabled: true, max_size: 256KiB }\n");
    let world = World::start(&yaml).await;
    let gateway = &world.gateway;
    let start = scrape(gateway).await;
    for outcome in ["hit", "joined", "miss", "bypass"] {
        assert_eq!(get(&start, &format!("cache_requests_total{{outcome=\"{outcome}\"}}")), 0.0);
    }
    world.upstream.always(openai::chat(&"x".repeat(10_000)));
    let body = |n: usize| json!({ "messages": [{ "role": "user", "content": n.to_string() }] }).to_string();
    let first = chat(&world, &body(0), &[]).await;
    let hit = chat(&world, &body(0), &[]).await;
    assert_eq!(fared(&hit), "hit");
    chat(&world, &body(0), &[("cache-control", "no-store")]).await;
    for n in 1..40 {
        chat(&world, &body(n), &[]).await;
    }
    let end = reaches(
        gateway,
        &[
            (r#"cache_requests_total{outcome="hit"}"#, 1.0),
            (r#"cache_requests_total{outcome="miss"}"#, 40.0),
            (r#"cache_requests_total{outcome="bypass"}"#, 1.0),
            (r#"upstream_calls_total{provider="up",model="model-default",outcome="ok"}"#, 41.0),
        ],
    )
    .await;
    let (entries, bytes) = (get(&end, "cache_entries"), get(&end, "cache_size_bytes"));
    assert!((5.0..=12.0).contains(&entries), "{entries}");
    assert!(bytes <= 262_144.0 && bytes >= entries * 20_000.0, "{bytes}");
    assert_eq!(get(&end, "cache_evictions_total"), 40.0 - entries);
    // Paid once: a hit's record has no tokens, its trail says where the answer came from.
    let tokens = get(&end, r#"tokens_total{provider="up",model="model-default",direction="output"}"#);
    assert_eq!(tokens, 41.0 * 7.0);
    let record = |reply: &Reply| reply.header("x-jackfield-request-id").unwrap().to_owned();
    let (miss, kept) = (gateway.record(&record(&first)).await, gateway.record(&record(&hit)).await);
    assert_eq!((&miss["cache"], &kept["cache"]), (&json!("miss"), &json!("hit")));
    assert!(miss["usage"].is_object() && kept["usage"].is_null());
    assert_eq!((&miss["attempts"], &kept["attempts"]), (&json!(1), &json!(0)));
    assert_eq!((&kept["model"], &kept["provider"]), (&json!("model-default"), &json!("up")));
    let step = kept["steps"].as_array().unwrap().last().unwrap().clone();
    assert_eq!((&step["step"], &step["outcome"]), (&json!("cache"), &json!("hit")));
    assert!(step["age_us"].is_u64() && step["model"] == "model-default", "{step}");
    let told: Vec<Value> = gateway.log().requests().iter().map(|line| line.get("cache").clone()).collect();
    assert_eq!(told[..3], [json!("miss"), json!("hit"), json!("bypass")]);
}
