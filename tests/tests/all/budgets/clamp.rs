//! Answers that must stop where a limit does: the provider is told so in its own words, and a stream that goes on all the
//! same, or that outgrows what is left, ends well-formed in the client's words.

use jackfield_tests::gateway::{CHAT, Ending, Gateway, Setup};
use jackfield_tests::sse;
use jackfield_tests::upstream::{Answer, Upstream, anthropic, bedrock, openai};
use serde_json::{Value, json};

use super::{body, daily, record, shown, start, used};

/// A gateway with a model of each API, and so many nano-dollars a day.
async fn every_api(nanos: u64) -> (Upstream, Gateway) {
    let upstream = Upstream::start().await;
    let at = upstream.address();
    let price = "retries: 0, price: { input: 1, output: 10 }";
    let yaml = format!(
        r#"
state: ":memory:"
server: {{ listen: 127.0.0.1:0, admin: 127.0.0.1:0, admin_token: jf-admin-5c21d9f07be4 }}
providers:
  open: {{ kind: openai, base_url: "http://{at}/v1", api_key: "${{KEY}}" }}
  anth: {{ kind: anthropic, base_url: "http://{at}/v1", api_key: "${{KEY}}" }}
  gem: {{ kind: gemini, base_url: "http://{at}/v1beta", api_key: "${{KEY}}" }}
  aws: {{ kind: bedrock, region: eu-central-1, base_url: "http://{at}", access_key_id: "${{KEY}}", secret_access_key: "${{KEY}}" }}
models:
  open: {{ provider: open, id: gpt-there, {price} }}
  anth: {{ provider: anth, id: claude-haiku-4-5, {price} }}
  gem: {{ provider: gem, id: gemini-2.5-flash, {price} }}
  aws: {{ provider: aws, id: "anthropic.claude-3-haiku-20240307-v1:0", {price} }}
orchestrator: {{ default_model: open, budgets: {{ daily_limit_usd: {} }} }}
plugins: {{ dir: /nonexistent }}
"#,
        shown(nanos)
    );
    (upstream, Setup::yaml(&yaml).env("KEY", "sk-provider-4f0c1d9e7a52").start().await)
}

/// A client's API.
const CLIENTS: [&str; 3] = [CHAT, "/v1/messages", "/v1/responses"];

fn asks(path: &str, model: &str, stream: bool, most: Option<u64>) -> String {
    let mut ask = match path {
        CHAT => json!({ "messages": [{ "role": "user", "content": "hello" }] }),
        "/v1/messages" => {
            json!({ "messages": [{ "role": "user", "content": "hello" }], "max_tokens": 4_000 })
        }
        _ => json!({ "input": "hello" }),
    };
    ask["model"] = json!(model);
    ask["stream"] = json!(stream);
    if let Some(most) = most {
        let name = match path {
            CHAT => "max_completion_tokens",
            "/v1/messages" => "max_tokens",
            _ => "max_output_tokens",
        };
        ask[name] = json!(most);
    }
    ask.to_string()
}

/// The bound that a provider was told.
fn told(sent: &Value) -> Option<u64> {
    let places = [
        "/max_tokens",
        "/max_completion_tokens",
        "/generationConfig/maxOutputTokens",
        "/inferenceConfig/maxTokens",
    ];
    places.iter().find_map(|place| sent.pointer(place)?.as_u64())
}

fn answer(model: &str) -> Answer {
    match model {
        "open" => openai::chat("fine"),
        "anth" => anthropic::message("fine"),
        "aws" => bedrock::text("fine"),
        _ => Answer::json(
            200,
            &json!({"candidates": [{"content": {"role": "model", "parts": [{"text": "fine"}]}, "finishReason": "STOP"}],
                "usageMetadata": {"promptTokenCount": 11, "candidatesTokenCount": 7, "totalTokenCount": 18}}),
        ),
    }
}

#[tokio::test]
async fn every_provider_is_told_where_to_stop_by_every_client() {
    for path in CLIENTS {
        for model in ["open", "anth", "gem", "aws"] {
            let (upstream, gateway) = every_api(1_100_000).await;
            upstream.push(answer(model));
            let reply = gateway.post_raw(path, asks(path, model, false, None), &[]).await;
            let name = format!("{path} {model}: {}", reply.text());
            assert_eq!(reply.status, 200, "{name}");
            let told = told(&upstream.only_request().json()).unwrap_or_else(|| panic!("not told: {name}"));
            assert!((60..=110).contains(&told), "{told} {name}");
            let record = gateway.record(reply.header("x-jackfield-request-id").unwrap()).await;
            let clamped = record["steps"].as_array().unwrap().iter().find(|step| step["step"] == "clamped");
            assert_eq!(
                clamped.map(|step| step["max_output_tokens"].clone()),
                Some(json!(told)),
                "{record:#}"
            );

            // A client that wants less is not clamped.
            let (upstream, gateway) = every_api(1_100_000).await;
            upstream.push(answer(model));
            let reply = gateway.post_raw(path, asks(path, model, false, Some(20)), &[]).await;
            assert_eq!(super::clamp::told(&upstream.only_request().json()), Some(20), "{name}");
            let record = gateway.record(reply.header("x-jackfield-request-id").unwrap()).await;
            assert!(!record.to_string().contains("clamped"), "{record:#}");
        }
    }
}

