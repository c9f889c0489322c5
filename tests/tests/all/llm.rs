//! Plugins that ask models themselves: only under the grant, within their limits, in nobody's way, and every question
//! told and counted, whatever becomes of the plugin or the client.

use jackfield_tests::gateway::{Gateway, Line, Reply, Setup};
use jackfield_tests::guest::{consulting, judging, judging_pieces, router_to};
use jackfield_tests::soon;
use jackfield_tests::upstream::{Answer, Match, Upstream, openai};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::admin::{self, TOKEN};
use crate::world::{World, put, until};

/// Goes to `model-b` when the judge's word begins with `h`, else to `model-a`.
const RATES: &str = "(if (result i32) (i32.eq (call $ask (i32.const 3090) (i32.const 5)) (i32.const 104))
    (then (call $route (i32.const 3080))) (else (call $route (i32.const 3072))))";

/// Limits that no guest here meets unless it is to.
const ROOMY: &str = "cpu: 5s, wall: 20s";

fn models() -> String {
    ["model-default", "model-a", "model-b", "judge"]
        .iter()
        .map(|name| format!("  {name}: {{ provider: up, retries: 0 }}\n"))
        .collect()
}

fn yaml(rule: &str, more: &str) -> String {
    format!(
        "orchestrator:\n  default_model: model-default\nmodels:\n{}plugins:\n  dir: PLUGINS\n  settings:\n    \
         rule: {{ {rule} }}\n{more}",
        models()
    )
}

/// A gateway with this guest as the plugin `rule`, with these settings; every model but the judge answers `ok`.
async fn world(settings: &str, more: &str, guest: &[u8]) -> World {
    let world = World::with_plugins(&yaml(settings, more), &[("rule.wasm", guest)]).await;
    world.upstream.always(openai::chat("ok"));
    world
}

/// The same, granted and with room.
async fn granted(guest: &str, limits: &str) -> World {
    world(&format!("grants: [llm], limits: {{ {ROOMY}, {limits} }}"), "", &consulting(guest)).await
}

fn judge() -> Match {
    Match::model("judge")
}

fn body(prompt: &str) -> String {
    json!({ "messages": [{ "role": "user", "content": prompt }] }).to_string()
}

async fn ask(world: &World, prompt: &str) -> Reply {
    world.gateway.chat(body(prompt)).await
}

/// The model that answered.
fn model(reply: &Reply) -> &str {
    assert_eq!(reply.status, 200, "{}", reply.text());
    reply.header("x-jackfield-model").unwrap()
}

async fn record(world: &World, reply: &Reply) -> Value {
    world.gateway.record(reply.header("x-jackfield-request-id").unwrap()).await
}

/// The questions of a request, as `plugin model provider outcome`.
fn questions(record: &Value) -> Vec<String> {
    let steps = record["steps"].as_array().unwrap().iter().filter(|step| step["step"] == "llm");
    let word = |value: &Value| value.as_str().unwrap_or("-").to_owned();
    steps
        .map(|step| ["plugin", "model", "provider", "outcome"].map(|name| word(&step[name])).join(" "))
        .collect()
}

/// What the judge was asked so far.
fn asked(upstream: &Upstream) -> Vec<Value> {
    let all = upstream.requests().into_iter().map(|request| request.json());
    all.filter(|request| request["model"] == "judge").collect()
}

async fn line(world: &World) -> Line {
    world.gateway.log().wait_for_requests(1).await.remove(0)
}

