//! What may be spent, over real HTTP: every call is charged once, whatever becomes of it; nothing is called that a limit has
//! no room for; and what it cost is told in headers, log, records and metrics.
//!
//! One token of a prompt costs 1 000 nano-dollars here, one of an answer 10 000, at the model `cheap` a tenth of that.

/// Answers that must stop where a limit does.
mod clamp;
/// Many at once, and many who leave.
mod crowd;
/// A gateway of files.
mod home;
/// Every way a call may end.
mod paths;
/// Budgets that change.
mod reload;
/// Who is told.
mod told;
/// A state that cannot be written.
mod unwritten;

use jackfield_tests::gateway::{Gateway, Reply};
use jackfield_tests::upstream::{Answer, Match, openai};
use serde_json::{Value, json};

use crate::admin::ask;
use crate::world::World;

/// What every ready-made answer of OpenAI's costs: 11 tokens in, 7 out.
const ANSWER: u64 = 11 * 1_000 + 7 * 10_000;

/// The models, and an admin port. `BUDGETS` is the section's text.
const YAML: &str = r#"
state: ":memory:"
server: { listen: 127.0.0.1:0, admin: 127.0.0.1:0, admin_token: jf-admin-5c21d9f07be4, drain: 150ms }
models:
  dear: { provider: up, retries: 0, price: { input: 1, output: 10 } }
  cheap: { provider: up, retries: 0, price: { input: 0.1, output: 1 } }
  unknown: { provider: up, retries: 0 }
"#;

/// A gateway whose `orchestrator` has these lines; the first model is the default.
async fn start(orchestrator: &str) -> World {
    World::start(&yaml(orchestrator)).await
}

fn yaml(orchestrator: &str) -> String {
    format!("{YAML}orchestrator:\n  default_model: dear\n{orchestrator}\n")
}

/// So many nano-dollars a day for everybody.
fn daily(nanos: u64) -> String {
    format!("  budgets: {{ daily_limit_usd: {} }}", shown(nanos))
}

/// Nano-dollars as dollars.
fn shown(nanos: u64) -> String {
    format!("{}.{:09}", nanos / 1_000_000_000, nanos % 1_000_000_000)
}

/// Dollars, as records and headers have them, in nano-dollars.
fn nanos(usd: &str) -> u64 {
    let (whole, decimals) = usd.split_once('.').unwrap_or_else(|| panic!("{usd}"));
    whole.parse::<u64>().unwrap() * 1_000_000_000 + format!("{decimals:0<9}").parse::<u64>().unwrap()
}

fn body(more: &Value) -> String {
    let mut body = json!({ "messages": [{ "role": "user", "content": "hello" }] });
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    body.to_string()
}

