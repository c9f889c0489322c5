use serde_json::{Value, json};

use super::*;
use crate::conversation::{Block, Format, Image, Reasoning, ToolChoice, Turn};
use jackfield_core::contract::{
    Choice, Dialect, FaultKind, FinishReason, Part, ReasoningLevel, Role, ToolCall, Usage,
};
use proptest::prelude::*;

fn parse(body: &Value) -> Result<ChatRequest, Fault> {
    Responses.parse(Bytes::from(body.to_string()))
}

fn conversation(body: &Value) -> Result<Conversation, Fault> {
    Responses.converse(&parse(body)?)
}

fn with(field: &str, value: &Value) -> Result<Conversation, Fault> {
    let mut body = json!({"input": "x"});
    body[field] = value.clone();
    conversation(&body)
}

fn dialogue() -> Value {
    json!({
        "model": "m", "instructions": "be brief", "stream": true, "max_output_tokens": 7, "metadata": {"task": "t"},
        "tools": [{"type": "function", "name": "f", "parameters": {}}],
        "text": {"format": {"type": "json_schema", "name": "s", "schema": {"z": 1, "a": 2}, "strict": true}},
        "input": [
            {"role": "user", "content": "hi"},
            {"type": "message", "role": "user", "content": [
                {"type": "input_text", "text": "look"},
                {"type": "input_image", "image_url": "data:image/png;base64,AAAA", "detail": "auto"}]},
            {"type": "reasoning", "id": "rs_1", "summary": []},
            {"type": "message", "id": "msg_1", "role": "assistant", "status": "completed", "content": [
                {"type": "output_text", "text": "calling", "annotations": []}]},
            {"type": "function_call", "id": "fc_1", "call_id": "a", "name": "f", "arguments": "{\"n\": 1}"},
            {"type": "function_call", "call_id": "b", "name": "f", "arguments": ""},
            {"role": "assistant", "content": "wait"},
            {"type": "function_call_output", "call_id": "a", "output": "one"},
            {"type": "function_call_output", "call_id": "b", "output": [{"type": "input_text", "text": "two"}]},
            {"role": "developer", "content": "still"},
        ],
    })
}