#[tokio::test]
async fn a_router_asks_a_model_and_goes_by_its_word() {
    let world = granted(RATES, "").await;
    for (word, goes_to) in [("high", "model-b"), ("low", "model-a")] {
        world.upstream.push_for(&judge(), openai::chat(word));
        let reply = ask(&world, "a secret prompt").await;
        assert_eq!(model(&reply), goes_to, "{}", world.gateway.log().complaints());
        assert_eq!(reply.header("x-jackfield-attempts"), Some("1"), "a question is no attempt");
        let record = record(&world, &reply).await;
        assert_eq!(questions(&record), ["rule judge up answered"], "{record:#}");
        let order: Vec<&str> =
            record["steps"].as_array().unwrap().iter().map(|step| step["step"].as_str().unwrap()).collect();
        assert_eq!(order, ["llm", "router", "decided", "attempt"]);
        assert_eq!(record["route_reason"], word);
        // The answer's own usage has nothing of the question's.
        assert_eq!(
            (&record["usage"]["input_tokens"], &record["usage"]["output_tokens"]),
            (&json!(11), &json!(7))
        );
        assert_eq!(record["llm_calls"], 1);
        assert_eq!(
            record["llm_usage"], record["usage"],
            "the scripted provider says the same of every answer"
        );
    }
    let line = line(&world).await;
    let of = |name: &str| line.get(name).as_u64();
    assert_eq!(
        [of("llm_calls"), of("llm_input_tokens"), of("llm_output_tokens")],
        [Some(1), Some(11), Some(7)]
    );
    assert_eq!([of("input_tokens"), of("output_tokens")], [Some(11), Some(7)]);
    // Nothing of the client's is in it but what the plugin put there.
    let question = json!({
        "model": "judge", "messages": [{ "role": "user", "content": "rate it" }],
        "temperature": 0.5, "max_tokens": 5,
    });
    assert_eq!(asked(&world.upstream), [question.clone(), question]);
}

#[tokio::test]
async fn a_request_whose_plugins_ask_nobody_tells_of_no_questions() {
    let world = granted("(call $route (i32.const 3072))", "").await;
    let reply = ask(&world, "hello").await;
    assert_eq!(model(&reply), "model-a");
    let record = record(&world, &reply).await;
    assert_eq!((&record["llm_calls"], &record["llm_usage"]), (&json!(0), &json!(null)));
    assert_eq!(line(&world).await.get("llm_calls"), &Value::Null);
}

#[tokio::test]
async fn a_validator_asks_a_judge_about_the_answer() {
    let yaml = format!(
        "orchestrator:\n  default_model: model-a\n  fallback: {{ model-a: [model-b] }}\n  validators: [rule]\nmodels:\n{}\
         plugins:\n  dir: PLUGINS\n  settings:\n    rule: {{ on_error: reject, grants: [llm], limits: {{ {ROOMY} }} }}\n",
        models()
    );
    let world = World::with_plugins(&yaml, &[("rule.wasm", &judging())]).await;
    world.upstream.always_for(&Match::model("model-a"), openai::chat("a bad answer"));
    world.upstream.always_for(&Match::model("model-b"), openai::chat("a good answer"));
    world.upstream.push_for(&judge(), openai::chat("no: too vague"));
    world.upstream.push_for(&judge(), openai::chat("yes"));
    let reply = ask(&world, "hello").await;
    assert_eq!(model(&reply), "model-b", "{}", world.gateway.log().complaints());
    let said = |question: Value| question["messages"][0]["content"].clone();
    let said: Vec<Value> = asked(&world.upstream).into_iter().map(said).collect();
    assert_eq!(said, ["a bad answer", "a good answer"]);
    let record = record(&world, &reply).await;
    assert_eq!(questions(&record), ["rule judge up answered"; 2]);
    assert_eq!((&record["llm_calls"], &record["attempts"]), (&json!(2), &json!(2)));
    assert_eq!(record["llm_usage"]["input_tokens"], 22);
    let issues: Vec<&Value> =
        record["steps"].as_array().unwrap().iter().map(|step| &step["issues"]).collect();
    assert!(issues.contains(&&json!(["no: too vague"])), "{record:#}");
}

#[tokio::test]
async fn without_the_grant_it_is_refused_and_told_what_to_write() {
    let guest = consulting(RATES);
    let world = world("", "", &guest).await;
    let reply = ask(&world, "hello").await;
    assert_eq!(model(&reply), "model-default");
    let complaints = world.gateway.log().complaints();
    assert!(complaints.contains("wants the grant `llm`"), "{complaints}");
    assert!(complaints.contains("write `plugins.settings.rule.grants: [llm]`"), "{complaints}");
    assert_eq!(asked(&world.upstream).len(), 0);
}

