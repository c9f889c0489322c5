//! Which models are called, in which order and how often, by what went wrong; and what the trail says of it.
//!
//! Most tests are rows: what each model answers, the steps that must be taken, and what comes of it. Steps are
//! written short, see [`short`].

/// What bounds calls when a provider is not well.
mod breaker;
/// How calls end, and what is kept of them.
mod ends;
/// A second call beside a slow one.
mod hedging;
/// Several keys of one provider.
mod keys;

use jackfield_tests::gateway::{Gateway, Setup, Stream};
use jackfield_tests::upstream::{Answer, Match, Upstream, openai};
use serde_json::{Value, json};

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
    let told: Vec<_> =
        sent.iter().map(|body| (&body["model"], &body["temperature"], &body["max_tokens"])).collect();
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

async fn streamed(rig: &Rig) -> Stream {
    rig.gateway.open_stream(prompt(&json!({"model": "a", "stream": true}))).await
}
