use aws_smithy_eventstream::frame::write_message_to;
use aws_smithy_types::event_stream::{Header, HeaderValue, Message};
use bytes::Bytes;
use proptest::prelude::*;
use serde_json::{Value, json};

use jackfield_core::contract::{
    ChatRequest, Chunk, Dialect, Fault, FaultKind, FinishReason, Overrides, ReasoningLevel, Role,
};

use super::*;
use crate::conversation::{Conversation, Reasoning};
use crate::{Asked, ErrorBody, Speech, StreamReader, Written, client};

const CLAUDE: &str = "us.anthropic.claude-sonnet-4-20250514-v1:0";

fn request(body: &Value) -> ChatRequest {
    let mut body = body.clone();
    body.as_object_mut().unwrap().entry("messages").or_insert(json!([{"role": "user", "content": "x"}]));
    client(Dialect::OpenAiChat).parse(Bytes::from(body.to_string())).unwrap()
}

fn asked<'a>(request: &'a ChatRequest, model_id: &'a str, overrides: &'a Overrides) -> Asked<'a> {
    Asked { request, model_id, overrides, appended: &[], max_output: None }
}

fn write_with(
    body: &Value,
    model: &str,
    overrides: &Overrides,
) -> Result<(String, Value, Vec<String>), Fault> {
    match ConverseSpeech.write(&asked(&request(body), model, overrides))? {
        Written::Call { path, body, dropped } => Ok((path, serde_json::from_slice(&body).unwrap(), dropped)),
        Written::Known(reply) => panic!("{reply:?}"),
    }
}

fn write(body: &Value, model: &str) -> Result<Value, Fault> {
    write_with(body, model, &Overrides::default()).map(|(_, body, _)| body)
}

fn refused(body: &Value) -> (FaultKind, Option<String>) {
    let fault = write(body, "amazon.nova-lite-v1:0").expect_err(&body.to_string());
    (fault.kind, fault.param)
}

fn user(text: &str) -> Value {
    json!({"role": "user", "content": text})
}

#[test]
fn the_path_names_the_model_as_awss_own_clients_write_it() {
    let cases = [
        (
            "anthropic.claude-3-haiku-20240307-v1:0",
            false,
            "model/anthropic.claude-3-haiku-20240307-v1%3A0/converse",
        ),
        (
            "arn:aws:bedrock:us-east-1:1:inference-profile/us.x.y-v1:0",
            true,
            "model/arn%3Aaws%3Abedrock%3Aus-east-1%3A1%3Ainference-profile%2Fus.x.y-v1%3A0/converse-stream",
        ),
        ("a b~é", false, "model/a%20b~%C3%A9/converse"),
    ];
    for (model, stream, want) in cases {
        let (path, ..) = write_with(&json!({"stream": stream}), model, &Overrides::default()).unwrap();
        assert_eq!(path, want);
    }
    let up = write(&json!({}), "..").unwrap_err();
    assert_eq!((up.kind, up.param.as_deref()), (FaultKind::InvalidRequest, Some("model")));
}

#[test]
fn speakers_take_turns_and_blank_texts_are_left_out() {
    let body = write(
        &json!({"messages": [
            {"role": "system", "content": "a"}, user("b"), {"role": "developer", "content": "c"}, user("d"),
            {"role": "assistant", "content": " \n"}, user("e"), {"role": "assistant", "content": ""},
            {"role": "assistant", "content": "f"},
        ]}),
        "m",
    )
    .unwrap();
    assert_eq!(body["system"], json!([{"text": "a"}, {"text": "c"}]));
    let want = json!([
        {"role": "user", "content": [{"text": "b"}, {"text": "d"}, {"text": "e"}]},
        {"role": "assistant", "content": [{"text": "f"}]},
    ]);
    assert_eq!(body["messages"], want);
}

