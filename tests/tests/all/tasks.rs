//! The task table: what a request that names its task becomes on the wire, and what is made of the answer.

use jackfield_tests::gateway::{Ending, Reply};
use jackfield_tests::guest::component;
use jackfield_tests::upstream::{Answer, Match, openai};
use serde_json::{Value, json};

use crate::world::World;

/// Models `a` and `b` and, with what it is known to do, `able`; then these routes.
async fn world(routes: &str) -> World {
    World::start(&yaml(routes)).await
}

fn yaml(routes: &str) -> String {
    format!(
        "models:
  a: {{ provider: up, retries: 0 }}
  b: {{ provider: up, retries: 0 }}
  able: {{ provider: up, retries: 0, capabilities: [response_schema] }}
orchestrator:
  default_model: b
  routes:
{routes}
"
    )
}

/// What came of a request: the status, the text or the error, and the record.
struct Got {
    status: u16,
    text: String,
    record: Value,
}

impl Got {
    /// The verdicts, as `name model verdict: issues`.
    fn verdicts(&self) -> Vec<String> {
        let steps =
            self.record["steps"].as_array().unwrap().iter().filter(|step| step["step"] == "validated");
        let word = |step: &Value, name: &str| step[name].as_str().unwrap().to_owned();
        steps
            .map(|step| {
                let issues: Vec<&str> =
                    step["issues"].as_array().unwrap().iter().map(|issue| issue.as_str().unwrap()).collect();
                let said = [word(step, "name"), word(step, "model"), word(step, "verdict")].join(" ");
                if issues.is_empty() { said } else { format!("{said}: {}", issues.join(", ")) }
            })
            .collect()
    }
}

fn text_of(reply: &Reply) -> String {
    reply.json()["choices"][0]["message"]["content"].as_str().unwrap_or("none").to_owned()
}

/// Asks this of a task.
async fn ask(world: &World, task: &str, stream: bool, more: &Value) -> Got {
    let mut body = json!({ "model": format!("task/{task}"), "messages": [{ "role": "user", "content": "hello" }], "stream": stream });
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    let (status, text, id) = if stream {
        let got = world.gateway.stream(body.to_string()).await;
        assert_eq!(got.ending, Ending::Whole);
        let id = got.header("x-jackfield-request-id").unwrap().to_owned();
        let error = || String::from_utf8_lossy(&got.body).into_owned();
        (got.status, if got.status == 200 { got.text() } else { error() }, id)
    } else {
        let got = world.gateway.chat(body.to_string()).await;
        let id = got.header("x-jackfield-request-id").unwrap().to_owned();
        (got.status, if got.status == 200 { text_of(&got) } else { got.text() }, id)
    };
    Got { status, text, record: world.gateway.record(&id).await }
}

fn says(text: &str, stream: bool) -> Answer {
    let middle = text.chars().next().map_or(0, char::len_utf8);
    if stream { openai::stream(&[&text[..middle], &text[middle..]]) } else { openai::chat(text) }
}

/// The last request that the provider got.
fn sent(world: &World) -> Value {
    world.upstream.requests().last().unwrap().json()
}

