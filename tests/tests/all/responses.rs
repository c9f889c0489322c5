//! `POST /v1/responses` over a provider that speaks chat completions: what it is asked, and what the client reads.

use jackfield_tests::gateway::Streamed;
use jackfield_tests::upstream::{Answer, openai};
use serde_json::{Value, json};

use crate::world::{BASE, World};

const PATH: &str = "/v1/responses";

fn merged(one: Value, other: &Value) -> Value {
    let mut one = one;
    one.as_object_mut().unwrap().extend(other.as_object().unwrap().clone());
    one
}

/// The events of a stream, their names checked against their data.
fn events(streamed: &Streamed) -> Vec<Value> {
    let event = |frame: &bytes::Bytes| {
        let text = std::str::from_utf8(frame).unwrap();
        let name = text.lines().next().unwrap().strip_prefix("event: ").unwrap().to_owned();
        let data: Value = serde_json::from_str(&jackfield_tests::sse::data(frame).unwrap()).unwrap();
        assert_eq!(data["type"], name);
        data
    };
    let all: Vec<Value> = streamed.frames.iter().map(event).collect();
    for (at, event) in all.iter().enumerate() {
        assert_eq!(event["sequence_number"], at, "{event}");
    }
    all
}

fn kinds(events: &[Value]) -> Vec<&str> {
    events.iter().map(|event| event["type"].as_str().unwrap().trim_start_matches("response.")).collect()
}

fn two_calls() -> Value {
    json!([
        {"index": 0, "id": "a", "type": "function", "function": {"name": "weather", "arguments": "{\"city\":\"Ghent\"}"}},
        {"index": 1, "id": "b", "type": "function", "function": {"name": "weather", "arguments": "{\"city\":\"Lille\"}"}},
    ])
}

fn tools() -> Value {
    json!([{"type": "function", "name": "weather", "description": "d", "parameters": {"type": "object"}, "strict": false}])
}

/// The wishes of a request, and what the provider is asked for.
#[tokio::test]
async fn the_provider_is_asked_in_its_own_api() {
    let rows = [
        (json!({"input": "hi"}), json!({"messages": [{"role": "user", "content": "hi"}]})),
        (
            json!({"input": [{"role": "user", "content": [{"type": "input_text", "text": "look"},
                {"type": "input_image", "image_url": "https://x/y.png"}]}], "instructions": "be brief"}),
            json!({"messages": [{"role": "system", "content": "be brief"}, {"role": "user", "content": [
                {"type": "text", "text": "look"}, {"type": "image_url", "image_url": {"url": "https://x/y.png"}}]}]}),
        ),
        (
            json!({"input": "hi", "temperature": 0.5, "top_p": 0.25, "max_output_tokens": 9, "user": "u",
                "reasoning": {"effort": "low"}, "parallel_tool_calls": false, "store": true, "metadata": {"a": "b"}}),
            json!({"messages": [{"role": "user", "content": "hi"}], "temperature": 0.5, "top_p": 0.25, "max_tokens": 9,
                "user": "u", "reasoning_effort": "low", "parallel_tool_calls": false}),
        ),
        (
            json!({"input": "hi", "tools": tools(), "tool_choice": {"type": "function", "name": "weather"}}),
            json!({"messages": [{"role": "user", "content": "hi"}],
                "tools": [{"type": "function", "function": {"name": "weather", "description": "d",
                    "parameters": {"type": "object"}, "strict": false}}],
                "tool_choice": {"type": "function", "function": {"name": "weather"}}}),
        ),
        (
            json!({"input": "hi", "text": {"format": {"type": "json_schema", "name": "s", "strict": true,
                "schema": {"type": "string"}}}}),
            json!({"messages": [{"role": "user", "content": "hi"}], "response_format": {"type": "json_schema",
                "json_schema": {"name": "s", "strict": true, "schema": {"type": "string"}}}}),
        ),
    ];
    let world = World::base().await;
    world.upstream.always(openai::chat("\"fine\""));
    for (at, (asked, want)) in rows.into_iter().enumerate() {
        let asked = merged(asked, &json!({"model": "renamed-model"}));
        let reply = world.gateway.post_json(PATH, &asked).await;
        assert_eq!(reply.status, 200, "{asked}: {}", reply.text());
        assert_eq!(reply.header("x-jackfield-model"), Some("renamed-model"));
        let sent = &world.upstream.requests()[at];
        assert_eq!(sent.path, "/v1/chat/completions");
        assert_eq!(sent.json(), merged(want, &json!({"model": "upstream-id"})), "{asked}");
    }
}