#[test]
fn calls_and_what_came_of_them_are_blocks_of_one_turn_each() {
    let call = |id: &str, arguments: &str| json!({"id": id, "type": "function", "function": {"name": "f", "arguments": arguments}});
    let tools = json!([{"type": "function", "function": {"name": "f", "strict": true}}]);
    let body = write(
        &json!({"tools": tools, "tool_choice": {"type": "function", "function": {"name": "f"}}, "messages": [
            user("go"),
            {"role": "assistant", "tool_calls": [call("c1", "{\"b\":1.0,\"a\":2}"), call("c2", "")]},
            {"role": "tool", "tool_call_id": "c1", "content": "one"},
            {"role": "tool", "tool_call_id": "c2", "content": [{"type": "text", "text": " \n"}, {"type": "text", "text": ""}]},
            user("and?"),
        ]}),
        "m",
    )
    .unwrap();
    let use_of = |id: &str, input: Value| json!({"toolUse": {"toolUseId": id, "name": "f", "input": input}});
    let result_of = |id: &str, content: Value| json!({"toolResult": {"toolUseId": id, "content": content}});
    let want = json!([
        {"role": "user", "content": [{"text": "go"}]},
        {"role": "assistant", "content": [use_of("c1", json!({"b": 1.0, "a": 2})), use_of("c2", json!({}))]},
        {"role": "user", "content": [result_of("c1", json!([{"text": "one"}])), result_of("c2", json!([])), {"text": "and?"}]},
    ]);
    assert_eq!(body["messages"], want);
    let schema = json!({"json": {"type": "object", "properties": {}}});
    let spec = json!({"toolSpec": {"name": "f", "inputSchema": schema, "strict": true}});
    assert_eq!(body["toolConfig"], json!({"tools": [spec], "toolChoice": {"tool": {"name": "f"}}}));
}

#[test]
fn what_failed_says_so() {
    use crate::conversation::{Block, Turn};
    let result = Block::ToolResult { id: "c".into(), blocks: vec![Block::Text("no".into())], failed: true };
    let turns = vec![Turn { role: Role::Tool, blocks: vec![result] }];
    let conversation = Conversation { turns, ..Conversation::default() };
    let messages = serde_json::to_value(parts::messages(&conversation).unwrap()).unwrap();
    assert_eq!(messages[0]["content"][0]["toolResult"]["status"], "error");
}

#[test]
fn keys_keep_their_order() {
    let schema = r#"{"type":"object","properties":{"z":{"type":"string"},"a":{"type":"number"}},"required":["z","a"]}"#;
    let text = format!(
        r#"{{"messages":[{{"role":"user","content":"x"}},{{"role":"assistant","tool_calls":[{{"id":"c","type":"function","function":{{"name":"f","arguments":"{{\"z\": 1.50, \"a\": 1}}"}}}}]}}],
        "tools":[{{"type":"function","function":{{"name":"f","parameters":{schema}}}}}],
        "response_format":{{"type":"json_schema","json_schema":{{"name":"n","description":"d","schema":{schema}}}}}}}"#
    );
    let request = client(Dialect::OpenAiChat).parse(Bytes::from(text)).unwrap();
    let Written::Call { body, .. } =
        ConverseSpeech.write(&asked(&request, "m", &Overrides::default())).unwrap()
    else {
        panic!()
    };
    let sent = String::from_utf8(body.to_vec()).unwrap();
    assert!(sent.contains(&format!(r#""inputSchema":{{"json":{schema}}}"#)), "{sent}");
    assert!(sent.contains(r#""input":{"z": 1.50, "a": 1}"#), "{sent}");
    let sent: Value = serde_json::from_str(&sent).unwrap();
    let format = &sent["outputConfig"]["textFormat"];
    assert_eq!(format["type"], "json_schema");
    assert_eq!(format["structure"]["jsonSchema"], json!({"schema": schema, "name": "n", "description": "d"}));
}

#[test]
fn pictures_are_sent_as_they_are() {
    let image = |url: &str| json!({"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": url}}]}]});
    for (media_type, format) in [
        ("image/png", "png"),
        ("image/jpeg", "jpeg"),
        ("image/jpg", "jpeg"),
        ("image/gif", "gif"),
        ("image/webp", "webp"),
    ] {
        let body = write(&image(&format!("data:{media_type};base64,QUJD")), "m").unwrap();
        let want = json!([{"image": {"format": format, "source": {"bytes": "QUJD"}}}]);
        assert_eq!(body["messages"][0]["content"], want);
    }
    for url in ["https://example.com/a.png", "data:image/tiff;base64,QUJD"] {
        assert_eq!(refused(&image(url)), (FaultKind::Unsupported, Some("image_url".into())), "{url}");
    }
}

