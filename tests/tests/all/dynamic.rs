//! A small model rates the prompt and the rating decides; whatever goes wrong with the rating, the request is answered.

use jackfield_tests::gateway::Reply;
use jackfield_tests::upstream::{Answer, Match, openai};
use serde_json::{Value, json};

use crate::world::{World, example_plugin};

/// The seed document's block, to the letter.
const SEED: &str = r#"orchestrator:
  router:
    model: "gpt-4o-mini"
    thresholds:
      complexity:
        high: "claude-3-opus"
        low: "gpt-3.5-turbo"
"#;

/// Models of the scripted provider under the names the seeds use.
const MODELS: &str = r"
models:
  gpt-4o-mini: { provider: up }
  claude-3-opus: { provider: up, retries: 0 }
  gpt-3.5-turbo: { provider: up, retries: 0 }
  fast-model: { provider: up }
  smart-model: { provider: up }
";

const RATER: &str = "gpt-4o-mini";
const HIGH: (&str, &str) = ("dynamic", "claude-3-opus");
const LOW: (&str, &str) = ("dynamic", "gpt-3.5-turbo");

/// A gateway whose router has these further settings; every model but the rating one answers.
async fn start(settings: &str) -> World {
    let world = World::start(&format!("{SEED}{settings}{MODELS}")).await;
    world.upstream.always(openai::chat("an answer"));
    world
}

fn body(prompt: &str) -> Value {
    json!({"messages": [{"role": "user", "content": prompt}]})
}

async fn ask(world: &World, prompt: &str) -> Reply {
    world.gateway.chat(body(prompt).to_string()).await
}

/// Who decided, and which model answered.
fn said(reply: &Reply) -> (&str, &str) {
    assert_eq!(reply.status, 200, "{}", reply.text());
    (reply.header("x-jackfield-route").unwrap(), reply.header("x-jackfield-model").unwrap())
}

/// What the rating model was asked so far.
fn questions(world: &World) -> Vec<Value> {
    let all = world.upstream.requests().into_iter().map(|request| request.json());
    all.filter(|request| request["model"] == RATER).collect()
}

/// The trail's step about the rating: what was said, whether it was there before, and why.
async fn rated(world: &World, reply: &Reply) -> (Value, Value, Value) {
    let record = world.gateway.record(reply.header("x-jackfield-request-id").unwrap()).await;
    let steps = record["steps"].as_array().unwrap();
    let mut of = steps.iter().filter(|step| step["step"] == "rated");
    let (step, None) = (of.next().unwrap_or_else(|| panic!("{record:#}")), of.next()) else {
        panic!("two ratings: {record:#}")
    };
    assert_eq!(step["model"], RATER);
    (step["rating"].clone(), step["cached"].clone(), step["why"].clone())
}

#[tokio::test]
async fn the_rating_decides_and_whatever_is_none_is_on_failure() {
    for (settings, otherwise) in [("", LOW), ("    on_failure: high\n", HIGH)] {
        let world = start(settings).await;
        let error = |status| openai::error(status, "error", None, "it broke");
        let rows = [
            ("high", openai::chat("high"), HIGH, json!("high"), "rated"),
            ("low", openai::chat(" **Low**."), LOW, json!("low"), "rated"),
            ("complex", openai::chat("Complex, I think"), HIGH, json!("high"), "rated"),
            ("nonsense", openai::chat("The answer is 42."), otherwise, json!(null), "unclear"),
            ("a tool", openai::tool_call("c1", "f", "{}"), otherwise, json!(null), "unclear"),
            ("broken", error(500), otherwise, json!(null), "upstream_failed"),
            ("no answer", Answer::raw(200, "text/html", "<html>"), otherwise, json!(null), "upstream_broken"),
            ("cut", Answer::cut(), otherwise, json!(null), "upstream_broken"),
        ];
        for (name, answer, decided, rating, why) in rows {
            let before = questions(&world).len();
            world.upstream.push_for(&Match::model(RATER), answer);
            let reply = ask(&world, &format!("a prompt for {name}")).await;
            assert_eq!(said(&reply), decided, "{name}");
            assert_eq!(reply.header("x-jackfield-attempts"), Some("1"), "{name}: a rating is no attempt");
            assert_eq!(questions(&world).len(), before + 1, "{name}: asked once, never again");
            let (got, cached, reason) = rated(&world, &reply).await;
            assert_eq!((got, cached, reason), (rating, json!(false), json!(why)), "{name}");
        }
        let record = world.gateway.records();
        let reasons: Vec<&str> = record.iter().map(|r| r["route_reason"].as_str().unwrap()).collect();
        assert!(reasons.contains(&"rated high by gpt-4o-mini"), "{reasons:?}");
        let other = if otherwise == LOW { "low" } else { "high" };
        let none = format!("not rated by gpt-4o-mini (upstream_failed), so {other}");
        assert!(reasons.contains(&&*none), "{reasons:?}");
    }
}

