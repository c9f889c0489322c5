//! The configuration blocks of the seed documents, to the letter: they pass the check as they stand, with keys in the
//! environment, and run. Only where the providers are is added, since here they are scripted.

use jackfield_core::config::Config;
use jackfield_tests::gateway::{Gateway, Setup};
use jackfield_tests::upstream::{Answer, Match, Received, Upstream, openai};
use serde_json::json;

const ROUTES: &str = r#"orchestrator:
  routes:
    - task: "code_generation"
      model: "claude-3-opus"
    - task: "summarization"
      model: "gpt-3.5-turbo"
"#;

const ROUTER: &str = r#"orchestrator:
  router:
    model: "gpt-4o-mini"
    thresholds:
      complexity:
        high: "claude-3-opus"
        low: "gpt-3.5-turbo"
"#;

const BUDGETS: &str = r"orchestrator:
  budgets:
    daily_limit_usd: 50.00
    alert_threshold: 0.8
";

const CACHE: &str = r"orchestrator:
  cache:
    enabled: true
    ttl: 3600  # 1 hour
";

const WORKFLOWS: &str = r#"workflows:
  feature_implementation:
    steps:
      - name: plan
        model: claude-3-opus
        prompt: "Create a plan for..."
      - name: code
        model: deepseek-coder
        input: ${plan.output}
        prompt: "Implement the following plan..."
      - name: review
        model: gpt-4
        input: ${code.output}
        prompt: "Review this code..."
"#;

/// The keys as their makers' tools read them, and what is sent.
const KEYS: [(&str, &str); 3] =
    [("OPENAI_API_KEY", "sk-openai-1"), ("ANTHROPIC_API_KEY", "sk-ant-1"), ("DEEPSEEK_API_KEY", "sk-deep-1")];

fn key(name: &str) -> Option<String> {
    KEYS.iter().find(|(variable, _)| *variable == name).map(|(_, key)| (*key).to_owned())
}

#[test]
fn each_block_passes_the_check_as_it_stands() {
    for block in [ROUTES, ROUTER, BUDGETS, CACHE, WORKFLOWS] {
        match Config::from_text("seed.yaml", block, &key) {
            Ok(config) => assert!(config.warnings().is_empty(), "{block}"),
            Err(report) => panic!("{report}"),
        }
    }
}

/// Claude's own API for its models and OpenAI's for the others, both scripted.
async fn scripted() -> (Upstream, String) {
    let upstream = Upstream::start().await;
    let address = upstream.address();
    let said = json!({
        "id": "msg_1", "type": "message", "role": "assistant", "model": "claude-3-opus-20240229",
        "content": [{ "type": "text", "text": "from claude" }], "stop_reason": "end_turn", "stop_sequence": null,
        "usage": { "input_tokens": 3, "output_tokens": 2 },
    });
    upstream.always_for(&Match::path("/claude/v1/messages"), Answer::json(200, &said));
    upstream.always_for(&Match::model("gpt-3.5-turbo"), openai::chat("from gpt"));
    let providers = format!(
        r#"providers:
  openai: {{ kind: openai, base_url: "http://{address}/openai/v1", api_key: "${{OPENAI_API_KEY}}", catalogue: openai }}
  deepseek: {{ kind: openai, base_url: "http://{address}/deepseek/v1", api_key: "${{DEEPSEEK_API_KEY}}", catalogue: deepseek }}
  anthropic: {{ kind: anthropic, base_url: "http://{address}/claude/v1", api_key: "${{ANTHROPIC_API_KEY}}" }}
plugins: {{ dir: /nonexistent }}
state: ":memory:"
"#
    );
    (upstream, providers)
}

/// What is asked, who answers by the name people use and by the name on the wire, where, with which key.
type Row = (&'static str, &'static str, &'static str, &'static str, (&'static str, &'static str));
const OPUS: Row = (
    "from claude",
    "claude-3-opus",
    "claude-3-opus-20240229",
    "/claude/v1/messages",
    ("x-api-key", "sk-ant-1"),
);
const TURBO: Row = (
    "from gpt",
    "gpt-3.5-turbo",
    "gpt-3.5-turbo",
    "/openai/v1/chat/completions",
    ("authorization", "Bearer sk-openai-1"),
);

/// A gateway with this block, where the providers are, and no more.
async fn gateway(block: &str) -> (Upstream, Gateway) {
    let (upstream, providers) = scripted().await;
    let mut setup = Setup::yaml(&format!("{block}{providers}"));
    for (name, value) in KEYS {
        setup = setup.env(name, value);
    }
    (upstream, setup.start().await)
}

async fn runs(block: &str, prepare: impl Fn(&Upstream, &str), rows: &[(&str, Row)]) {
    let (upstream, gateway) = gateway(block).await;
    for (task, (text, model, id, path, (header, value))) in rows {
        prepare(&upstream, task);
        let mut body = json!({ "messages": [{ "role": "user", "content": format!("do {task}") }] });
        if block == ROUTES {
            body["metadata"] = json!({ "task": task });
        }
        let reply = gateway.chat(body.to_string()).await;
        assert_eq!(reply.status, 200, "{}", reply.text());
        assert_eq!(reply.json()["choices"][0]["message"]["content"], *text);
        assert_eq!(reply.header("x-jackfield-model"), Some(*model));
        let sent = upstream.requests().pop().unwrap();
        assert_eq!((&*sent.path, sent.header(header)), (*path, Some(*value)));
        assert_eq!(sent.json()["model"], *id);
    }
    assert_eq!(upstream.unscripted(), 0);
}

