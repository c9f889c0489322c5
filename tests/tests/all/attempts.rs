//! Which models are called, in which order and how often, by what went wrong; and what the trail says of it.
//!
//! Most tests are rows: what each model answers, the steps that must be taken, and what comes of it. Steps are
//! written short, see [`short`].

use jackfield_tests::gateway::{Ending, Gateway, Setup, Stream};
use jackfield_tests::soon;
use jackfield_tests::upstream::{Answer, Match, Upstream, openai};
use serde_json::{Value, json};
use tokio::net::TcpSocket;

/// Two keys of the scripted provider.
const KEYS: [&str; 2] = ["sk-first-8c1e5a9d", "sk-second-3b7f2d60"];

/// A gateway in front of a scripted provider with models `a` to `d`, whose waits are short.
struct Rig {
    upstream: Upstream,
    gateway: Gateway,
}

impl Rig {
    /// `models` are settings by model, over `{ provider: up, backoff: 1ms }`; `orchestrator` is its section.
    async fn start(models: &[(&str, &str)], orchestrator: &str) -> Self {
        Self::beside("", models, orchestrator).await
    }

    /// The same, with these lines under `providers`.
    async fn beside(providers: &str, models: &[(&str, &str)], orchestrator: &str) -> Self {
        let upstream = Upstream::start().await;
        let settings = |name: &str| models.iter().find(|(model, _)| *model == name).map_or("", |(_, s)| s);
        let model = |name| {
            let settings = settings(name);
            let provider = if settings.contains("provider:") { "" } else { "provider: up, " };
            format!("  {name}: {{ {provider}backoff: 1ms, {settings} }}\n")
        };
        let models: String = ["a", "b", "c", "d"].map(model).concat();
        let url = upstream.base_url();
        let yaml = format!(
            "providers:\n  up: {{ kind: openai, base_url: \"{url}\", api_key: \"${{K1}}\", api_keys: [\"${{K2}}\"] }}\n{providers}models:\n{models}orchestrator: {{ default_model: a, {orchestrator} }}\nplugins: {{ dir: /nonexistent }}\n"
        );
        let gateway = Setup::yaml(&yaml).env("K1", KEYS[0]).env("K2", KEYS[1]).start().await;
        Self { upstream, gateway }
    }

    /// The models called so far, in order.
    fn called(&self) -> Vec<String> {
        self.upstream.requests().iter().map(|r| r.json()["model"].as_str().unwrap().to_owned()).collect()
    }

    /// The places of the keys used so far, in order.
    fn keys(&self) -> Vec<usize> {
        let place =
            |sent: Option<&str>| KEYS.iter().position(|key| sent == Some(&format!("Bearer {key}"))).unwrap();
        self.upstream.requests().iter().map(|r| place(r.header("authorization"))).collect()
    }

    /// The steps of the request with this id, from the first call on, each in a few words.
    async fn steps(&self, id: &str) -> Vec<String> {
        let record = self.gateway.record(id).await;
        record["steps"].as_array().unwrap().iter().filter_map(short).collect()
    }
}

/// A step in a few words; none for who decided.
fn short(step: &Value) -> Option<String> {
    let text = |name: &str| step[name].as_str().unwrap_or("-").to_owned();
    Some(match text("step").as_str() {
        "attempt" => match text("outcome").as_str() {
            "failed" => format!("{} {}", text("model"), text("reason")),
            outcome => format!("{} {outcome}", text("model")),
        },
        "fallback" | "decided" | "router" => return None,
        "key_rotated" => format!("{} key {}→{} {}", text("model"), step["from"], step["to"], text("why")),
        "hedged" => format!("{} slow, {} beside", text("slow"), text("model")),
        kind => format!("{} {kind} {}", text("model"), text("why")),
    })
}

fn prompt(fields: &Value) -> String {
    let mut body = json!({"messages": [{"role": "user", "content": "hello"}]});
    body.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    body.to_string()
}

fn fails(status: u16) -> Answer {
    openai::error(status, "error", None, "it broke")
}

fn limited(wait: &str) -> Answer {
    fails(429).header("retry-after", wait)
}