#[tokio::test]
async fn the_question_is_small_and_holds_nothing_of_the_client_but_the_last_text() {
    let world = start("").await;
    world.upstream.always_for(&Match::model(RATER), openai::chat("high"));
    let long = format!("{}é{}", "x".repeat(8_191), "y".repeat(9_000));
    let mut asked = body(&long);
    asked["messages"].as_array_mut().unwrap().insert(0, json!({"role": "system", "content": "our secret"}));
    asked["tools"] = json!([{"type": "function", "function": {"name": "f"}}]);
    asked["stream"] = json!(true);
    asked["temperature"] = json!(1.5);
    world.upstream.push_for(&Match::model("claude-3-opus"), openai::stream(&["hello"]));
    let reply = world.gateway.stream(asked.to_string()).await;
    assert_eq!((reply.text(), reply.header("x-jackfield-route")), ("hello".into(), Some("dynamic")));
    let [question] = &questions(&world)[..] else { panic!("{:?}", questions(&world)) };
    let fields: Vec<&String> = question.as_object().unwrap().keys().collect();
    assert_eq!(fields, ["max_tokens", "messages", "model", "temperature"]);
    assert_eq!((&question["temperature"], &question["max_tokens"]), (&json!(0), &json!(16)));
    let [system, user] = &question["messages"].as_array().unwrap()[..] else { panic!("{question}") };
    assert_eq!((&system["role"], &user["role"]), (&json!("system"), &json!("user")));
    // Cut before the character that does not fit.
    assert_eq!(user["content"], "x".repeat(8_191));

    // An image alone has nothing to rate.
    let image = json!([{"type": "image_url", "image_url": {"url": "https://example.com/a.png"}}]);
    let reply =
        world.gateway.chat(json!({"messages": [{"role": "user", "content": image}]}).to_string()).await;
    assert_eq!(said(&reply), LOW);
    assert_eq!(rated(&world, &reply).await, (json!(null), json!(false), json!("no_text")));
    assert_eq!(questions(&world).len(), 1);
}

#[tokio::test]
async fn a_late_rating_is_not_waited_for_and_its_call_is_ended() {
    let world = start("    timeout: 500ms\n    on_failure: high\n").await;
    world.upstream.push_for(&Match::model(RATER), openai::chat("low").hang_before_head("never"));
    let reply = ask(&world, "hello").await;
    assert_eq!(said(&reply), HIGH);
    assert_eq!(rated(&world, &reply).await, (json!(null), json!(false), json!("timeout")));
    world.upstream.disconnected(0).await;
}

#[tokio::test]
async fn the_same_prompt_is_rated_once() {
    let world = start("").await;
    world.upstream.push_for(&Match::model(RATER), openai::chat("nonsense"));
    world.upstream.push_for(&Match::model(RATER), openai::chat("high"));
    world.upstream.always_for(&Match::model(RATER), openai::chat("low"));
    // What was no rating is not kept.
    for (decided, cached, questions_by_now) in [(LOW, false, 1), (HIGH, false, 2), (HIGH, true, 2)] {
        let reply = ask(&world, "the same").await;
        assert_eq!(said(&reply), decided);
        assert_eq!(rated(&world, &reply).await.1, json!(cached));
        assert_eq!(questions(&world).len(), questions_by_now);
    }
    let reply = ask(&world, "another").await;
    assert_eq!((said(&reply), questions(&world).len()), (LOW, 3));
}

#[tokio::test]
async fn nothing_is_kept_without_a_ttl_and_the_oldest_goes_first() {
    for (cache, asked) in [("{ ttl: 0 }", 4), ("{ entries: 1 }", 3)] {
        let world = start(&format!("    cache: {cache}\n")).await;
        world.upstream.always_for(&Match::model(RATER), openai::chat("high"));
        for prompt in ["one", "one", "two", "one"] {
            assert_eq!(said(&ask(&world, prompt).await), HIGH);
        }
        assert_eq!(questions(&world).len(), asked, "{cache}");
    }
}

#[tokio::test]
async fn identical_prompts_at_once_share_one_question() {
    let world = start("    timeout: 20s\n").await;
    world.upstream.push_for(&Match::model(RATER), openai::chat("high").hang_before_head("slow"));
    world.upstream.always_for(&Match::model(RATER), openai::chat("low"));
    let others = async {
        world.upstream.at_gate("slow").await;
        // Sent before a prompt that is rated and answered meanwhile.
        let late = async {
            assert_eq!(said(&ask(&world, "another").await), LOW);
            world.upstream.open("slow");
        };
        tokio::join!(ask(&world, "the same"), ask(&world, "the same"), late)
    };
    let (first, (second, third, ())) = tokio::join!(ask(&world, "the same"), others);
    let mut cached = Vec::new();
    for reply in [&first, &second, &third] {
        assert_eq!(said(reply), HIGH);
        cached.push(rated(&world, reply).await.1);
    }
    assert_eq!(cached, [json!(false), json!(true), json!(true)]);
    assert_eq!(questions(&world).len(), 2, "one each for two prompts");
}

