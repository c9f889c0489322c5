use bytes::Bytes;
use serde_json::json;

use super::*;
use crate::openai::parse_request;

fn conversation(body: Value) -> Result<Conversation, Fault> {
    converse(&parse_request(Bytes::from(body.to_string())).unwrap())
}

fn with(field: &str, value: Value) -> Result<Conversation, Fault> {
    let mut body = json!({"messages": [{"role": "user", "content": "x"}]});
    body[field] = value;
    conversation(body)
}

#[test]
fn turns_keep_what_was_said_in_order() {
    let all = conversation(json!({"messages": [
        {"role": "developer", "content": "be brief"},
        {"role": "user", "name": "ann", "content": [
            {"type": "text", "text": "look"},
            {"type": "image_url", "image_url": {"url": "https://x/y.png", "detail": "low"}},
            {"type": "image_url", "image_url": {"url": "data:image/png;charset=x;base64,AAAA"}}]},
        {"role": "assistant", "content": null, "tool_calls": [
            {"id": "a", "type": "function", "function": {"name": "f", "arguments": "{\"n\": 1}"}},
            {"id": "b", "type": "function", "function": {"name": "g", "arguments": ""}}]},
        {"role": "tool", "tool_call_id": "a", "content": "one"},
        {"role": "tool", "tool_call_id": "b", "content": [{"type": "text", "text": "two"}]},
        {"role": "assistant", "refusal": "no"},
    ]}))
    .unwrap();
    let text = |text: &str| Block::Text(text.into());
    let result =
        |id: &str, said| Block::ToolResult { id: id.into(), blocks: vec![text(said)], failed: false };
    let call = |id: &str, name: &str, arguments: &str| Block::ToolCall {
        id: id.into(),
        name: name.into(),
        arguments: arguments.into(),
    };
    let inline = Image::Inline { media_type: "image/png".into(), data: "AAAA".into() };
    let expected = vec![
        Turn { role: Role::System, blocks: vec![text("be brief")] },
        Turn {
            role: Role::User,
            blocks: vec![
                text("look"),
                Block::Image(Image::Url("https://x/y.png".into())),
                Block::Image(inline),
            ],
        },
        Turn { role: Role::Assistant, blocks: vec![call("a", "f", "{\"n\": 1}"), call("b", "g", "")] },
        Turn { role: Role::Tool, blocks: vec![result("a", "one"), result("b", "two")] },
        Turn { role: Role::Assistant, blocks: vec![text("no")] },
    ];
    assert_eq!(all.turns, expected);
    assert_eq!(all.dropped, ["messages[1].name", "messages[1].content[1].image_url.detail"]);
}

#[test]
fn what_has_no_place_is_named_and_defaults_say_nothing() {
    let cases = [
        ("logprobs", json!(false), None),
        ("logprobs", json!(true), Some("logprobs")),
        ("logit_bias", json!({}), None),
        ("logit_bias", json!({"1": 2}), Some("logit_bias")),
        ("service_tier", json!("auto"), None),
        ("service_tier", json!("flex"), Some("service_tier")),
        ("modalities", json!(["text"]), None),
        ("audio", json!({"voice": "x"}), Some("audio")),
        ("web_search_options", json!({}), Some("web_search_options")),
        ("tools", json!([{"type": "custom", "custom": {"name": "x"}}]), Some("tools[0]")),
        ("tool_choice", json!({"type": "allowed_tools"}), Some("tool_choice")),
        ("reasoning_effort", json!("astral"), Some("reasoning_effort")),
        ("a_field_of_tomorrow", json!(1), Some("a_field_of_tomorrow")),
        ("a_field_of_tomorrow", Value::Null, None),
    ];
    for (field, value, other) in cases {
        let all = with(field, value.clone()).unwrap();
        assert_eq!(all.others.first().map(String::as_str), other, "{field}: {value}");
        assert_eq!(all.check_others().err().and_then(|fault| fault.param).as_deref(), other, "{field}");
    }
}

#[test]
fn what_changes_no_answer_is_left_out_and_noted() {
    assert_eq!(with("store", json!(true)).unwrap().dropped, ["store"]);
    assert_eq!(with("metadata", json!({"task": "t"})).unwrap().dropped, [""; 0]);
    assert_eq!(with("metadata", json!({"task": "t", "a": "b"})).unwrap().dropped, ["metadata"]);
    for (detail, dropped) in [("high", &["messages[0].content[0].image_url.detail"][..]), ("auto", &[])] {
        let image = json!({"type": "image_url", "image_url": {"url": "https://x/y.png", "detail": detail}});
        let said = with("messages", json!([{"role": "user", "content": [image]}])).unwrap();
        assert_eq!(said.dropped, dropped, "{detail}");
    }
}

#[test]
fn settings_keep_their_meaning() {
    assert_eq!(with("stop", json!("x")).unwrap().stop, ["x"]);
    assert_eq!(with("stop", json!(["x", "y"])).unwrap().stop, ["x", "y"]);
    assert_eq!(with("n", json!(1)).unwrap().choices, None);
    assert_eq!(with("presence_penalty", json!(0)).unwrap().presence_penalty, None);
    assert_eq!(with("seed", json!(-3)).unwrap().seed, Some(-3));
    assert_eq!(
        with("tool_choice", json!({"type": "function", "function": {"name": "f"}})).unwrap().tool_choice,
        Some(ToolChoice::Named("f".into()))
    );
    let schema = json!({"type": "json_schema", "json_schema": {"name": "s", "schema": {"z": 1, "a": 2}}});
    let Some(Format::JsonSchema { schema, .. }) = with("response_format", schema).unwrap().format else {
        panic!("no schema")
    };
    assert!(schema.get().contains("\"a\""));
    for (field, value) in
        [("stop", json!(7)), ("tools", json!([7])), ("response_format", json!({"type": "x"}))]
    {
        assert!(with(field, value).is_err(), "{field}");
    }
    let lost = conversation(json!({"messages": [{"role": "tool", "content": "x"}]})).unwrap_err();
    assert_eq!(lost.param.as_deref(), Some("messages[0].tool_call_id"));
}