fn too_long() -> Answer {
    let words = "This model's maximum context length is 8192 tokens";
    openai::error(400, "invalid_request_error", Some("context_length_exceeded"), words)
}

fn hangs() -> Answer {
    Answer::status(200).hang_before_head("never")
}

/// What a model answers, one after the other; the last goes on.
type Script = (&'static str, Vec<Answer>);

struct Row {
    name: &'static str,
    models: &'static [(&'static str, &'static str)],
    orchestrator: &'static str,
    script: Vec<Script>,
    steps: &'static [&'static str],
    status: u16,
    /// The model that answers, or what the error says.
    says: &'static str,
}

const TO_B: &str = "fallback: { a: [b] }";
const TO_ALL: &str = "fallback: { a: [b, c], \"*\": [d] }";

fn rows() -> Vec<Row> {
    let ok = || openai::chat("ok");
    let row = |name, models, orchestrator, script, steps, status, says| Row {
        name,
        models,
        orchestrator,
        script,
        steps,
        status,
        says,
    };
    vec![
        row(
            "a failure is repeated",
            &[],
            "",
            vec![("a", vec![fails(500), ok()])],
            &["a upstream_failed", "a retry backoff", "a answered"],
            200,
            "a",
        ),
        row(
            "a broken connection is repeated",
            &[],
            "",
            vec![("a", vec![Answer::cut(), ok()])],
            &["a upstream_broken", "a retry backoff", "a answered"],
            200,
            "a",
        ),
        row(
            "slowness is repeated",
            &[("a", "timeouts: { first_byte: 100ms }")],
            "",
            vec![("a", vec![hangs(), ok()])],
            &["a upstream_timeout", "a retry backoff", "a answered"],
            200,
            "a",
        ),
        row(
            "a stalled body is repeated",
            &[("a", "timeouts: { idle: 100ms }")],
            "",
            vec![("a", vec![Answer::status(200).bytes("{").gate("never"), ok()])],
            &["a upstream_timeout", "a retry backoff", "a answered"],
            200,
            "a",
        ),
        row(
            "the total is for all calls of a model, and the next one has its own",
            &[("a", "timeouts: { total: 100ms }")],
            TO_B,
            vec![("a", vec![hangs()]), ("b", vec![ok()])],
            &["a upstream_timeout", "a retry_denied deadline", "b answered"],
            200,
            "b",
        ),
        row(
            "after two repeated calls the next is tried",
            &[],
            TO_B,
            vec![("a", vec![fails(503)]), ("b", vec![ok()])],
            &[
                "a upstream_failed",
                "a retry backoff",
                "a upstream_failed",
                "a retry backoff",
                "a upstream_failed",
                "b answered",
            ],
            200,
            "b",
        ),
        row(
            "no repeated calls when none are wanted",
            &[("a", "retries: 0")],
            TO_B,
            vec![("a", vec![fails(500)]), ("b", vec![ok()])],
            &["a upstream_failed", "b answered"],
            200,
            "b",
        ),
        row(
            "the list of the model, not the one for the rest",
            &[("a", "retries: 0"), ("b", "retries: 0"), ("c", "retries: 0")],
            TO_ALL,
            vec![("a", vec![fails(500)]), ("b", vec![fails(502)]), ("c", vec![fails(503)])],
            &["a upstream_failed", "b upstream_failed", "c upstream_failed"],
            502,
            "every candidate failed: a (upstream_failed): `up` failed with status 500: it broke; b (upstream_failed): `up` failed with status 502: it broke; c (upstream_failed): `up` failed with status 503: it broke",
        ),
        row(
            "the time to wait is waited",
            &[],
            "",
            vec![("a", vec![limited("0.02"), limited("0.02"), ok()])],
            &[
                "a upstream_rate_limited",
                "a key 0→1 rate_limited",
                "a upstream_rate_limited",
                "a retry retry_after",
                "a answered",
            ],
            200,
            "a",
        ),
        row(
            "a time too long is not waited",
            &[],
            TO_B,
            vec![("a", vec![limited("3600")]), ("b", vec![ok()])],
            &[
                "a upstream_rate_limited",
                "a key 0→1 rate_limited",
                "a upstream_rate_limited",
                "a retry_denied retry_after",
                "b answered",
            ],
            200,
            "b",
        ),
        row(
            "a failure's time to wait holds too",
            &[],
            "",
            vec![("a", vec![fails(503).header("retry-after", "0.02"), ok()])],
            &["a upstream_failed", "a retry retry_after", "a answered"],
            200,
            "a",
        ),
        row(
            "a refused key gives way to the next",
            &[("a", "retries: 0")],
            "",
            vec![("a", vec![fails(401), ok()])],
            &["a upstream_auth", "a key 0→1 refused", "a answered"],
            200,
            "a",
        ),
        row(
            "so does one without money",
            &[("a", "retries: 0")],
            "",
            vec![("a", vec![fails(402), ok()])],
            &["a upstream_auth", "a key 0→1 refused", "a answered"],
            200,
            "a",
        ),
        row(
            "when all are refused it is our fault and says so",
            &[],
            "",
            vec![("a", vec![fails(401)])],
            &["a upstream_auth", "a key 0→1 refused", "a upstream_auth"],
            502,
            "2 keys of `up` were refused",
        ),
        row(
            "when all are refused the next is tried",
            &[],
            TO_B,
            vec![("a", vec![fails(403)]), ("b", vec![ok()])],
            &["a upstream_auth", "a key 0→1 refused", "a upstream_auth", "b answered"],
            200,
            "b",
        ),
        row(
            "the client's mistake comes back at once",
            &[],
            TO_B,
            vec![("a", vec![fails(400)]), ("b", vec![ok()])],
            &["a upstream_refused"],
            400,
            "it broke",
        ),
        row(
            "also from a second model",
            &[("a", "retries: 0")],
            TO_ALL,
            vec![("a", vec![fails(500)]), ("b", vec![fails(422)]), ("c", vec![ok()])],
            &["a upstream_failed", "b upstream_refused"],
            422,
            "it broke",
        ),
        row(
            "too long goes to a larger window",
            &[("a", "context: 8k"), ("b", "context: 8k"), ("c", "context: 9k")],
            TO_ALL,
            vec![("a", vec![too_long()]), ("c", vec![ok()])],
            &["a context_length_exceeded", "b skipped context_window", "c answered"],
            200,
            "c",
        ),
        row(
            "a window that is not known may be larger",
            &[("a", "context: 8k")],
            TO_B,
            vec![("a", vec![too_long()]), ("b", vec![ok()])],
            &["a context_length_exceeded", "b answered"],
            200,
            "b",
        ),
        row(
            "too long for all comes back in the provider's words",
            &[("a", "context: 8k"), ("b", "context: 4k")],
            TO_B,
            vec![("a", vec![too_long()])],
            &["a context_length_exceeded", "b skipped context_window"],
            400,
            "This model's maximum context length is 8192 tokens",
        ),
        row(
            "the error lists every attempt; the last one's kind counts",
            &[("b", "retries: 0, timeouts: { first_byte: 100ms }")],
            TO_B,
            vec![("a", vec![fails(500), fails(401), fails(500)]), ("b", vec![hangs()])],
            &[
                "a upstream_failed",
                "a retry backoff",
                "a upstream_auth",
                "a key 0→1 refused",
                "a upstream_failed",
                "a retry backoff",
                "a upstream_failed",
                "b upstream_timeout",
            ],
            504,
            "every candidate failed: a (upstream_failed): `up` failed with status 500: it broke; a (upstream_auth): `up` refused this gateway's key (status 401); check the provider's api_key; a (upstream_failed, 2 attempts): `up` failed with status 500: it broke; b (upstream_timeout): `up` did not begin its answer within 100ms",
        ),
    ]
}