#[tokio::test]
async fn both_names_of_the_bound_are_clamped_and_neither_is_raised() {
    for (more, want) in [
        (json!({ "max_tokens": 4_000, "max_completion_tokens": 4_000 }), 60..=110),
        (json!({ "max_tokens": 20, "max_completion_tokens": 4_000 }), 20..=20),
        (json!({ "max_tokens": 4_000, "max_completion_tokens": 20 }), 20..=20),
    ] {
        let world = start(&daily(1_100_000)).await;
        world.upstream.push(openai::chat("fine"));
        let reply = world.gateway.chat(body(&more)).await;
        assert_eq!(reply.status, 200, "{}", reply.text());
        let sent = world.upstream.only_request().json();
        for name in ["max_tokens", "max_completion_tokens"] {
            assert!(sent[name].as_u64().is_some_and(|told| want.contains(&told)), "{more}: {sent}");
        }
    }
}

#[tokio::test]
async fn counting_costs_nothing() {
    let (upstream, gateway) = every_api(1_000).await;
    upstream.push(Answer::json(200, &json!({ "input_tokens": 5 })));
    let ask = asks("/v1/messages", "anth", false, None).replace(",\"stream\":false", "");
    let reply =
        gateway.post_raw("/v1/messages/count_tokens", ask.replace("\"max_tokens\":4000,", ""), &[]).await;
    assert_eq!((reply.status, reply.header("x-jackfield-cost-usd")), (200, Some("0.00")), "{}", reply.text());
    assert_eq!((upstream.requests().len(), used(&gateway).await), (1, 0));
}

/// Pieces of one token each and no end, whatever is asked for.
fn endless(model: &str) -> Answer {
    let pieces = ["word"; 60];
    let frames = match model {
        "open" => openai::stream_frames(&pieces)[..61].to_vec(),
        _ => anthropic::stream_frames(&pieces)[..63].to_vec(),
    };
    Answer::sse(frames).gate("never")
}

/// What the frames say: the text, why it ended, and the names of events.
fn said(path: &str, frames: &[bytes::Bytes]) -> (String, String, Vec<String>) {
    let events: Vec<Value> =
        frames.iter().filter_map(|frame| serde_json::from_str(&sse::data(frame)?).ok()).collect();
    let of = |pointer: &str| -> String {
        events.iter().filter_map(|event| Some(event.pointer(pointer)?.as_str()?.to_owned())).collect()
    };
    let types = events.iter().filter_map(|event| Some(event["type"].as_str()?.to_owned())).collect();
    match path {
        CHAT => (of("/choices/0/delta/content"), of("/choices/0/finish_reason"), types),
        "/v1/messages" => (of("/delta/text"), of("/delta/stop_reason"), types),
        _ => (
            events
                .iter()
                .filter(|e| e["type"] == "response.output_text.delta")
                .map(|e| e["delta"].as_str().unwrap())
                .collect(),
            of("/response/incomplete_details/reason"),
            types,
        ),
    }
}

#[tokio::test]
async fn a_stream_that_does_not_stop_is_ended_well_formed_in_every_clients_words() {
    const LIMIT: u64 = 400_000;
    for path in CLIENTS {
        for model in ["open", "anth"] {
            let (upstream, gateway) = every_api(LIMIT).await;
            upstream.push(endless(model));
            let got = gateway.stream_from(path, asks(path, model, true, None)).await;
            let name = format!("{path} {model}: {}", String::from_utf8_lossy(&got.body));
            assert_eq!((got.status, &got.ending), (200, &Ending::Whole), "{name}");
            let (text, finish, types) = said(path, &got.frames);
            let tokens = text.len() / 4;
            assert!((16..40).contains(&tokens), "{tokens} {name}");
            let last = &types[types.len().saturating_sub(3)..];
            match path {
                CHAT => {
                    assert_eq!(finish, "length", "{name}");
                    assert_eq!(got.frames.last().unwrap(), openai::DONE, "{name}");
                }
                "/v1/messages" => {
                    assert_eq!(finish, "max_tokens", "{name}");
                    assert_eq!(last, ["content_block_stop", "message_delta", "message_stop"], "{name}");
                    let count = |name: &str| types.iter().filter(|one| *one == name).count();
                    assert_eq!((count("content_block_start"), count("content_block_stop")), (1, 1), "{name}");
                }
                _ => {
                    assert_eq!(finish, "max_output_tokens", "{name}");
                    assert_eq!(types.last().map(String::as_str), Some("response.incomplete"), "{name}");
                }
            }
            upstream.disconnected(0).await;
            let record = gateway.record(got.header("x-jackfield-request-id").unwrap()).await;
            assert_eq!(
                (&record["outcome"], &record["usage"]["estimated"]),
                (&json!("answered"), &json!(true)),
                "{record:#}"
            );
            assert!(record["steps"].to_string().contains("budget_reached"), "{record:#}");
            let used = used(&gateway).await;
            assert!(used <= LIMIT + 10_000, "{used}");
            assert!(used >= tokens as u64 * 10_000, "what was delivered is paid for: {used}, {tokens}");
        }
    }
}