#[tokio::test]
async fn the_template_takes_the_last_user_messages_text_in_and_nothing_else_changes() {
    let routes = r#"    - { task: t, model: a, template: "Cost in $${usd} of «${input}», again: ${input}" }"#;
    let world = world(routes).await;
    let image = json!({ "type": "image_url", "image_url": { "url": "https://a.example/b.png" } });
    let system = json!({ "role": "system", "content": "Be ${input}." });
    let user = |content: Value| json!({ "role": "user", "content": content });
    let filled = |text: &str| json!(format!("Cost in ${{usd}} of «{text}», again: {text}"));
    let rows = [
        (json!([user(json!("a \"b\"\n"))]), json!([user(filled("a \"b\"\n"))])),
        // What the client says is not read as a template.
        (json!([user(json!("$${ ${input}"))]), json!([user(filled("$${ ${input}"))])),
        (json!([user(json!(""))]), json!([user(filled(""))])),
        (
            json!([system, user(json!("one")), { "role": "assistant", "content": "two" }, user(json!("three"))]),
            json!([system, user(json!("one")), { "role": "assistant", "content": "two" }, user(filled("three"))]),
        ),
        (
            json!([user(json!([{ "type": "text", "text": "x" }, image, { "type": "text", "text": "y" }]))]),
            json!([user(json!([{ "type": "text", "text": filled("x\ny") }, image]))]),
        ),
        // In the middle of a tool's use, the user's message is still the last of the user's.
        (
            json!([user(json!("x")), { "role": "tool", "tool_call_id": "1", "content": "4" }]),
            json!([user(filled("x")), { "role": "tool", "tool_call_id": "1", "content": "4" }]),
        ),
        (json!([system]), json!([system])),
    ];
    for (messages, want) in rows {
        for stream in [false, true] {
            world.upstream.push(says("fine", stream));
            let got = ask(&world, "t", stream, &json!({ "messages": messages, "seed": 1.50 })).await;
            assert_eq!((got.status, &*got.text), (200, "fine"));
            assert_eq!(
                (&sent(&world)["messages"], &sent(&world)["seed"]),
                (&want, &json!(1.5)),
                "{messages}"
            );
        }
    }
    // Not for a request that names no task.
    world.upstream.push(openai::chat("fine"));
    world.gateway.chat(r#"{"model":"a","messages":[{"role":"user","content":"hello"}]}"#).await;
    assert_eq!(sent(&world)["messages"][0]["content"], "hello");
}

/// A router that sends every request to `b` with this template.
fn router_with(template: &str) -> Vec<u8> {
    let bytes: String = template.bytes().map(|byte| format!("\\{byte:02x}")).collect();
    let length = template.len();
    let (has, at) = if template.is_empty() { (0, 0) } else { (1, 4096) };
    component(&format!(
        r#"(module
            (memory (export "memory") 1)
            (data (i32.const 3072) "b")
            (data (i32.const 4096) "{bytes}")
            (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) (i32.const 8192))
            (func (export "jackfield:plugin/routing@1.0.0#route") (param i32) (result i32)
                (i32.store (i32.const 1032) (i32.const 2048))
                (i32.store (i32.const 1036) (i32.const 1))
                (i32.store (i32.const 2048) (i32.const 3072))
                (i32.store (i32.const 2052) (i32.const 1))
                (i32.store8 (i32.const 2084) (i32.const {has}))
                (i32.store (i32.const 2088) (i32.const {at}))
                (i32.store (i32.const 2092) (i32.const {length}))
                (i32.const 1024)))"#
    ))
}

#[tokio::test]
async fn a_router_says_who_answers_and_the_task_what_is_asked_and_what_the_answer_must_be() {
    let routes = r#"    - { task: t, model: a, temperature: 0.5, template: "row: ${input}", result: json, validators: [{ max_length: 9 }] }"#;
    // The router's template, and what is sent of a request with the task and of one without.
    let rows = [
        ("", "row: hello", "hello"),
        ("own: ${input}", "own: hello", "own: hello"),
        ("$${input}: ${input}", "${input}: hello", "${input}: hello"),
    ];
    for (template, with_task, without) in rows {
        let world = World::with_plugins(&yaml(routes), &[("r.wasm", &router_with(template))]).await;
        world.upstream.push(openai::chat("so: {\"n\":1}"));
        let got = ask(&world, "t", false, &json!({})).await;
        assert_eq!((got.status, &*got.text), (200, "{\"n\":1}"), "{template}");
        assert_eq!(got.verdicts(), ["result b replace", "max_length b accept"], "{template}");
        let body = sent(&world);
        // The row's own settings are for its own models.
        assert_eq!((&body["model"], &body["temperature"]), (&json!("b"), &Value::Null), "{template}");
        assert_eq!(body["messages"][0]["content"], with_task, "{template}");
        world.upstream.push(openai::chat("so: no JSON"));
        let got = ask(&world, "other", false, &json!({})).await;
        assert_eq!((got.status, &*got.text), (200, "so: no JSON"), "{template}");
        assert_eq!(sent(&world)["messages"][0]["content"], without, "{template}");
    }
}

