//! OpenAI's clients before Gemini: what Google gets, to the word, and what the client is told.

use jackfield_tests::gateway::{Gateway, Setup, Streamed};
use jackfield_tests::upstream::{Answer, Received, Upstream, openai};
use serde_json::{Value, json};

const KEY: &str = "AIza-provider-5b1d77c0";

/// Four models of Gemini's, one of which gives way to a model of another provider.
const MODELS: &str = r#"
models:
  flash: { provider: gemini, id: gemini-2.5-flash, retries: 0 }
  pro: { provider: gemini, id: gemini-3-pro, retries: 0 }
  tuned: { provider: gemini, id: tuned/../x, retries: 0 }
  rescued: { provider: gemini, id: gemini-2.5-flash, retries: 0 }
  spare: { provider: other, retries: 0 }
orchestrator: { default_model: flash, fallback: { rescued: [spare] } }
plugins: { dir: /nonexistent }
"#;

struct World {
    upstream: Upstream,
    gateway: Gateway,
}

impl World {
    async fn start() -> Self {
        let upstream = Upstream::start().await;
        let address = upstream.address();
        let providers = format!(
            "providers:\n  gemini: {{ kind: gemini, base_url: \"http://{address}/v1beta\", api_key: \"${{KEY}}\" }}\n  other: {{ kind: openai, base_url: \"http://{address}/v1\" }}\n"
        );
        let gateway = Setup::yaml(&format!("{providers}{MODELS}")).env("KEY", KEY).start().await;
        Self { upstream, gateway }
    }

    /// What a client gets for this body when Gemini answers so, and what Gemini got.
    async fn ask(&self, body: &Value, answer: Answer) -> (Value, Received) {
        self.upstream.push(answer);
        let reply = self.gateway.chat(body.to_string()).await;
        assert_eq!(reply.status, 200, "{body}: {}", reply.text());
        (reply.json(), self.last())
    }

    async fn ask_stream(&self, body: &Value, answer: Answer) -> (Streamed, Received) {
        self.upstream.push(answer);
        let got = self.gateway.stream(body.to_string()).await;
        assert_eq!(got.status, 200, "{body}: {}", got.text());
        (got, self.last())
    }

    fn last(&self) -> Received {
        self.upstream.requests().pop().unwrap()
    }
}

fn asking(model: &str, more: Value) -> Value {
    let mut body = json!({"model": model, "messages": [{"role": "user", "content": "hello"}]});
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    body
}

/// An answer of Gemini's, or the last event of a streamed one.
fn answer(parts: Value) -> Value {
    json!({
        "candidates": [{"content": {"role": "model", "parts": parts}, "finishReason": "STOP", "index": 0}],
        "usageMetadata": {"promptTokenCount": 11, "candidatesTokenCount": 5, "thoughtsTokenCount": 2, "totalTokenCount": 18},
        "modelVersion": "gemini-of-today", "responseId": "r-1",
    })
}

fn whole(parts: Value) -> Answer {
    Answer::json(200, &answer(parts))
}

fn events(events: &[Value]) -> Answer {
    Answer::sse(events.iter().map(|event| format!("data: {event}\r\n\r\n")))
}

/// An event that is not the last.
fn piece(parts: Value) -> Value {
    let mut event = answer(parts);
    event["candidates"][0].as_object_mut().unwrap().remove("finishReason");
    event
}

fn hello() -> Value {
    json!([{"role": "user", "parts": [{"text": "hello"}]}])
}