#[tokio::test]
async fn a_whole_answer_is_a_response() {
    let world = World::base().await;
    world.upstream.push(openai::chat("hello"));
    let asked = json!({"model": "test-model", "input": "hi", "metadata": {"a": "b"}, "temperature": 0.5});
    let reply = world.gateway.post_json(PATH, &asked).await;
    let body = reply.json();
    assert_eq!((&body["object"], &body["status"]), (&json!("response"), &json!("completed")));
    assert_eq!(body["output"][0]["content"][0]["text"], "hello");
    assert_eq!((&body["metadata"], &body["temperature"]), (&asked["metadata"], &asked["temperature"]));
    assert_eq!((&body["usage"]["input_tokens"], &body["usage"]["total_tokens"]), (&json!(11), &json!(18)));
    let record = world.gateway.record(reply.header("x-jackfield-request-id").unwrap()).await;
    assert_eq!(record["usage"]["input_tokens"], 11);
    let dropped = record["steps"].as_array().unwrap().iter().find(|step| step["step"] == "dropped").unwrap();
    assert_eq!(dropped["fields"], json!(["metadata"]));
}

#[tokio::test]
async fn a_streamed_answer_is_a_sequence_of_events() {
    let world = World::base().await;
    world.upstream.push(openai::stream(&["hel", "lo"]));
    let asked = json!({"model": "test-model", "input": "hi", "stream": true});
    let streamed = world.gateway.stream_from(PATH, asked.to_string()).await;
    assert_eq!(streamed.header("content-type"), Some("text/event-stream"));
    let all = events(&streamed);
    let want = "created in_progress output_item.added content_part.added output_text.delta output_text.delta \
                output_text.done content_part.done output_item.done completed";
    assert_eq!(kinds(&all).join(" "), want);
    let last = &all.last().unwrap()["response"];
    assert_eq!(last["output"][0]["content"][0]["text"], "hello");
    assert_eq!((&last["usage"]["total_tokens"], &last["model"]), (&json!(18), &json!("test-model")));
    assert_eq!(world.upstream.only_request().json()["stream_options"], json!({"include_usage": true}));
}

#[tokio::test]
async fn two_calls_at_once_and_their_results_make_the_second_turn() {
    let world = World::base().await;
    let asked = json!({"model": "test-model", "input": "hi", "tools": tools()});
    let message = json!({"role": "assistant", "content": "calling", "tool_calls": two_calls()});
    let choice = json!({"index": 0, "message": message, "finish_reason": "tool_calls"});
    world.upstream.push(Answer::json(200, &json!({"id": "x", "choices": [choice]})));
    let whole = world.gateway.post_json(PATH, &asked).await.json()["output"].clone();
    let finish = openai::chunk(&json!({}), Some("tool_calls"));
    let said = json!({"role": "assistant", "content": "calling"});
    let frames =
        [openai::chunk(&said, None), openai::chunk(&json!({"tool_calls": two_calls()}), None), finish];
    world.upstream.push(Answer::sse(frames.into_iter().chain([openai::DONE.into()])));
    let streamed = merged(asked.clone(), &json!({"stream": true})).to_string();
    let all = events(&world.gateway.stream_from(PATH, streamed).await);
    let streamed = all.last().unwrap()["response"]["output"].clone();
    for output in [whole, streamed] {
        let short = |item: &Value| format!("{} {} {}", item["type"], item["call_id"], item["status"]);
        let items: Vec<String> = output.as_array().unwrap().iter().map(short).collect();
        let want = [
            r#""message" null "completed""#,
            r#""function_call" "a" "completed""#,
            r#""function_call" "b" "completed""#,
        ];
        assert_eq!(items, want);
        let mut input = vec![json!({"role": "user", "content": "hi"})];
        input.extend(output.as_array().unwrap().iter().cloned());
        for (id, said) in [("b", "sun"), ("a", "rain")] {
            input.push(json!({"type": "function_call_output", "call_id": id, "output": said}));
        }
        world.upstream.push(openai::chat("done"));
        let second = merged(asked.clone(), &json!({ "input": input }));
        assert_eq!(world.gateway.post_json(PATH, &second).await.status, 200);
        let sent = world.upstream.requests().last().unwrap().json();
        let mut calls = two_calls();
        for call in calls.as_array_mut().unwrap() {
            call.as_object_mut().unwrap().remove("index");
        }
        let want = json!([
            {"role": "user", "content": "hi"},
            {"role": "assistant", "content": "calling", "tool_calls": calls},
            {"role": "tool", "tool_call_id": "b", "content": "sun"},
            {"role": "tool", "tool_call_id": "a", "content": "rain"},
        ]);
        assert_eq!(sent["messages"], want);
    }
}