#[tokio::test]
async fn each_failure_has_its_remedy() {
    for row in rows() {
        let rig = Rig::start(row.models, row.orchestrator).await;
        for (model, mut answers) in row.script {
            let last = answers.pop().unwrap();
            answers.into_iter().for_each(|answer| rig.upstream.push_for(&Match::model(model), answer));
            rig.upstream.always_for(&Match::model(model), last);
        }
        let reply = rig.gateway.chat(prompt(&json!({"model": "a"}))).await;
        let name = row.name;
        assert_eq!(reply.status, row.status, "{name}: {}", reply.text());
        let id = reply.header("x-jackfield-request-id").unwrap();
        assert_eq!(rig.steps(id).await, row.steps, "{name}");
        match row.status {
            200 => assert_eq!(reply.header("x-jackfield-model"), Some(row.says), "{name}"),
            _ => assert!(reply.error().message.contains(row.says), "{name}: {}", reply.text()),
        }
        let repeated = |step: &&&str| step.contains(" retry ") || step.contains(" key ");
        let (calls, retries) = (rig.upstream.requests().len(), row.steps.iter().filter(repeated).count());
        assert_eq!(reply.header("x-jackfield-attempts"), Some(&*calls.to_string()), "{name}");
        let line = &rig.gateway.log().wait_for_requests(1).await[0];
        assert_eq!((line.get("attempts"), line.get("retries")), (&json!(calls), &json!(retries)), "{name}");
        assert_eq!(rig.upstream.unscripted(), 0, "{name}");
    }
}

