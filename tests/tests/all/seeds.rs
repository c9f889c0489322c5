//! The configuration blocks of the seed documents, to the letter: they pass the check as they stand, with keys in the
//! environment, and run. Only where the providers are is added, since here they are scripted.

use jackfield_core::config::Config;
use jackfield_tests::gateway::Setup;
use jackfield_tests::upstream::{Answer, Match, Upstream, openai};
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
fn each_block_passes_the_check_or_is_said_to_be_to_come() {
    for (block, to_come) in [
        (ROUTES, None),
        (ROUTER, None),
        (BUDGETS, None),
        (CACHE, Some("`cache` is not in this version yet")),
        (WORKFLOWS, Some("`workflows` is not in this version yet")),
    ] {
        match (Config::from_text("seed.yaml", block, &key), to_come) {
            (Ok(config), None) => assert!(config.warnings().is_empty(), "{block}"),
            (Err(report), Some(word)) => assert!(report.to_string().contains(word), "{report}"),
            (Ok(_), Some(_)) => panic!("it is here: run it\n{block}"),
            (Err(report), None) => panic!("{report}"),
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
  anthropic: {{ kind: anthropic, base_url: "http://{address}/claude/v1", api_key: "${{ANTHROPIC_API_KEY}}" }}
plugins: {{ dir: /nonexistent }}
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

async fn runs(block: &str, prepare: impl Fn(&Upstream, &str), rows: &[(&str, Row)]) {
    let (upstream, providers) = scripted().await;
    let mut setup = Setup::yaml(&format!("{block}{providers}"));
    for (name, value) in KEYS {
        setup = setup.env(name, value);
    }
    let gateway = setup.start().await;
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
