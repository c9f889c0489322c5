use bytes::Bytes;
use serde_json::{Value, json};

use jackfield_core::contract::Dialect;

use super::*;
use crate::anthropic::parse_request;

fn conversation(body: &Value) -> Result<Conversation, Fault> {
    converse(&parse_request(Dialect::AnthropicMessages, Bytes::from(body.to_string())).unwrap())
}

fn with(field: &str, value: Value) -> Result<Conversation, Fault> {
    let mut body = json!({"max_tokens": 9, "messages": [{"role": "user", "content": "x"}]});
    body[field] = value;
    conversation(&body)
}

#[test]
fn turns_keep_what_was_said_in_order() {
    let all = conversation(&json!({"max_tokens": 9, "messages": [
        {"role": "user", "content": [{"type": "text", "text": "look", "cache_control": {"type": "ephemeral"}},
            {"type": "image", "source": {"type": "url", "url": "https://x/y.png"}},
            {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AAAA"}}]},
        {"role": "assistant", "content": [{"type": "thinking", "thinking": "hm", "signature": "s"},
            {"type": "text", "text": "so"}, {"type": "tool_use", "id": "a", "name": "f", "input": {"n": 1.50, "a": 2}}]},
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "a", "is_error": true,
            "content": [{"type": "text", "text": "one"}]}, {"type": "text", "text": "and?"}]},
    ], "system": [{"type": "text", "text": "brief"}]}))
    .unwrap();
    let text = |text: &str| Block::Text(text.into());
    let inline = Image::Inline { media_type: "image/png".into(), data: "AAAA".into() };
    let call = Block::ToolCall { id: "a".into(), name: "f".into(), arguments: r#"{"a":2,"n":1.5}"#.into() };
    let result = Block::ToolResult { id: "a".into(), blocks: vec![text("one")], failed: true };
    let url = Image::Url("https://x/y.png".into());
    let expected = vec![
        Turn { role: Role::System, blocks: vec![text("brief")] },
        Turn { role: Role::User, blocks: vec![text("look"), Block::Image(url), Block::Image(inline)] },
        Turn { role: Role::Assistant, blocks: vec![text("so"), call] },
        Turn { role: Role::Tool, blocks: vec![result] },
        Turn { role: Role::User, blocks: vec![text("and?")] },
    ];
    assert_eq!(all.turns, expected);
    assert_eq!(all.dropped, ["cache_control", "thinking"]);
}

#[test]
fn what_has_no_place_is_named_and_defaults_say_nothing() {
    let block = |block: Value| json!([{"role": "user", "content": [block]}]);
    let cases = [
        ("container", json!("c"), Some("container")),
        ("a_field_of_tomorrow", json!(1), Some("a_field_of_tomorrow")),
        ("a_field_of_tomorrow", Value::Null, None),
        ("service_tier", json!("auto"), None),
        ("speed", json!("standard"), None),
        ("speed", json!("fast"), Some("speed")),
        ("mcp_servers", json!([]), None),
        ("mcp_servers", json!([{}]), Some("mcp_servers")),
        ("max_tokens", json!(0), Some("max_tokens")),
        ("thinking", json!({"type": "adaptive"}), None),
        ("thinking", json!({"type": "deep"}), Some("thinking")),
        ("tool_choice", json!({"type": "some"}), Some("tool_choice")),
        ("tools", json!([{"type": "web_search_20250305", "name": "w"}]), Some("tools[0]")),
        ("tools", json!([{"name": "f", "defer_loading": true}]), Some("tools[0].defer_loading")),
        ("output_config", json!({"effort": "astral"}), Some("output_config.effort")),
        ("output_config", json!({"format": {"type": "grammar"}}), Some("output_config.format")),
        ("messages", block(json!({"type": "document", "source": {}})), Some("messages[0].content[0]")),
        (
            "messages",
            block(json!({"type": "image", "source": {"type": "file", "file_id": "f"}})),
            Some("messages[0].content[0].source"),
        ),
        (
            "messages",
            block(json!({"type": "tool_result", "tool_use_id": "a", "content": [{"type": "document"}]})),
            Some("messages[0].content[0].content[0]"),
        ),
    ];
    for (field, value, other) in cases {
        let all = with(field, value.clone()).unwrap();
        assert_eq!(all.others.first().map(String::as_str), other, "{field}: {value}");
        assert_eq!(all.check_others().err().and_then(|fault| fault.param).as_deref(), other, "{field}");
    }
}

#[test]
fn settings_keep_their_meaning() {
    let level = |level| Some(Reasoning::Level(level));
    let rows = [
        (json!({"type": "enabled", "budget_tokens": 2000}), json!({}), Some(Reasoning::Budget(2000))),
        (json!({"type": "disabled"}), json!({}), level(ReasoningLevel::None)),
        (json!({"type": "adaptive"}), json!({}), None),
        (json!({"type": "adaptive"}), json!({"effort": "low"}), level(ReasoningLevel::Low)),
        (Value::Null, json!({"effort": "max"}), level(ReasoningLevel::High)),
    ];
    for (thinking, config, want) in rows {
        let body = json!({"max_tokens": 9, "messages": [{"role": "user", "content": "x"}],
            "thinking": thinking, "output_config": config});
        assert_eq!(conversation(&body).unwrap().reasoning, want, "{body}");
    }
    assert_eq!(with("stop_sequences", json!(["x"])).unwrap().stop, ["x"]);
    assert_eq!(with("metadata", json!({"user_id": "u", "task": "t"})).unwrap().user.as_deref(), Some("u"));
    assert_eq!(with("metadata", json!({"task": "t"})).unwrap().dropped, [""; 0]);
    let choice = json!({"type": "tool", "name": "f", "disable_parallel_tool_use": true});
    let all = with("tool_choice", choice).unwrap();
    assert_eq!(
        (all.tool_choice, all.parallel_tool_calls),
        (Some(ToolChoice::Named("f".into())), Some(false))
    );
    let raw = r#"{"max_tokens":1,"messages":[{"role":"user","content":"x"}],
        "output_config":{"format":{"type":"json_schema","schema":{"z":1,"a":2}}},"tools":[{"name":"f","input_schema":{"z":1,"a":2}}]}"#;
    let all = converse(&parse_request(Dialect::AnthropicMessages, Bytes::from(raw)).unwrap()).unwrap();
    let Some(Format::JsonSchema { schema, .. }) = all.format else { panic!("no schema") };
    assert_eq!(schema.get(), r#"{"z":1,"a":2}"#, "in its own order");
    assert_eq!(all.tools[0].schema.as_ref().unwrap().get(), r#"{"z":1,"a":2}"#);
    for (field, value) in
        [("tools", json!([7])), ("thinking", json!({"type": "enabled"})), ("tools", json!([{}]))]
    {
        assert!(with(field, value.clone()).is_err(), "{field} {value}");
    }
}