/// A gateway that watches a configuration file and a plugin folder.
struct Watched {
    upstream: Upstream,
    dir: TempDir,
}

impl Watched {
    async fn new() -> Self {
        let upstream = Upstream::start().await;
        upstream.always(openai::chat("ok"));
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("plugins")).unwrap();
        Self { upstream, dir }
    }

    fn put(&self, guest: &[u8]) {
        put(&self.dir.path().join("plugins"), "rule.wasm", guest);
    }

    /// Writes the plugin's settings, its limits added.
    fn write(&self, settings: &str) {
        let plugins = self.dir.path().join("plugins");
        let text = yaml(&format!("{settings}, limits: {{ {ROOMY} }}"), "")
            .replace("PLUGINS", &plugins.display().to_string());
        let url = self.upstream.base_url();
        let rest = format!(
            "server: {{ listen: 127.0.0.1:0, admin: 127.0.0.1:0, admin_token: {TOKEN} }}\n\
             providers:\n  up: {{ kind: openai, base_url: \"{url}\", api_key: sk-x }}\n"
        );
        put(self.dir.path(), "jackfield.yaml", format!("{text}{rest}").as_bytes());
    }

    async fn start(&self) -> Gateway {
        Setup::file(&self.dir.path().join("jackfield.yaml")).start().await
    }

    fn asked(&self) -> usize {
        asked(&self.upstream).len()
    }
}

#[tokio::test]
async fn a_grant_that_is_written_or_withdrawn_holds_at_once() {
    let watched = Watched::new().await;
    watched.put(&consulting(RATES));
    watched.write("grants: []");
    let gateway = watched.start().await;
    until(&gateway, "model-default").await;
    watched.write("grants: [llm]");
    until(&gateway, "model-a").await;
    assert!(watched.asked() > 0);
    // Not even its last good generation serves on.
    watched.write("grants: []");
    until(&gateway, "model-default").await;
    let asked = watched.asked();
    until(&gateway, "model-default").await;
    assert_eq!(watched.asked(), asked);
}

#[tokio::test]
async fn a_generation_that_was_granted_does_not_keep_its_grant_beside_a_canary_nor_come_back_to_it() {
    let watched = Watched::new().await;
    watched.put(&consulting(RATES));
    watched.write("canary: 50%, grants: [llm]");
    let gateway = watched.start().await;
    until(&gateway, "model-a").await;
    // On trial, and the granted one goes on beside it.
    watched.put(&router_to("model-b"));
    until(&gateway, "model-b").await;
    let withdrawn =
        async { while admin::ask(&gateway, "GET", "/plugins/rule").await.json()["grants"] != json!([]) {} };
    watched.write("canary: 50%, grants: []");
    soon("the new settings", withdrawn).await;
    let asked = watched.asked();
    until(&gateway, "model-a").await;
    gateway.log().wait_for_text("no models are asked here").await;
    // What took its place has nothing to go back to.
    assert_eq!(admin::ask(&gateway, "POST", "/plugins/rule/promote").await.status, 200);
    let refused = admin::ask(&gateway, "POST", "/plugins/rule/rollback").await;
    assert_eq!((refused.status, refused.error().code.as_deref()), (409, Some("nothing_to_roll_back")));
    until(&gateway, "model-b").await;
    assert_eq!(watched.asked(), asked);
}