#[tokio::test]
async fn a_routers_template_may_not_multiply_a_prompt_without_end() {
    for (times, faults) in [(8, 0), (9, 1)] {
        let template = "${input}".repeat(times);
        let world =
            World::with_plugins(&yaml("    - { task: t, model: a }"), &[("r.wasm", &router_with(&template))])
                .await;
        world.upstream.push(openai::chat("fine"));
        let got = ask(&world, "t", false, &json!({})).await;
        let steps = got.record["steps"].as_array().unwrap();
        let told = steps.iter().filter(|step| step["fault"] == "invalid_decision").count();
        assert_eq!((got.status, told), (200, faults), "{times}: {steps:?}");
    }
}

#[tokio::test]
async fn a_result_is_the_json_in_an_answer_or_the_answer_has_failed() {
    let routes = "    - { task: any, model: a, result: json }
    - { task: fits, model: a, result: json, schema: { type: object, required: [n], properties: { n: { type: integer } } } }
    - { task: text, model: a, result: text }";
    let world = world(routes).await;
    // The task, what the model says, what is delivered, and the verdict. Where nothing is delivered, its issues.
    let rows = [
        ("any", " {\"a\" : 1.50} \n", Ok(" {\"a\" : 1.50} \n"), "accept"),
        ("any", "42", Ok("42"), "accept"),
        ("any", "```json\n{\"a\" : 1.50}\n```", Ok("{\"a\" : 1.50}"), "replace"),
        ("any", "Sure!\n```\n[1]\n```\nEnjoy.", Ok("[1]"), "replace"),
        ("any", "no idea", Err("there is no JSON in it"), "reject"),
        ("any", "{\"a\": {\"b\":1}", Err("there is no JSON in it"), "reject"),
        ("fits", "{\"n\":1}", Ok("{\"n\":1}"), "accept"),
        ("fits", "As in [1] and {x}: {\"n\":1}, not {\"n\":\"one\"}.", Ok("{\"n\":1}"), "replace"),
        ("fits", "```json\n{\"n\":\"private\"}\n```", Err("at /n: "), "reject"),
        ("fits", "{}", Err("\"n\" is a required property"), "reject"),
    ];
    for (task, said, want, verdict) in rows {
        for stream in [false, true] {
            let name = format!("{task}, {said:?}, {stream}");
            world.upstream.push(says(said, stream));
            let got = ask(&world, task, stream, &json!({})).await;
            let verdicts = got.verdicts();
            assert!(
                verdicts.len() == 1 && verdicts[0].starts_with(&format!("result a {verdict}")),
                "{name}: {verdicts:?}"
            );
            match want {
                Ok(text) => assert_eq!((got.status, &*got.text), (200, text), "{name}"),
                Err(issue) => {
                    assert_eq!(got.status, 502, "{name}: {}", got.text);
                    let error = serde_json::from_str::<Value>(&got.text).unwrap()["error"].clone();
                    let message = error["message"].as_str().unwrap();
                    assert_eq!(error["code"], "answer_rejected", "{name}");
                    assert!(
                        message.contains("not the JSON that its task wants: ") && message.contains(issue),
                        "{message}"
                    );
                    assert!(
                        verdicts[0].contains(issue) && !message.contains("private"),
                        "{name}: {verdicts:?}"
                    );
                }
            }
        }
    }
    world.upstream.push(openai::chat("no JSON"));
    let got = ask(&world, "text", false, &json!({})).await;
    assert_eq!((got.status, &*got.text, got.verdicts()), (200, "no JSON", Vec::new()));
    // A call of a tool has no text to be JSON.
    world.upstream.push(openai::tool_call("id", "f", "{"));
    assert_eq!(ask(&world, "any", false, &json!({})).await.status, 200);
}

