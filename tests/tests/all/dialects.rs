//! Every client's API against every provider's: what the provider is sent, and what the client adds up from its answer.
//!
//! Where both are the same API, both are held to the byte; where they are not, to what they mean.

use jackfield_tests::gateway::{CHAT, Gateway, Reply, Setup};
use jackfield_tests::sse;
use jackfield_tests::upstream::{Answer, Match, Upstream, anthropic, openai};
use serde_json::{Value, json};

/// Where Messages are asked for.
pub(crate) const MESSAGES: &str = "/v1/messages";

/// The keys that the gateway has.
pub(crate) const OPEN_KEY: &str = "sk-open-3b7c0d1e9f52";
pub(crate) const ANTH_KEY: &str = "sk-ant-6d1f0c9e7a48";

/// A model of each provider, each the other's fallback.
pub(crate) const MODELS: &str = r#"
models:
  open-model: { provider: open, id: gpt-there, retries: 0 }
  anth-model: { provider: anth, id: claude-haiku-4-5, retries: 0 }
"#;
const FALLBACK: &str = r#"
orchestrator:
  default_model: open-model
  fallback: { open-model: [anth-model], anth-model: [open-model] }
"#;

/// A gateway in front of one scripted server that speaks both APIs.
pub(crate) async fn world(yaml: &str) -> (Upstream, Gateway) {
    let upstream = Upstream::start().await;
    let url = upstream.base_url();
    let providers = format!(
        "\nproviders:\n  open: {{ kind: openai, base_url: \"{url}\", api_key: \"${{OPEN}}\" }}\n  anth: {{ kind: anthropic, base_url: \"{url}\", api_key: \"${{ANTH}}\" }}\n  sim: {{ kind: simulated }}\n"
    );
    let setup = Setup::yaml(&format!("{yaml}{providers}")).env("OPEN", OPEN_KEY).env("ANTH", ANTH_KEY);
    (upstream, setup.start().await)
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Api {
    OpenAi,
    Anthropic,
}

const APIS: [Api; 2] = [Api::OpenAi, Api::Anthropic];

impl Api {
    fn path(self) -> &'static str {
        match self {
            Self::OpenAi => CHAT,
            Self::Anthropic => MESSAGES,
        }
    }

    fn model(self) -> &'static str {
        match self {
            Self::OpenAi => "open-model",
            Self::Anthropic => "anth-model",
        }
    }

    /// The model's id there.
    fn id(self) -> &'static str {
        match self {
            Self::OpenAi => "gpt-there",
            Self::Anthropic => "claude-haiku-4-5",
        }
    }

    fn other(self) -> Self {
        APIS[usize::from(self == APIS[0])]
    }
}

/// One exchange, in the words of both APIs: first OpenAI's, then Anthropic's.
struct Case {
    name: &'static str,
    /// What the client sends beside the model.
    sent: [Value; 2],
    /// What the provider gets from a client of the other API, beside the model.
    got: [Value; 2],
    /// What the provider answers.
    answer: [Answer; 2],
    said: Said,
}

/// What a client adds up.
#[derive(Clone, Debug, Default, PartialEq)]
struct Said {
    text: String,
    /// Each call's id, name and arguments.
    calls: Vec<(String, String, Value)>,
    /// In OpenAI's words.
    finish: String,
    /// Input and output tokens, cached ones included.
    usage: (u64, u64),
}

fn said(text: &str, finish: &str) -> Said {
    Said { text: text.to_owned(), finish: finish.to_owned(), usage: (11, 7), ..Said::default() }
}

