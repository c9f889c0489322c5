//! What an answer must pass before anybody reads it: every verdict, whole and streamed, and what becomes of the request.

use jackfield_tests::gateway::{Ending, Reply, Streamed};
use jackfield_tests::guest::{trapping, validator};
use jackfield_tests::upstream::{Answer, Match, openai};
use serde_json::{Value, json};

use crate::world::World;

/// Has the verdict for answers that begin with `b`, and accepts all others.
fn guest(verdict: &str) -> Vec<u8> {
    validator(&format!("(if (i32.eq (call $first) (i32.const 98)) (then (return {verdict}))) (call $accept)"))
}

fn rejects() -> Vec<u8> {
    guest("(call $say (i32.const 1) (i32.const 1))")
}

fn repairs() -> Vec<u8> {
    guest("(call $say (i32.const 2) (i32.const 12))")
}

fn replaces() -> Vec<u8> {
    guest("(call $say (i32.const 3) (i32.const 3))")
}

fn traps() -> Vec<u8> {
    validator("unreachable")
}

/// A gateway with the models `a`, which falls back to `b`, and the tasks `t` and `free`; the plugin `v` is this guest.
async fn world(orchestrator: &str, on_error: &str, guest: &[u8]) -> World {
    let settings = if on_error.is_empty() { String::new() } else { format!("v: {{ on_error: {on_error} }}") };
    let yaml = format!(
        "models:
  a: {{ provider: up, retries: 0 }}
  b: {{ provider: up, retries: 0, capabilities: [response_schema] }}
orchestrator:
  default_model: a
  fallback: {{ a: [b] }}
{orchestrator}
plugins:
  dir: PLUGINS
  validator_defaults: {{ limits: {{ cpu: 5s, wall: 30s }} }}
  settings: {{ {settings} }}
"
    );
    let files: &[(&str, &[u8])] = if guest.is_empty() { &[] } else { &[("v.wasm", guest)] };
    World::with_plugins(&yaml, files).await
}

const EVERY: &str = "  validators: [v]";

fn ask(stream: bool, more: &Value) -> String {
    let mut body = json!({ "messages": [{ "role": "user", "content": "hello" }], "stream": stream });
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    body.to_string()
}

fn says(text: &str, stream: bool) -> Answer {
    if stream { openai::stream(&[&text[..1], &text[1..]]) } else { openai::chat(text) }
}

fn text_of(reply: &Reply) -> String {
    reply.json()["choices"][0]["message"]["content"].as_str().unwrap_or("none").to_owned()
}

/// What the client got, in a form that both ways share.
struct Got {
    status: u16,
    text: String,
    headers: http::HeaderMap,
}

impl Got {
    fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }
}

async fn get(world: &World, stream: bool, more: &Value) -> Got {
    if stream {
        let got: Streamed = world.gateway.stream(ask(true, more)).await;
        assert_eq!(got.ending, Ending::Whole);
        let text =
            if got.status == 200 { got.text() } else { String::from_utf8_lossy(&got.body).into_owned() };
        return Got { status: got.status, text, headers: got.headers };
    }
    let got = world.gateway.chat(ask(false, more)).await;
    let text = if got.status == 200 { text_of(&got) } else { got.text() };
    Got { status: got.status, text, headers: got.headers }
}

/// The verdicts of a request, as `name model verdict: issues`.
async fn verdicts(world: &World, got: &Got) -> Vec<String> {
    let record = world.gateway.record(got.header("x-jackfield-request-id").unwrap()).await;
    let steps = record["steps"].as_array().unwrap().iter().filter(|step| step["step"] == "validated");
    let text = |step: &Value, name: &str| step[name].as_str().unwrap().to_owned();
    steps
        .map(|step| {
            let issues: Vec<&str> =
                step["issues"].as_array().unwrap().iter().map(|i| i.as_str().unwrap()).collect();
            let said = [text(step, "name"), text(step, "model"), text(step, "verdict")].join(" ");
            if issues.is_empty() { said } else { format!("{said}: {}", issues.join(", ")) }
        })
        .collect()
}