#[tokio::test]
async fn more_questions_than_the_limit_are_not_asked() {
    let again = "(local $left i32) (local.set $left (i32.const 6))
        (loop $l (drop (call $ask (i32.const 3090) (i32.const 5)))
            (br_if $l (local.tee $left (i32.sub (local.get $left) (i32.const 1)))))
        (call $route (i32.const 3072))";
    for (limits, asks) in [("llm_calls: 2", 2), ("llm_calls: 0", 0), ("log_lines: 64", 4)] {
        let world = granted(again, limits).await;
        let reply = ask(&world, "hello").await;
        // The plugin lives: it is told so.
        assert_eq!(model(&reply), "model-a", "{}", world.gateway.log().complaints());
        let record = record(&world, &reply).await;
        assert_eq!(record["route_reason"], "budget", "{limits}");
        assert_eq!(asked(&world.upstream).len(), asks, "{limits}");
        assert_eq!((questions(&record).len(), &record["llm_calls"]), (asks, &json!(asks)), "{limits}");
        let told = world.gateway.log().complaints();
        assert_eq!(told.matches("limits.llm_calls").count(), 1, "once a call: {told}");
    }
}

/// Every piece of a stream is a call of its own: what it may ask is bounded for all of them together.
#[tokio::test]
async fn a_stream_has_no_more_questions_than_a_call() {
    let yaml = yaml(
        &format!("on_error: reject, stream: window, grants: [llm], limits: {{ {ROOMY}, llm_calls: 2 }}"),
        "",
    );
    let yaml = yaml.replace("orchestrator:\n", "orchestrator:\n  validators: [rule]\n");
    let world = World::with_plugins(&yaml, &[("rule.wasm", &judging_pieces())]).await;
    world.upstream.always_for(&judge(), openai::chat("yes"));
    for answered in 1..=2 {
        world.upstream.push_for(&Match::model("model-default"), openai::stream(&["a", "b", "c", "d"]));
        let body = json!({ "messages": [{ "role": "user", "content": "hello" }], "stream": true });
        let got = world.gateway.stream(body.to_string()).await;
        assert_eq!(got.status, 200, "{}", world.gateway.log().complaints());
        let record = world.gateway.record(got.header("x-jackfield-request-id").unwrap()).await;
        assert_eq!((&record["outcome"], &record["llm_calls"]), (&json!("answered"), &json!(2)), "{record:#}");
        assert_eq!(asked(&world.upstream).len(), 2 * answered, "each stream has its own");
    }
}

#[tokio::test]
async fn an_answer_is_bounded_by_the_limit_on_its_tokens() {
    let world = granted(RATES, "llm_output_tokens: 3").await;
    ask(&world, "hello").await;
    assert_eq!(asked(&world.upstream)[0]["max_tokens"], 3);
}

#[tokio::test]
async fn a_plugin_asks_no_model_that_the_client_may_not_use() {
    let keys = "keys:\n  - { key: key-of-a-small-client, models: [model-a, model-b] }\n  - { key: key-of-a-large-client }\n";
    let nobody = RATES.replace("3090) (i32.const 5)", "3100) (i32.const 6)");
    let grant = format!("grants: [llm], limits: {{ {ROOMY} }}");
    for (guest, key, want, outcome) in [
        (RATES, "key-of-a-small-client", "judge", "rule judge - model_not_allowed"),
        (RATES, "key-of-a-large-client", "ok", "rule judge up answered"),
        (&nobody, "key-of-a-large-client", "nobody", "rule nobody - unknown_model"),
    ] {
        let world = world(&grant, keys, &consulting(guest)).await;
        let bearer = format!("Bearer {key}");
        let headers = [("authorization", &*bearer)];
        let reply = world.gateway.post_raw("/v1/chat/completions", body("hello"), &headers).await;
        assert_eq!(model(&reply), "model-a");
        let record = record(&world, &reply).await;
        assert_eq!(record["route_reason"], want, "{outcome}");
        assert_eq!(questions(&record), [outcome]);
        let called = usize::from(want == "ok");
        assert_eq!(
            (asked(&world.upstream).len(), &record["llm_calls"]),
            (called, &json!(called)),
            "{outcome}"
        );
    }
}