#[tokio::test]
async fn an_answer_that_was_cut_off_is_incomplete() {
    let world = World::base().await;
    let choice = json!({"index": 0, "message": {"content": "hel"}, "finish_reason": "length"});
    world.upstream.push(Answer::json(200, &json!({"id": "x", "choices": [choice]})));
    let asked = json!({"model": "test-model", "input": "hi"});
    let whole = world.gateway.post_json(PATH, &asked).await.json();
    let frames = [openai::chunk(&json!({"content": "hel"}), Some("length")), openai::DONE.into()];
    world.upstream.push(Answer::sse(frames));
    let asked = merged(asked, &json!({"stream": true})).to_string();
    let all = events(&world.gateway.stream_from(PATH, asked).await);
    assert_eq!(all.last().unwrap()["type"], "response.incomplete");
    for body in [&whole, &all.last().unwrap()["response"]] {
        assert_eq!(
            (&body["status"], &body["output"][0]["status"]),
            (&json!("incomplete"), &json!("incomplete"))
        );
        assert_eq!(body["incomplete_details"]["reason"], "max_output_tokens");
    }
}

/// A field, its value, and the code and field of the error.
#[tokio::test]
async fn a_wish_that_nobody_can_fulfil_is_named() {
    let rows = [
        ("previous_response_id", json!("resp_1"), "unsupported_parameter", "previous_response_id"),
        ("conversation", json!({"id": "conv_1"}), "unsupported_parameter", "conversation"),
        ("prompt", json!({"id": "pmpt_1"}), "unsupported_parameter", "prompt"),
        ("background", json!(true), "unsupported_parameter", "background"),
        ("truncation", json!("auto"), "unsupported_parameter", "truncation"),
        ("tools", json!([{"type": "web_search"}]), "unsupported_parameter", "tools[0]"),
        ("top_logprobs", json!(3), "unsupported_parameter", "top_logprobs"),
        ("input", json!([{"type": "item_reference", "id": "x"}]), "unsupported_parameter", "input[0]"),
        ("input", json!([]), "invalid_request", "input"),
        ("input", json!([{"role": "king", "content": "x"}]), "invalid_request", "input[0].role"),
        ("max_output_tokens", json!(0), "invalid_request", "max_output_tokens"),
        ("model", json!("no-such-model"), "model_not_found", "model"),
    ];
    let world = World::base().await;
    for (field, value, code, param) in rows {
        for stream in [false, true] {
            let mut asked = json!({"model": "test-model", "input": "hi", "stream": stream});
            asked[field] = value.clone();
            let reply = world.gateway.post_json(PATH, &asked).await;
            let error = reply.error();
            assert_eq!(reply.status, if code == "model_not_found" { 404 } else { 400 }, "{asked}");
            assert_eq!((error.code.as_deref(), error.param.as_deref()), (Some(code), Some(param)), "{asked}");
        }
    }
    assert_eq!(world.upstream.requests().len(), 0);
}

#[tokio::test]
async fn a_provider_that_fails_before_it_answers_is_an_error_of_the_apis_shape() {
    let fails = |status: u16| openai::error(status, "error", Some("odd"), "it broke");
    let html = || Answer::raw(200, "text/html", "<html>");
    let rows: Vec<(Answer, u16, &str)> = vec![
        (fails(400), 400, "upstream_refused"),
        (fails(401), 502, "upstream_auth"),
        (fails(429), 429, "upstream_rate_limited"),
        (fails(500), 502, "upstream_failed"),
        (html(), 502, "upstream_broken"),
        (Answer::cut(), 502, "upstream_broken"),
    ];
    for (answer, status, code) in rows {
        for stream in [false, true] {
            let world = World::base().await;
            world.upstream.push(answer.clone());
            let asked = json!({"model": "test-model", "input": "hi", "stream": stream});
            let reply = world.gateway.post_json(PATH, &asked).await;
            assert_eq!(
                (reply.status, reply.error().code.as_deref()),
                (status, Some(code)),
                "{}",
                reply.text()
            );
        }
    }
}

