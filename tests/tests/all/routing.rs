//! Who decides which model answers, in which order, and how the answer and the log say so.

use jackfield_tests::guest::router_to;
use jackfield_tests::upstream::{Answer, openai};
use serde_json::{Value, json};

use crate::world::{ASK, THREE, World, example_plugin};

/// The seed document's block, to the letter.
const SEED: &str = r#"orchestrator:
  routes:
    - task: "code_generation"
      model: "claude-3-opus"
    - task: "summarization"
      model: "gpt-3.5-turbo"
"#;

/// Models of the scripted provider under the names the seeds use.
const MODELS: &str = r#"
models:
  claude-3-opus: { provider: up }
  gpt-3.5-turbo: { provider: up, retries: 0 }
  fast-model: { provider: up }
  smart-model: { provider: up }
  named-model: { provider: up }
"#;

fn request(model: Option<&str>, task: Option<&str>, prompt: &str) -> Value {
    let mut body = json!({"messages": [{"role": "user", "content": prompt}]});
    if let Some(model) = model {
        body["model"] = json!(model);
    }
    if let Some(task) = task {
        body["metadata"] = json!({"task": task});
    }
    body
}

/// What a request says, and who must decide for which model.
struct Row {
    model: Option<&'static str>,
    task: Option<&'static str>,
    header: Option<&'static str>,
    prompt: &'static str,
    decided: (&'static str, &'static str),
}

async fn check(world: &World, rows: &[Row]) {
    world.upstream.always(openai::chat("ok"));
    for row in rows {
        let body = request(row.model, row.task, row.prompt);
        let name = format!("{body} {:?}", row.header);
        let headers: Vec<_> = row.header.iter().map(|task| ("x-jackfield-task", *task)).collect();
        let reply = world.gateway.post_raw("/v1/chat/completions", body.to_string(), &headers).await;
        assert_eq!(reply.status, 200, "{name}: {}", reply.text());
        let said = (reply.header("x-jackfield-route").unwrap(), reply.header("x-jackfield-model").unwrap());
        assert_eq!(said, row.decided, "{name}: {}", world.gateway.log().complaints());
        assert_eq!(world.upstream.requests().last().unwrap().json()["model"], row.decided.1, "{name}");
    }
}

#[tokio::test]
async fn the_seeds_static_block_routes_verbatim() {
    let world = World::start(&format!("{SEED}{MODELS}")).await;
    let row = |model, task, header, decided| Row { model, task, header, prompt: "hello", decided };
    check(
        &world,
        &[
            row(None, Some("code_generation"), None, ("static", "claude-3-opus")),
            row(None, Some("summarization"), None, ("static", "gpt-3.5-turbo")),
            row(Some("named-model"), Some("summarization"), None, ("static", "gpt-3.5-turbo")),
            row(Some("auto"), None, Some("code_generation"), ("static", "claude-3-opus")),
            row(Some("task/summarization"), None, None, ("static", "gpt-3.5-turbo")),
            row(Some("named-model"), None, None, ("named", "named-model")),
        ],
    )
    .await;
    let unknown =
        world.gateway.post_json("/v1/chat/completions", &request(None, Some("cooking"), "hello")).await;
    assert_eq!(unknown.status, 400);
    let message = unknown.error().message;
    for known in ["cooking", "code_generation", "summarization"] {
        assert!(message.contains(known), "{message}");
    }
}

#[tokio::test]
async fn the_order_is_plugin_then_task_then_named_then_default() {
    let yaml = format!("{SEED}  default_model: smart-model\n{MODELS}");
    let world =
        World::with_plugins(&yaml, &[("urgent-router.wasm", &example_plugin("urgent-router.wasm"))]).await;
    let row = |model, task, prompt, decided| Row { model, task, header: None, prompt, decided };
    check(
        &world,
        &[
            row(
                Some("named-model"),
                Some("summarization"),
                "this is urgent",
                ("urgent-router", "fast-model"),
            ),
            row(None, None, "urgent!", ("urgent-router", "fast-model")),
            row(Some("named-model"), Some("summarization"), "no hurry", ("static", "gpt-3.5-turbo")),
            row(Some("named-model"), None, "no hurry", ("named", "named-model")),
            row(Some("auto"), None, "no hurry", ("default", "smart-model")),
            row(None, None, "no hurry", ("default", "smart-model")),
            // To the letter, and in the last user message only.
            row(None, None, "Urgent", ("default", "smart-model")),
        ],
    )
    .await;
}

#[tokio::test]
async fn without_a_default_a_request_that_names_nothing_is_refused() {
    let world = World::start(&format!("{SEED}{MODELS}")).await;
    for model in [None, Some("auto")] {
        let reply = world.gateway.post_json("/v1/chat/completions", &request(model, None, "hello")).await;
        assert!(matches!(reply.status, 400 | 404), "{}", reply.text());
        assert_eq!(reply.error().param.as_deref(), Some("model"));
    }
    assert_eq!(world.upstream.requests().len(), 0);
}