#[tokio::test]
async fn the_wait_that_a_provider_asked_for_is_in_the_trail() {
    let rig = Rig::start(&[], "").await;
    rig.upstream.push(limited("0.02"));
    rig.upstream.push(limited("0.03"));
    rig.upstream.push(openai::chat("ok"));
    let reply = rig.gateway.chat(prompt(&json!({}))).await;
    let record = rig.gateway.record(reply.header("x-jackfield-request-id").unwrap()).await;
    let waits: Vec<&Value> = record["steps"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|s| s["step"] == "retry")
        .map(|s| &s["wait_us"])
        .collect();
    assert_eq!(waits, [&json!(30_000)]);
}

#[tokio::test]
async fn a_tasks_fallback_is_tried_in_turn_with_each_ones_own_settings() {
    let routes = "routes: [
        { task: scale, model: a, temperature: 0.5, fallback: [task/convert, c] },
        { task: convert, model: b, max_tokens: 9, fallback: [c] } ], fallback: { \"*\": [d] }";
    let none = "retries: 0";
    let rig = Rig::start(&[("a", none), ("b", none), ("c", none), ("d", none)], routes).await;
    rig.upstream.always(fails(500));
    let reply = rig.gateway.chat(prompt(&json!({"model": "task/scale"}))).await;
    assert_eq!(reply.status, 502, "{}", reply.text());
    let sent: Vec<Value> = rig.upstream.requests().iter().map(|r| r.json()).collect();
    let told: Vec<_> = sent
        .iter()
        .map(|body| (&body["model"], &body["temperature"], &body["max_completion_tokens"]))
        .collect();
    let (null, half, nine) = (json!(null), json!(0.5), json!(9));
    let names = ["a", "b", "c", "c", "d"].map(|name| json!(name));
    assert_eq!(
        told,
        [
            (&names[0], &half, &null),
            (&names[1], &null, &nine),
            (&names[2], &null, &nine),
            (&names[3], &half, &null),
            (&names[4], &half, &null),
        ]
    );
    let record = rig.gateway.record(reply.header("x-jackfield-request-id").unwrap()).await;
    assert_eq!(record["steps"][0]["models"], json!(["a"]));
    assert_eq!(record["steps"][1], json!({"step": "fallback", "models": ["b", "c", "c", "d"]}));
}

#[tokio::test]
async fn a_fallback_goes_to_no_model_that_the_clients_key_may_not_use() {
    let key = "jf-one-0123456789abcdef";
    let upstream = Upstream::start().await;
    let keys = format!("keys: [ {{ key: {key}, models: [a, c] }} ]\n");
    let yaml = format!(
        "{keys}providers: {{ up: {{ kind: openai, base_url: \"{}\" }} }}\nmodels: {{ a: {{ provider: up, retries: 0 }}, b: {{ provider: up }}, c: {{ provider: up }} }}\norchestrator: {{ routes: [ {{ task: t, model: b }} ], fallback: {{ \"*\": [b, c] }} }}\nplugins: {{ dir: /nonexistent }}\n",
        upstream.base_url()
    );
    let gateway = Gateway::start(&yaml).await;
    upstream.push_for(&Match::model("a"), fails(500));
    upstream.always_for(&Match::model("c"), openai::chat("ok"));
    let headers = [("authorization", &*format!("Bearer {key}"))];
    let ask = |body: Value| gateway.post_raw("/v1/chat/completions", prompt(&body), &headers);
    let reply = ask(json!({"model": "a"})).await;
    assert_eq!((reply.status, reply.header("x-jackfield-model")), (200, Some("c")), "{}", reply.text());
    // A task whose own model is not allowed is refused, whatever it falls back to.
    let reply = ask(json!({"model": "task/t"})).await;
    assert_eq!((reply.status, reply.error().code.as_deref()), (403, Some("model_not_allowed")));
    assert_eq!(upstream.requests().len(), 2);
}