#[test]
fn a_request_is_seen_as_a_conversation() {
    let request = parse(&dialogue()).unwrap();
    assert_eq!((request.dialect, request.model.as_deref()), (Dialect::OpenAiResponses, Some("m")));
    assert!(request.stream && request.include_usage && request.has_tools && request.has_response_schema);
    assert_eq!((request.task.as_deref(), request.max_output_tokens), (Some("t"), Some(7)));
    assert_eq!((request.last_user_text(), request.system_text()), ("look".into(), "be brief\nstill".into()));
    assert!(request.has_images());
    let roles: Vec<&str> = request.messages.iter().map(|message| message.role.name()).collect();
    let want = "system user user assistant assistant assistant assistant assistant tool tool system";
    assert_eq!(roles.join(" "), want);
    assert_eq!(request.messages[9].text(), "two");
    assert!(matches!(&request.messages[3].content,
        jackfield_core::contract::Content::Parts(parts) if matches!(&parts[..], [Part::Other(kind)] if kind == "reasoning")));
    let ordered =
        r#"{"input":"x","text":{"format":{"type":"json_schema","name":"s","schema":{"z":1, "a":2}}}}"#;
    let ordered = Responses.parse(Bytes::from(ordered)).unwrap();
    assert_eq!(Responses.response_schema(&ordered).unwrap(), r#"{"z":1, "a":2}"#);
    assert_eq!(parse(&json!({"input": "one"})).unwrap().last_user_text(), "one");
}

#[test]
fn turns_keep_what_was_said_in_order() {
    let all = conversation(&dialogue()).unwrap();
    let text = |text: &str| Block::Text(text.into());
    let result =
        |id: &str, said| Block::ToolResult { id: id.into(), blocks: vec![text(said)], failed: false };
    let call = |id: &str, arguments: &str| Block::ToolCall {
        id: id.into(),
        name: "f".into(),
        arguments: arguments.into(),
    };
    let image = Block::Image(Image::Inline { media_type: "image/png".into(), data: "AAAA".into() });
    let want = vec![
        Turn { role: Role::System, blocks: vec![text("be brief")] },
        Turn { role: Role::User, blocks: vec![text("hi")] },
        Turn { role: Role::User, blocks: vec![text("look"), image] },
        Turn {
            role: Role::Assistant,
            blocks: vec![text("calling"), call("a", "{\"n\": 1}"), call("b", ""), text("wait")],
        },
        Turn { role: Role::Tool, blocks: vec![result("a", "one"), result("b", "two")] },
        Turn { role: Role::System, blocks: vec![text("still")] },
    ];
    assert_eq!(all.turns, want);
    assert_eq!(all.dropped, ["input[2]"]);
    assert!(all.others.is_empty() && all.stream);
    let Some(Format::JsonSchema { name, strict, .. }) = all.format else { panic!("no schema") };
    assert_eq!((&*name, strict), ("s", Some(true)));
    assert_eq!((&*all.tools[0].name, all.tools[0].strict), ("f", None));
}

#[test]
fn the_field_that_is_wrong_is_named() {
    let user = |item: Value| json!({ "input": [item] });
    let rows = [
        (json!({}), "input"),
        (json!({"input": 7}), "input"),
        (json!({"input": []}), "input"),
        (json!({"input": "x", "instructions": 7}), "instructions"),
        (json!({"input": "x", "stream": "yes"}), "stream"),
        (json!({"input": "x", "max_output_tokens": 0}), "max_output_tokens"),
        (json!({"input": "x", "temperature": "hot"}), "temperature"),
        (json!({"input": "x", "tools": {}}), "tools"),
        (json!({"input": "x", "tools": [{"type": "function"}]}), "tools[0].name"),
        (json!({"input": "x", "text": {"format": {"type": "odd"}}}), "text.format.type"),
        (json!({"input": "x", "text": {"format": {"type": "json_schema"}}}), "text.format.schema"),
        (json!({"input": "x", "reasoning": "high"}), "reasoning"),
        (user(json!("x")), "input[0]"),
        (user(json!({"content": "x"})), "input[0].role"),
        (user(json!({"role": "king", "content": "x"})), "input[0].role"),
        (user(json!({"role": "user"})), "input[0].content"),
        (user(json!({"role": "user", "content": 7})), "input[0].content"),
        (user(json!({"role": "user", "content": [{"text": "x"}]})), "input[0].content[0]"),
        (user(json!({"role": "user", "content": [{"type": "input_text"}]})), "input[0].content[0].text"),
        (
            user(json!({"role": "user", "content": [{"type": "input_image"}]})),
            "input[0].content[0].image_url",
        ),
        (user(json!({"type": "function_call", "name": "f", "arguments": ""})), "input[0].call_id"),
        (user(json!({"type": "function_call_output", "output": "x"})), "input[0].call_id"),
        (user(json!({"type": "function_call_output", "call_id": "a"})), "input[0].output"),
    ];
    for (body, param) in rows {
        let fault = conversation(&body).expect_err(&body.to_string());
        assert_eq!((fault.kind, fault.param.as_deref()), (FaultKind::InvalidRequest, Some(param)), "{body}");
    }
}

#[test]
fn what_would_have_to_be_kept_is_refused_on_arrival() {
    let rows = [
        (json!({"input": "x", "previous_response_id": "resp_1"}), "previous_response_id"),
        (json!({"input": "x", "conversation": "conv_1"}), "conversation"),
        (json!({"prompt": {"id": "pmpt_1"}}), "prompt"),
        (json!({"input": "x", "background": true}), "background"),
        (json!({"input": "x", "truncation": "auto"}), "truncation"),
        (json!({"input": [{"type": "item_reference", "id": "msg_1"}]}), "input[0]"),
        (json!({"input": [{"id": "msg_1"}]}), "input[0]"),
    ];
    for (body, param) in rows {
        let fault = parse(&body).expect_err(&body.to_string());
        assert_eq!((fault.kind, fault.param.as_deref()), (FaultKind::Unsupported, Some(param)), "{body}");
    }
    for harmless in [json!({"background": false}), json!({"truncation": "disabled"}), json!({"prompt": null})]
    {
        let mut body = json!({"input": "x"});
        body.as_object_mut().unwrap().extend(harmless.as_object().unwrap().clone());
        assert_eq!(conversation(&body).unwrap().others, [""; 0], "{harmless}");
    }
}

#[test]
fn what_has_no_place_is_named_and_what_changes_nothing_is_noted() {
    let rows = [
        ("tools", json!([{"type": "web_search"}]), Some("tools[0]"), None),
        (
            "tool_choice",
            json!({"type": "allowed_tools", "mode": "auto", "tools": []}),
            Some("tool_choice"),
            None,
        ),
        ("text", json!({"verbosity": "low"}), Some("text.verbosity"), None),
        ("text", json!({"verbosity": "medium", "format": {"type": "text"}}), None, None),
        ("reasoning", json!({"effort": "astral"}), Some("reasoning.effort"), None),
        ("reasoning", json!({"summary": "auto"}), None, Some("reasoning.summary")),
        ("include", json!(["message.output_text.logprobs"]), Some("include[0]"), None),
        ("include", json!(["reasoning.encrypted_content"]), None, Some("include[0]")),
        ("top_logprobs", json!(3), Some("top_logprobs"), None),
        ("top_logprobs", json!(0), None, None),
        ("service_tier", json!("auto"), None, None),
        ("service_tier", json!("flex"), Some("service_tier"), None),
        ("store", json!(true), None, Some("store")),
        ("store", json!(false), None, None),
        ("metadata", json!({"task": "t"}), None, None),
        ("metadata", json!({"task": "t", "a": "b"}), None, Some("metadata")),
        ("max_tool_calls", json!(3), None, Some("max_tool_calls")),
        ("a_field_of_tomorrow", json!(1), Some("a_field_of_tomorrow"), None),
        ("a_field_of_tomorrow", Value::Null, None, None),
        ("input", json!([{"type": "web_search_call", "id": "x", "content": 7}]), Some("input[0]"), None),
        (
            "input",
            json!([{"role": "user", "content": [{"type": "input_file", "file_id": "x"}]}]),
            Some("input[0].content[0]"),
            None,
        ),
        (
            "input",
            json!([{"role": "user", "content": [{"type": "input_image", "file_id": "x"}]}]),
            Some("input[0].content[0].file_id"),
            None,
        ),
        (
            "input",
            json!([{"role": "user", "content": [{"type": "input_image", "image_url": "u", "detail": "low"}]}]),
            None,
            Some("input[0].content[0].detail"),
        ),
    ];
    for (field, value, other, dropped) in rows {
        let all = with(field, &value).unwrap();
        assert_eq!(all.others.first().map(String::as_str), other, "{field}: {value}");
        assert_eq!(all.dropped.first().map(String::as_str), dropped, "{field}: {value}");
    }
}

#[test]
fn settings_keep_their_meaning() {
    assert_eq!(with("tool_choice", &json!("required")).unwrap().tool_choice, Some(ToolChoice::Required));
    let named = json!({"type": "function", "name": "f"});
    assert_eq!(with("tool_choice", &named).unwrap().tool_choice, Some(ToolChoice::Named("f".into())));
    let low = Some(Reasoning::Level(ReasoningLevel::Low));
    assert_eq!(with("reasoning", &json!({"effort": "low", "summary": null})).unwrap().reasoning, low);
    assert_eq!(with("parallel_tool_calls", &json!(false)).unwrap().parallel_tool_calls, Some(false));
    assert_eq!(with("user", &json!("u")).unwrap().user.as_deref(), Some("u"));
    assert_eq!(with("max_output_tokens", &json!(5)).unwrap().max_output_tokens, Some(5));
    let format = with("text", &json!({"format": {"type": "json_object"}})).unwrap().format;
    assert!(matches!(format, Some(Format::JsonObject)));
}

fn reply(text: Option<&str>, calls: &[&str], finish: FinishReason) -> Reply {
    let call = |id: &&str| ToolCall { id: (*id).into(), name: "f".into(), arguments: "{}".into() };
    Reply {
        id: "x".into(),
        model: "up".into(),
        created: 5,
        choices: vec![Choice {
            text: text.map(str::to_owned),
            tool_calls: calls.iter().map(call).collect(),
            finish_reason: Some(finish),
            ..Choice::default()
        }],
        usage: Some(Usage {
            input_tokens: 4,
            output_tokens: 3,
            cached_input_tokens: 2,
            reasoning_tokens: 1,
            ..Usage::default()
        }),
        wire: None,
    }
}

fn rendered(reply: &Reply) -> Value {
    serde_json::from_slice(&Responses.reply_to(&parse(&dialogue()).unwrap(), reply)).unwrap()
}

#[test]
fn a_response_repeats_the_request_and_tells_the_answer() {
    let out = rendered(&reply(Some("said"), &["a", ""], FinishReason::ToolCalls));
    let asked = dialogue();
    for name in ["instructions", "tools", "text", "metadata", "max_output_tokens"] {
        assert_eq!(out[name], asked[name], "{name}");
    }
    assert_eq!(out["tool_choice"], "auto");
    assert_eq!(
        (&out["id"], &out["object"], &out["created_at"]),
        (&json!("resp_x"), &json!("response"), &json!(5))
    );
    assert_eq!(
        (&out["status"], &out["store"], &out["model"]),
        (&json!("completed"), &json!(false), &json!("up"))
    );
    let part = json!({"type": "output_text", "text": "said", "annotations": [], "logprobs": []});
    let call = |at: usize, id: &str| {
        json!({"id": format!("fc_x_{at}"), "type": "function_call", "status": "completed", "call_id": id,
            "name": "f", "arguments": "{}"})
    };
    let message = json!({"id": "msg_x_0", "type": "message", "status": "completed", "role": "assistant", "content": [part]});
    assert_eq!(out["output"], json!([message, call(1, "a"), call(2, "call_x_2")]));
    let usage = json!({"input_tokens": 4, "input_tokens_details": {"cached_tokens": 2, "cache_write_tokens": 0},
        "output_tokens": 3, "output_tokens_details": {"reasoning_tokens": 1}, "total_tokens": 7});
    assert_eq!(out["usage"], usage);
}

#[test]
fn an_answer_that_was_cut_off_says_why() {
    let rows = [
        (FinishReason::Stop, "completed", Value::Null),
        (FinishReason::Length, "incomplete", json!({"reason": "max_output_tokens"})),
        (FinishReason::ContentFilter, "incomplete", json!({"reason": "content_filter"})),
    ];
    for (finish, status, details) in rows {
        let out = rendered(&reply(None, &[], finish));
        assert_eq!((&out["status"], &out["incomplete_details"]), (&json!(status), &details));
        assert_eq!(out["output"][0]["status"], status);
        assert_eq!(out["output"][0]["content"][0]["text"], "");
    }
}

proptest! {
    #[test]
    fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = Responses.parse(Bytes::from(bytes));
    }

    #[test]
    fn any_items_are_read_or_refused(
        kinds in proptest::collection::vec(prop::sample::select(vec![
            "message", "function_call", "function_call_output", "reasoning", "item_reference", "web_search_call", "odd",
        ]), 0..4),
        fields in proptest::collection::vec((prop::sample::select(vec![
            "role", "content", "call_id", "name", "arguments", "output", "id", "type",
        ]), prop::sample::select(vec![
            json!("user"), json!("assistant"), json!("x"), json!(7), Value::Null, json!([]), json!({}),
            json!([{"type": "input_text", "text": "t"}]), json!([{"type": "input_image"}]), json!([7]),
        ])), 0..12),
    ) {
        let mut items: Vec<Value> = kinds.iter().map(|kind| json!({ "type": kind })).collect();
        let count = items.len().max(1);
        for (at, (name, value)) in fields.into_iter().enumerate() {
            if let Some(item) = items.get_mut(at % count) {
                item[name] = value;
            }
        }
        if let Ok(request) = parse(&json!({ "input": items })) {
            prop_assert!(!request.messages.is_empty());
            let _ = Responses.converse(&request);
        }
    }

    #[test]
    fn any_text_survives(said in any::<String>(), system in any::<String>()) {
        let all = conversation(&json!({"input": said, "instructions": system})).unwrap();
        let texts: Vec<Block> = vec![Block::Text(system), Block::Text(said)];
        prop_assert_eq!(all.turns.into_iter().flat_map(|turn| turn.blocks).collect::<Vec<_>>(), texts);
    }
}
