//! The lab's seven tasks, from the very file that ships: what each sends to which model, and what is made of its answer.

use jackfield_core::config::Config;
use jackfield_tests::gateway::{Gateway, Setup};
use jackfield_tests::upstream::{Answer, Match, Received, Upstream, openai};
use serde_json::{Value, json};

const FILE: &str = include_str!("../../../config/examples/catering.yaml");

const PLANNER: &str = "claude-3-sonnet-20240229";
const MID_TIER: &str = "claude-3-haiku-20240307";
const EFFICIENT: &str = "gpt-4o-mini-2024-07-18";

/// A row of the lab's `task_routing`, what the model says in the test, and what the client must get.
struct Row {
    task: &'static str,
    model: &'static str,
    reasoning: Option<&'static str>,
    temperature: f64,
    says: &'static str,
    delivers: &'static str,
}

const fn row(
    task: &'static str,
    model: &'static str,
    reasoning: Option<&'static str>,
    temperature: f64,
    says: &'static str,
    delivers: &'static str,
) -> Row {
    Row { task, model, reasoning, temperature, says, delivers }
}

const PLAN: &str = r#"{"steps":[{"id":"menu","complexity":"high"},{"id":"buy","complexity":"low"}]}"#;
const FENCED: &str = "Here is the plan:\n```json\n{\"steps\":[{\"id\":\"menu\",\"complexity\":\"high\"},{\"id\":\"buy\",\"complexity\":\"low\"}]}\n```";
const TIMELINE: &str = r#"{"timeline":[{"at":"17:00","task":"plate","minutes":30}]}"#;
const SCALED: &str = r#"{"servings":40,"ingredients":[{"name":"flour","amount":2.50,"unit":"kg"}]}"#;
const LIST: &str = r#"{"ingredients":[{"name":"flour","amount":5,"unit":"kg"}]}"#;

const ROWS: [Row; 7] = [
    row("strategic_planning", PLANNER, Some("high"), 0.2, FENCED, PLAN),
    row("constraint_solving", PLANNER, Some("high"), 0.1, "{\"feasible\":true}", "{\"feasible\":true}"),
    row("recipe_scaling", MID_TIER, Some("medium"), 0.3, SCALED, SCALED),
    row("timeline_creation", PLANNER, Some("medium"), 0.2, TIMELINE, TIMELINE),
    row("ingredient_consolidation", MID_TIER, Some("medium"), 0.3, LIST, LIST),
    row(
        "unit_conversion",
        EFFICIENT,
        None,
        0.0,
        "It is {\"amount\":375,\"unit\":\"g\"}.",
        "{\"amount\":375,\"unit\":\"g\"}",
    ),
    row("text_formatting", EFFICIENT, None, 0.4, "Menu\n- {soup}", "Menu\n- {soup}"),
];

/// What the client sends: no more than its data.
const DATA: &str = "{\"guests\": 40, \"dish\": \"crêpes\"}";

async fn world() -> (Upstream, Gateway) {
    let upstream = Upstream::start().await;
    let yaml = format!("{FILE}\nplugins: {{ dir: none }}\n");
    let setup = Setup::yaml(&yaml).env("CATERING_BASE", &upstream.base_url());
    let gateway =
        setup.env("ANTHROPIC_API_KEY", "sk-ant-test").env("OPENAI_API_KEY", "sk-test").start().await;
    (upstream, gateway)
}

fn ask(task: &str, stream: bool) -> String {
    let message = json!({ "role": "user", "content": DATA });
    json!({ "model": format!("task/{task}"), "messages": [message], "stream": stream }).to_string()
}

fn says(text: &str, stream: bool) -> Answer {
    if stream { openai::stream(&[&text[..4], &text[4..]]) } else { openai::chat(text) }
}

async fn text(gateway: &Gateway, task: &str, stream: bool) -> String {
    if stream {
        let got = gateway.stream(ask(task, true)).await;
        assert_eq!(got.status, 200, "{task}: {:?}", got.body);
        return got.text();
    }
    let got = gateway.chat(ask(task, false)).await;
    assert_eq!(got.status, 200, "{task}: {}", got.text());
    got.json()["choices"][0]["message"]["content"].as_str().unwrap().to_owned()
}

/// The template of a task, as the file has it.
fn template(task: &str) -> String {
    let config =
        Config::from_text("catering.yaml", FILE, &|_| None).unwrap_or_else(|report| panic!("{report}"));
    assert_eq!(config.orchestrator().routes().len(), ROWS.len());
    config.orchestrator().route(task).unwrap().target.overrides.prompt_template.clone().unwrap()
}

fn check(row: &Row, sent: &Received) {
    let (task, body) = (row.task, sent.json());
    assert_eq!(body["model"], row.model, "{task}");
    assert_eq!(body["temperature"].as_f64(), Some(row.temperature), "{task}");
    // OpenAI's newer models know the bound by another name than everybody else.
    let newer = row.model.starts_with("gpt-") || row.model.starts_with('o');
    let bound = if newer { "max_completion_tokens" } else { "max_tokens" };
    assert_eq!(body[bound], 2000, "{task}");
    assert_eq!(body["reasoning_effort"].as_str(), row.reasoning, "{task}");
    let template = template(task);
    assert_eq!(template.matches("${input}").count(), 1, "{task}");
    let prompt = template.replace("${input}", DATA);
    assert_eq!(body["messages"], json!([{ "role": "user", "content": prompt }]), "{task}");
    let key = if row.model.starts_with("claude") { "Bearer sk-ant-test" } else { "Bearer sk-test" };
    assert_eq!(sent.header("authorization"), Some(key), "{task}");
    let format = &body["response_format"]["type"];
    assert_eq!(format.as_str(), (task == "unit_conversion").then_some("json_schema"), "{task}");
}

#[tokio::test]
async fn each_of_the_labs_seven_tasks_runs_as_its_row_says() {
    let (upstream, gateway) = world().await;
    for row in &ROWS {
        for stream in [false, true] {
            upstream.push(says(row.says, stream));
            assert_eq!(text(&gateway, row.task, stream).await, row.delivers, "{}", row.task);
            check(row, upstream.requests().last().unwrap());
        }
    }
    assert_eq!(upstream.requests().len(), 2 * ROWS.len(), "nobody was asked twice");
}

#[tokio::test]
async fn a_row_that_gets_nothing_of_use_falls_back_as_the_labs_code_does() {
    let (upstream, gateway) = world().await;
    // To a model with the row's own settings, but for the reasoning that it does not do.
    upstream.push_for(&Match::model(MID_TIER), openai::chat("I would double it."));
    upstream.push_for(&Match::model(EFFICIENT), openai::chat(SCALED));
    assert_eq!(text(&gateway, "recipe_scaling", false).await, SCALED);
    let body = upstream.requests()[1].json();
    assert_eq!((&body["temperature"], &body["reasoning_effort"]), (&json!(0.3), &Value::Null));
    assert_eq!(body["messages"], upstream.requests()[0].json()["messages"]);
    // To a task with a row of its own, the same model or not.
    upstream.push(openai::chat(r#"{"timeline":"soon"}"#));
    upstream.push(openai::chat(PLAN));
    assert_eq!(text(&gateway, "timeline_creation", false).await, PLAN);
    check(&ROWS[3], &upstream.requests()[2]);
    check(&ROWS[0], &upstream.requests()[3]);
}