#[tokio::test]
async fn a_refused_key_is_not_used_for_the_next_request_and_a_forbidden_one_only_for_other_models() {
    for (status, keys_of_b) in [(401, 1), (403, 0)] {
        let rig = Rig::start(&[], "").await;
        rig.upstream.push(fails(status));
        rig.upstream.always(openai::chat("ok"));
        for model in ["a", "a", "b"] {
            let reply = rig.gateway.chat(prompt(&json!({"model": model}))).await;
            assert_eq!(reply.status, 200, "{}", reply.text());
        }
        assert_eq!(rig.keys(), [0, 1, 1, keys_of_b], "{status}");
    }
}

#[tokio::test]
async fn keys_are_told_by_their_place_alone() {
    let rig = Rig::start(&[], "").await;
    let leak = format!("Incorrect API key provided: {} {}", KEYS[0], KEYS[1]);
    rig.upstream.always(openai::error(401, "authentication_error", None, &leak));
    let reply = rig.gateway.chat(prompt(&json!({}))).await;
    assert_eq!(rig.keys(), [0, 1]);
    let record = rig.gateway.record(reply.header("x-jackfield-request-id").unwrap()).await;
    let said = format!("{} {record} {:?}", reply.text(), rig.gateway.log().lines());
    assert!(!KEYS.iter().any(|key| said.contains(key)), "{said}");
}

#[tokio::test]
async fn a_key_without_its_variable_is_left_out_and_the_rest_serve() {
    let upstream = Upstream::start().await;
    let yaml = format!(
        "providers: {{ up: {{ kind: openai, base_url: \"{}\", api_key: \"${{NOT_SET}}\", api_keys: [\"${{NOR_THIS}}\", \"${{K2}}\"] }} }}\nmodels: {{ a: {{ provider: up }} }}\nplugins: {{ dir: /nonexistent }}\n",
        upstream.base_url()
    );
    let gateway = Setup::yaml(&yaml).env("K2", KEYS[1]).start().await;
    upstream.push(openai::chat("ok"));
    assert_eq!(gateway.chat(prompt(&json!({"model": "a"}))).await.status, 200);
    assert_eq!(upstream.only_request().header("authorization"), Some(&*format!("Bearer {}", KEYS[1])));
}

#[tokio::test]
async fn a_model_that_keeps_failing_is_left_alone_while_another_answers() {
    const REQUESTS: usize = 30;
    let began = std::time::Instant::now();
    let rig = Rig::start(&[("a", "retries: 0")], TO_B).await;
    rig.upstream.always_for(&Match::model("a"), fails(500));
    rig.upstream.always_for(&Match::model("b"), openai::chat("ok"));
    for _ in 0..REQUESTS {
        assert_eq!(rig.gateway.chat(prompt(&json!({"model": "a"}))).await.status, 200);
    }
    // Five open it; then one call tries each second at most.
    let bound = 5 + 1 + usize::try_from(began.elapsed().as_secs()).unwrap();
    let calls = rig.called().iter().filter(|model| *model == "a").count();
    assert!(calls <= bound, "{calls} calls, at most {bound}");
    let skipped = json!({"step": "skipped", "model": "a", "provider": "up", "why": "breaker_open"});
    let records = rig.gateway.records();
    let count = records.iter().filter(|r| r["steps"].as_array().unwrap().contains(&skipped)).count();
    assert_eq!(count, REQUESTS - calls);
}