#[tokio::test]
async fn an_answer_that_is_json_keeps_its_bytes_and_one_that_is_cut_keeps_all_but_them() {
    let world = world("    - { task: t, model: a, result: json }").await;
    let ask = |stream: bool| {
        let usage = if stream { r#","stream":true,"stream_options":{"include_usage":true}"# } else { "" };
        format!(r#"{{"model":"task/t","messages":[{{"role":"user","content":"x"}}]{usage}}}"#)
    };
    let body = format!("{}  \n", openai::chat_body("{}"));
    world.upstream.push(Answer::raw(200, "application/json", body.clone()));
    assert_eq!(world.gateway.chat(ask(false)).await.text(), body);
    let frames = openai::stream_frames(&["{", "}"]);
    world.upstream.push(Answer::sse(frames.clone()));
    assert_eq!(world.gateway.stream(ask(true)).await.frames, frames);

    let mut body = openai::chat_body("");
    let choice = |text: &str| json!({ "index": 0, "message": { "role": "assistant", "content": text }, "finish_reason": "length" });
    body["choices"] = json!([choice("{}"), choice("so {\"n\":1}")]);
    world.upstream.push(Answer::json(200, &body));
    let got = world.gateway.chat(ask(false)).await.json();
    assert_eq!((&got["id"], &got["usage"]["total_tokens"]), (&body["id"], &json!(18)));
    for (index, text) in ["{}", "{\"n\":1}"].into_iter().enumerate() {
        let choice = &got["choices"][index];
        assert_eq!(
            (&choice["message"]["content"], &choice["finish_reason"]),
            (&json!(text), &json!("length"))
        );
    }
    world.upstream.push(openai::stream(&["so ", "{\"n\"", ":1}"]));
    let got = world.gateway.stream(ask(true)).await;
    assert_eq!(
        (got.text().as_str(), got.frames.last().unwrap().as_ref()),
        ("{\"n\":1}", openai::DONE.as_bytes())
    );
    assert!(got.chunks().iter().any(|chunk| chunk["usage"]["total_tokens"] == 18));
}

#[tokio::test]
async fn models_that_can_are_asked_for_the_result_unless_the_client_asks_for_something() {
    let schema = "{ type: object, required: [n] }";
    let routes = format!(
        "    - {{ task: unable, model: a, result: json, schema: {schema} }}
    - {{ task: able, model: able, result: json, schema: {schema}, fallback: [a] }}
    - {{ task: word, model: able, result: json, template: \"As JSON: ${{input}}\" }}
    - {{ task: silent, model: able, result: json, template: \"${{input}}\" }}"
    );
    let world = world(&routes).await;
    let asked = json!({ "type": "json_schema", "json_schema": { "name": "result", "schema": { "type": "object", "required": ["n"] } } });
    let own = json!({ "response_format": { "type": "text" } });
    let rows = [
        ("unable", json!({}), Value::Null),
        ("able", json!({}), asked.clone()),
        ("able", own.clone(), own["response_format"].clone()),
        ("word", json!({}), json!({ "type": "json_object" })),
        ("silent", json!({}), Value::Null),
    ];
    for (task, more, want) in rows {
        for stream in [false, true] {
            world.upstream.push(says("{\"n\":1}", stream));
            let got = ask(&world, task, stream, &more).await;
            assert_eq!((got.status, got.verdicts().len()), (200, 1), "{task}");
            assert_eq!(sent(&world)["response_format"], want, "{task} {more}");
        }
    }
    // Asked for or not, it is enforced; the next candidate is asked as it can be.
    world.upstream.push(openai::chat("{}"));
    world.upstream.push(openai::chat("{\"n\":1}"));
    let got = ask(&world, "able", false, &json!({})).await;
    assert_eq!((got.status, &*got.text), (200, "{\"n\":1}"));
    assert_eq!(got.verdicts()[1], "result a accept");
    assert_eq!(sent(&world)["response_format"], Value::Null);
}

/// The lab falls back to another *task*: its whole row, not the model alone.
#[tokio::test]
async fn the_whole_row_follows_the_candidate_that_is_tried() {
    let routes = r#"    - { task: scale, model: a, reasoning: high, temperature: 0.3, max_tokens: 2000, template: "Scale: ${input}",
        result: json, schema: { required: [n] }, validators: [{ max_length: 20 }], fallback: [able, task/convert] }
    - { task: convert, model: b, temperature: 0, max_tokens: 100, template: "Convert: ${input}", validators: [{ regex: "^[0-9]" }] }"#;
    for stream in [false, true] {
        let world = world(routes).await;
        let answers =
            [("a", "no JSON"), ("able", "{\"m\":1}"), ("b", "250 g, and no JSON at all, in many words")];
        for (model, said) in answers {
            world.upstream.push_for(&Match::model(model), says(said, stream));
        }
        let got = ask(&world, "scale", stream, &json!({})).await;
        assert_eq!((got.status, &*got.text), (200, "250 g, and no JSON at all, in many words"));
        let verdicts = got.verdicts();
        assert_eq!(verdicts.len(), 3, "{verdicts:?}");
        for (verdict, want) in
            verdicts.iter().zip(["result a reject: ", "result able reject: ", "regex b accept"])
        {
            assert!(verdict.starts_with(want), "{verdicts:?}");
        }
        let shape = |body: &Value| {
            let text = body["messages"][0]["content"].clone();
            json!([body["model"], text, body["temperature"], body["max_tokens"], body["reasoning_effort"]])
        };
        let got: Vec<Value> =
            world.upstream.requests().iter().map(|request| shape(&request.json())).collect();
        let want = [
            json!(["a", "Scale: hello", 0.3, 2000, "high"]),
            // A model keeps the row's settings, but for what it is known not to do.
            json!(["able", "Scale: hello", 0.3, 2000, null]),
            json!(["b", "Convert: hello", 0, 100, null]),
        ];
        // The temperature is a number, however it is written.
        assert_eq!(
            got.iter().map(|row| row.to_string()).collect::<Vec<_>>(),
            want.map(|row| row.to_string())
        );

        // The fallback's answer is held against the fallback's own checks; one error has everybody's issues.
        for (model, said) in [("a", "no JSON"), ("able", "{}"), ("b", "{\"n\":1}")] {
            world.upstream.push_for(&Match::model(model), says(said, stream));
        }
        let got = ask(&world, "scale", stream, &json!({})).await;
        assert_eq!(got.status, 502, "{}", got.text);
        for part in [
            "a (answer_rejected): ",
            "there is no JSON",
            "is a required property",
            "b (answer_rejected): ",
            "nothing that fits",
        ] {
            assert!(got.text.contains(part), "{part}: {}", got.text);
        }
    }
}

/// What a client adds by header is added to every row's checks, and the models' own fallback keeps the row.
#[tokio::test]
async fn what_is_added_holds_for_every_row_and_a_models_fallback_keeps_the_row() {
    let routes =
        "    - { task: t, model: a, template: \"<${input}>\", result: json, validators: [{ max_length: 9 }] }
  fallback: { a: [able] }";
    let world = world(routes).await;
    world.upstream.push_for(&Match::model("a"), openai::chat("no JSON"));
    world.upstream.push_for(&Match::model("able"), openai::chat("so {}"));
    let body = r#"{"model":"task/t","messages":[{"role":"user","content":"x"}]}"#;
    let headers = [("x-jackfield-validators", "not_empty")];
    let reply = world.gateway.post_raw("/v1/chat/completions", body, &headers).await;
    assert_eq!((reply.status, text_of(&reply).as_str()), (200, "{}"));
    let record = world.gateway.record(reply.header("x-jackfield-request-id").unwrap()).await;
    let verdicts = Got { status: 200, text: String::new(), record }.verdicts();
    let want = [
        "result a reject: there is no JSON in it",
        "result able replace",
        "max_length able accept",
        "not_empty able accept",
    ];
    assert_eq!(verdicts, want);
    let prompts: Vec<_> =
        world.upstream.requests().iter().map(|r| r.json()["messages"][0]["content"].clone()).collect();
    assert_eq!(prompts, ["<x>", "<x>"]);
}