/// Sixty pieces of a hundred tokens each that no text is made of, and no end, whatever is asked for.
fn endless_unseen(what: &str) -> Answer {
    let long = "x".repeat(400);
    let chat = |delta: Value| json!({ "choices": [{ "index": 0, "delta": delta }] });
    let piece = match what {
        "thoughts" => chat(json!({ "reasoning_content": long })),
        "thoughts twice" => chat(json!({ "reasoning_content": long, "reasoning": long })),
        "arguments" => chat(json!({ "tool_calls": [{ "index": 0, "function": { "arguments": long } }] })),
        "legacy call" => chat(json!({ "function_call": { "arguments": long } })),
        "refusal" => chat(json!({ "refusal": long })),
        "thinking" => {
            json!({ "type": "content_block_delta", "index": 0, "delta": { "type": "thinking_delta", "thinking": long } })
        }
        _ => json!({ "candidates": [{ "content": { "parts": [{ "thought": true, "text": long }] } }] }),
    };
    let named = if what == "thinking" { "event: content_block_delta\n" } else { "" };
    let begin = match what {
        "thinking" => vec![
            "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"id\":\"m\",\"type\":\"message\",\"role\":\"assistant\",\"content\":[],\"model\":\"up\",\"usage\":{\"input_tokens\":5,\"output_tokens\":1}}}\n\n".to_owned(),
            "event: content_block_start\ndata: {\"type\":\"content_block_start\",\"index\":0,\"content_block\":{\"type\":\"thinking\",\"thinking\":\"\"}}\n\n".to_owned(),
        ],
        _ => Vec::new(),
    };
    let pieces = std::iter::repeat_n(format!("{named}data: {piece}\n\n"), 60);
    Answer::sse(begin.into_iter().chain(pieces)).gate("never")
}

#[tokio::test]
async fn what_is_generated_unseen_counts_and_ends_at_the_limit_too() {
    const LIMIT: u64 = 5_000_000;
    const PIECE: u64 = 100 * 10_000;
    for (model, what) in [
        ("open", "thoughts"),
        ("open", "thoughts twice"),
        ("open", "arguments"),
        ("open", "legacy call"),
        ("open", "refusal"),
        ("anth", "thinking"),
        ("gem", "thought parts"),
    ] {
        let (upstream, gateway) = every_api(LIMIT).await;
        upstream.push(endless_unseen(what));
        let got = gateway.stream_from(CHAT, asks(CHAT, model, true, None)).await;
        let name = format!("{model} {what}: {}", String::from_utf8_lossy(&got.body));
        assert_eq!((got.status, &got.ending), (200, &Ending::Whole), "{name}");
        assert_eq!(said(CHAT, &got.frames).1, "length", "{name}");
        upstream.disconnected(0).await;
        let used = used(&gateway).await;
        assert!((LIMIT / 2..=LIMIT + PIECE).contains(&used), "{used} {name}");
    }
}

#[tokio::test]
async fn a_long_stream_tops_up_as_it_grows_and_ends_where_the_budget_does() {
    let long = "x".repeat(100);
    let pieces = vec![long.as_str(); 120];
    // About 3 000 tokens, of which 1 024 are expected.
    let mut frames = openai::stream_frames(&pieces);
    let usage = frames.len() - 2;
    frames.remove(usage);
    let ask = body(&json!({ "stream": true }));

    let world = start(&daily(50_000_000_000)).await;
    world.upstream.push(Answer::sse(frames.clone()));
    let got = world.gateway.stream(ask.clone()).await;
    assert_eq!(got.text().len(), 12_000);
    assert!((30_000_000..30_100_000).contains(&used(&world.gateway).await), "{}", used(&world.gateway).await);

    const LIMIT: u64 = 20_000_000;
    let world = start(&daily(LIMIT)).await;
    world.upstream.push(Answer::sse(frames[..121].to_vec()).gate("never"));
    let got = world.gateway.stream(ask).await;
    assert!((6_000..=8_000).contains(&got.text().len()), "{}", got.text().len());
    let used = used(&world.gateway).await;
    assert!((LIMIT * 9 / 10..=LIMIT + 250_000).contains(&used), "{used}");
}

#[tokio::test]
async fn several_answers_at_once_share_what_is_left() {
    let world = start(&daily(1_100_000)).await;
    world.upstream.push(openai::chat("fine"));
    let reply = world.gateway.chat(body(&json!({ "n": 4 }))).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    let told = told(&world.upstream.only_request().json()).unwrap();
    assert!((15..=27).contains(&told), "{told}");
    assert!(record(&world, &reply).await["steps"].to_string().contains("clamped"));
}