#[tokio::test]
async fn a_model_left_alone_is_tried_once_when_nobody_else_answers() {
    let rig = Rig::start(&[("b", "retries: 0")], TO_B).await;
    rig.upstream.always(fails(500));
    let ask = |model| rig.gateway.chat(prompt(&json!({"model": model})));
    // Each breaker opens in time, and for longer each time.
    let message = soon("both to be left alone", async {
        loop {
            let so_far = rig.called().len();
            let reply = ask("a").await;
            assert_eq!(reply.status, 502);
            if rig.called().split_off(so_far) == ["a"] {
                return reply.error().message;
            }
        }
    })
    .await;
    assert!(message.contains("a (upstream_failed): ") && message.contains("b: left alone"), "{message}");
    // The only candidate is tried whatever its breaker says, and an answer closes it.
    rig.upstream.always_for(&Match::model("b"), openai::chat("ok"));
    assert_eq!(ask("b").await.status, 200);
    let so_far = rig.called().len();
    assert_eq!(ask("a").await.status, 200);
    assert_eq!(rig.called().split_off(so_far).last().unwrap(), "b");
}

#[tokio::test]
async fn a_storm_of_failures_is_not_made_worse() {
    const REQUESTS: usize = 100;
    let began = std::time::Instant::now();
    let rig = Rig::start(&[("a", "retries: 10")], "").await;
    // Not an illness, so that the breaker stays out of it.
    rig.upstream.always(fails(429));
    for _ in 0..REQUESTS {
        assert_eq!(rig.gateway.chat(prompt(&json!({}))).await.status, 429);
    }
    // A fifth of the requests, the floor of ten, and what comes in by itself in the time it took.
    let bound = REQUESTS + REQUESTS / 5 + 10 + 1 + usize::try_from(began.elapsed().as_secs()).unwrap();
    let calls = rig.upstream.requests().len();
    assert!(calls <= bound && calls > REQUESTS, "{calls} calls, at most {bound}");
    let last = rig.gateway.records().remove(0);
    let denied = json!({"step": "retry_denied", "model": "a", "why": "budget"});
    assert!(last["steps"].as_array().unwrap().contains(&denied), "{last:#}");
}

/// A gateway that knows how quick `a` is, with `hedge` on.
async fn hedging(orchestrator: &str) -> Rig {
    let rig = Rig::start(&[("a", "hedge: true")], orchestrator).await;
    rig.upstream.always_for(&Match::model("b"), openai::stream(&["from b"]));
    for _ in 0..20 {
        rig.upstream.push_for(&Match::model("a"), openai::stream(&["quick"]));
        assert_eq!(streamed(&rig).await.collect().await.text(), "quick");
    }
    rig
}

async fn streamed(rig: &Rig) -> Stream {
    rig.gateway.open_stream(prompt(&json!({"model": "a", "stream": true}))).await
}

#[tokio::test]
async fn a_slow_model_gets_another_beside_it_and_the_loser_is_cut_off() {
    let rig = hedging(TO_B).await;
    let slow = openai::stream_frames(&["slow"]);
    rig.upstream.push_for(&Match::model("a"), Answer::sse(slow[..1].to_vec()).gate("never"));
    let stream = streamed(&rig).await.collect().await;
    assert_eq!((stream.text(), stream.header("x-jackfield-attempts")), ("from b".into(), Some("2")));
    rig.upstream.disconnected(20).await;
    let steps = rig.steps(stream.header("x-jackfield-request-id").unwrap()).await;
    assert_eq!(steps, ["a slow, b beside", "b answered", "a abandoned"]);
    let line = rig.gateway.log().wait_for_requests(21).await.pop().unwrap();
    assert_eq!((line.get("model"), line.get("attempts")), (&json!("b"), &json!(2)));
}