#[test]
fn wishes_without_a_word_are_refused_by_name() {
    let tools = json!([{"type": "function", "function": {"name": "f"}}]);
    let history = json!([user("x"), {"role": "assistant", "tool_calls":
        [{"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}]}]);
    let odd = json!([user("x"), {"role": "assistant", "tool_calls":
        [{"id": "c", "type": "function", "function": {"name": "f", "arguments": "[1]"}}]}]);
    let cases = [
        (json!({"temperature": 1.1}), "temperature"),
        (json!({"seed": 1}), "seed"),
        (json!({"n": 2}), "n"),
        (json!({"presence_penalty": 1}), "presence_penalty"),
        (json!({"frequency_penalty": 1}), "frequency_penalty"),
        (json!({"top_k": 4}), "top_k"),
        (json!({"logit_bias": {"5": 1}}), "logit_bias"),
        (json!({"reasoning_effort": "none"}), "reasoning"),
        (json!({"response_format": {"type": "json_object"}}), "response_format"),
        (json!({"parallel_tool_calls": false, "tools": tools}), "parallel_tool_calls"),
        (json!({"tool_choice": "required"}), "tool_choice"),
        (json!({"tool_choice": "none", "tools": tools, "messages": history}), "tool_choice"),
        (json!({"messages": history}), "tools"),
        (json!({"messages": odd, "tools": tools}), "arguments"),
        (json!({"messages": [{"role": "assistant", "content": "x"}, user("y")]}), "messages"),
        (json!({"messages": [{"role": "system", "content": "x"}]}), "messages"),
        (json!({"messages": [user(" ")]}), "messages"),
    ];
    for (body, param) in cases {
        assert_eq!(refused(&body), (FaultKind::Unsupported, Some(param.into())), "{body}");
    }
}

#[test]
fn what_changes_nothing_is_left_out_and_said() {
    let tools = json!([{"type": "function", "function": {"name": "f"}}]);
    let cases = [
        (json!({"user": "u"}), &["user"][..]),
        (json!({"tools": tools, "tool_choice": "none"}), &["tools"]),
        (json!({"parallel_tool_calls": false}), &[]),
        (json!({"parallel_tool_calls": true, "tools": tools, "tool_choice": "auto"}), &[]),
    ];
    for (body, want) in cases {
        let (_, sent, dropped) = write_with(&body, "m", &Overrides::default()).unwrap();
        assert_eq!(dropped, want, "{body}");
        assert!(sent.get("toolConfig").is_none_or(|config| config.get("toolChoice").is_none()), "{sent}");
    }
    // A hint of routing's is no wish of the client's.
    let hint =
        Overrides { temperature: Some(1.5), reasoning: Some(ReasoningLevel::None), ..Overrides::default() };
    let (_, sent, dropped) = write_with(&json!({}), "m", &hint).unwrap();
    assert_eq!(dropped, ["temperature", "reasoning"]);
    assert!(sent.get("inferenceConfig").is_none() && sent.get("outputConfig").is_none(), "{sent}");
}

#[test]
fn settings_have_their_places() {
    let body = json!({"temperature": 0.5, "top_p": 0.25, "max_tokens": 7, "stop": ["a", "b"], "reasoning_effort": "minimal"});
    let sent = write(&body, "m").unwrap();
    let want = json!({"maxTokens": 7, "temperature": 0.5, "topP": 0.25, "stopSequences": ["a", "b"]});
    assert_eq!((&sent["inferenceConfig"], &sent["outputConfig"]), (&want, &json!({"effort": "low"})));
    let claude = write(&json!({"top_k": 5, "reasoning_effort": "none"}), CLAUDE).unwrap();
    assert_eq!(claude["additionalModelRequestFields"], json!({"top_k": 5, "thinking": {"type": "disabled"}}));
    assert!(claude.get("outputConfig").is_none(), "{claude}");
}

#[test]
fn a_bound_on_thoughts_is_anthropics_own_and_a_level_elsewhere() {
    let turns = || {
        let request = request(&json!({}));
        client(Dialect::OpenAiChat).converse(&request).unwrap()
    };
    let with = |model: &str| {
        let conversation = Conversation { reasoning: Some(Reasoning::Budget(9_000)), ..turns() };
        let (body, _) = compose::compose(conversation, model).unwrap();
        serde_json::from_slice::<Value>(&body).unwrap()
    };
    let claude = with(CLAUDE);
    let want = json!({"thinking": {"type": "enabled", "budget_tokens": 9_000}});
    assert_eq!((&claude["additionalModelRequestFields"], claude.get("outputConfig")), (&want, None));
    assert_eq!(with("openai.gpt-oss-120b-1:0")["outputConfig"], json!({"effort": "high"}));
}

fn read(body: &Value) -> Result<jackfield_core::contract::Reply, Fault> {
    let request = request(&json!({}));
    ConverseSpeech.read(&asked(&request, "m", &Overrides::default()), Bytes::from(body.to_string()))
}

fn answer(content: &Value, stop: &str) -> Value {
    json!({"output": {"message": {"role": "assistant", "content": content}}, "stopReason": stop,
        "usage": {"inputTokens": 10, "outputTokens": 5, "cacheReadInputTokens": 3, "cacheWriteInputTokens": 2}})
}

#[test]
fn answers_are_read() {
    let content = json!([
        {"reasoningContent": {"reasoningText": {"text": "hm", "signature": "s"}}},
        {"text": "a"}, {"citationsContent": {"content": [{"text": "b"}], "citations": []}}, {"novelty": 1},
        {"toolUse": {"toolUseId": "t", "name": "f", "input": {"z": 1}}},
        {"toolUse": {"toolUseId": "s", "name": "web", "input": {}, "type": "server_tool_use"}},
    ]);
    let reply = read(&answer(&content, "tool_use")).unwrap();
    let choice = &reply.choices[0];
    assert_eq!((choice.text.as_deref(), choice.finish_reason), (Some("ab"), Some(FinishReason::ToolCalls)));
    assert_eq!(choice.tool_calls.len(), 1);
    assert_eq!((&*choice.tool_calls[0].id, &*choice.tool_calls[0].arguments), ("t", r#"{"z":1}"#));
    let usage = reply.usage.unwrap();
    assert_eq!((usage.input_tokens, usage.output_tokens, usage.cached_input_tokens), (15, 5, 3));
    assert_eq!((&*reply.model, reply.wire), ("m", None));
}

#[test]
fn every_stop_reason_has_its_meaning() {
    use FinishReason as F;
    let cases = [
        ("end_turn", Some(F::Stop)),
        ("stop_sequence", Some(F::Stop)),
        ("max_tokens", Some(F::Length)),
        ("model_context_window_exceeded", Some(F::Length)),
        ("tool_use", Some(F::ToolCalls)),
        ("guardrail_intervened", Some(F::ContentFilter)),
        ("content_filtered", Some(F::ContentFilter)),
        ("novelty", None),
    ];
    for (word, want) in cases {
        assert_eq!(
            read(&answer(&json!([{"text": "a"}]), word)).unwrap().choices[0].finish_reason,
            want,
            "{word}"
        );
    }
    for word in ["malformed_model_output", "malformed_tool_use"] {
        let fault = read(&answer(&json!([]), word)).unwrap_err();
        assert_eq!(fault.kind, FaultKind::UpstreamFailed);
        assert!(fault.message.contains(word), "{fault}");
    }
    for body in [json!([]), json!({}), json!({"output": {}}), json!({"output": {"message": {"content": 7}}})]
    {
        assert_eq!(read(&body).unwrap_err().kind, FaultKind::UpstreamBroken, "{body}");
    }
}

#[test]
fn errors_have_a_name_in_a_header_or_in_the_body() {
    let error = |header: Option<&str>, body: &str| {
        let (message, code) = {
            let read = |name: &str| header.filter(|_| name == "x-amzn-errortype").map(str::to_owned);
            let ErrorBody { message, code } = ConverseSpeech.error_with(&read, body.as_bytes());
            (message.unwrap_or_default(), code.unwrap_or_default())
        };
        format!("{code}|{message}")
    };
    let cases = [
        (
            Some("ThrottlingException:http://internal.amazon.com/x/"),
            r#"{"message":"slow"}"#,
            "ThrottlingException|slow",
        ),
        (None, r#"{"__type":"com.amazon#AccessDeniedException","Message":"no"}"#, "AccessDeniedException|no"),
        (
            Some("ValidationException"),
            r#"{"message":"Input is too long for requested model."}"#,
            "context_length_exceeded|Input is too long for requested model.",
        ),
        (Some("ValidationException"), r#"{"message":"bad"}"#, "ValidationException|bad"),
        (
            Some("ThrottlingException"),
            r#"{"message":"Too many input tokens"}"#,
            "ThrottlingException|Too many input tokens",
        ),
        (None, "<html>", "|"),
        (None, r#"{"message":7}"#, "|"),
    ];
    for (header, body, want) in cases {
        assert_eq!(error(header, body), want, "{header:?} {body}");
    }
}

fn frame(kind: &str, name: &str, payload: &Value) -> Vec<u8> {
    let text = |text: &str| HeaderValue::String(text.to_owned().into());
    let message = Message::new(payload.to_string())
        .add_header(Header::new(format!(":{kind}-type"), text(name)))
        .add_header(Header::new(":message-type", text(kind)));
    let mut bytes = Vec::new();
    write_message_to(&message, &mut bytes).unwrap();
    bytes
}

fn event(name: &str, payload: &Value) -> Vec<u8> {
    frame("event", name, payload)
}

fn reader() -> Box<dyn StreamReader> {
    let request = request(&json!({}));
    ConverseSpeech.reader(&asked(&request, "m", &Overrides::default()))
}

/// All chunks of a stream that comes in pieces, and how it ended.
fn through(bytes: &[u8], step: usize) -> (Vec<Chunk>, Option<Fault>) {
    let mut reader = reader();
    let mut chunks = Vec::new();
    for piece in bytes.chunks(step.max(1)) {
        reader.push(piece);
        loop {
            match reader.next_chunk() {
                Ok(Some(chunk)) => chunks.push(chunk),
                Ok(None) => break,
                Err(fault) => return (chunks, Some(fault)),
            }
        }
    }
    let fault = match reader.end() {
        Ok(end) => {
            chunks.push(end);
            None
        }
        Err(fault) => Some(fault),
    };
    (chunks, fault)
}

/// Made by Python (`struct` and `zlib.crc32`) after the format's description, and read back by botocore's
/// `EventStreamBuffer`: a `contentBlockDelta` with a padding field, as Bedrock sends them.
const PYTHONS: &str = "0000009e00000057fe1b824f0b3a6576656e742d74797065070011636f6e74656e74426c6f636b44656c74610d3a636f6e74656e742d747970650700106170706c69636174696f6e2f6a736f6e0d3a6d6573736167652d747970650700056576656e747b22636f6e74656e74426c6f636b496e646578223a302c2264656c7461223a7b2274657874223a224869227d2c2270223a22616263227d9343f010";

#[test]
fn a_frame_of_somebody_elses_making_is_read() {
    let bytes: Vec<u8> = (0..PYTHONS.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&PYTHONS[at..at + 2], 16).unwrap())
        .collect();
    for step in [1, 3, bytes.len()] {
        let (chunks, fault) = through(&bytes, step);
        assert_eq!(chunks[0].deltas[0].text.as_deref(), Some("Hi"));
        assert_eq!(fault.unwrap().kind, FaultKind::UpstreamBroken, "it is torn");
    }
}

#[test]
fn a_call_without_arguments_is_an_empty_object_and_thoughts_show_life() {
    let start = |block: u32, id: &str| json!({"contentBlockIndex": block, "start": {"toolUse": {"toolUseId": id, "name": "f"}}});
    let server = json!({"contentBlockIndex": 3, "start": {"toolUse": {"toolUseId": "s", "name": "w", "type": "server_tool_use"}}});
    let grow =
        |block: u32, input: &str| json!({"contentBlockIndex": block, "delta": {"toolUse": {"input": input}}});
    let stop = |block: u32| json!({"contentBlockIndex": block});
    let bytes = [
        event("messageStart", &json!({"role": "assistant"})),
        event(
            "contentBlockDelta",
            &json!({"contentBlockIndex": 0, "delta": {"reasoningContent": {"text": "hm"}}}),
        ),
        event("contentBlockStart", &start(1, "a")),
        event("contentBlockDelta", &grow(1, "")),
        event("contentBlockStop", &stop(1)),
        event("contentBlockStart", &start(2, "b")),
        event("contentBlockDelta", &grow(2, "{\"a\"")),
        event("contentBlockDelta", &grow(2, ":1}")),
        event("contentBlockStop", &stop(2)),
        event("contentBlockStart", &server),
        event("contentBlockDelta", &grow(3, "{}")),
        event("contentBlockStop", &stop(3)),
        event("novelty", &json!({})),
        event("messageStop", &json!({"stopReason": "tool_use"})),
    ]
    .concat();
    let (chunks, fault) = through(&bytes, 5);
    assert!(fault.is_none(), "{fault:?}");
    let calls: Vec<_> = chunks.iter().flat_map(|c| &c.deltas).flat_map(|d| &d.tool_calls).collect();
    let told: Vec<(u32, Option<&str>, &str)> =
        calls.iter().map(|call| (call.index, call.id.as_deref(), &*call.arguments)).collect();
    let want =
        [(0, Some("a"), ""), (0, None, "{}"), (1, Some("b"), ""), (1, None, "{\"a\""), (1, None, ":1}")];
    assert_eq!(told, want);
    assert!(chunks[0].deltas[0].other && chunks.last().unwrap().done);
}

#[test]
fn no_more_calls_grow_at_once_than_are_remembered() {
    let start = |block: u32| {
        let start = json!({"toolUse": {"toolUseId": "a", "name": "f"}});
        event("contentBlockStart", &json!({"contentBlockIndex": block, "start": start}))
    };
    let many = |n: u32| -> Vec<u8> { (0..n).flat_map(start).collect() };
    let end = event("messageStop", &json!({"stopReason": "tool_use"}));
    assert!(through(&[many(1_024), end.clone()].concat(), 1 << 20).1.is_none());
    assert_eq!(
        through(&[many(1_025), end].concat(), 1 << 20).1.map(|f| f.kind),
        Some(FaultKind::UpstreamBroken)
    );
}

#[test]
fn exceptions_have_their_class_and_only_the_harmless_ones_their_words() {
    use FaultKind as K;
    let cases = [
        ("exception", "throttlingException", "wait", K::UpstreamRateLimited, true),
        ("exception", "modelStreamErrorException", "oh", K::UpstreamFailed, true),
        ("exception", "internalServerException", "oh", K::UpstreamFailed, true),
        ("exception", "serviceUnavailableException", "oh", K::UpstreamFailed, true),
        ("exception", "modelTimeoutException", "oh", K::UpstreamFailed, true),
        ("exception", "validationException", "no", K::UpstreamRefused, true),
        ("exception", "validationException", "Input is too long.", K::ContextLength, true),
        ("exception", "accessDeniedException", "arn:aws:iam::1:user/x", K::UpstreamAuth, false),
        ("exception", "novelException", "?", K::UpstreamFailed, true),
    ];
    for (kind, name, message, want, quoted) in cases {
        let (_, fault) = through(&frame(kind, name, &json!({"message": message})), 4);
        let fault = fault.unwrap();
        assert_eq!(fault.kind, want, "{name}");
        assert_eq!(fault.message.contains(message), quoted, "{fault}");
        assert!(fault.message.contains(name), "{fault}");
    }
    let text = |text: &str| HeaderValue::String(text.to_owned().into());
    let message = Message::new("")
        .add_header(Header::new(":message-type", text("error")))
        .add_header(Header::new(":error-code", text("InternalError")))
        .add_header(Header::new(":error-message", text("it \"broke\"")));
    let mut bytes = Vec::new();
    write_message_to(&message, &mut bytes).unwrap();
    let fault = through(&bytes, 9).1.unwrap();
    assert_eq!(fault.message, "the provider ended its stream with InternalError: it \"broke\"");
}

#[test]
fn damaged_and_oversized_frames_are_refused() {
    let good = event("messageStop", &json!({"stopReason": "end_turn"}));
    assert!(through(&good, 6).1.is_none());
    for at in 0..good.len() {
        let mut bad = good.clone();
        bad[at] ^= 0x10;
        let fault = through(&bad, bad.len()).1.unwrap_or_else(|| panic!("byte {at} was not missed"));
        assert_eq!(fault.kind, FaultKind::UpstreamBroken, "byte {at}");
    }
    for (length, said) in
        [(u32::MAX, "larger than"), ((MAX_FRAME + 1) as u32, "larger than"), (15, "smaller"), (0, "smaller")]
    {
        let fault = through(&length.to_be_bytes(), 4).1.unwrap();
        assert!(fault.message.contains(said), "{length}: {fault}");
    }
    let torn = &good[..good.len() - 1];
    assert!(through(torn, 3).1.unwrap().message.contains("before the answer was complete"));
    let rest = [&good[..], &good[..7]].concat();
    assert!(through(&rest, 3).1.is_some(), "half a frame after the end");
}

/// The same events in any pieces.
fn told(bytes: &[u8], step: usize) -> String {
    let (chunks, fault) = through(bytes, step);
    let chunks: Vec<String> = chunks.iter().map(|chunk| format!("{chunk:?}")).collect();
    format!("{chunks:?} {:?}", fault.map(|fault| fault.message))
}

fn any_event() -> impl Strategy<Value = Vec<u8>> {
    let name = prop::sample::select(vec![
        "messageStart",
        "contentBlockStart",
        "contentBlockDelta",
        "contentBlockStop",
        "messageStop",
        "metadata",
        "?",
    ]);
    let payload = prop::sample::select(vec![
        json!({}),
        json!([]),
        json!({"contentBlockIndex": 1, "start": {"toolUse": {"toolUseId": "a", "name": "f"}}}),
        json!({"contentBlockIndex": 1, "delta": {"toolUse": {"input": "{"}}}),
        json!({"contentBlockIndex": -1}),
        json!({"contentBlockIndex": 0, "delta": {"text": "é"}}),
        json!({"stopReason": "end_turn"}),
        json!({"stopReason": 7}),
        json!({"usage": {"inputTokens": u64::MAX, "cacheReadInputTokens": u64::MAX}}),
        json!({"delta": 7, "start": null, "usage": []}),
    ]);
    let kind = prop::sample::select(vec!["event", "event", "event", "exception", "odd"]);
    (kind, name, payload).prop_map(|(kind, name, payload)| frame(kind, name, &payload))
}

proptest! {
    #[test]
    fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..300), step in 1usize..40) {
        let _ = through(&bytes, step);
        let _ = ConverseSpeech.error(&bytes);
        let request = request(&json!({}));
        let _ = ConverseSpeech.read(&asked(&request, "m", &Overrides::default()), Bytes::from(bytes));
    }

    #[test]
    fn events_mean_the_same_however_they_are_split(
        events in prop::collection::vec(any_event(), 0..8),
        step in 1usize..60,
    ) {
        let bytes = events.concat();
        prop_assert_eq!(told(&bytes, step), told(&bytes, bytes.len()));
    }

    #[test]
    fn damage_never_panics_and_never_passes(
        events in prop::collection::vec(any_event(), 1..5),
        at in any::<prop::sample::Index>(),
        bit in 0u32..8,
        step in 1usize..60,
    ) {
        let mut bytes = events.concat();
        let at = at.index(bytes.len());
        bytes[at] ^= 1 << bit;
        let (_, fault) = through(&bytes, step);
        prop_assert!(fault.is_some());
    }

    /// Well-formed frames with any headers and any payload.
    #[test]
    fn frames_of_any_content_never_panic(
        headers in prop::collection::vec(("[:a-z-]{0,16}", "\\PC{0,12}"), 0..5),
        payload in prop::collection::vec(any::<u8>(), 0..60),
    ) {
        let message = headers.into_iter().fold(Message::new(payload), |message, (name, value)| {
            message.add_header(Header::new(name, HeaderValue::String(value.into())))
        });
        let mut bytes = Vec::new();
        write_message_to(&message, &mut bytes).unwrap();
        let _ = through(&bytes, 7);
    }

    #[test]
    fn texts_of_any_kind_are_written_as_json(text in "\\PC{0,40}", arguments in "\\PC{0,20}") {
        let call = json!({"id": "c", "type": "function", "function": {"name": "f", "arguments": arguments}});
        let body = json!({
            "messages": [user("x"), {"role": "assistant", "content": text, "tool_calls": [call]}],
            "tools": [{"type": "function", "function": {"name": "f", "description": text}}], "stop": text,
        });
        match write(&body, "m") {
            Ok(sent) => prop_assert!(sent["messages"].is_array()),
            Err(fault) => prop_assert_eq!(fault.param.as_deref(), Some("arguments")),
        }
    }
}