#[tokio::test]
async fn a_provider_that_fails_while_it_answers_ends_the_sequence() {
    let begun = || openai::chunk(&json!({"content": "hel"}), None);
    let error = bytes::Bytes::from("data: {\"error\":{\"message\":\"it broke\"}}\n\n");
    let rows = [
        (Answer::sse([begun(), error]), "it broke"),
        (Answer::sse([begun()]), "before the answer was complete"),
    ];
    for (answer, says) in rows {
        let world = World::base().await;
        world.upstream.push(answer);
        let asked = json!({"model": "test-model", "input": "hi", "stream": true});
        let all = events(&world.gateway.stream_from(PATH, asked.to_string()).await);
        let want = "created in_progress output_item.added content_part.added output_text.delta error failed";
        assert_eq!(kinds(&all).join(" "), want);
        let [error, failed] = &all[all.len() - 2..] else { panic!("{all:?}") };
        assert!(error["message"].as_str().unwrap().contains(says), "{error}");
        assert_eq!(failed["response"]["error"]["code"], "server_error");
        assert_eq!(failed["response"]["output"][0]["content"][0]["text"], "hel");
    }
}

/// What does not fit into the event at its end ends a response, and the provider's stream with it.
#[tokio::test]
async fn an_answer_that_is_too_large_to_be_repeated_is_given_up_and_told_so() {
    let world = World::base().await;
    let piece = openai::chunk(&json!({"content": "x".repeat(1 << 20)}), None);
    world.upstream.push(Answer::sse(vec![piece; 9]).gate("never"));
    let asked = json!({"model": "test-model", "input": "hi", "stream": true});
    let got = world.gateway.stream_from(PATH, asked.to_string()).await;
    let last = events(&got).pop().unwrap();
    assert_eq!((&last["type"], &last["response"]["status"]), (&json!("response.failed"), &json!("failed")));
    let record = world.gateway.record(got.header("x-jackfield-request-id").unwrap()).await;
    assert_eq!((&record["outcome"], &record["reason"]), (&json!("broken_off"), &json!("upstream_broken")));
}

#[tokio::test]
async fn a_schema_is_enforced_for_models_that_do_not_keep_to_it_by_themselves() {
    let world = World::base().await;
    let format = json!({"type": "json_schema", "name": "s", "schema": {"type": "object", "required": ["n"]}});
    let asked = json!({"model": "test-model", "input": "hi", "text": {"format": format}});
    for (said, status) in [(r#"{"n":1}"#, 200), (r#"{"m":1}"#, 502)] {
        world.upstream.push(openai::chat(said));
        let reply = world.gateway.post_json(PATH, &asked).await;
        assert_eq!(reply.status, status, "{}", reply.text());
    }
}

#[tokio::test]
async fn the_simulation_says_the_same_whole_and_streamed() {
    let world = World::start(&format!("{BASE}  sim-model: {{ provider: sim }}\n")).await;
    let asked = json!({"model": "sim-model", "input": "one two", "metadata": {"task": "code"}});
    let routed = world.gateway.post_json(PATH, &asked).await;
    assert_ne!(routed.header("x-jackfield-model"), Some("sim-model"), "the label decides before the model");
    let asked = json!({"model": "sim-model", "input": "one two"});
    let whole = world.gateway.post_json(PATH, &asked).await.json();
    let text = whole["output"][0]["content"][0]["text"].as_str().unwrap();
    assert!(text.contains("simulated") && text.contains("one two"), "{text}");
    let asked = merged(asked, &json!({"stream": true})).to_string();
    let all = events(&world.gateway.stream_from(PATH, asked).await);
    let said: String = all.iter().filter_map(|event| event["delta"].as_str()).collect();
    assert_eq!(said, text);
}