#[tokio::test]
async fn every_verdict_does_what_it_says_whole_and_streamed() {
    let good = |model| format!("v {model} accept");
    // What `a` and `b` say, who is called, what comes of it, the verdicts.
    let rows = [
        ("accept", validator("(call $accept)"), "bad", vec!["a"], "bad", vec![good("a")]),
        (
            "reject",
            rejects(),
            "bad",
            vec!["a", "b"],
            "good",
            vec!["v a reject: say it again".into(), good("b")],
        ),
        ("repair", repairs(), "bad", vec!["a", "a"], "fine", vec!["v a repair".into(), good("a")]),
        ("replace", replaces(), "bad", vec!["a"], "say", vec!["v a replace".into()]),
    ];
    for (name, guest, first, called, text, want) in rows {
        for stream in [false, true] {
            let name = format!("{name}, stream {stream}");
            let world = world(EVERY, "reject", &guest).await;
            world.upstream.push_for(&Match::model("a"), says(first, stream));
            world.upstream.push_for(&Match::model("a"), says("fine", stream));
            world.upstream.push_for(&Match::model("b"), says("good", stream));
            let got = get(&world, stream, &json!({})).await;
            assert_eq!((got.status, &*got.text), (200, text), "{name}: {}", world.gateway.log().complaints());
            let requests = world.upstream.requests();
            let models: Vec<_> =
                requests.iter().map(|r| r.json()["model"].as_str().unwrap().to_owned()).collect();
            assert_eq!(models, called, "{name}");
            assert_eq!(verdicts(&world, &got).await, want, "{name}");
            assert_eq!(got.header("x-jackfield-attempts"), Some(called.len().to_string().as_str()), "{name}");
            assert_eq!(got.header("x-jackfield-model"), called.last().copied(), "{name}");
            assert_eq!(got.header("x-jackfield-score"), None, "{name}");
        }
    }
}