#[tokio::test]
async fn a_rating_model_that_keeps_failing_or_being_late_is_left_alone() {
    let broken = openai::error(500, "server_error", None, "broken");
    let late = openai::chat("high").hang_before_head("never");
    for (settings, answer, why) in [("", broken, "upstream_failed"), ("    timeout: 50ms\n", late, "timeout")]
    {
        let world = start(settings).await;
        world.upstream.always_for(&Match::model(RATER), answer);
        let mut reasons = Vec::new();
        // Each try lets it be alone for twice as long as the one before, so one of these finds it so on any machine.
        for number in 0..16 {
            let reply = ask(&world, &format!("prompt {number}")).await;
            assert_eq!(said(&reply), LOW);
            reasons.push(rated(&world, &reply).await.2);
            if reasons.last().unwrap() == "breaker_open" {
                break;
            }
        }
        assert_eq!(reasons[..5], vec![json!(why); 5]);
        assert_eq!(reasons.last().unwrap(), "breaker_open", "{reasons:?}");
        assert!(questions(&world).len() < reasons.len(), "the last was not asked about");
    }
}

#[tokio::test]
async fn routers_tasks_and_named_models_come_before_it_and_the_default_never() {
    let rest = "  default_model: smart-model\n  routes:\n    - { task: code, model: smart-model }\n";
    let yaml = format!("{SEED}{rest}{MODELS}");
    let world =
        World::with_plugins(&yaml, &[("urgent-router.wasm", &example_plugin("urgent-router.wasm"))]).await;
    world.upstream.always(openai::chat("an answer"));
    world.upstream.always_for(&Match::model(RATER), openai::chat("high"));
    for (model, task, prompt, decided, asked) in [
        (None, None, "this is urgent", ("urgent-router", "fast-model"), 0),
        (None, Some("code"), "hello", ("static", "smart-model"), 0),
        (Some("fast-model"), None, "hello", ("named", "fast-model"), 0),
        (Some("auto"), None, "hello", HIGH, 1),
        (None, None, "hello", HIGH, 1),
    ] {
        let mut asking = body(prompt);
        model.iter().for_each(|model| asking["model"] = json!(model));
        task.iter().for_each(|task| asking["metadata"] = json!({"task": task}));
        let reply = world.gateway.chat(asking.to_string()).await;
        assert_eq!(said(&reply), decided, "{asking}: {}", world.gateway.log().complaints());
        assert_eq!(questions(&world).len(), asked, "{asking}");
    }
}

#[tokio::test]
async fn what_is_decided_falls_back_and_is_bound_by_the_clients_key() {
    let keys = "  fallback: { claude-3-opus: [smart-model] }\nkeys:\n  - { key: key-of-a-small-client, models: [gpt-3.5-turbo] }\n  - { key: key-of-a-large-client }\n";
    let world = World::start(&format!("{SEED}{keys}{MODELS}")).await;
    world.upstream.always(openai::chat("an answer"));
    world.upstream.always_for(&Match::model("claude-3-opus"), openai::error(500, "error", None, "broken"));
    world.upstream.push_for(&Match::model(RATER), openai::chat("low"));
    world.upstream.always_for(&Match::model(RATER), openai::chat("high"));
    let ask = async |key: &str, prompt: &str| {
        let bearer = format!("Bearer {key}");
        let headers = [("authorization", &*bearer)];
        world.gateway.post_raw("/v1/chat/completions", body(prompt).to_string(), &headers).await
    };
    // The rating model is the gateway's own: no key has to have it.
    assert_eq!(said(&ask("key-of-a-small-client", "easy").await), LOW);
    let refused = ask("key-of-a-small-client", "hard").await;
    assert_eq!(refused.status, 403, "{}", refused.text());
    let reply = ask("key-of-a-large-client", "hard").await;
    assert_eq!(said(&reply), ("dynamic", "smart-model"));
    assert_eq!(reply.header("x-jackfield-attempts"), Some("2"));
}

#[tokio::test]
async fn the_overhead_does_not_count_the_rating() {
    let world = start("    timeout: 300ms\n").await;
    world.upstream.push_for(&Match::model(RATER), openai::chat("low").hang_before_head("never"));
    let reply = ask(&world, "hello").await;
    assert_eq!(said(&reply), LOW);
    let line = world.gateway.log().wait_for_requests(1).await.pop().unwrap();
    let of = |name: &str| line.get(name).as_u64().unwrap();
    assert!(of("overhead_us") + 300_000 <= of("total_us"), "{line:#?}");
}