#[tokio::test]
async fn a_model_that_fails_is_told_in_the_contracts_words() {
    let rows = [
        ("a failure", openai::error(500, "error", None, "it broke"), "upstream_failed: ", "upstream_failed"),
        ("no answer", Answer::raw(200, "text/html", "<html>"), "upstream_broken: ", "upstream_broken"),
        ("a tool", openai::tool_call("c1", "f", "{}"), "`judge` answered without a text", "unclear"),
    ];
    for (name, answer, reason, outcome) in rows {
        let world = granted(RATES, "").await;
        world.upstream.push_for(&judge(), answer);
        let reply = ask(&world, "hello").await;
        assert_eq!(model(&reply), "model-a", "{name}");
        let record = record(&world, &reply).await;
        assert!(record["route_reason"].as_str().unwrap().starts_with(reason), "{name}: {record:#}");
        assert_eq!(questions(&record), [format!("rule judge up {outcome}")], "{name}");
        assert_eq!(asked(&world.upstream).len(), 1, "{name}: asked once, and nobody else in its place");
    }
}

#[tokio::test]
async fn a_model_that_keeps_failing_is_left_alone() {
    let world = granted(RATES, "").await;
    world.upstream.always_for(&judge(), openai::error(500, "error", None, "it broke"));
    let mut last = Value::Null;
    // Each try lets it be alone for twice as long as the one before, so one of these finds it so on any machine.
    for _ in 0..16 {
        let reply = ask(&world, "hello").await;
        assert_eq!(model(&reply), "model-a");
        last = record(&world, &reply).await;
        if questions(&last) == ["rule judge - breaker_open"] {
            break;
        }
    }
    assert_eq!(questions(&last), ["rule judge - breaker_open"]);
    assert_eq!(last["llm_calls"], 0);
}

/// The wait is longer than a call may take, and the guest has time left after it.
#[tokio::test]
async fn a_late_model_is_given_up_and_the_wait_is_not_the_plugins() {
    let settings = "grants: [llm], on_error: fail, limits: { cpu: 5s, wall: 2s, llm_timeout: 2500ms }";
    let world = world(settings, "", &consulting(RATES)).await;
    world.upstream.push_for(&judge(), openai::chat("high").hang_before_head("never"));
    let reply = ask(&world, "hello").await;
    assert_eq!(model(&reply), "model-a");
    world.upstream.disconnected(0).await;
    let record = record(&world, &reply).await;
    assert_eq!(
        (&record["route_reason"], questions(&record)),
        (&json!("timed out"), vec!["rule judge up timed_out".into()])
    );
    let of = |name: &str| record[name].as_u64().unwrap();
    assert!(of("overhead_us") + 2_500_000 <= of("total_us"), "the wait is the model's: {record:#}");
}

#[tokio::test]
async fn the_requests_own_deadline_ends_a_question_too() {
    let settings = format!("grants: [llm], limits: {{ {ROOMY}, llm_timeout: 10m }}");
    let server = "server: { listen: 127.0.0.1:0, limits: { request_timeout: 500ms } }\n";
    let world = world(&settings, server, &consulting(RATES)).await;
    world.upstream.push_for(&judge(), openai::chat("high").hang_before_head("never"));
    let reply = ask(&world, "hello").await;
    let record = record(&world, &reply).await;
    assert_eq!(questions(&record), ["rule judge up timed_out"], "{record:#}");
    world.upstream.disconnected(0).await;
}

#[tokio::test]
async fn what_was_asked_is_told_of_a_plugin_that_then_fails() {
    for (more, fault) in [("unreachable", "trap"), ("(loop $l (br $l)) unreachable", "cpu_limit")] {
        let guest = format!("(drop (call $ask (i32.const 3090) (i32.const 5))) {more}");
        let settings = "grants: [llm], limits: { cpu: 20ms, wall: 20s }";
        let world = world(settings, "", &consulting(&guest)).await;
        let reply = ask(&world, "hello").await;
        assert_eq!(model(&reply), "model-default", "{fault}");
        let record = record(&world, &reply).await;
        assert_eq!(questions(&record), ["rule judge up answered"], "{fault}");
        assert_eq!((&record["llm_calls"], &record["llm_usage"]["output_tokens"]), (&json!(1), &json!(7)));
        let steps = record["steps"].as_array().unwrap();
        let order: Vec<&str> = steps.iter().map(|step| step["step"].as_str().unwrap()).collect();
        assert_eq!(order[..2], ["llm", "router_fault"], "{fault}");
        assert_eq!(steps[1]["fault"], fault);
    }
}