#[tokio::test]
async fn the_slow_one_may_still_win_and_without_another_the_same_is_called() {
    let rig = hedging("").await;
    for gate in ["first", "second"] {
        let late = openai::stream_frames(&[gate]);
        let answer = late.into_iter().fold(Answer::sse(Vec::<String>::new()).gate(gate), Answer::bytes);
        rig.upstream.push_for(&Match::model("a"), answer);
    }
    let opened = async {
        rig.upstream.at_gate("first").await;
        rig.upstream.at_gate("second").await;
        rig.upstream.open("first");
    };
    let (stream, ()) = tokio::join!(streamed(&rig), opened);
    let stream = stream.collect().await;
    assert_eq!(stream.text(), "first");
    rig.upstream.disconnected(21).await;
    let steps = rig.steps(stream.header("x-jackfield-request-id").unwrap()).await;
    assert_eq!(steps, ["a slow, a beside", "a answered", "a abandoned"]);
}

#[tokio::test]
async fn when_one_of_the_two_fails_the_other_goes_on() {
    for (first, want) in [
        ("slow", ["a slow, b beside", "a upstream_failed", "b answered"]),
        ("beside", ["a slow, b beside", "b upstream_failed", "a answered"]),
    ] {
        let rig = hedging(TO_B).await;
        let answer = |gate: &str| if gate == first { fails(500) } else { openai::stream(&["other"]) };
        rig.upstream.push_for(&Match::model("a"), answer("slow").hang_before_head("slow"));
        rig.upstream.push_for(&Match::model("b"), answer("beside").hang_before_head("beside"));
        let opened = async {
            rig.upstream.at_gate("slow").await;
            rig.upstream.at_gate("beside").await;
            rig.upstream.open(first);
            rig.gateway.log().wait_for_text("an attempt failed").await;
            rig.upstream.open(if first == "slow" { "beside" } else { "slow" });
        };
        let (stream, ()) = tokio::join!(streamed(&rig), opened);
        let stream = stream.collect().await;
        assert_eq!(stream.text(), "other", "{first}");
        let steps = rig.steps(stream.header("x-jackfield-request-id").unwrap()).await;
        assert_eq!(steps, want, "{first}");
    }
}

#[tokio::test]
async fn without_the_word_nothing_is_hedged() {
    let rig = Rig::start(&[], TO_B).await;
    for _ in 0..20 {
        rig.upstream.push_for(&Match::model("a"), openai::stream(&["quick"]));
        streamed(&rig).await.collect().await;
    }
    rig.upstream.push_for(&Match::model("a"), openai::stream(&["late"]).hang_before_head("late"));
    let opened = async {
        rig.upstream.at_gate("late").await;
        // Longer than any of the twenty took.
        for _ in 0..20 {
            assert_eq!(rig.gateway.get("/health").await.status, 200);
        }
        rig.upstream.open("late");
    };
    let (stream, ()) = tokio::join!(streamed(&rig), opened);
    assert_eq!(stream.collect().await.text(), "late");
    assert_eq!(rig.called(), vec!["a"; 21]);
}

#[tokio::test]
async fn a_stream_falls_back_before_its_first_content_and_never_after() {
    let frames = openai::stream_frames(&["Hel"]);
    let (role, text) = (frames[0].clone(), frames[1].clone());
    let rig = Rig::start(&[("a", "retries: 0")], TO_B).await;
    rig.upstream.always_for(&Match::model("b"), openai::stream(&["from b"]));
    rig.upstream.push_for(&Match::model("a"), Answer::sse([role.clone()]).then_cut());
    let stream = streamed(&rig).await.collect().await;
    assert_eq!((stream.status, stream.text()), (200, "from b".to_owned()));
    assert_eq!(stream.header("x-jackfield-model"), Some("b"));
    rig.upstream.push_for(&Match::model("a"), Answer::sse([role, text]).then_cut());
    let stream = streamed(&rig).await.collect().await;
    assert_eq!((stream.status, &stream.ending), (200, &Ending::Whole));
    assert_eq!(stream.error().code.as_deref(), Some("upstream_broken"));
    assert_eq!(rig.called(), ["a", "b", "a"]);
    let record = rig.gateway.record(stream.header("x-jackfield-request-id").unwrap()).await;
    assert_eq!((&record["outcome"], &record["reason"]), (&json!("broken_off"), &json!("upstream_broken")));
}