/// What is spent or reserved of the global daily limit, in nano-dollars.
async fn used(gateway: &Gateway) -> u64 {
    let text = ask(gateway, "GET", "/metrics").await.text();
    let get = |name: &str| -> f64 {
        let id = format!(r#"jackfield_{name}{{scope="global",name="all",window="daily",unit="usd"}} "#);
        let line = text.lines().find_map(|line| line.strip_prefix(&id));
        line.unwrap_or_else(|| panic!("no {id}in\n{text}")).parse().unwrap()
    };
    (get("budget_limit") * get("budget_used_ratio") * 1e9).round() as u64
}

/// The record of the request that this answers.
async fn record(world: &World, reply: &Reply) -> Value {
    world.gateway.record(reply.header("x-jackfield-request-id").unwrap()).await
}

#[tokio::test]
async fn the_seeds_block_holds_and_what_was_spent_is_told_everywhere() {
    let world = start("  budgets:\n    daily_limit_usd: 50.00\n    alert_threshold: 0.8").await;
    world.upstream.always(openai::chat("fine"));
    let reply = world.gateway.chat(body(&json!({}))).await;
    assert_eq!((reply.status, reply.header("x-jackfield-cost-usd")), (200, Some("0.000081")));
    let record = record(&world, &reply).await;
    assert_eq!(record["cost_usd"], "0.000081");
    let attempt = record["steps"].as_array().unwrap().iter().find(|step| step["step"] == "attempt").unwrap();
    assert_eq!(attempt["cost_usd"], "0.000081");
    let line = world.gateway.log().wait_for_requests(1).await.remove(0);
    assert_eq!((line.get("cost_usd"), line.get("estimated")), (&json!("0.000081"), &Value::Null));
    assert_eq!(used(&world.gateway).await, ANSWER);
    let metrics = ask(&world.gateway, "GET", "/metrics").await.text();
    for want in [
        r#"jackfield_cost_usd_total{provider="up",model="dear"} 0.000081"#,
        r#"jackfield_tokens_total{provider="up",model="dear",direction="output"} 7"#,
        r#"jackfield_budget_limit{scope="global",name="all",window="daily",unit="usd"} 50"#,
    ] {
        assert!(
            metrics.lines().any(|line| line == want || line.starts_with(&format!("{want}."))),
            "{want}:\n{metrics}"
        );
    }
}

#[tokio::test]
async fn a_budget_that_is_spent_is_a_402_in_the_clients_dialect_and_nobody_is_called() {
    let world = start(&daily(ANSWER)).await;
    world.upstream.always(openai::chat("never"));
    for (path, more, kind) in [
        ("/v1/chat/completions", json!({}), "insufficient_quota"),
        ("/v1/chat/completions", json!({ "stream": true }), "insufficient_quota"),
        ("/v1/messages", json!({ "model": "dear", "max_tokens": 500 }), "billing_error"),
    ] {
        let reply = world.gateway.post_raw(path, body(&more), &[]).await;
        let error = &reply.json()["error"];
        assert_eq!((reply.status, &error["type"]), (402, &json!(kind)), "{}", reply.text());
        if path.ends_with("completions") {
            assert_eq!(error["code"], "budget_exceeded");
        }
        assert_eq!((reply.header("retry-after"), reply.header("x-jackfield-attempts")), (None, Some("0")));
        let said = error["message"].as_str().unwrap();
        // 16 tokens of an answer, and its prompt.
        let needs = said.split("needs at least $").nth(1).and_then(|rest| rest.split(';').next()).unwrap();
        assert!((166_000..200_000).contains(&nanos(needs)), "{said}");
        for want in ["daily", "limit of $0.000081 has $0.000081 left", "begins anew at 20"] {
            assert!(said.contains(want), "{want}: {said}");
        }
        let steps = record(&world, &reply).await["steps"].as_array().unwrap().clone();
        assert!(steps.iter().any(|step| step["why"] == "budget_exceeded"), "{steps:?}");
    }
    assert_eq!((world.upstream.requests().len(), used(&world.gateway).await), (0, 0));
    let metrics = ask(&world.gateway, "GET", "/metrics").await.text();
    let count = r#"jackfield_budget_exceeded_total{scope="global",window="daily",unit="usd"} 3"#;
    assert!(metrics.contains(count), "{metrics}");
}

#[tokio::test]
async fn embeddings_cost_their_input() {
    let world = start(&daily(1_000_000_000)).await;
    let vectors = r#"{"object":"list","data":[{"object":"embedding","index":0,"embedding":[0.5]}],"model":"up","usage":{"prompt_tokens":7,"total_tokens":7}}"#;
    world.upstream.push(Answer::raw(200, "application/json", vectors));
    let reply = world.gateway.post_raw("/v1/embeddings", r#"{"model":"dear","input":"x"}"#, &[]).await;
    assert_eq!(
        (reply.status, reply.header("x-jackfield-cost-usd")),
        (200, Some("0.000007")),
        "{}",
        reply.text()
    );
    assert_eq!(used(&world.gateway).await, 7_000);
}

#[tokio::test]
async fn a_downgrade_is_tried_once_and_must_have_room_itself() {
    let budgets = |nanos: u64| {
        format!("  budgets: {{ daily_limit_usd: {}, on_exceeded: {{ downgrade: cheap }} }}", shown(nanos))
    };
    let world = start(&budgets(ANSWER)).await;
    world.upstream.always(openai::chat("cheaply"));
    let reply = world.gateway.chat(body(&json!({}))).await;
    assert_eq!((reply.status, reply.header("x-jackfield-model")), (200, Some("cheap")), "{}", reply.text());
    assert!(
        reply.header("x-jackfield-reason").unwrap().starts_with("cheap instead of dear: the daily limit"),
        "{reply:?}"
    );
    let record = record(&world, &reply).await;
    let step = record["steps"]
        .as_array()
        .unwrap()
        .iter()
        .find(|step| step["step"] == "downgraded")
        .cloned()
        .unwrap();
    assert_eq!((&step["from"], &step["to"]), (&json!("dear"), &json!("cheap")));
    assert_eq!(used(&world.gateway).await, ANSWER / 10);
    assert_eq!(world.upstream.only_request().json()["model"], "cheap");

    let world = start(&budgets(1_000)).await;
    let reply = world.gateway.chat(body(&json!({}))).await;
    assert_eq!((reply.status, reply.error().code.as_deref()), (402, Some("budget_exceeded")));
    assert_eq!(world.upstream.requests().len(), 0);
}

#[tokio::test]
async fn a_models_own_limit_and_a_price_that_nobody_knows_leave_the_others() {
    for (budgets, asked, want) in [
        (
            "  fallback: { dear: [cheap] }\n  budgets: { models: { dear: { daily_limit_usd: 0.00001 } } }",
            "dear",
            200,
        ),
        ("  fallback: { unknown: [cheap] }\n  budgets: { daily_limit_usd: 1 }", "unknown", 200),
        ("  budgets: { models: { dear: { daily_limit_usd: 0.00001 } } }", "dear", 402),
        ("  budgets: { daily_limit_usd: 1 }", "unknown", 402),
    ] {
        let world = start(budgets).await;
        world.upstream.always_for(&Match::model("cheap"), openai::chat("fine"));
        let reply = world.gateway.chat(body(&json!({ "model": asked }))).await;
        assert_eq!(reply.status, want, "{budgets}: {}", reply.text());
        if want == 402 {
            let error = reply.error();
            let (code, remedy) = match asked {
                "unknown" => ("price_unknown", r#"`models: { "unknown": { price: { input: "#),
                _ => ("budget_exceeded", "model `dear`"),
            };
            assert_eq!(error.code.as_deref(), Some(code), "{budgets}");
            assert!(error.message.contains(remedy), "{}", error.message);
            let steps = record(&world, &reply).await["steps"].clone();
            assert!(steps.as_array().unwrap().iter().any(|step| step["why"] == code), "{steps:#}");
            let ask = body(&json!({ "model": asked, "max_tokens": 50 }));
            let reply = world.gateway.post_raw("/v1/messages", ask, &[]).await;
            let error = &reply.json()["error"];
            assert_eq!((reply.status, &error["type"]), (402, &json!("billing_error")), "{budgets}");
            assert!(error["message"].as_str().unwrap().contains(remedy), "{error}");
        }
        assert_eq!(world.upstream.requests().len(), usize::from(want == 200), "{budgets}");
    }
}

#[tokio::test]
async fn each_project_and_user_has_a_limit_of_its_own_and_keys_keep_a_downgrade_from_models() {
    let keys = r"keys:
  - { key: jf-one-aaaaaaaaaaaa, project: search, user: ann }
  - { key: jf-two-bbbbbbbbbbbb, project: shop, user: bob }
  - { key: jf-three-cccccccccc, project: search, models: [dear] }
";
    let budgets =
        "  budgets: { projects: { search: { daily_limit_tokens: 40 } }, on_exceeded: { downgrade: cheap } }";
    let world = World::start(&format!("{}{keys}", yaml(budgets))).await;
    world.upstream.always(openai::chat("fine"));
    let ask = async |key: &str| {
        let bearer = format!("Bearer {key}");
        world.gateway.post_raw("/v1/chat/completions", body(&json!({})), &[("authorization", &bearer)]).await
    };
    let first = ask("jf-one-aaaaaaaaaaaa").await;
    assert_eq!(first.status, 200, "{}", first.text());
    for (key, status) in
        [("jf-one-aaaaaaaaaaaa", 402), ("jf-two-bbbbbbbbbbbb", 200), ("jf-three-cccccccccc", 402)]
    {
        let reply = ask(key).await;
        assert_eq!(reply.status, status, "{key}: {}", reply.text());
        if status == 402 {
            let said = reply.error().message;
            assert!(said.contains("project `search`") && said.contains("40 tokens"), "{said}");
        }
    }
    assert!(world.upstream.requests().iter().all(|sent| sent.json()["model"] == "dear"));
}