#[tokio::test]
async fn static_routing_runs() {
    runs(ROUTES, |_, _| {}, &[("code_generation", OPUS), ("summarization", TURBO)]).await;
}

#[tokio::test]
async fn dynamic_routing_runs() {
    let rate = |upstream: &Upstream, task: &str| {
        let rating = if task == "a proof" { "high" } else { "low" };
        upstream.push_for(&Match::model("gpt-4o-mini"), openai::chat(rating));
    };
    runs(ROUTER, rate, &[("a proof", OPUS), ("a sum", TURBO)]).await;
}

/// One question to `gpt-3.5-turbo`, whose tokens cost half a dollar and a dollar and a half a million.
fn question(text: &str) -> String {
    json!({ "model": "gpt-3.5-turbo", "messages": [{ "role": "user", "content": text }] }).to_string()
}

#[tokio::test]
async fn the_daily_limit_binds_and_warns_at_four_fifths() {
    let (upstream, gateway) = gateway(BUDGETS).await;
    // Twenty-one dollars an answer.
    let mut answer = openai::chat_body("a long one");
    answer["usage"] =
        json!({ "prompt_tokens": 0, "completion_tokens": 14_000_000, "total_tokens": 14_000_000 });
    for number in 1..=3 {
        upstream.push_for(&Match::model("gpt-3.5-turbo"), Answer::json(200, &answer));
        let reply = gateway.chat(question("tell me all")).await;
        assert_eq!(reply.status, 200, "{}", reply.text());
        assert_eq!(reply.header("x-jackfield-cost-usd"), Some("21.00"));
        // 42 of 50 dollars are over four fifths, 21 are not. The alert is told by a task of its own.
        match number {
            1 => assert_eq!(gateway.log().count("WARN", "jackfield::budget"), 0),
            _ => gateway.log().wait_for_text("jackfield::budget").await,
        }
    }
    let reply = gateway.chat(question("and more")).await;
    assert_eq!((reply.status, reply.json()["error"]["code"].as_str()), (402, Some("budget_exceeded")));
    assert!(reply.text().contains("50.00"), "{}", reply.text());
    assert_eq!(upstream.requests().len(), 3, "nobody is called for nothing");
}

#[tokio::test]
async fn identical_prompts_are_answered_from_the_cache() {
    let (upstream, gateway) = gateway(CACHE).await;
    upstream.always(openai::chat("the answer"));
    let mut bodies = Vec::new();
    for (text, found) in [("why", "miss"), ("why", "hit"), ("how", "miss"), ("how", "hit")] {
        let reply = gateway.chat(question(text)).await;
        assert_eq!((reply.status, reply.header("x-jackfield-cache")), (200, Some(found)), "{text}");
        bodies.push(reply.text().to_owned());
    }
    assert_eq!(bodies[0], bodies[1]);
    assert_eq!(upstream.requests().len(), 2);
}

/// What a step's model was sent: where, the model's name on the wire, and what the user said.
fn said(sent: &Received) -> (String, String, String) {
    let body = sent.json();
    let content = &body["messages"][0]["content"];
    let text = content.as_str().or_else(|| content[0]["text"].as_str()).unwrap_or_default();
    (sent.path.clone(), body["model"].as_str().unwrap().to_owned(), text.to_owned())
}

#[tokio::test]
async fn each_step_of_the_workflow_gets_the_output_of_the_one_before() {
    let (upstream, gateway) = gateway(WORKFLOWS).await;
    upstream.push_for(&Match::model("deepseek-coder"), openai::chat("the code"));
    upstream.push_for(&Match::model("gpt-4"), openai::chat("the review"));
    let input = json!({ "input": "a login page" });
    let reply = gateway.post_json("/v1/workflows/feature_implementation/runs", &input).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    let run = reply.json();
    assert_eq!((&run["status"], &run["output"]), (&json!("succeeded"), &json!("the review")));
    let steps: Vec<_> =
        run["steps"].as_array().unwrap().iter().map(|s| s["output"].as_str().unwrap()).collect();
    assert_eq!(steps, ["from claude", "the code", "the review"]);
    let asked: Vec<_> = upstream.requests().iter().map(said).collect();
    let want = [
        ("/claude/v1/messages", "claude-3-opus-20240229", "Create a plan for...\n\na login page"),
        ("/deepseek/v1/chat/completions", "deepseek-coder", "Implement the following plan...\n\nfrom claude"),
        ("/openai/v1/chat/completions", "gpt-4", "Review this code...\n\nthe code"),
    ];
    assert_eq!(asked, want.map(|(path, model, text)| (path.to_owned(), model.to_owned(), text.to_owned())));
}