/// The lab's `execute_with_fallback`: what the primary says is validated, then what the fallback says; when neither is
/// valid, one error has the issues of both.
#[tokio::test]
async fn the_labs_execute_with_fallback() {
    let orchestrator = "  routes:
    - { task: scale, model: a, fallback: [task/convert], validators: [{ json_schema: { type: object, required: [amount] } }] }
    - { task: convert, model: b, validators: [{ json_schema: { type: object, required: [amount] } }] }";
    let world = world(orchestrator, "", &[]).await;
    let task = json!({ "metadata": { "task": "scale" } });
    for stream in [false, true, false] {
        world.upstream.push(says("not valid", stream));
        world.upstream.push(says(r#"{"amount":2}"#, stream));
        let got = get(&world, stream, &task).await;
        assert_eq!((got.status, &*got.text), (200, r#"{"amount":2}"#));
        assert_eq!(got.header("x-jackfield-model"), Some("b"));

        world.upstream.push(says("not valid", stream));
        world.upstream.push(says(r#"{"amout":2}"#, stream));
        let got = get(&world, stream, &task).await;
        assert_eq!(got.status, 502, "{}", got.text);
        let error = serde_json::from_str::<Value>(&got.text).unwrap()["error"].clone();
        assert_eq!((&error["code"], &error["type"]), (&json!("answer_rejected"), &json!("upstream_error")));
        let message = error["message"].as_str().unwrap();
        for part in
            ["a (answer_rejected): ", "it is not JSON", "b (answer_rejected): ", "\"amount\" is a required"]
        {
            assert!(message.contains(part), "{message}");
        }
    }
    // Nobody was called unwell for it.
    world.upstream.push(openai::chat(r#"{"amount":1}"#));
    assert_eq!(get(&world, false, &task).await.header("x-jackfield-model"), Some("a"));
}

#[tokio::test]
async fn a_repair_says_what_was_said_and_what_is_wrong_and_changes_no_other_byte() {
    let world = world(EVERY, "reject", &repairs()).await;
    let start = r#"{"model":"a", "messages" : [ {"role":"user","content":"h\u00e9"}"#;
    let end = r#" ] ,"seed":1.0e+2}"#;
    world.upstream.push(openai::chat("b \"quoted\"\n"));
    world.upstream.push(openai::chat("good"));
    let reply = world.gateway.chat(format!("{start}{end}")).await;
    assert_eq!(text_of(&reply), "good");
    let got: Vec<String> = world.upstream.requests().iter().map(|r| r.text().to_owned()).collect();
    let more = r#",{"role":"assistant","content":"b \"quoted\"\n"},{"role":"user","content":"say it again"}"#;
    assert_eq!(got, [format!("{start}{end}"), format!("{start}{more}{end}")]);
}

#[tokio::test]
async fn repairs_are_counted_over_the_whole_request() {
    for (most, called) in [(0, vec!["a", "b"]), (1, vec!["a", "a", "b"]), (3, vec!["a", "a", "a", "a", "b"])]
    {
        let world = world(&format!("  validators: [v]\n  max_repairs: {most}"), "reject", &repairs()).await;
        world.upstream.always(openai::chat("bad"));
        let got = get(&world, false, &json!({})).await;
        let requests = world.upstream.requests();
        let models: Vec<_> =
            requests.iter().map(|r| r.json()["model"].as_str().unwrap().to_owned()).collect();
        assert_eq!((got.status, models), (502, called.iter().map(ToString::to_string).collect()), "{most}");
        // Each repair adds two messages to those of the repair before.
        let lengths: Vec<_> =
            requests.iter().map(|r| r.json()["messages"].as_array().unwrap().len()).collect();
        let want: Vec<usize> = (0..=most).map(|n| 1 + 2 * n).chain([1]).collect();
        assert_eq!(lengths, want);
        let times = if most == 0 { String::new() } else { format!(", {} attempts", most + 1) };
        assert!(got.text.contains(&format!("a (answer_rejected{times}): ")), "{}", got.text);
        assert!(got.text.contains("say it again"), "{}", got.text);
    }
}

#[tokio::test]
async fn a_replacement_keeps_the_usage_and_comes_as_the_client_asked() {
    let world = world("  validators: [v, { max_length: 3 }]", "reject", &replaces()).await;
    world.upstream.push(openai::chat("bad and long"));
    let whole = world.gateway.chat(ask(false, &json!({}))).await;
    let body = whole.json();
    assert_eq!((text_of(&whole).as_str(), &body["id"]), ("say", &json!(openai::ID)), "{body}");
    assert_eq!(
        (&body["usage"]["total_tokens"], &body["choices"][0]["finish_reason"]),
        (&json!(18), &json!("stop"))
    );
    for usage in [false, true] {
        world.upstream.push(openai::stream(&["bad", " and long"]));
        let options = json!({ "stream_options": { "include_usage": usage } });
        let got = world.gateway.stream(ask(true, &options)).await;
        assert_eq!(got.text(), "say");
        assert_eq!(got.frames.last().unwrap(), openai::DONE.as_bytes());
        let told =
            got.chunks().iter().filter_map(|chunk| chunk.pointer("/usage/total_tokens").cloned()).next();
        assert_eq!(told, usage.then(|| json!(18)));
        assert_eq!(got.chunks()[0]["choices"][0]["delta"]["role"], "assistant");
    }
}

#[tokio::test]
async fn a_score_is_told_in_the_header_the_log_and_the_record() {
    for stream in [false, true] {
        let world = world(EVERY, "reject", &validator("(call $score (f64.const 0.25)) (call $accept)")).await;
        world.upstream.push(says("good", stream));
        let got = get(&world, stream, &json!({})).await;
        assert_eq!(got.header("x-jackfield-score"), Some("0.25"));
        assert_eq!(world.gateway.log().wait_for_requests(1).await[0].get("score"), &json!(0.25));
        let record = world.gateway.record(got.header("x-jackfield-request-id").unwrap()).await;
        assert_eq!(record["score"], 0.25);
        assert!(record["steps"].as_array().unwrap().iter().any(|step| step["score"] == 0.25));
    }
}

#[tokio::test]
async fn a_validator_that_fails_or_is_not_there_does_as_on_error_says() {
    let rows =
        [("reject", 502, "answer_rejected", 2), ("accept", 200, "", 1), ("fail", 500, "plugin_failed", 1)];
    // A router is no validator.
    let guests = [
        (traps(), "unreachable"),
        (Vec::new(), "no validator of this name"),
        (trapping(), "no validator of"),
    ];
    for (guest, why) in guests {
        for (on_error, status, code, called) in rows {
            let yaml = format!("{EVERY}\n  routers: []");
            let world = world(&yaml, on_error, &guest).await;
            world.upstream.always(openai::chat("good"));
            let got = get(&world, false, &json!({})).await;
            assert_eq!(
                (got.status, world.upstream.requests().len()),
                (status, called),
                "{on_error}: {}",
                got.text
            );
            if status != 200 {
                let error = serde_json::from_str::<Value>(&got.text).unwrap()["error"].clone();
                assert_eq!(error["code"], code);
                let message = error["message"].as_str().unwrap();
                assert!(message.contains("validator `v` failed: ") && message.contains(why), "{message}");
            }
            let told = verdicts(&world, &got).await;
            assert_eq!(told.len(), called, "{told:?}");
            assert!(told[0].starts_with("v a fault: ") && told[0].contains(why), "{told:?}");
            let warned = world.gateway.log().text().matches("no such validator is loaded").count();
            assert_eq!(warned, usize::from(why.contains("no validator")), "told once");
        }
    }
}

#[tokio::test]
async fn the_built_in_ones_hold_their_bounds() {
    let schema = "{ json_schema: { type: object, properties: { n: { maximum: 3 } } } }";
    let rows = [
        ("not_empty", "x", " \n", "the answer is empty"),
        ("{ max_length: 4 }", "äöü€", "äöü€x", "5 characters, more than 4"),
        (r#"{ regex: "^\\{" }"#, "{x", " {x", "nothing that fits"),
        (schema, r#"{"n":3}"#, r#"{"n":4}"#, "at /n: "),
        (schema, "{}", "{", "it is not JSON"),
    ];
    for (rule, good, bad, issue) in rows {
        let world = world(&format!("  validators: [{rule}]"), "", &[]).await;
        for stream in [false, true] {
            let name = format!("{rule} {stream}");
            world.upstream.push(if stream { openai::stream(&[good]) } else { openai::chat(good) });
            let got = get(&world, stream, &json!({ "model": "a" })).await;
            assert_eq!((got.status, &*got.text), (200, good), "{name}");
            (0..2).for_each(|_| {
                world.upstream.push(if stream { openai::stream(&[bad]) } else { openai::chat(bad) });
            });
            let got = get(&world, stream, &json!({ "model": "a" })).await;
            assert_eq!(got.status, 502, "{name}: {}", got.text);
            assert!(got.text.contains(issue), "{name}: {}", got.text);
        }
    }
    // A call of a tool is an answer, and has no text to be checked.
    let all = "  validators: [not_empty, { max_length: 1 }, { regex: x }, { json_schema: false }]";
    let world = world(all, "", &[]).await;
    world.upstream.push(openai::tool_call("id", "f", "{}"));
    assert_eq!(world.gateway.chat(ask(false, &json!({}))).await.status, 200);
    world.upstream.push(openai::tool_call_stream("id", "f", &["{", "}"]));
    assert_eq!(world.gateway.stream(ask(true, &json!({}))).await.status, 200);
}

#[tokio::test]
async fn a_response_format_is_enforced_for_models_that_do_not_keep_to_it() {
    let world = world("", "", &[]).await;
    let format = |schema: Value| json!({ "response_format": { "type": "json_schema", "json_schema": { "name": "n", "schema": schema } } });
    let object = format(json!({ "type": "object" }));
    for stream in [false, true] {
        // `a` lists no capability, and its answer is checked; `b` keeps to schemas, and its answer is its own business.
        world.upstream.push(says("no object", stream));
        world.upstream.push(says("none either", stream));
        let got = get(&world, stream, &object).await;
        assert_eq!((got.status, &*got.text), (200, "none either"));
        let told = verdicts(&world, &got).await;
        assert!(
            told.len() == 1 && told[0].starts_with("response_format a reject: it is not JSON"),
            "{told:?}"
        );
        world.upstream.push(says("{}", stream));
        assert_eq!(get(&world, stream, &object).await.text, "{}");
        // What cannot be enforced within bounds is not, and the record says so.
        world.upstream.push(says("no object", stream));
        let got = get(&world, stream, &format(json!({ "properties": { "next": { "$ref": "#" } } }))).await;
        assert_eq!((got.status, &*got.text), (200, "no object"));
        let want = "response_format a skipped: the schema is not enforced: it refers to itself";
        assert_eq!(verdicts(&world, &got).await, [want]);
        // A format without a schema binds nobody.
        world.upstream.push(says("no object", stream));
        let got = get(&world, stream, &json!({ "response_format": { "type": "text" } })).await;
        assert_eq!(got.text, "no object");
    }
}

#[tokio::test]
async fn a_client_may_add_validators_that_are_configured() {
    let orchestrator = "  routes: [{ task: t, model: a, validators: [v, { max_length: 100 }] }]";
    let world = world(orchestrator, "reject", &rejects()).await;
    let post = async |names: &str| {
        let headers = [("x-jackfield-validators", names)];
        world.gateway.post_raw("/v1/chat/completions", ask(false, &json!({})), &headers).await
    };
    world.upstream.push(openai::chat("bad"));
    assert_eq!(text_of(&world.gateway.chat(ask(false, &json!({}))).await), "bad");
    world.upstream.push(openai::chat("bad"));
    world.upstream.push(openai::chat("good"));
    assert_eq!(text_of(&post("not_empty, v").await), "good");
    let before = world.upstream.requests().len();
    for unknown in ["max_length", "nobody"] {
        let refused = post(&format!("v,{unknown}")).await;
        assert_eq!((refused.status, refused.error().param.as_deref()), (400, Some("x-jackfield-validators")));
        let message = refused.error().message;
        assert!(message.contains(unknown) && message.contains("there are: not_empty, v"), "{message}");
    }
    assert_eq!(world.upstream.requests().len(), before);
    assert!(world.upstream.requests().iter().all(|r| r.header("x-jackfield-validators").is_none()));
}

#[tokio::test]
async fn a_held_stream_is_delivered_to_the_byte_and_others_are_not_held() {
    let orchestrator =
        "  routes:\n    - { task: t, model: a, validators: [not_empty] }\n    - { task: free, model: a }";
    let world = world(orchestrator, "", &[]).await;
    let frames = openai::stream_frames(&["one", "two"]);
    let gated = || {
        let first = Answer::sse(frames[..2].to_vec()).gate("rest");
        frames[2..].iter().fold(first, |answer, frame| answer.bytes(frame.clone()))
    };
    let task = |task: &str| {
        let usage = json!({ "include_usage": true });
        ask(true, &json!({ "model": format!("task/{task}"), "stream_options": usage }))
    };
    world.upstream.push(gated());
    let mut free = world.gateway.open_stream(task("free")).await;
    assert_eq!(free.next_frame().await.as_ref(), Some(&frames[0]));
    world.upstream.push(gated());
    let mut held = std::pin::pin!(world.gateway.open_stream(task("t")));
    let early = tokio::select! { biased; early = &mut held => Some(early), () = world.upstream.all_at_gate("rest", 2) => None };
    assert!(early.is_none(), "a stream that is to be judged has begun");
    world.upstream.open("rest");
    let held = held.await.collect().await;
    assert_eq!((held.status, &held.frames), (200, &frames));
    assert_eq!(free.collect().await.body.len(), frames.iter().map(bytes_len).sum::<usize>());
}

fn bytes_len(frame: &impl AsRef<[u8]>) -> usize {
    frame.as_ref().len()
}

#[tokio::test]
async fn a_held_stream_that_breaks_or_grows_too_large_leaves_the_next_candidate_free() {
    let world = world("  validators: [not_empty]", "", &[]).await;
    let piece = openai::chunk(&json!({ "content": "x".repeat(600_000) }), None);
    let large = Answer::sse(std::iter::repeat_n(piece, 8));
    let broken = Answer::sse(openai::stream_frames(&["one", "two"])[..3].to_vec()).then_cut();
    for (name, answer, reason) in [("broken", broken, "upstream_broken"), ("large", large, "answer_rejected")]
    {
        world.upstream.push(answer);
        world.upstream.push(says("good", true));
        let got = get(&world, true, &json!({})).await;
        assert_eq!((got.status, &*got.text), (200, "good"), "{name}");
        let record = world.gateway.record(got.header("x-jackfield-request-id").unwrap()).await;
        let failed =
            record["steps"].as_array().unwrap().iter().find(|step| step["outcome"] == "failed").unwrap();
        assert_eq!((&failed["model"], &failed["reason"]), (&json!("a"), &json!(reason)), "{name}: {failed}");
    }
}

#[tokio::test]
async fn a_validator_that_keeps_failing_is_left_alone_and_is_not_asked_about_other_tasks() {
    let yaml = "models: { a: { provider: up, retries: 0 } }
orchestrator:
  default_model: a
  routes: [{ task: t, model: a, validators: [v] }]
plugins:
  dir: PLUGINS
  validator_defaults: { limits: { cpu: 5s, wall: 30s } }
  settings: { v: { on_error: accept, rollback: { faults: 2, within: 60s } } }
";
    let world = World::with_plugins(yaml, &[("v.wasm", &traps())]).await;
    world.upstream.always(openai::chat("good"));
    for want in ["unreachable", "unreachable", "breaker_open"] {
        let got = get(&world, false, &json!({ "model": "task/t" })).await;
        assert_eq!(got.status, 200);
        let told = verdicts(&world, &got).await;
        assert!(told.len() == 1 && told[0].contains(want), "{told:?}");
    }
    let got = get(&world, false, &json!({})).await;
    assert_eq!(verdicts(&world, &got).await, [""; 0]);
}

#[tokio::test]
async fn a_simulated_model_answers_what_it_was_told_in_a_repair() {
    let yaml = "models: { sim-m: { provider: sim } }
orchestrator: { default_model: sim-m, validators: [v] }
plugins: { dir: PLUGINS, validator_defaults: { limits: { cpu: 5s, wall: 30s } }, settings: { v: { on_error: fail } } }
";
    // What it says to `hi` is shorter than what it says to `say it again`.
    let short = "(drop (call $first)) (if (i32.lt_u (i32.load (i32.const 7004)) (i32.const 48))
        (then (return (call $say (i32.const 2) (i32.const 12))))) (call $accept)";
    let world = World::with_plugins(yaml, &[("v.wasm", &validator(short))]).await;
    let reply = world.gateway.chat(r#"{"messages":[{"role":"user","content":"hi"}]}"#).await;
    assert_eq!(text_of(&reply), "[simulated sim-m] You asked, in 3 words: say it again");
    assert_eq!(reply.header("x-jackfield-attempts"), Some("2"));
}
