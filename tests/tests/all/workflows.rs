//! Graphs of calls: what each step asks whom, when it runs, and what becomes of a run that does not come to its end.

use std::collections::BTreeMap;

use jackfield_tests::gateway::{Gateway, Reply};
use jackfield_tests::soon;
use jackfield_tests::upstream::{Answer, Match, Received, Upstream, openai};
use serde_json::{Value, json};

use crate::admin::ask;
use crate::world::{World, example_plugin};

/// Four models of the scripted provider: its ready-made answers take 11 tokens in and 7 out, so one costs a dollar at a
/// million dollars for eighteen tokens; here $0.000025.
const MODELS: &str = "
models:
  planner: { provider: up, retries: 0, price: { input: 1, output: 2 } }
  worker: { provider: up, retries: 0 }
  expert: { provider: up, retries: 0 }
  judge: { provider: up, retries: 0 }
orchestrator:
  default_model: worker
  routes:
    - { task: formatting, model: worker, template: \"Format: ${input}\" }
";

/// An admin port with the token of its own tests.
const ADMIN: &str = "server: { listen: 127.0.0.1:0, admin: 127.0.0.1:0, admin_token: jf-admin-5c21d9f07be4 }";

async fn world(workflows: &str) -> World {
    World::start(&format!("{MODELS}\nworkflows:\n{workflows}")).await
}

async fn run(gateway: &Gateway, name: &str, input: Value) -> Reply {
    gateway.post_json(&format!("/v1/workflows/{name}/runs"), &json!({ "input": input })).await
}

/// A run that comes to its end: its record.
async fn done(gateway: &Gateway, name: &str, input: Value) -> Value {
    let reply = run(gateway, name, input).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    let record = reply.json();
    assert_eq!(record["status"], "succeeded", "{record:#}");
    record
}

/// The next answer of a model.
fn says(upstream: &Upstream, model: &str, text: &str) {
    upstream.push_for(&Match::model(model), openai::chat(text));
}

/// What was asked so far: the model and the last message, in order.
fn asked(upstream: &Upstream) -> Vec<(String, String)> {
    let asked = upstream.requests().into_iter().map(|sent| {
        let body = sent.json();
        let last =
            body["messages"].as_array().unwrap().last().unwrap()["content"].as_str().unwrap().to_owned();
        (body["model"].as_str().unwrap().to_owned(), last)
    });
    asked.collect()
}

fn pairs(want: &[(&str, &str)]) -> Vec<(String, String)> {
    want.iter().map(|(model, text)| ((*model).to_owned(), (*text).to_owned())).collect()
}

/// Each step's status, by name.
fn statuses(record: &Value) -> BTreeMap<String, String> {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    record["steps"]
        .as_array()
        .unwrap()
        .iter()
        .map(|step| (text(&step["name"]), text(&step["status"])))
        .collect()
}

fn status(record: &Value, step: &str) -> String {
    statuses(record)[step].clone()
}

const CATERING: &str = r#"
  catering:
    steps:
      - name: plan
        model: planner
        system: You plan.
        prompt: Plan this.
        output: json
        schema: { type: object, required: [steps], properties: { overview: { type: string }, steps: { type: array } } }
        temperature: 0.2
      - name: execute
        foreach: ${plan.output.steps}
        as: step
        sequential: true
        choose: { on: "${step.complexity}", cases: { high: expert }, else: task/formatting }
        prompt: "Do ${step.id} after ${results}."
    output: { overview: "${plan.output.overview}", done: "${execute.output}" }
"#;

#[tokio::test]
async fn a_plan_is_carried_out_step_by_step_each_by_the_model_that_its_complexity_calls_for() {
    let World { upstream, gateway, .. } = world(CATERING).await;
    let plan = r#"Here: {"overview":"soup","steps":[{"id":"menu","complexity":"high"},{"id":"buy","complexity":"low"}]}"#;
    says(&upstream, "planner", plan);
    says(&upstream, "expert", "a menu");
    says(&upstream, "worker", "a list");
    let record = done(&gateway, "catering", json!({ "guests": 40 })).await;
    assert_eq!(record["output"], json!({ "overview": "soup", "done": ["a menu", "a list"] }));
    let want = [
        ("planner", "Plan this.\n\n{\"guests\":40}"),
        ("expert", "Do menu after []."),
        ("worker", "Format: Do buy after [\"a menu\"]."),
    ];
    let sent = asked(&upstream);
    assert_eq!(sent[0], pairs(&want)[0]);
    assert!(sent[1].1.starts_with(want[1].1) && sent[1].0 == "expert", "{sent:?}");
    assert!(sent[2].1.starts_with(want[2].1) && sent[2].0 == "worker", "{sent:?}");
    let first = upstream.requests()[0].json();
    assert_eq!(first["messages"][0], json!({ "role": "system", "content": "You plan." }));
    assert_eq!(first["temperature"], 0.2);
    // What it took: three calls, one of a model with a price.
    assert_eq!(
        (&record["calls"], &record["input_tokens"], &record["cost_usd"]),
        (&json!(3), &json!(33), &json!("0.000025"))
    );
    // Each call is a request of its own, and says of what.
    let kept = gateway.records();
    let steps: Vec<_> = kept.iter().rev().map(|kept| kept["run_step"].as_str().unwrap()).collect();
    assert_eq!(steps, ["plan", "execute[0]", "execute[1]"]);
    assert!(
        kept.iter().all(|kept| kept["run"] == record["id"] && kept["workflow"] == "catering"),
        "{kept:#?}"
    );
    let again = gateway.get(&format!("/v1/workflows/catering/runs/{}", record["id"].as_str().unwrap())).await;
    assert_eq!(again.json(), record);
}

#[tokio::test]
async fn steps_that_do_not_need_each_other_run_at_once_and_no_more_calls_than_may() {
    let World { upstream, gateway, .. } = world(
        r#"
  fan:
    max_parallel: 2
    steps:
      - { name: a, model: worker, prompt: a }
      - { name: b, model: worker, prompt: b }
      - { name: c, foreach: "${[1, 2, 3]}", model: worker, prompt: "c${item}" }
      - { name: all, model: planner, prompt: "${a.output}${b.output}${c.output}" }
"#,
    )
    .await;
    for answer in ["1", "2", "3", "4", "5"] {
        upstream.push_for(&Match::model("worker"), openai::chat(answer).hang_before_head(answer));
    }
    says(&upstream, "planner", "end");
    let running = run(&gateway, "fan", Value::Null);
    let watching = async {
        // Two calls are there together; the third comes when one of them is over.
        soon("two calls", async { tokio::join!(upstream.at_gate("1"), upstream.at_gate("2")) }).await;
        assert_eq!(upstream.requests().len(), 2);
        upstream.open("2");
        upstream.at_gate("3").await;
        assert_eq!(upstream.requests().len(), 3);
        ["1", "3", "4", "5"].iter().for_each(|gate| upstream.open(gate));
    };
    let (reply, ()) = tokio::join!(running, watching);
    assert_eq!(reply.json()["output"], "end", "{}", reply.text());
    assert_eq!(upstream.requests().len(), 6);
}

const SCALING: &str = r#"
  scaling:
    steps:
      - name: scale
        foreach: ${input}
        batch: 2
        model: worker
        prompt: Scale these.
        output: json
        schema: { type: object, required: [n] }
"#;

#[tokio::test]
async fn items_share_a_call_and_its_answer_is_taken_apart_one_of_the_wrong_length_is_mended() {
    let World { upstream, gateway, .. } = world(SCALING).await;
    // The two batches are asked side by side: which is first is nobody's to say.
    let asked_for = |items: &str| Match::model("worker").and_text(items);
    let (first, last) = (r#"[\"a\",\"b\"]"#, r#"[\"c\"]"#);
    upstream.push_for(&asked_for(first), openai::chat(r#"[{"n":1},{"n":2}]"#));
    // The last has one element; two answers are one too many, and it is told so.
    upstream.push_for(&asked_for(last), openai::chat(r#"[{"n":3},{"n":4}]"#));
    upstream.push_for(&asked_for(last), openai::chat(r#"[{"n":3}]"#));
    let record = done(&gateway, "scaling", json!(["a", "b", "c"])).await;
    assert_eq!(record["output"], json!([{ "n": 1 }, { "n": 2 }, { "n": 3 }]));
    let sent = upstream.requests();
    assert_eq!(sent.len(), 3);
    let of = |items: &str| {
        let asked = |sent: &&Received| String::from_utf8_lossy(&sent.body).contains(items);
        sent.iter().filter(asked).map(|sent| sent.json()["messages"].clone()).collect::<Vec<Value>>()
    };
    assert_eq!(of(first).len(), 1);
    let mended = &of(last)[1];
    assert_eq!(mended[1], json!({ "role": "assistant", "content": r#"[{"n":3},{"n":4}]"# }));
    assert!(mended[2]["content"].as_str().unwrap().contains("more than 1 item"), "{mended}");
    // Never mended: it fails, and says how.
    upstream.always_for(&Match::model("worker"), openai::chat("[]"));
    let reply = run(&gateway, "scaling", json!(["a", "b"])).await;
    assert_eq!(reply.status, 502, "{}", reply.text());
    let message = reply.json()["error"]["message"].as_str().unwrap().to_owned();
    assert!(
        message.contains("the step 'scale' failed: element 0") && message.contains("less than 2 items"),
        "{message}"
    );
}

const REFINING: &str = r#"
  refining:
    steps:
      - name: draft
        model: planner
        prompt: Plan it.
        repeat:
          max_iterations: 3
          evaluate: { model: judge, prompt: "Judge: ${output}", schema: { type: object, required: [score, issues] } }
          until: ${evaluation.score > 0.9}
          score: ${evaluation.score}
          improve: { prompt: "Improve ${output}: ${evaluation.issues}" }
"#;

fn verdict(score: f64, issue: &str) -> String {
    json!({ "score": score, "issues": [issue] }).to_string()
}

#[tokio::test]
async fn an_answer_is_improved_until_it_is_good_enough_and_the_best_is_kept() {
    let World { upstream, gateway, .. } = world(REFINING).await;
    let script = |plans: &[&str], scores: &[f64]| {
        plans.iter().for_each(|plan| says(&upstream, "planner", plan));
        scores.iter().for_each(|score| says(&upstream, "judge", &verdict(*score, "dull")));
    };
    script(&["one", "two"], &[0.5, 0.95]);
    let record = done(&gateway, "refining", Value::Null).await;
    assert_eq!(record["output"], "two");
    let want = pairs(&[
        ("planner", "Plan it."),
        ("judge", "Judge: one"),
        ("planner", "Improve one: [\"dull\"]"),
        ("judge", "Judge: two"),
    ]);
    assert_eq!(asked(&upstream), want);
    // Never good enough: the best of four, the second.
    script(&["one", "two", "three", "four"], &[0.5, 0.8, 0.7, 0.6]);
    let record = done(&gateway, "refining", Value::Null).await;
    assert_eq!((&record["output"], &record["calls"]), (&json!("two"), &json!(8)));
    assert_eq!(upstream.unscripted(), 0);
}

#[tokio::test]
async fn a_validator_says_when_it_is_good_enough_and_its_issues_are_fed_back() {
    let World { upstream, gateway, .. } = world(
        r#"
  brief:
    steps:
      - name: note
        model: planner
        prompt: Note it.
        repeat: { max_iterations: 2, until: { validator: { max_length: 5 } }, improve: { prompt: "Shorter: ${issues}" } }
"#,
    )
    .await;
    says(&upstream, "planner", "much too long");
    says(&upstream, "planner", "short");
    let record = done(&gateway, "brief", Value::Null).await;
    assert_eq!((&record["output"], &record["calls"]), (&json!("short"), &json!(2)));
    assert!(asked(&upstream)[1].1.starts_with("Shorter: [\""), "{:?}", asked(&upstream));
}

#[tokio::test]
async fn a_draft_is_worked_out_where_that_is_called_for_and_what_is_not_wanted_is_skipped() {
    let World { upstream, gateway, .. } = world(
        r#"
  detail:
    inputs: { wanted: { type: boolean }, topics: { type: list } }
    steps:
      - { name: extra, model: planner, prompt: extra, when: "${input.wanted}" }
      - name: drafts
        foreach: ${input.topics}
        as: topic
        model: worker
        prompt: "Draft ${topic}, ${extra.output == null}"
        refine: { when: "${output.contains('rough')}", model: expert, prompt: "Work out ${output}" }
"#,
    )
    .await;
    upstream.push_for(&Match::model("worker"), openai::chat("rough soup"));
    says(&upstream, "expert", "fine soup");
    let record = done(&gateway, "detail", json!({ "wanted": false, "topics": ["soup"] })).await;
    assert_eq!(record["output"], json!(["fine soup"]));
    assert_eq!(status(&record, "extra"), "skipped");
    assert_eq!(asked(&upstream), pairs(&[("worker", "Draft soup, true"), ("expert", "Work out rough soup")]));
    says(&upstream, "planner", "more");
    says(&upstream, "worker", "good soup");
    let record = done(&gateway, "detail", json!({ "wanted": true, "topics": ["soup"] })).await;
    assert_eq!(
        (&record["output"], status(&record, "extra")),
        (&json!(["good soup"]), "succeeded".to_owned())
    );
}

const NESTED: &str = r#"
  outer:
    steps:
      - { name: parts, workflow: inner, foreach: "${input}", input: { topic: "${item}" } }
      - { name: whole, model: planner, prompt: "Join ${parts.output}" }
  inner:
    inputs: { topic: { type: text } }
    steps:
      - { name: think, model: worker, prompt: "Think about ${input.topic}" }
      - { name: write, model: expert, prompt: "Write ${think.output}" }
"#;

#[tokio::test]
async fn a_workflow_is_a_step_of_another() {
    let World { upstream, gateway, .. } = world(NESTED).await;
    upstream.always_for(&Match::model("worker"), openai::chat("a thought"));
    upstream.always_for(&Match::model("expert"), openai::chat("a text"));
    says(&upstream, "planner", "all of it");
    let record = done(&gateway, "outer", json!(["soup", "fish"])).await;
    assert_eq!((&record["output"], &record["calls"]), (&json!("all of it"), &json!(5)));
    let names: Vec<String> = statuses(&record).into_keys().collect();
    let want = ["parts", "parts[0]/think", "parts[0]/write", "parts[1]/think", "parts[1]/write", "whole"];
    assert_eq!(names, want);
    assert_eq!(asked(&upstream).last().unwrap().1, r#"Join ["a text","a text"]"#);
}

#[tokio::test]
async fn the_budget_of_a_nested_workflow_is_reserved_from_before_a_call_is_made() {
    let World { upstream, gateway, .. } = world(
        r#"
  whole:
    steps:
      - { name: part, workflow: dear }
  dear:
    budget_usd: 0.00015
    steps:
      - { name: each, model: planner, foreach: "${[1, 2, 3, 4]}", prompt: "Do ${item}", max_tokens: 50 }
"#,
    )
    .await;
    // $0.000111 each: there is room for one of them, and all four are wanted at once.
    let mut said = openai::chat_body("said");
    said["usage"] = json!({ "prompt_tokens": 11, "completion_tokens": 50, "total_tokens": 61 });
    upstream.always_for(&Match::model("planner"), Answer::json(200, &said));
    let reply = run(&gateway, "whole", Value::Null).await;
    let record = reply.json();
    assert_eq!((reply.status, &record["status"]), (402, &json!("budget_exceeded")), "{record:#}");
    let cost: f64 = record["cost_usd"].as_str().unwrap().parse().unwrap();
    assert!(cost <= 0.000_15 && upstream.requests().len() < 4, "{record:#}");
    let message = record["error"]["message"].as_str().unwrap();
    let account = format!("{}/part`", record["id"].as_str().unwrap());
    assert!(message.contains(&account) || message.contains("workflows.dear.budget_usd"), "{message}");
}

#[tokio::test]
async fn a_step_that_fails_ends_the_run_or_leaves_a_gap_as_the_workflow_says() {
    let steps = r#"
    steps:
      - { name: a, model: worker, prompt: a }
      - { name: b, model: expert, prompt: "b ${a.output}" }
      - { name: c, model: planner, prompt: "c ${b.output}", fallback: [judge] }
"#;
    let yaml = format!("\n  strict:{steps}  lenient:\n    on_error: continue{steps}");
    let World { upstream, gateway, .. } = world(&yaml).await;
    upstream.always_for(&Match::model("worker"), openai::chat("fine"));
    upstream.always_for(
        &Match::model("expert"),
        Answer::json(500, &json!({ "error": { "message": "private" } })),
    );
    let reply = run(&gateway, "strict", Value::Null).await;
    assert_eq!(reply.status, 502, "{}", reply.text());
    let record = reply.json();
    assert_eq!((&record["status"], &record["error"]["code"]), (&json!("failed"), &json!("upstream_failed")));
    let want = [("a", "succeeded"), ("b", "failed"), ("c", "not_run")];
    assert_eq!(statuses(&record), want.map(|(name, status)| (name.to_owned(), status.to_owned())).into());
    // The step's own fallback answers for its model.
    upstream.push_for(&Match::model("planner"), Answer::json(500, &json!({})));
    says(&upstream, "judge", "all the same");
    let reply = run(&gateway, "lenient", Value::Null).await;
    assert_eq!((reply.status, &reply.json()["status"]), (200, &json!("partial")), "{}", reply.text());
    assert_eq!(reply.json()["output"], "all the same");
    assert_eq!(asked(&upstream).last().unwrap(), &pairs(&[("judge", "c null")])[0]);
}

#[tokio::test]
async fn what_a_run_may_spend_and_how_long_it_may_take_ends_it_with_what_it_has() {
    let World { upstream, gateway, .. } = world(
        r#"
  dear:
    budget_usd: 0.000222
    steps:
      - { name: a, model: planner, prompt: a }
      - { name: b, model: planner, prompt: "b ${a.output}" }
      - { name: c, model: planner, prompt: "c ${b.output}" }
    output: { a: "${a.output}", b: "${b.output}" }
  slow:
    timeout: 100ms
    steps:
      - { name: a, model: worker, prompt: a }
"#,
    )
    .await;
    // Half of the budget each: 11 and 50 tokens.
    let mut said = openai::chat_body("said");
    said["usage"] = json!({ "prompt_tokens": 11, "completion_tokens": 50, "total_tokens": 61 });
    upstream.always_for(&Match::model("planner"), Answer::json(200, &said));
    let reply = run(&gateway, "dear", Value::Null).await;
    let record = reply.json();
    assert_eq!((reply.status, &record["status"]), (402, &json!("budget_exceeded")), "{record:#}");
    assert_eq!(record["error"]["code"], "budget_exceeded");
    assert!(record["error"]["message"].as_str().unwrap().contains("workflows.dear.budget_usd"), "{record:#}");
    assert_eq!(record["output"], json!({ "a": "said", "b": "said" }));
    assert_eq!(record["cost_usd"], "0.000222");
    assert_eq!((status(&record, "b"), status(&record, "c")), ("succeeded".to_owned(), "failed".to_owned()));
    assert_eq!(upstream.requests().len(), 2);
    upstream.push_for(&Match::model("worker"), openai::chat("late").hang_before_head("never"));
    let reply = run(&gateway, "slow", Value::Null).await;
    assert_eq!((reply.status, reply.error_code()), (504, "workflow_timeout".to_owned()), "{}", reply.text());
    assert_eq!(status(&reply.json(), "a"), "cancelled");
    upstream.disconnected(2).await;
}

const TWO: &str = r#"
  two:
    steps:
      - { name: a, model: worker, prompt: "a" }
      - { name: b, model: expert, prompt: "b ${a.output}" }
  kept:
    on_disconnect: detach
    steps:
      - { name: a, model: worker, prompt: "a" }
"#;

#[tokio::test]
async fn a_client_that_leaves_ends_its_run_unless_the_workflow_says_otherwise() {
    let World { upstream, gateway, .. } = world(TWO).await;
    upstream.push_for(&Match::model("worker"), openai::chat("late").hang_before_head("never"));
    let mut stream = gateway.open_stream_from("/v1/workflows/two/runs", r#"{"stream":true}"#).await;
    let started = stream.next_frame().await.unwrap();
    upstream.at_gate("never").await;
    drop(stream);
    upstream.disconnected(0).await;
    let id = |frame: &[u8]| {
        let text = String::from_utf8_lossy(frame);
        let data: Value = serde_json::from_str(text.split("data: ").nth(1).unwrap()).unwrap();
        data["id"].as_str().unwrap().to_owned()
    };
    let two = format!("/v1/workflows/two/runs/{}", id(&started));
    assert_eq!(ended(&gateway, &two).await["status"], "cancelled");
    upstream.push_for(&Match::model("worker"), openai::stream(&["ke", "pt"]).hang_before_head("later"));
    let mut stream = gateway.open_stream_from("/v1/workflows/kept/runs", r#"{"stream":true}"#).await;
    let started = stream.next_frame().await.unwrap();
    upstream.at_gate("later").await;
    drop(stream);
    upstream.open("later");
    let kept = ended(&gateway, &format!("/v1/runs/{}", id(&started))).await;
    assert_eq!((&kept["status"], &kept["output"]), (&json!("succeeded"), &json!("kept")));
}

#[tokio::test]
async fn what_ran_beside_a_step_that_failed_is_given_up_for_a_reason_of_its_own() {
    let yaml = format!(
        "{ADMIN}\n{MODELS}\nworkflows:\n  pair:\n    budget_usd: 1\n    steps:\n      - {{ name: a, model: planner, prompt: alpha }}\n      - {{ name: b, model: planner, prompt: beta }}\n"
    );
    let World { upstream, gateway, .. } = World::start(&yaml).await;
    upstream
        .push_for(&Match::model("planner").and_text("alpha"), openai::chat("late").hang_before_head("never"));
    let fails = Answer::json(500, &json!({})).hang_before_head("fails");
    upstream.push_for(&Match::model("planner").and_text("beta"), fails);
    let (reply, ()) = tokio::join!(run(&gateway, "pair", Value::Null), async {
        upstream.at_gate("never").await;
        upstream.at_gate("fails").await;
        upstream.open("fails");
    });
    let record = reply.json();
    assert_eq!((reply.status, status(&record, "a")), (502, "cancelled".to_owned()), "{record:#}");
    let kept = gateway.records();
    let a = kept.iter().find(|kept| kept["run_step"] == "a").unwrap();
    assert_eq!(
        (&a["outcome"], &a["reason"], &a["blame"]),
        (&json!("cancelled"), &json!("run_ended"), &json!("client")),
        "{a:#}"
    );
    let attempt = a["steps"].as_array().unwrap().iter().find(|step| step["step"] == "attempt").unwrap();
    assert_eq!((&attempt["outcome"], &attempt["reason"]), (&json!("abandoned"), &json!("run_ended")));
    // The provider may bill what reached it.
    assert!(
        attempt["cost_usd"].is_string() && attempt["cost_usd"] == record["cost_usd"],
        "{attempt} {record:#}"
    );
    let line = gateway.log().lines().into_iter().find(|line| line.get("step") == "a").unwrap();
    assert_eq!((line.get("outcome"), line.get("reason")), (&json!("cancelled"), &json!("run_ended")));
    let metrics = ask(&gateway, "GET", "/metrics").await.text();
    for line in [
        r#"jackfield_requests_total{outcome="cancelled",reason="run_ended"} 1"#,
        r#"jackfield_requests_total{outcome="client_left",reason="none"} 0"#,
        r#"jackfield_upstream_calls_total{provider="up",model="planner",outcome="run_ended"} 1"#,
        r#"jackfield_upstream_calls_total{provider="up",model="planner",outcome="client_left"} 0"#,
    ] {
        assert!(metrics.contains(&format!("\n{line}\n")), "{line}\n{metrics}");
    }
    // A run whose own client leaves is another matter.
    upstream
        .push_for(&Match::model("planner").and_text("alpha"), openai::chat("late").hang_before_head("gone"));
    upstream.push_for(
        &Match::model("planner").and_text("beta"),
        openai::chat("late").hang_before_head("gone too"),
    );
    let stream = gateway.open_stream_from("/v1/workflows/pair/runs", r#"{"stream":true}"#).await;
    upstream.at_gate("gone").await;
    upstream.at_gate("gone too").await;
    drop(stream);
    soon("the calls to be given up", async {
        while gateway.records().iter().filter(|kept| kept["outcome"] == "client_left").count() < 2 {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

/// The record of a run once it is over.
async fn ended(gateway: &Gateway, path: &str) -> Value {
    soon("the run's end", async {
        loop {
            let record = gateway.get(path).await.json();
            if record["status"] != "running" {
                return record;
            }
            tokio::task::yield_now().await;
        }
    })
    .await
}

#[tokio::test]
async fn a_run_that_broke_off_goes_on_and_asks_nobody_twice() {
    let World { upstream, gateway, .. } = world(TWO).await;
    says(&upstream, "worker", "first");
    upstream.push_for(&Match::model("expert"), Answer::json(500, &json!({})));
    let broken = run(&gateway, "two", Value::Null).await.json();
    let id = broken["id"].as_str().unwrap();
    assert_eq!((&broken["status"], upstream.requests().len()), (&json!("failed"), 2));
    says(&upstream, "expert", "second");
    let resume = format!("/v1/workflows/two/runs/{id}/resume");
    // Nothing need be said to go on, and what is said must be JSON.
    let said = gateway.post_raw(&resume, "{}", &[("content-type", "text/plain")]).await;
    assert_eq!((said.status, said.error_code().as_str()), (415, "unsupported_media_type"));
    let reply = gateway.post_raw(&resume, "", &[]).await;
    let record = reply.json();
    assert_eq!((reply.status, &record["id"], &record["output"]), (200, &broken["id"], &json!("second")));
    assert_eq!((&record["calls"], &record["resumed_calls"]), (&json!(2), &json!(1)));
    assert_eq!(asked(&upstream)[1..], pairs(&[("expert", "b first"), ("expert", "b first")]));
    // What is whole is told again.
    assert_eq!(gateway.post_json(&resume, &json!({})).await.json(), record);
    assert_eq!(upstream.requests().len(), 3);
    for (path, status, code) in [
        ("/v1/workflows/kept/runs/ID/resume", 404, "run_not_found"),
        ("/v1/workflows/two/runs/run_nobody/resume", 404, "run_not_found"),
        ("/v1/workflows/none/runs/ID/resume", 404, "workflow_not_found"),
    ] {
        let reply = gateway.post_json(&path.replace("ID", id), &json!({})).await;
        assert_eq!((reply.status, reply.error_code()), (status, code.to_owned()), "{path}");
    }
}

#[tokio::test]
async fn inputs_are_held_against_their_types_and_the_field_is_named() {
    let World { upstream, gateway, .. } = world(
        r#"
  typed:
    inputs:
      guests: { type: integer }
      dish: { type: text, default: soup }
    steps:
      - { name: a, model: worker, prompt: "${input.dish} for ${input.guests}" }
"#,
    )
    .await;
    for (body, param) in [
        (json!({ "input": { "guests": "many" } }), "input.guests"),
        (json!({ "input": { "dish": "soup" } }), "input.guests"),
        (json!({ "input": { "guests": 1, "wine": "red" } }), "input.wine"),
        (json!({ "input": "a text" }), "input"),
        (json!({ "inputs": {} }), "inputs"),
        (json!({ "input": { "guests": 1 }, "stream": 1 }), "stream"),
    ] {
        let reply = gateway.post_json("/v1/workflows/typed/runs", &body).await;
        let error = reply.error();
        assert_eq!((reply.status, error.param.as_deref()), (400, Some(param)), "{body}: {error:?}");
    }
    assert_eq!(upstream.requests().len(), 0);
    says(&upstream, "worker", "yum");
    done(&gateway, "typed", json!({ "guests": 4 })).await;
    assert_eq!(asked(&upstream), pairs(&[("worker", "soup for 4")]));
    let listed = gateway.get("/v1/workflows").await.json();
    assert_eq!(
        listed["data"][0]["inputs"]["dish"],
        json!({ "type": "text", "required": false, "default": "soup", "description": null })
    );
}

/// How each API asks for a model's answer, and where in the answer its text is.
const DIALECTS: [(&str, &str); 3] = [
    ("/v1/chat/completions", "/choices/0/message/content"),
    ("/v1/messages", "/content/0/text"),
    ("/v1/responses", "/output/0/content/0/text"),
];

#[tokio::test]
async fn a_workflow_answers_as_a_model_does_in_every_dialect_whole_and_streamed() {
    let World { upstream, gateway, .. } = world(TWO).await;
    upstream.always_for(&Match::model("worker"), openai::chat("first"));
    for (path, at) in DIALECTS {
        says(&upstream, "expert", "second");
        let message = json!([{ "role": "user", "content": "go" }]);
        let field = if path.ends_with("responses") { "input" } else { "messages" };
        let mut body = json!({ "model": "workflow/two", field: message, "max_tokens": 50 });
        if path.ends_with("responses") {
            body.as_object_mut().unwrap().remove("max_tokens");
        }
        let reply = gateway.post_json(path, &body).await;
        assert_eq!(reply.status, 200, "{path}: {}", reply.text());
        assert_eq!(reply.json().pointer(at).unwrap(), "second", "{path}: {}", reply.text());
        assert_eq!(reply.header("x-jackfield-route"), Some("workflow"));
        assert!(reply.header("x-jackfield-reason").unwrap().starts_with("run_"));
        upstream.push_for(&Match::model("expert"), openai::stream(&["sec", "ond"]));
        body["stream"] = json!(true);
        let streamed = gateway.stream_from(path, body.to_string()).await;
        let text = String::from_utf8_lossy(&streamed.body).into_owned();
        assert!(
            streamed.status == 200 && text.contains("\"sec\"") && text.contains("\"ond\""),
            "{path}: {text}"
        );
    }
    let chat = gateway
        .post_json(
            "/v1/chat/completions",
            &json!({ "model": "workflow/none", "messages": [{ "role": "user", "content": "x" }] }),
        )
        .await;
    assert_eq!((chat.status, chat.error_code()), (404, "model_not_found".to_owned()));
    let models = gateway.get("/v1/models").await.json();
    let ids: Vec<&str> =
        models["data"].as_array().unwrap().iter().map(|model| model["id"].as_str().unwrap()).collect();
    assert!(ids.contains(&"workflow/two") && ids.contains(&"workflow/kept"), "{ids:?}");
    assert_eq!(gateway.get("/v1/models/workflow/two").await.json()["id"], "workflow/two");
}

#[tokio::test]
async fn the_last_steps_text_streams_as_it_comes_and_events_tell_each_step() {
    let World { upstream, gateway, .. } = world(TWO).await;
    says(&upstream, "worker", "first");
    let frames = openai::stream_frames(&["sec", "ond"]);
    let (before, after) = frames.split_at(2);
    let half = after.iter().cloned().fold(Answer::sse(before.to_vec()).gate("rest"), Answer::bytes);
    upstream.push_for(&Match::model("expert"), half);
    let mut stream = gateway.open_stream_from("/v1/workflows/two/runs", r#"{"stream":true}"#).await;
    let mut seen = Vec::new();
    loop {
        let frame = stream.next_frame().await.unwrap();
        let text = String::from_utf8_lossy(&frame).into_owned();
        let delta = text.contains("step.delta");
        seen.push(text);
        if delta {
            break;
        }
    }
    // The provider has not said the rest.
    upstream.open("rest");
    let rest = stream.collect().await;
    seen.extend(rest.frames.iter().map(|frame| String::from_utf8_lossy(frame).into_owned()));
    let names: Vec<&str> =
        seen.iter().map(|frame| frame.lines().next().unwrap().trim_start_matches("event: ")).collect();
    let want = [
        "run.started",
        "step.started",
        "step.finished",
        "step.started",
        "step.delta",
        "step.delta",
        "step.finished",
        "run.finished",
    ];
    assert_eq!(names, want, "{seen:#?}");
}

#[tokio::test]
async fn a_key_runs_the_workflows_that_it_may_name_on_the_models_that_it_may_use() {
    let keys = r#"keys:
  - { key: key-for-all-of-it-1, project: one, models: [workflow/two, worker, expert] }
  - { key: key-for-half-of-it-2, project: two, models: [workflow/two, worker] }
  - { key: key-for-models-only-3, models: [worker, expert] }
"#;
    let World { upstream, gateway, .. } = World::start(&format!("{MODELS}\nworkflows:\n{TWO}\n{keys}")).await;
    upstream.always(openai::chat("said"));
    let post = async |key: &str, path: &str| {
        let bearer = format!("Bearer {key}");
        gateway
            .post_raw(path, "{}", &[("authorization", &bearer), ("content-type", "application/json")])
            .await
    };
    let runs = "/v1/workflows/two/runs";
    let whole = post("key-for-all-of-it-1", runs).await;
    assert_eq!(whole.status, 200, "{}", whole.text());
    let half = post("key-for-half-of-it-2", runs).await;
    assert_eq!(
        (half.status, half.error_code(), status(&half.json(), "a")),
        (403, "model_not_allowed".to_owned(), "succeeded".to_owned())
    );
    for path in [runs, "/v1/workflows/none/runs"] {
        let none = post("key-for-models-only-3", path).await;
        assert_eq!((none.status, none.error_code()), (403, "model_not_allowed".to_owned()));
    }
    // A run is its project's.
    let path = format!("/v1/runs/{}", whole.json()["id"].as_str().unwrap());
    for (key, status) in [("key-for-all-of-it-1", 200), ("key-for-half-of-it-2", 404)] {
        let bearer = format!("Bearer {key}");
        assert_eq!(gateway.send("GET", &path, &[("authorization", &bearer)], "").await.status, status);
    }
    assert_eq!(gateway.get(&path).await.status, 401);
}

#[tokio::test]
async fn without_a_project_a_run_is_its_keys_and_what_a_key_may_not_run_it_does_not_see() {
    let keys = r#"keys:
  - { key: key-of-nobody-one-1, name: one }
  - { key: key-of-nobody-two-2, name: two }
  - { key: key-of-project-all-3, project: p }
  - { key: key-of-project-half-4, project: p, models: [workflow/two, worker, expert] }
"#;
    let World { upstream, gateway, .. } = World::start(&format!("{MODELS}\nworkflows:\n{TWO}\n{keys}")).await;
    upstream.always(openai::chat("said"));
    let ask = async |key: &str, method: &str, path: &str| {
        let bearer = format!("Bearer {key}");
        let body = if method == "POST" { "{}" } else { "" };
        gateway.send(method, path, &[("authorization", &bearer)], body).await
    };
    let (one, all) = ("key-of-nobody-one-1", "key-of-project-all-3");
    let mut begun = Vec::new();
    for key in [one, all] {
        let record = ask(key, "POST", "/v1/workflows/kept/runs").await.json();
        begun.push(record["id"].as_str().unwrap().to_owned());
    }
    for (key, run, status) in [
        (one, &begun[0], 200),
        ("key-of-nobody-two-2", &begun[0], 404),
        (all, &begun[0], 404),
        (one, &begun[1], 404),
        (all, &begun[1], 200),
        ("key-of-project-half-4", &begun[1], 403),
    ] {
        assert_eq!(ask(key, "GET", &format!("/v1/runs/{run}")).await.status, status, "{key} {run}");
        let listed = ask(key, "GET", "/v1/runs").await.json();
        let listed = listed["data"].as_array().unwrap().iter().any(|listed| listed["id"] == **run);
        assert_eq!(listed, status == 200, "{key} {run}");
        let resume = format!("/v1/workflows/kept/runs/{run}/resume");
        assert_eq!(ask(key, "POST", &resume).await.status, status, "{key} {run}");
    }
}

#[tokio::test]
async fn a_projects_runs_are_listed_the_newest_first_page_by_page() {
    let keys = "keys:\n  - { key: key-of-project-one-1, project: one }\n  - { key: key-of-project-two-2, project: two }\n";
    let World { upstream, gateway, .. } = World::start(&format!("{MODELS}\nworkflows:\n{TWO}\n{keys}")).await;
    upstream.always_for(&Match::model("worker"), openai::chat("said"));
    let ask = async |key: &str, method: &str, path: &str| {
        let bearer = format!("Bearer {key}");
        let body = if method == "POST" { "{}" } else { "" };
        gateway.send(method, path, &[("authorization", &bearer)], body).await
    };
    let (one, two) = ("key-of-project-one-1", "key-of-project-two-2");
    let mut ids = Vec::new();
    for _ in 0..3 {
        let record = ask(one, "POST", "/v1/workflows/kept/runs").await.json();
        ids.push(record["id"].as_str().unwrap().to_owned());
    }
    ids.sort_unstable_by(|a, b| b.cmp(a));
    let listed = async |key: &str, path: &str| {
        let reply = ask(key, "GET", path).await;
        assert_eq!(reply.status, 200, "{path}: {}", reply.text());
        let list = reply.json();
        let data = list["data"].as_array().unwrap().clone();
        let ids: Vec<String> = data.iter().map(|run| run["id"].as_str().unwrap().to_owned()).collect();
        (ids, list["has_more"] == true, data)
    };
    let (all, more, data) = listed(one, "/v1/runs").await;
    assert_eq!((&all, more), (&ids, false));
    assert_eq!(
        (&data[0]["status"], &data[0]["calls"], &data[0]["workflow"]),
        (&json!("succeeded"), &json!(1), &json!("kept"))
    );
    assert!(data[0].get("output").is_none() && data[0].get("steps").is_none(), "{data:#?}");
    let (page, more, _) = listed(one, "/v1/workflows/kept/runs?limit=2").await;
    assert_eq!((&page[..], more), (&ids[..2], true));
    let (page, more, _) = listed(one, &format!("/v1/workflows/kept/runs?limit=2&before={}", ids[1])).await;
    assert_eq!((&page[..], more), (&ids[2..], false));
    for (key, path) in [(one, "/v1/workflows/two/runs"), (two, "/v1/workflows/kept/runs"), (two, "/v1/runs")]
    {
        assert!(listed(key, path).await.0.is_empty(), "{path}");
    }
    for (path, status, code) in [
        ("/v1/workflows/none/runs", 404, "workflow_not_found"),
        ("/v1/runs?limit=0", 400, "invalid_request"),
        ("/v1/runs?limit=101", 400, "invalid_request"),
    ] {
        let reply = ask(one, "GET", path).await;
        assert_eq!((reply.status, reply.error_code()), (status, code.to_owned()), "{path}");
    }
    // One under way is told as it stands.
    upstream.push_for(&Match::model("expert"), openai::chat("late").hang_before_head("never"));
    let bearer = format!("Bearer {one}");
    let named = [("authorization", &*bearer)];
    let running = gateway.send("POST", "/v1/workflows/two/runs", &named, "{}");
    tokio::select! {
        _ = running => panic!("the run has not ended"),
        () = async {
            upstream.at_gate("never").await;
            let (_, _, data) = listed(one, "/v1/workflows/two/runs").await;
            assert_eq!(data[0]["status"], "running", "{data:#?}");
        } => {}
    }
}

#[tokio::test]
async fn a_changed_definition_is_not_gone_on_with() {
    let folder = tempfile::tempdir().unwrap();
    let state = format!("state: sqlite:{}/state.db\n", folder.path().display());
    let World { upstream, gateway, .. } = World::start(&format!("{state}{MODELS}\nworkflows:\n{TWO}")).await;
    says(&upstream, "worker", "first");
    upstream.push_for(&Match::model("expert"), Answer::json(500, &json!({})));
    let broken = run(&gateway, "two", Value::Null).await.json();
    let id = broken["id"].as_str().unwrap();
    gateway.stop().await;
    let changed = TWO.replace("b ${a.output}", "c ${a.output}");
    let World { upstream, gateway, .. } =
        World::start(&format!("{state}{MODELS}\nworkflows:\n{changed}")).await;
    let reply = gateway.post_json(&format!("/v1/workflows/two/runs/{id}/resume"), &json!({})).await;
    assert_eq!((reply.status, reply.error_code()), (409, "run_conflict".to_owned()), "{}", reply.text());
    assert_eq!(gateway.get(&format!("/v1/runs/{id}")).await.json(), broken_record(&broken));
    gateway.stop().await;
    drop(upstream);
    let World { upstream, gateway, .. } = World::start(&format!("{state}{MODELS}\nworkflows:\n{TWO}")).await;
    says(&upstream, "expert", "second");
    let reply = gateway.post_json(&format!("/v1/workflows/two/runs/{id}/resume"), &json!({})).await;
    assert_eq!((reply.status, &reply.json()["output"]), (200, &json!("second")), "{}", reply.text());
    assert_eq!(asked(&upstream), pairs(&[("expert", "b first")]));
}

/// A broken run as it is kept: its error without what only an answer to a request has.
fn broken_record(answer: &Value) -> Value {
    let mut record = answer.clone();
    record["error"].as_object_mut().unwrap().remove("type");
    if record["error"]["param"].is_null() {
        record["error"].as_object_mut().unwrap().remove("param");
    }
    record
}

#[tokio::test]
async fn shutdown_waits_for_a_run_that_nobody_waits_for() {
    let yaml = format!("{ADMIN}\n{MODELS}\nworkflows:\n{TWO}");
    let World { upstream, mut gateway, .. } = World::start(&yaml).await;
    upstream.push_for(&Match::model("worker"), openai::stream(&["kept"]).hang_before_head("later"));
    let mut stream = gateway.open_stream_from("/v1/workflows/kept/runs", r#"{"stream":true}"#).await;
    stream.next_frame().await.unwrap();
    upstream.at_gate("later").await;
    drop(stream);
    gateway.ask_to_stop();
    // It takes no connection any more, and the call is still there.
    let address = gateway.address();
    soon("connections to be refused", async {
        while tokio::net::TcpStream::connect(address).await.is_ok() {
            tokio::task::yield_now().await;
        }
    })
    .await;
    // Would it end without the run, the admin port would be closed by now.
    for _ in 0..100 {
        let metrics = ask(&gateway, "GET", "/metrics").await.text();
        assert!(metrics.contains("jackfield_workflow_runs_in_flight 1"), "{metrics}");
    }
    upstream.open("later");
    let log = gateway.log().clone();
    gateway.stopped().await;
    let ended = log.lines().into_iter().find(|line| line.target == "jackfield::run").unwrap();
    assert_eq!(ended.get("outcome"), "succeeded", "{ended:?}");
}

#[tokio::test]
async fn runs_and_steps_are_counted_by_how_they_ended_and_logged() {
    let World { upstream, gateway, .. } =
        World::start(&format!("{ADMIN}\n{MODELS}\nworkflows:\n{TWO}")).await;
    says(&upstream, "worker", "first");
    says(&upstream, "expert", "second");
    let id = done(&gateway, "two", Value::Null).await["id"].clone();
    upstream.push_for(&Match::model("worker"), Answer::json(500, &json!({})));
    run(&gateway, "two", Value::Null).await;
    let metrics = ask(&gateway, "GET", "/metrics").await.text();
    for line in [
        "jackfield_workflow_runs_total{workflow=\"two\",outcome=\"succeeded\"} 1",
        "jackfield_workflow_runs_total{workflow=\"two\",outcome=\"failed\"} 1",
        "jackfield_workflow_steps_total{workflow=\"two\",outcome=\"succeeded\"} 2",
        "jackfield_workflow_steps_total{workflow=\"two\",outcome=\"failed\"} 1",
        "jackfield_workflow_steps_total{workflow=\"two\",outcome=\"not_run\"} 1",
        "jackfield_workflow_runs_in_flight 0",
        "jackfield_workflow_run_duration_seconds_count 2",
        "jackfield_workflow_step_duration_seconds_count 3",
    ] {
        assert!(metrics.contains(&format!("\n{line}\n")), "{line}\n{metrics}");
    }
    let lines = gateway.log().lines();
    let of = |target: &str| lines.iter().filter(|line| line.target == target).cloned().collect::<Vec<_>>();
    let runs = of("jackfield::run");
    let told: Vec<_> = runs.iter().map(|line| (line.get("outcome"), line.get("reason"))).collect();
    assert_eq!(told, [(&json!("succeeded"), &Value::Null), (&json!("failed"), &json!("upstream_failed"))]);
    let requests = of("jackfield::request");
    assert_eq!((requests[1].get("run"), requests[1].get("step")), (&id, &json!("b")));
}

#[tokio::test]
async fn a_plugin_decides_for_the_step_that_names_it() {
    let yaml = format!(
        "{MODELS}plugins:\n  dir: \"PLUGINS\"\n  router_defaults: {{ limits: {{ cpu: 5s, wall: 30s }} }}\n  settings: {{ urgent-router: {{ config: {{ keyword: urgent, model: expert }} }} }}\nworkflows:\n  routed:\n    steps:\n      - {{ name: a, router: urgent-router, prompt: \"${{input}}\", temperature: 0.5 }}\n"
    );
    let plugin = example_plugin("urgent-router.wasm");
    let World { upstream, gateway, .. } =
        World::with_plugins(&yaml, &[("urgent-router.wasm", &plugin)]).await;
    says(&upstream, "expert", "at once");
    says(&upstream, "worker", "in a while");
    assert_eq!(done(&gateway, "routed", json!("urgent: soup")).await["output"], "at once");
    // It has no opinion: what is decided for requests that name nothing.
    assert_eq!(done(&gateway, "routed", json!("soup")).await["output"], "in a while");
    assert!(upstream.requests().iter().all(|sent| sent.json()["temperature"] == 0.5));
}

#[tokio::test]
async fn a_workflow_as_a_model_says_what_it_cost_and_what_it_does_not_take() {
    let yaml = "
  one:
    steps:
      - { name: a, model: planner }
  pays:
    steps:
      - { name: a, model: planner }
      - { name: b, model: expert, input: \"${a.output}\" }
";
    let World { upstream, gateway, .. } = world(yaml).await;
    let chat = |more: Value| {
        let mut body = json!({ "model": "workflow/one", "messages": [{ "role": "user", "content": "go" }] });
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        body
    };
    let tool = json!([{ "type": "function", "function": { "name": "f", "parameters": {} } }]);
    let schema =
        json!({ "type": "json_schema", "json_schema": { "name": "s", "schema": { "type": "object" } } });
    for (more, field) in [
        (json!({ "tools": tool }), "tools"),
        (json!({ "response_format": { "type": "json_object" } }), "response_format"),
        (json!({ "response_format": schema }), "response_format"),
        (json!({ "n": 2 }), "n"),
    ] {
        let reply = gateway.post_json("/v1/chat/completions", &chat(more)).await;
        assert_eq!((reply.status, reply.error_code().as_str()), (400, "unsupported_parameter"), "{field}");
        assert_eq!(reply.json()["error"]["param"], field);
    }
    assert!(upstream.requests().is_empty());
    upstream.always_for(&Match::model("expert"), Answer::json(500, &json!({})));
    says(&upstream, "planner", "there");
    let more = json!({ "n": 1, "response_format": { "type": "text" }, "max_tokens": 3, "user": "ana" });
    let reply = gateway.post_json("/v1/chat/completions", &chat(more)).await;
    // 11 tokens at one dollar a million and 7 at two.
    assert_eq!(
        (reply.status, reply.header("x-jackfield-cost-usd")),
        (200, Some("0.000025")),
        "{}",
        reply.text()
    );
    let record = gateway.record(reply.header("x-jackfield-request-id").unwrap()).await;
    let steps = record["steps"].as_array().unwrap();
    let dropped = steps.iter().find(|step| step["step"] == "dropped").unwrap();
    assert_eq!(dropped["fields"], json!(["max_tokens"]));
    assert_eq!(record["cost_usd"], "0.000025");
    // Streamed, and where the run fails after it has paid, the log and the record say the same.
    for (workflow, status, outcome) in [("one", 200, "answered"), ("pays", 502, "failed")] {
        let first = if workflow == "one" { openai::stream(&["there"]) } else { openai::chat("there") };
        upstream.push_for(&Match::model("planner"), first);
        let mut body = chat(json!({ "stream": true }));
        body["model"] = json!(format!("workflow/{workflow}"));
        let mut streamed = gateway.open_stream_from("/v1/chat/completions", body.to_string()).await;
        let id = streamed.headers["x-jackfield-request-id"].to_str().unwrap().to_owned();
        assert_eq!(streamed.status, status, "{workflow}");
        while streamed.next_frame().await.is_some() {}
        let record = gateway.record(&id).await;
        assert_eq!(
            (&record["outcome"], &record["cost_usd"]),
            (&json!(outcome), &json!("0.000025")),
            "{record:#}"
        );
        let lines = gateway.log().lines();
        let line = lines.iter().find(|line| *line.get("request_id") == json!(id)).unwrap();
        assert_eq!(line.get("cost_usd"), "0.000025", "{workflow}");
    }
}