/// What the client sends beside its greeting, and what Gemini must get beside it.
fn wishes() -> Vec<(&'static str, &'static str, Value, Value)> {
    let schema = json!({"type": "object", "properties": {"servings": {"type": "integer"}}});
    let tool = |name: &str| json!({"type": "function", "function": {"name": name, "description": "d", "parameters": {"type": "object"}}});
    let declared =
        |name: &str| json!({"name": name, "description": "d", "parametersJsonSchema": {"type": "object"}});
    vec![
        ("plain", "flash", json!({}), json!({"contents": hello()})),
        (
            "settings",
            "flash",
            json!({"temperature": 0.5, "top_p": 0.5, "max_tokens": 9, "stop": "x", "seed": 1, "n": 2, "user": "ann"}),
            json!({"contents": hello(), "generationConfig": {"temperature": 0.5, "topP": 0.5, "maxOutputTokens": 9,
                "stopSequences": ["x"], "seed": 1, "candidateCount": 2}}),
        ),
        (
            "effort as a budget",
            "flash",
            json!({"reasoning_effort": "high"}),
            json!({"contents": hello(), "generationConfig": {"thinkingConfig": {"thinkingBudget": 24_576}}}),
        ),
        (
            "effort as a level",
            "pro",
            json!({"reasoning_effort": "high"}),
            json!({"contents": hello(), "generationConfig": {"thinkingConfig": {"thinkingLevel": "HIGH"}}}),
        ),
        (
            "structured output",
            "flash",
            json!({"response_format": {"type": "json_schema", "json_schema": {"name": "recipe", "schema": schema, "strict": true}}}),
            json!({"contents": hello(), "generationConfig": {"responseMimeType": "application/json", "responseJsonSchema": schema}}),
        ),
        (
            "a picture",
            "flash",
            json!({"messages": [{"role": "system", "content": "be brief"}, {"role": "user", "content": [
                {"type": "text", "text": "what?"}, {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBO"}}]}]}),
            json!({"systemInstruction": {"parts": [{"text": "be brief"}]}, "contents": [{"role": "user", "parts": [
                {"text": "what?"}, {"inlineData": {"mimeType": "image/png", "data": "iVBO"}}]}]}),
        ),
        (
            "tools",
            "flash",
            json!({"tools": [tool("f"), tool("g")], "tool_choice": {"type": "function", "function": {"name": "g"}}}),
            json!({"contents": hello(), "tools": [{"functionDeclarations": [declared("f"), declared("g")]}],
                "toolConfig": {"functionCallingConfig": {"mode": "ANY", "allowedFunctionNames": ["g"]}}}),
        ),
    ]
}

#[tokio::test]
async fn every_wish_reaches_gemini_in_its_words_whole_and_streamed() {
    let world = World::start().await;
    for (name, model, more, want) in wishes() {
        let id = if model == "pro" { "gemini-3-pro" } else { "gemini-2.5-flash" };
        let mut body = asking(model, more);
        let said = whole(json!([{"text": "{\"servings\": 2}"}]));
        let (reply, got) = world.ask(&body, said).await;
        assert_eq!(got.json(), want, "{name}");
        assert_eq!(got.path, format!("/v1beta/models/{id}:generateContent"), "{name}");
        assert_eq!(got.header("x-goog-api-key"), Some(KEY), "{name}");
        assert_eq!(got.header("authorization"), None, "{name}");
        assert_eq!(reply["choices"][0]["message"]["content"], "{\"servings\": 2}", "{name}");

        body["stream"] = json!(true);
        let (streamed, got) =
            world.ask_stream(&body, events(&[answer(json!([{"text": "{\"servings\": 2}"}]))])).await;
        assert_eq!(got.json(), want, "{name}, streamed");
        assert_eq!(got.path, format!("/v1beta/models/{id}:streamGenerateContent?alt=sse"), "{name}");
        assert_eq!(streamed.text(), "{\"servings\": 2}", "{name}");
    }
    // Ids stay one segment of the path, those too that a client makes up.
    for (model, segment) in [
        ("tuned", "tuned%2F..%2Fx"),
        ("gemini-new", "gemini-new"),
        ("gemini-/../../v1/files?key=x#:", "gemini-%2F..%2F..%2Fv1%2Ffiles%3Fkey%3Dx%23%3A"),
    ] {
        let (_, got) = world.ask(&asking(model, json!({})), whole(json!([{"text": "x"}]))).await;
        assert_eq!(got.path, format!("/v1beta/models/{segment}:generateContent"));
    }
    assert_eq!(world.upstream.unscripted(), 0);
}

#[tokio::test]
async fn a_whole_answer_is_a_chat_completion() {
    let world = World::start().await;
    let parts = json!([{"text": "hmm", "thought": true}, {"text": "he"}, {"text": "llo"}]);
    let (reply, _) = world.ask(&asking("flash", json!({})), whole(parts)).await;
    let choice = &reply["choices"][0];
    assert_eq!((&choice["message"]["content"], &choice["finish_reason"]), (&json!("hello"), &json!("stop")));
    assert_eq!((&reply["model"], &reply["object"]), (&json!("gemini-of-today"), &json!("chat.completion")));
    assert!(reply["created"].as_u64().unwrap() > 1_700_000_000, "{reply}");
    let usage = &reply["usage"];
    assert_eq!((&usage["prompt_tokens"], &usage["completion_tokens"]), (&json!(11), &json!(7)));
    assert_eq!(usage["completion_tokens_details"]["reasoning_tokens"], 2);

    let blocked = Answer::json(200, &json!({"promptFeedback": {"blockReason": "SAFETY"}}));
    let (reply, _) = world.ask(&asking("flash", json!({})), blocked).await;
    assert_eq!(reply["choices"][0]["finish_reason"], "content_filter");
}

#[tokio::test]
async fn a_stream_is_a_stream_of_chunks_with_usage_at_the_end() {
    let world = World::start().await;
    let body = asking("flash", json!({"stream": true, "stream_options": {"include_usage": true}}));
    let said = [
        piece(json!([{"text": "hmm", "thought": true}])),
        piece(json!([{"text": "he"}])),
        answer(json!([{"text": "llo"}])),
    ];
    let (got, _) = world.ask_stream(&body, events(&said)).await;
    assert_eq!(got.text(), "hello");
    let chunks = got.chunks();
    let last = chunks.last().unwrap();
    assert_eq!(
        (&last["choices"], &last["usage"]["completion_tokens"]),
        (&json!([]), &json!(7)),
        "{chunks:?}"
    );
    assert_eq!(chunks[chunks.len() - 2]["choices"][0]["finish_reason"], "stop", "{chunks:?}");
    assert!(got.body.ends_with(b"data: [DONE]\n\n"));
    // Who did not ask is not told.
    let (got, _) = world.ask_stream(&asking("flash", json!({"stream": true})), events(&said)).await;
    assert!(!String::from_utf8_lossy(&got.body).contains("usage"), "{:?}", got.body);
}

#[tokio::test]
async fn a_stream_that_breaks_ends_in_an_error() {
    let world = World::start().await;
    let begun = piece(json!([{"text": "he"}]));
    for (name, bad, says) in [
        (
            "an error",
            Some(json!({"error": {"code": 503, "message": "overheated", "status": "UNAVAILABLE"}})),
            "overheated",
        ),
        ("no end", None, "complete"),
        (
            "a call that is none",
            Some(json!({"candidates": [{"finishReason": "MALFORMED_FUNCTION_CALL"}]})),
            "MALFORMED",
        ),
    ] {
        let said: Vec<Value> = [Some(begun.clone()), bad].into_iter().flatten().collect();
        let (got, _) = world.ask_stream(&asking("flash", json!({"stream": true})), events(&said)).await;
        assert!(got.error().message.contains(says), "{name}: {:?}", got.body);
    }
}

/// Two calls at once, the first of them signed, as Gemini 3 sends them.
fn calls() -> Value {
    json!([
        {"functionCall": {"id": "fc-1", "name": "f", "args": {"n": 1}}, "thoughtSignature": "ab+/cd=="},
        {"functionCall": {"name": "g", "args": {}}},
    ])
}

/// The conversation after these calls were made, the results in the other order.
fn after(calls: &Value, model: &str) -> Value {
    let result =
        |at: usize, said: &str| json!({"role": "tool", "tool_call_id": calls[at]["id"], "content": said});
    json!({"model": model, "messages": [
        {"role": "user", "content": "hello"}, {"role": "assistant", "content": null, "tool_calls": calls},
        result(1, "two"), result(0, "one"),
    ]})
}

#[tokio::test]
async fn calls_made_at_once_come_back_with_results_and_their_signature() {
    let world = World::start().await;
    let want = json!([
        {"role": "user", "parts": [{"text": "hello"}]},
        {"role": "model", "parts": [
            {"functionCall": {"id": "fc-1", "name": "f", "args": {"n": 1}}, "thoughtSignature": "ab+/cd=="},
            {"functionCall": {"id": "call_0", "name": "g", "args": {}}}]},
        {"role": "user", "parts": [
            {"functionResponse": {"id": "fc-1", "name": "f", "response": {"output": "one"}}},
            {"functionResponse": {"id": "call_0", "name": "g", "response": {"output": "two"}}}]},
    ]);
    let (reply, _) = world.ask(&asking("pro", json!({})), whole(calls())).await;
    assert_eq!(reply["choices"][0]["finish_reason"], "tool_calls");
    let made = reply["choices"][0]["message"]["tool_calls"].clone();
    assert_eq!(made[0]["function"], json!({"name": "f", "arguments": "{\"n\":1}"}));

    let body = asking("pro", json!({"stream": true}));
    let (streamed, _) = world.ask_stream(&body, events(&[piece(calls()), answer(json!([]))])).await;
    let chunks = streamed.chunks();
    let deltas =
        chunks.iter().filter_map(|chunk| chunk["choices"][0]["delta"]["tool_calls"].as_array()).flatten();
    let mut of_stream: Vec<Value> = deltas.cloned().collect();
    assert_eq!((&of_stream[0]["index"], &of_stream[1]["index"]), (&json!(0), &json!(1)));
    for call in &mut of_stream {
        call.as_object_mut().unwrap().remove("index");
    }
    assert_eq!(json!(of_stream), made, "whole and streamed say the same");

    let (_, got) = world.ask(&after(&made, "pro"), whole(json!([{"text": "done"}]))).await;
    assert_eq!(got.json()["contents"], want);

    // The next call without an id has another.
    let again = whole(json!([{"functionCall": {"name": "g", "args": {}}}]));
    let (reply, _) = world.ask(&after(&made, "pro"), again).await;
    assert_eq!(reply["choices"][0]["message"]["tool_calls"][0]["id"], "call_1");

    // Another provider gets plain ids: OpenAI takes 40 characters.
    let (_, got) = world.ask(&after(&made, "spare"), openai::chat("done")).await;
    assert_eq!(got.path, "/v1/chat/completions");
    assert_eq!(got.json()["messages"][1]["tool_calls"][0]["id"], "fc-1");
    assert_eq!(got.json()["messages"][3]["tool_call_id"], "fc-1");

    // A call that another provider made has no signature; the word that stands for it is Google's.
    let foreign = json!([{"id": "call_x", "type": "function", "function": {"name": "f", "arguments": "{}"}},
        {"id": "call_y", "type": "function", "function": {"name": "g", "arguments": "{}"}}]);
    let (_, got) = world.ask(&after(&foreign, "pro"), whole(json!([{"text": "done"}]))).await;
    let parts = got.json()["contents"][1]["parts"].clone();
    assert_eq!(parts[0]["thoughtSignature"], "skip_thought_signature_validator");
    assert_eq!(parts[1].get("thoughtSignature"), None);

    // A result of nothing is the client's mistake, and goes nowhere.
    let before = world.upstream.requests().len();
    let lost =
        json!({"model": "rescued", "messages": [{"role": "tool", "tool_call_id": "c", "content": "x"}]});
    let reply = world.gateway.chat(lost.to_string()).await;
    assert_eq!((reply.status, reply.error().param.as_deref()), (400, Some("messages")));
    assert_eq!(world.upstream.requests().len(), before);
}

#[tokio::test]
async fn what_gemini_has_no_word_for_is_refused_or_goes_to_who_has() {
    let world = World::start().await;
    let tools = json!([{"type": "function", "function": {"name": "f"}}]);
    let image = json!([{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "http://x.test/a"}}]}]);
    for (field, more) in [
        ("logit_bias", json!({"logit_bias": {"1": 2}})),
        ("logprobs", json!({"logprobs": true})),
        ("parallel_tool_calls", json!({"tools": tools, "parallel_tool_calls": false})),
        ("image_url", json!({"messages": image})),
    ] {
        let reply = world.gateway.chat(asking("flash", more.clone()).to_string()).await;
        let error = reply.error();
        assert_eq!((reply.status, error.code.as_deref()), (400, Some("unsupported_parameter")), "{field}");
        assert_eq!(error.param.as_deref(), Some(field), "{error:?}");
        assert!(world.upstream.requests().is_empty(), "{field}");
    }
    let body = asking("rescued", json!({"logit_bias": {"1": 2}}));
    let (_, got) = world.ask(&body, openai::chat("ok")).await;
    assert_eq!((got.path.as_str(), &got.json()["logit_bias"]), ("/v1/chat/completions", &json!({"1": 2})));
}

fn error(code: u16, status: &str, message: &str, details: Value) -> Answer {
    let error = json!({"code": code, "message": message, "status": status, "details": details});
    Answer::json(code, &json!({"error": error}))
}

#[tokio::test]
async fn errors_keep_their_class_and_no_key() {
    let world = World::start().await;
    let none = json!([]);
    let bad_key = json!([{"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "API_KEY_INVALID"}]);
    let wait = json!([{"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "12.5s"}]);
    let too_long = "The input token count (9) exceeds the maximum number of tokens allowed (8).";
    let cases = [
        (
            "400",
            error(400, "INVALID_ARGUMENT", "that is odd", none.clone()),
            400,
            "upstream_refused",
            "that is odd",
            None,
        ),
        (
            "too long",
            error(400, "INVALID_ARGUMENT", too_long, none.clone()),
            400,
            "context_length_exceeded",
            "exceeds",
            None,
        ),
        ("401", error(401, "UNAUTHENTICATED", KEY, none.clone()), 502, "upstream_auth", "key", None),
        ("a bad key", error(400, "INVALID_ARGUMENT", KEY, bad_key), 502, "upstream_auth", "key", None),
        (
            "429",
            error(429, "RESOURCE_EXHAUSTED", "slow down", wait),
            429,
            "upstream_rate_limited",
            "slow down",
            Some("13"),
        ),
        ("503", error(503, "UNAVAILABLE", "overheated", none), 502, "upstream_failed", "overheated", None),
        (
            "no answer",
            Answer::json(200, &json!({"candidates": []})),
            502,
            "upstream_broken",
            "candidates",
            None,
        ),
        ("not JSON", Answer::raw(200, "application/json", "<html>"), 502, "upstream_broken", "", None),
    ];
    for (name, answer, status, code, says, retry_after) in cases {
        world.upstream.push(answer);
        let reply = world.gateway.chat(asking("flash", json!({})).to_string()).await;
        let error = reply.error();
        assert_eq!((reply.status, error.code.as_deref()), (status, Some(code)), "{name}: {error:?}");
        assert!(error.message.contains(says), "{name}: {error:?}");
        assert_eq!(reply.header("retry-after"), retry_after, "{name}");
        assert!(!reply.text().contains(KEY), "{name}: {}", reply.text());
    }
    // Where another provider is there, it answers.
    world.upstream.push(error(503, "UNAVAILABLE", "overheated", json!([])));
    let (reply, got) = world.ask(&asking("rescued", json!({})), openai::chat("ok")).await;
    assert_eq!(
        (got.path.as_str(), &reply["choices"][0]["message"]["content"]),
        ("/v1/chat/completions", &json!("ok"))
    );
}