fn cases() -> Vec<Case> {
    let user = |content: Value| json!([{"role": "user", "content": content}]);
    let hello = || user(json!("hello"));
    let plain = |stream: bool| {
        let mut chat = json!({"max_completion_tokens": 50, "messages": hello()});
        let mut messages = json!({"max_tokens": 50, "messages": hello()});
        if stream {
            chat["stream"] = json!(true);
            chat["stream_options"] = json!({"include_usage": true});
            messages["stream"] = json!(true);
        }
        [chat, messages]
    };
    let schema = json!({"type": "object", "properties": {"zone": {"type": "string"}}});
    let tools = |stream: bool| {
        let [mut chat, mut messages] = plain(stream);
        chat["tools"] = json!([{"type": "function", "function": {"name": "weather", "description": "d", "parameters": schema}}]);
        chat["tool_choice"] = json!("required");
        chat["parallel_tool_calls"] = json!(false);
        messages["tools"] = json!([{"name": "weather", "description": "d", "input_schema": schema}]);
        messages["tool_choice"] = json!({"type": "any", "disable_parallel_tool_use": true});
        chat["messages"] = json!([{"role": "system", "content": "brief"}, {"role": "user", "content": "and now?"},
            {"role": "assistant", "content": "wait", "tool_calls": [{"id": "c1", "type": "function",
                "function": {"name": "weather", "arguments": "{\"zone\":\"a\"}"}}]},
            {"role": "tool", "content": "rain", "tool_call_id": "c1"}]);
        messages["system"] = json!("brief");
        messages["messages"] = json!([{"role": "user", "content": "and now?"},
            {"role": "assistant", "content": [{"type": "text", "text": "wait"},
                {"type": "tool_use", "id": "c1", "name": "weather", "input": {"zone": "a"}}]},
            {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "c1", "content": "rain"}]}]);
        [chat, messages]
    };
    let [mut image_chat, mut image_messages] = plain(false);
    image_chat["messages"] = user(json!([{"type": "text", "text": "what?"},
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}},
        {"type": "image_url", "image_url": {"url": "https://example.com/a.png"}}]));
    image_messages["messages"] = user(json!([{"type": "text", "text": "what?"},
        {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AAAA"}},
        {"type": "image", "source": {"type": "url", "url": "https://example.com/a.png"}}]));
    let image = || [image_chat.clone(), image_messages.clone()];
    let call = Said {
        calls: vec![("c2".to_owned(), "weather".to_owned(), json!({"zone": "b"}))],
        ..said("", "tool_calls")
    };
    let case = |name, sent: [Value; 2], answer, said| Case { name, got: sent.clone(), sent, answer, said };
    vec![
        case("plain", plain(false), [openai::chat("hi"), anthropic::message("hi")], said("hi", "stop")),
        case(
            "streaming",
            plain(true),
            [openai::stream(&["h", "é 漢"]), anthropic::stream(&["h", "é 漢"])],
            said("hé 漢", "stop"),
        ),
        case(
            "tools",
            tools(false),
            [
                openai::tool_call("c2", "weather", r#"{"zone":"b"}"#),
                anthropic::tool_use("c2", "weather", &json!({"zone": "b"})),
            ],
            call.clone(),
        ),
        case(
            "tools, streaming",
            tools(true),
            [
                openai::tool_call_stream("c2", "weather", &[r#"{"zone":"#, r#""b"}"#]),
                anthropic::tool_use_stream("c2", "weather", &[r#"{"zone":"#, r#""b"}"#]),
            ],
            call,
        ),
        case("image", image(), [openai::chat("a dot"), anthropic::message("a dot")], said("a dot", "stop")),
    ]
}

/// The request of a client, for a model of a provider.
fn request(case: &Case, client: Api, provider: Api) -> String {
    let body = case.sent[client as usize].to_string();
    body.replacen('{', &format!("{{ \"model\" : \"{}\",", provider.model()), 1)
}

/// What a client of an API adds up from an answer.
fn added_up(client: Api, streaming: bool, reply: &Reply) -> Said {
    assert_eq!(reply.status, 200, "{}", reply.text());
    let whole = match (client, streaming) {
        (_, false) => reply.json(),
        (Api::OpenAi, true) => chat_of(&reply.body),
        (Api::Anthropic, true) => message_of(&reply.body),
    };
    match client {
        Api::OpenAi => {
            let choice = &whole["choices"][0];
            let calls = choice["message"]["tool_calls"].as_array().into_iter().flatten().map(|call| {
                let field = |value: &Value| value.as_str().unwrap().to_owned();
                let arguments = call["function"]["arguments"].as_str().unwrap();
                let arguments = serde_json::from_str(arguments).unwrap();
                (field(&call["id"]), field(&call["function"]["name"]), arguments)
            });
            let usage = &whole["usage"];
            assert_eq!(whole["object"], "chat.completion", "{whole}");
            Said {
                text: choice["message"]["content"].as_str().unwrap_or_default().to_owned(),
                calls: calls.collect(),
                finish: choice["finish_reason"].as_str().unwrap().to_owned(),
                usage: (
                    usage["prompt_tokens"].as_u64().unwrap(),
                    usage["completion_tokens"].as_u64().unwrap(),
                ),
            }
        }
        Api::Anthropic => {
            let blocks = whole["content"].as_array().unwrap();
            let calls = blocks.iter().filter(|block| block["type"] == "tool_use").map(|block| {
                let field = |name: &str| block[name].as_str().unwrap().to_owned();
                (field("id"), field("name"), block["input"].clone())
            });
            let finish = match whole["stop_reason"].as_str().unwrap() {
                "end_turn" => "stop",
                "tool_use" => "tool_calls",
                other => other,
            };
            let tokens = |name: &str| whole["usage"][name].as_u64().unwrap_or_default();
            assert_eq!((&whole["type"], &whole["role"]), (&json!("message"), &json!("assistant")), "{whole}");
            Said {
                text: blocks.iter().filter_map(|block| block["text"].as_str()).collect(),
                calls: calls.collect(),
                finish: finish.to_owned(),
                usage: (tokens("input_tokens") + tokens("cache_read_input_tokens"), tokens("output_tokens")),
            }
        }
    }
}

/// The events of a stream; every frame's name is its event's type.
pub(crate) fn events(body: &[u8]) -> Vec<Value> {
    let (frames, rest) = sse::split(body);
    assert!(rest.is_empty(), "{rest:?}");
    let event = |frame: &bytes::Bytes| {
        let event: Value = serde_json::from_str(&sse::data(frame).unwrap()).unwrap();
        let name = format!("event: {}\n", event["type"].as_str().unwrap());
        assert!(frame.starts_with(name.as_bytes()), "{frame:?}");
        event
    };
    frames.iter().map(event).collect()
}

/// The message that a stream of Anthropic's events adds up to, as Anthropic's own client does it.
fn message_of(body: &[u8]) -> Value {
    let mut message = Value::Null;
    let mut inputs: Vec<String> = Vec::new();
    for event in events(body) {
        match event["type"].as_str().unwrap() {
            "message_start" => message = event["message"].clone(),
            "content_block_start" => {
                let blocks = message["content"].as_array_mut().unwrap();
                assert_eq!(event["index"], blocks.len(), "blocks come in order");
                blocks.push(event["content_block"].clone());
                inputs.push(String::new());
            }
            "content_block_delta" => {
                let at = event["index"].as_u64().unwrap() as usize;
                let block = &mut message["content"][at];
                if let Some(text) = event["delta"]["text"].as_str() {
                    block["text"] = json!(format!("{}{text}", block["text"].as_str().unwrap()));
                }
                inputs[at].push_str(event["delta"]["partial_json"].as_str().unwrap_or_default());
                if block["type"] == "tool_use" && serde_json::from_str::<Value>(&inputs[at]).is_ok() {
                    block["input"] = serde_json::from_str(&inputs[at]).unwrap();
                }
            }
            "message_delta" => {
                message["stop_reason"] = event["delta"]["stop_reason"].clone();
                for (name, count) in event["usage"].as_object().unwrap() {
                    message["usage"][name] = count.clone();
                }
            }
            _ => {}
        }
    }
    message
}

/// The completion that a stream of OpenAI's chunks adds up to.
fn chat_of(body: &[u8]) -> Value {
    let (frames, _) = sse::split(body);
    let mut whole =
        json!({"object": "chat.completion", "choices": [{"message": {"content": "", "tool_calls": []}}]});
    assert_eq!(sse::data(frames.last().unwrap()).as_deref(), Some("[DONE]"));
    for frame in &frames[..frames.len() - 1] {
        let chunk: Value = serde_json::from_str(&sse::data(frame).unwrap()).unwrap();
        assert_eq!(chunk["object"], "chat.completion.chunk", "{chunk}");
        if chunk["usage"].is_object() {
            assert_eq!(chunk["choices"], json!([]), "usage has a chunk of its own");
            whole["usage"] = chunk["usage"].clone();
            continue;
        }
        let (from, to) = (&chunk["choices"][0], &mut whole["choices"][0]);
        let append = |to: &mut Value, more: &Value| {
            if let Some(more) = more.as_str() {
                *to = json!(format!("{}{more}", to.as_str().unwrap_or_default()));
            }
        };
        append(&mut to["message"]["content"], &from["delta"]["content"]);
        append(&mut to["finish_reason"], &from["finish_reason"]);
        for call in from["delta"]["tool_calls"].as_array().into_iter().flatten() {
            let calls = to["message"]["tool_calls"].as_array_mut().unwrap();
            let at = call["index"].as_u64().unwrap() as usize;
            if calls.len() <= at {
                calls.push(json!({"function": {}}));
            }
            append(&mut calls[at]["id"], &call["id"]);
            append(&mut calls[at]["function"]["name"], &call["function"]["name"]);
            append(&mut calls[at]["function"]["arguments"], &call["function"]["arguments"]);
        }
    }
    whole
}

fn next(answer: &Answer, upstream: &Upstream, provider: Api) {
    upstream.push_for(&Match::path(provider.path()), answer.clone());
}

#[tokio::test]
async fn every_client_is_answered_by_every_provider() {
    let (upstream, gateway) = world(&format!("{MODELS}{FALLBACK}")).await;
    for case in cases() {
        for client in APIS {
            for provider in APIS {
                let name = format!("{}: {client:?} to {provider:?}", case.name);
                next(&case.answer[provider as usize], &upstream, provider);
                let sent = request(&case, client, provider);
                let reply = gateway.post_raw(client.path(), sent.clone(), &[]).await;
                let got = upstream.requests().pop().unwrap();
                assert_eq!(got.path, provider.path(), "{name}");
                if client == provider {
                    assert_eq!(got.text(), sent.replace(provider.model(), provider.id()), "{name}");
                } else {
                    let mut want = case.got[provider as usize].clone();
                    want["model"] = json!(provider.id());
                    assert_eq!(got.json(), want, "{name}");
                }
                let streaming = case.sent[0]["stream"] == true;
                let kind = if streaming { "text/event-stream" } else { "application/json" };
                assert_eq!(reply.header("content-type"), Some(kind), "{name}");
                assert_eq!(added_up(client, streaming, &reply), case.said, "{name}: {}", reply.text());
            }
        }
    }
    assert_eq!(upstream.unscripted(), 0);
}

#[tokio::test]
async fn the_same_api_in_and_out_keeps_every_byte_of_the_answer() {
    let (upstream, gateway) = world(MODELS).await;
    let odd = "\r\n {\"type\":\"message\",\t\"content\" : [{\"type\":\"text\",\"text\":\"caf\\u00e9 \\/ \\ud83d\"}],\"x\":{\"b\":1e400,\"a\":-0}}\n";
    upstream.push(Answer::raw(200, "application/json", odd));
    let ask = r#"{"model":"anth-model","max_tokens":5,"messages":[{"role":"user","content":"x"}]}"#;
    let reply = gateway.post_raw(MESSAGES, ask, &[]).await;
    assert_eq!((reply.status, reply.text().as_str()), (200, odd));
    let frames = anthropic::stream_frames(&["a", "b"]);
    upstream.push(Answer::sse(frames.concat().into_iter().map(|byte| vec![byte])));
    let reply = gateway.post_raw(MESSAGES, ask.replacen('{', r#"{"stream":true,"#, 1), &[]).await;
    assert_eq!(reply.body, frames.concat());
}

#[tokio::test]
async fn a_provider_that_fails_is_replaced_by_one_of_the_other_api() {
    let (upstream, gateway) = world(&format!("{MODELS}{FALLBACK}")).await;
    let failures =
        [openai::error(500, "server_error", None, "down"), anthropic::error(529, "overloaded_error", "down")];
    for case in cases() {
        for client in APIS {
            for provider in APIS {
                let name = format!("{}: {client:?} to {provider:?}", case.name);
                next(&failures[provider as usize], &upstream, provider);
                next(&case.answer[provider.other() as usize], &upstream, provider.other());
                let reply = gateway.post_raw(client.path(), request(&case, client, provider), &[]).await;
                let streaming = case.sent[0]["stream"] == true;
                assert_eq!(added_up(client, streaming, &reply), case.said, "{name}: {}", reply.text());
                assert_eq!(reply.header("x-jackfield-model"), Some(provider.other().model()), "{name}");
                let got = upstream.requests();
                let paths: Vec<&str> =
                    got[got.len() - 2..].iter().map(|request| request.path.as_str()).collect();
                assert_eq!(paths, [provider.path(), provider.other().path()], "{name}");
            }
        }
    }
}

/// What an error says, whichever API it is in: its type and its message.
fn error_of(client: Api, body: &Value) -> (String, String) {
    let keys = |value: &Value| value.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    match client {
        Api::OpenAi => assert_eq!(keys(body), ["error"], "{body}"),
        Api::Anthropic => {
            assert_eq!(
                (keys(body), &body["type"]),
                (vec!["error".into(), "type".into()], &json!("error")),
                "{body}"
            );
            assert_eq!(keys(&body["error"]), ["message", "type"], "{body}");
        }
    }
    let text = |name: &str| body["error"][name].as_str().unwrap().to_owned();
    (text("type"), text("message"))
}

#[tokio::test]
async fn every_client_is_told_of_failures_in_its_own_api() {
    let (upstream, gateway) = world(MODELS).await;
    // What the provider does, by API; the status, and the error's type by the client's API.
    let rows: &[([Answer; 2], u16, [&str; 2])] = &[
        (
            [
                openai::error(400, "invalid_request_error", None, "that is odd"),
                anthropic::error(400, "invalid_request_error", "that is odd"),
            ],
            400,
            ["invalid_request_error", "invalid_request_error"],
        ),
        (
            [
                openai::error(400, "invalid_request_error", Some("context_length_exceeded"), "that is odd"),
                anthropic::error(400, "invalid_request_error", "that is odd: prompt is too long: 9 > 8"),
            ],
            400,
            ["invalid_request_error", "invalid_request_error"],
        ),
        (
            [
                openai::error(429, "rate_limit_error", None, "that is odd"),
                anthropic::error(429, "rate_limit_error", "that is odd"),
            ],
            429,
            ["rate_limit_error", "rate_limit_error"],
        ),
        (
            [
                openai::error(500, "server_error", None, "that is odd"),
                anthropic::error(500, "api_error", "that is odd"),
            ],
            502,
            ["upstream_error", "api_error"],
        ),
        (
            [
                openai::error(529, "server_error", None, "that is odd"),
                anthropic::error(529, "overloaded_error", "that is odd"),
            ],
            529,
            ["upstream_error", "overloaded_error"],
        ),
    ];
    for (answers, status, kinds) in rows {
        for case in cases().iter().filter(|case| !case.name.contains("tools")) {
            for client in APIS {
                for provider in APIS {
                    let name = format!("{status}, {}: {client:?} to {provider:?}", case.name);
                    next(&answers[provider as usize], &upstream, provider);
                    let reply = gateway.post_raw(client.path(), request(case, client, provider), &[]).await;
                    // Only Anthropic's packages know the status of an API that is overloaded.
                    let want = if (*status, client) == (529, Api::OpenAi) { 503 } else { *status };
                    assert_eq!(reply.status, want, "{name}: {}", reply.text());
                    assert!(reply.text().contains("that is odd"), "{name}: {}", reply.text());
                    // A refusal in the client's own API is passed on as it came.
                    if *status == 400 && client == provider {
                        continue;
                    }
                    let (kind, _) = error_of(client, &reply.json());
                    assert_eq!(kind, kinds[client as usize], "{name}");
                }
            }
        }
    }
}

#[tokio::test]
async fn a_refusal_is_no_empty_answer_to_anybody() {
    let (upstream, gateway) = world(MODELS).await;
    let message = json!({"role": "assistant", "content": null, "refusal": "I cannot."});
    let whole = json!({"id": "c", "object": "chat.completion", "created": 1, "model": "gpt-there",
        "choices": [{"index": 0, "message": message, "finish_reason": "stop"}]});
    let stream = [
        openai::chunk(&json!({"role": "assistant", "refusal": "I "}), None),
        openai::chunk(&json!({"refusal": "cannot."}), None),
        openai::chunk(&json!({}), Some("stop")),
        "data: [DONE]\n\n".into(),
    ];
    for streaming in [false, true] {
        let answer = if streaming { Answer::sse(stream.clone()) } else { Answer::json(200, &whole) };
        upstream.always_for(&Match::path(CHAT), answer);
        let ask = json!({"model": "open-model", "max_tokens": 50, "stream": streaming,
            "messages": [{"role": "user", "content": "x"}]});
        let reply = gateway.post_json(MESSAGES, &ask).await;
        let said = if streaming { message_of(&reply.body) } else { reply.json() };
        assert_eq!(said["content"][0]["text"], "I cannot.", "{said}");
        assert_eq!(said["stop_reason"], "refusal", "{said}");
        let ask = json!({"model": "open-model", "stream": streaming, "input": "x"});
        let reply = gateway.post_json("/v1/responses", &ask).await;
        let said = match streaming {
            true => {
                let last = sse::data(sse::split(&reply.body).0.last().unwrap()).unwrap();
                serde_json::from_str::<Value>(&last).unwrap()["response"].clone()
            }
            false => reply.json(),
        };
        assert_eq!(
            said["output"][0]["content"],
            json!([{"type": "refusal", "refusal": "I cannot."}]),
            "{said}"
        );
        assert_eq!(said["status"], "completed");
    }
}

#[tokio::test]
async fn a_stream_that_breaks_ends_with_an_error_of_the_clients_api() {
    let (upstream, gateway) = world(MODELS).await;
    let chat: Vec<_> = openai::stream_frames(&["a"]).into_iter().take(2).collect();
    let messages: Vec<_> = anthropic::stream_frames(&["a"]).into_iter().take(4).collect();
    let overloaded = json!({"type": "error", "error": {"type": "overloaded_error", "message": "too much"}});
    // What the provider streams, and the last error's type by the client's API.
    let rows = [
        (Api::OpenAi, Answer::sse(chat.clone()), ["upstream_error", "api_error"]),
        (Api::OpenAi, Answer::sse(chat).then_cut(), ["upstream_error", "api_error"]),
        (Api::Anthropic, Answer::sse(messages.clone()), ["upstream_error", "api_error"]),
        (
            Api::Anthropic,
            Answer::sse(messages).bytes(anthropic::frame(&overloaded)),
            ["upstream_error", "overloaded_error"],
        ),
    ];
    let all = cases();
    let case = all.iter().find(|case| case.name == "streaming").unwrap();
    for (provider, answer, kinds) in rows {
        for client in APIS {
            let name = format!("{client:?} to {provider:?}");
            next(&answer, &upstream, provider);
            let reply = gateway.post_raw(client.path(), request(case, client, provider), &[]).await;
            let (frames, rest) = sse::split(&reply.body);
            assert!(reply.status == 200 && rest.is_empty(), "{name}");
            let last: Value = serde_json::from_str(&sse::data(frames.last().unwrap()).unwrap()).unwrap();
            assert_eq!(error_of(client, &last).0, kinds[client as usize], "{name}");
            assert!(reply.text().contains("\"a\""), "{name}: what was said before was told");
        }
    }
}

#[tokio::test]
async fn what_the_other_api_has_no_word_for_is_refused_by_its_name() {
    let (upstream, gateway) = world(MODELS).await;
    let hello = json!([{"role": "user", "content": "hello"}]);
    let rows = [
        (Api::OpenAi, json!({"seed": 1}), "seed"),
        (Api::OpenAi, json!({"n": 2}), "n"),
        (Api::OpenAi, json!({"logprobs": true}), "logprobs"),
        (Api::OpenAi, json!({"temperature": 1.7}), "temperature"),
        (Api::OpenAi, json!({"frequency_penalty": 1.0}), "frequency_penalty"),
        (Api::Anthropic, json!({"top_k": 5}), "top_k"),
        (Api::Anthropic, json!({"container": "c"}), "container"),
        (Api::Anthropic, json!({"tools": [{"type": "web_search_20250305", "name": "w"}]}), "tools[0]"),
    ];
    for (client, more, field) in rows {
        let mut body = json!({"model": client.other().model(), "max_tokens": 50, "messages": hello});
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let reply = gateway.post_json(client.path(), &body).await;
        assert_eq!(reply.status, 400, "{field}: {}", reply.text());
        assert!(error_of(client, &reply.json()).1.contains(&format!("'{field}'")), "{}", reply.text());
    }
    assert!(upstream.requests().is_empty());
}