/// With one permit, more guests than that wait for a model, and another plugin runs meanwhile.
#[tokio::test]
async fn a_guest_that_waits_for_a_model_keeps_no_other_from_running() {
    let asks_when_slow = format!("(if (call $is_slow) (then (return {RATES}))) (call $abstain)");
    let yaml = format!(
        "orchestrator:\n  default_model: model-default\n  routers: [asks, other]\nmodels:\n{}plugins:\n  dir: PLUGINS\n  \
         concurrency: {{ running: 1 }}\n  router_defaults: {{ on_error: fail, limits: {{ {ROOMY} }} }}\n  \
         settings:\n    asks: {{ grants: [llm], limits: {{ llm_timeout: 60s }} }}\n",
        models()
    );
    for warm in [false, true] {
        let yaml = yaml.replace(
            "on_error: fail",
            if warm { "on_error: fail, instances: warm" } else { "on_error: fail" },
        );
        let files: &[(&str, &[u8])] =
            &[("asks.wasm", &consulting(&asks_when_slow)), ("other.wasm", &router_to("model-a"))];
        let world = World::with_plugins(&yaml, files).await;
        world.upstream.always(openai::chat("ok"));
        world.upstream.always_for(&judge(), openai::chat("high").hang_before_head("held"));
        let others = async {
            world.upstream.all_at_gate("held", 3).await;
            for _ in 0..5 {
                let reply = ask(&world, "quick").await;
                assert_eq!(model(&reply), "model-a", "{}", world.gateway.log().complaints());
            }
            world.upstream.open("held");
        };
        let slow = || ask(&world, "slow");
        let (one, two, three, ()) = tokio::join!(slow(), slow(), slow(), others);
        for reply in [one, two, three] {
            assert_eq!(model(&reply), "model-b", "{}", world.gateway.log().complaints());
        }
    }
}

#[tokio::test]
async fn a_client_that_leaves_ends_the_question_and_it_is_told() {
    let world = world(&format!("grants: [llm], limits: {{ {ROOMY} }}"), "", &consulting(RATES)).await;
    world.upstream.push_for(&judge(), openai::chat("high").hang_before_head("never"));
    let body = body("hello");
    let request = format!(
        "POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    let mut client = world.gateway.raw().await;
    client.send(&request).await;
    world.upstream.at_gate("never").await;
    drop(client);
    world.upstream.disconnected(0).await;
    let line = line(&world).await;
    assert_eq!(line.get("outcome"), "client_left");
    let record = world.gateway.record(line.get("request_id").as_str().unwrap()).await;
    assert_eq!(questions(&record), ["rule judge up abandoned"]);
    assert_eq!(line.get("llm_calls"), 1);
    // Its instance and its right to run are free again.
    assert_eq!(model(&ask(&world, "hello").await), "model-a");
}

#[tokio::test]
async fn a_shadow_asks_nobody() {
    let settings = format!("grants: [llm], shadow: true, limits: {{ {ROOMY} }}");
    let world = world(&settings, "", &consulting(RATES)).await;
    let reply = ask(&world, "hello").await;
    assert_eq!(model(&reply), "model-default");
    world.gateway.log().wait_for_text("a shadow disagrees").await;
    let lines = world.gateway.log().lines();
    let told = lines.iter().find(|line| line.get("message") == "a shadow disagrees").unwrap();
    assert_eq!(
        (told.get("would_model"), told.get("would_reason")),
        (&json!("model-a"), &json!("a shadow asks no models"))
    );
    assert_eq!(asked(&world.upstream).len(), 0);
    assert_eq!(record(&world, &reply).await["llm_calls"], 0);
}