#[tokio::test]
async fn a_route_may_change_temperature_reasoning_and_length_and_nothing_else() {
    let yaml = format!(
        "orchestrator:\n  routes:\n    - {{ task: scale, model: named-model, reasoning: medium, temperature: 0.3, max_tokens: 2000 }}\n{MODELS}"
    );
    let world = World::start(&yaml).await;
    let start = r#"{"model":"task/scale","messages":[{"role":"user","content":"x"}]"#;
    let sent = start.replace("task/scale", "named-model");
    let cases = [
        ("nothing there", "}", r#","temperature":0.3,"max_tokens":2000,"reasoning_effort":"medium"}"#),
        (
            "in place, in the client's spelling",
            r#","max_tokens":5,"reasoning_effort":"low", "temperature" : 1.50,"z":1.50}"#,
            r#","max_tokens":2000,"reasoning_effort":"medium", "temperature" : 0.3,"z":1.50}"#,
        ),
    ];
    for (name, tail, want) in cases {
        world.upstream.push(openai::chat("ok"));
        let reply = world.gateway.chat(format!("{start}{tail}")).await;
        assert_eq!(reply.status, 200, "{name}: {}", reply.text());
        assert_eq!(world.upstream.requests().last().unwrap().text(), format!("{sent}{want}"), "{name}");
    }
}

#[tokio::test]
async fn every_answer_and_one_log_line_tell_the_same_story() {
    let world = World::start(&format!("{SEED}{MODELS}")).await;
    world.upstream.push(openai::chat("ok"));
    world.upstream.push(openai::stream(&["ok"]));
    world.upstream.push(openai::error(500, "server_error", None, "broken"));
    let mut ids = Vec::new();
    let outcomes = [
        (200, "answered", json!(null)),
        (200, "answered", json!(null)),
        (502, "failed", json!("upstream_failed")),
    ];
    for (index, (status, outcome, reason)) in outcomes.into_iter().enumerate() {
        let mut body = request(Some("named-model"), Some("summarization"), "hello");
        body["stream"] = json!(index == 1);
        let reply = world.gateway.post_json("/v1/chat/completions", &body).await;
        assert_eq!(reply.status, status, "{}", reply.text());
        let lines = world.gateway.log().wait_for_requests(index + 1).await;
        assert_eq!(lines.len(), index + 1, "one line a request: {lines:#?}");
        let id = reply.header("x-jackfield-request-id").unwrap().to_owned();
        // Where the packages of OpenAI and Anthropic look for it.
        assert_eq!([reply.header("x-request-id"), reply.header("request-id")], [Some(&*id); 2]);
        let line = &lines[index];
        assert_eq!(line.get("request_id"), &json!(id), "{line:#?}");
        assert_eq!((line.level, line.get("outcome")), ("INFO", &json!(outcome)), "{line:#?}");
        assert_eq!(line.get("reason"), &reason, "{line:#?}");
        assert_eq!(line.get("stream"), &json!(index == 1), "{line:#?}");
        assert_eq!(line.get("attempts"), 1, "{line:#?}");
        assert!(
            line.get("total_us").as_u64().unwrap() >= line.get("overhead_us").as_u64().unwrap(),
            "{line:#?}"
        );
        assert_eq!(line.get("route"), "static", "{line:#?}");
        assert_eq!(line.get("model"), "gpt-3.5-turbo", "{line:#?}");
        assert_eq!(line.get("task"), "summarization", "{line:#?}");
        assert_eq!(reply.header("x-jackfield-model"), Some("gpt-3.5-turbo"));
        let overhead: u64 = reply.header("x-jackfield-overhead-us").unwrap().parse().unwrap();
        assert!(overhead < 20_000_000, "{overhead}");
        assert!(!ids.contains(&id), "two requests, one id");
        ids.push(id);
    }
}

#[tokio::test]
async fn the_overhead_does_not_count_the_providers_time() {
    let world = World::start(&format!("{SEED}{MODELS}")).await;
    world.upstream.push(Answer::json(200, &openai::chat_body("ok")).hang_before_head("slow"));
    let began = std::time::Instant::now();
    let body = request(Some("named-model"), None, "hello");
    let asked = world.gateway.post_json("/v1/chat/completions", &body);
    let opened = async {
        world.upstream.at_gate("slow").await;
        // The provider's time, made long by asking somebody else something meanwhile.
        while began.elapsed().as_millis() < 300 {
            assert_eq!(world.gateway.get("/health").await.status, 200);
        }
        world.upstream.open("slow");
    };
    let (reply, ()) = tokio::join!(asked, opened);
    let overhead: u128 = reply.header("x-jackfield-overhead-us").unwrap().parse().unwrap();
    assert!(overhead < 150_000, "{overhead} µs of {} µs", began.elapsed().as_micros());
}

#[tokio::test]
async fn a_router_is_asked_only_where_its_condition_holds() {
    let yaml = format!(
        "{THREE}plugins: {{ dir: PLUGINS, settings: {{ rule: {{ on_error: fail, when: \"request.task == 'billing' || (request.task == null && request.headers['x-team'] == 'blue')\" }} }} }}\n"
    );
    let world = World::with_plugins(&yaml, &[("rule.wasm", &router_to("model-a"))]).await;
    world.upstream.always(openai::chat("ok"));
    let ask = async |headers: &[(&str, &str)]| {
        let reply = world.gateway.post_raw("/v1/chat/completions", ASK, headers).await;
        let id = reply.header("x-jackfield-request-id").unwrap().to_owned();
        (reply, world.gateway.record(&id).await)
    };
    let (reply, _) = ask(&[("x-team", "blue")]).await;
    assert_eq!(reply.header("x-jackfield-route"), Some("rule"), "{}", reply.text());
    let (reply, record) = ask(&[("x-team", "red")]).await;
    assert_eq!(reply.header("x-jackfield-route"), Some("default"), "{}", reply.text());
    let step = &record["steps"][0];
    assert_eq!(
        (&step["step"], &step["name"], &step["said"]),
        (&"router".into(), &"rule".into(), &"skipped".into())
    );
    assert!(
        step["reason"].as_str().unwrap().starts_with("its condition does not hold: request.task =="),
        "{step}"
    );
    // A condition that comes to nothing is the router's failure.
    let (reply, record) = ask(&[]).await;
    assert_eq!((reply.status, reply.error_code().as_str()), (500, "plugin_failed"), "{}", reply.text());
    assert_eq!(record["steps"][0]["fault"], "condition", "{record:#}");
}