#[tokio::test]
async fn a_client_that_leaves_ends_calls_and_waits() {
    let rig = Rig::start(&[], TO_B).await;
    let body = prompt(&json!({"model": "a"}));
    let head = "POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n";
    let ask = format!("{head}content-length: {}\r\n\r\n{body}", body.len());
    // While it is called.
    rig.upstream.push(hangs());
    let mut client = rig.gateway.raw().await;
    client.send(&ask).await;
    rig.upstream.at_gate("never").await;
    drop(client);
    rig.upstream.disconnected(0).await;
    // While it waits: two keys are told to slow down, and then the client goes.
    rig.upstream.push(limited("4"));
    rig.upstream.push(limited("4"));
    let mut client = rig.gateway.raw().await;
    client.send(&ask).await;
    let failures = || rig.gateway.log().count("DEBUG", "jackfield::attempt");
    soon("both keys to be told to slow down", async {
        while failures() < 2 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    drop(client);
    let lines = rig.gateway.log().wait_for_requests(2).await;
    assert!(lines.iter().all(|line| line.get("outcome") == "client_left"), "{lines:#?}");
    let steps = |record: &Value| -> Vec<String> {
        record["steps"].as_array().unwrap().iter().filter_map(short).collect()
    };
    let records = rig.gateway.records();
    assert_eq!(steps(&records[1]), ["a abandoned"]);
    let waiting = [
        "a upstream_rate_limited",
        "a key 0→1 rate_limited",
        "a upstream_rate_limited",
        "a retry retry_after",
    ];
    assert_eq!(steps(&records[0]), waiting);
    assert_eq!(rig.upstream.requests().len(), 3);
}

#[tokio::test]
async fn a_connection_that_never_stands_is_a_timeout_and_the_next_is_tried() {
    // A listener whose queue is full answers nobody.
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let full = socket.listen(1).unwrap();
    let address = full.local_addr().unwrap();
    let mut held = Vec::new();
    while let Ok(Ok(one)) =
        tokio::time::timeout(std::time::Duration::from_millis(200), tokio::net::TcpStream::connect(address))
            .await
    {
        held.push(one);
    }
    let far = format!("  far: {{ kind: openai, base_url: \"http://{address}/v1\" }}\n");
    let rig =
        Rig::beside(&far, &[("a", "provider: far, retries: 1, timeouts: { connect: 100ms }")], TO_B).await;
    rig.upstream.push(openai::chat("ok"));
    let reply = rig.gateway.chat(prompt(&json!({"model": "a"}))).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    let steps = rig.steps(reply.header("x-jackfield-request-id").unwrap()).await;
    assert_eq!(steps, ["a upstream_timeout", "a retry backoff", "a upstream_timeout", "b answered"]);
}

#[tokio::test]
async fn no_word_of_prompts_or_answers_is_kept() {
    let (asked, answered) = ("the-secret-question", "the-secret-answer");
    let rig = Rig::start(&[("a", "retries: 0")], TO_B).await;
    let echo = format!("cannot do {asked}");
    rig.upstream.push(openai::error(500, "error", None, &echo));
    rig.upstream.push(openai::chat(answered));
    rig.upstream.push(openai::error(400, "error", None, &echo));
    rig.upstream.push(openai::error(500, "error", None, &echo));
    rig.upstream.push(openai::error(503, "error", None, &echo));
    rig.upstream.always(openai::error(500, "error", None, &echo));
    let body = prompt(&json!({"model": "a"})).replace("hello", asked);
    let mut statuses = Vec::new();
    for _ in 0..3 {
        statuses.push(rig.gateway.chat(body.clone()).await.status);
    }
    assert_eq!(statuses, [200, 400, 502]);
    let records = rig.gateway.records();
    assert_eq!(records.len(), 3);
    for record in &records {
        assert!(!record.to_string().contains("the-secret"), "{record:#}");
    }
    let first = &records[2];
    let (known, usage) = (&first["steps"][2], &first["usage"]);
    assert_eq!(
        (&known["outcome"], &known["reason"], &known["status"]),
        (&json!("failed"), &json!("upstream_failed"), &json!(500))
    );
    assert_eq!((&usage["input_tokens"], &usage["output_tokens"]), (&json!(11), &json!(7)));
    assert_eq!(
        (&first["outcome"], &first["model"], &first["attempts"]),
        (&json!("answered"), &json!("b"), &json!(2))
    );
}
