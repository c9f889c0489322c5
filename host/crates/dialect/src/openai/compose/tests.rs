use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::Client;
use crate::conversation::Conversation;
use crate::openai::{Chat, parse_request};

fn conversation(body: &Value) -> Conversation {
    Chat.converse(&parse_request(Bytes::from(body.to_string())).unwrap()).unwrap()
}

fn composed(conversation: Conversation, model: &str) -> Value {
    serde_json::from_slice(&compose(conversation, model).unwrap().0).unwrap()
}

#[test]
fn what_is_read_from_this_dialect_is_written_the_same() {
    let body = json!({
        "model": "gpt-x", "temperature": 0.25, "top_p": 0.5, "max_completion_tokens": 9, "stop": ["a"], "seed": 4,
        "presence_penalty": 1.0, "frequency_penalty": -1.0, "n": 2, "user": "u", "reasoning_effort": "low",
        "parallel_tool_calls": false, "tool_choice": {"type": "function", "function": {"name": "f"}},
        "tools": [{"type": "function", "function": {"name": "f", "description": "d", "parameters": {"b": 1, "a": 2},
            "strict": true}}],
        "response_format": {"type": "json_schema", "json_schema": {"name": "s", "schema": {"z": 1}, "strict": true}},
        "messages": [
            {"role": "system", "content": "brief"},
            {"role": "user", "content": [{"type": "text", "text": "look"},
                {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}]},
            {"role": "assistant", "content": null, "tool_calls": [{"id": "c", "type": "function",
                "function": {"name": "f", "arguments": "{}"}}]},
            {"role": "tool", "tool_call_id": "c", "content": "r"},
        ],
    });
    assert_eq!(composed(conversation(&body), "gpt-x"), body);
}

#[test]
fn streams_ask_for_usage_and_the_bound_has_the_name_the_server_knows() {
    let body = json!({"stream": true, "max_tokens": 5, "messages": [{"role": "user", "content": "x"}]});
    let out = composed(conversation(&body), "mistral-small");
    assert_eq!(out["stream_options"], json!({"include_usage": true}));
    assert_eq!((&out["max_tokens"], &out["max_completion_tokens"]), (&json!(5), &Value::Null));
    assert_eq!(composed(conversation(&body), "o3-mini")["max_completion_tokens"], 5);
}

#[test]
fn pictures_among_results_follow_as_the_users() {
    let picture = Block::Image(Image::Url("https://x".into()));
    let blocks = vec![Block::Text("seen".into()), picture];
    let result = Block::ToolResult { id: "c".into(), blocks, failed: false };
    let mut all = conversation(&json!({"messages": [{"role": "user", "content": "x"}]}));
    all.turns.push(crate::conversation::Turn { role: Role::Tool, blocks: vec![result] });
    let messages = &composed(all, "m")["messages"];
    assert_eq!(messages[1], json!({"role": "tool", "content": "seen", "tool_call_id": "c"}));
    assert_eq!(messages[2]["content"][0]["image_url"]["url"], "https://x");
}

#[test]
fn a_wish_it_has_no_word_for_is_refused_and_a_hint_left_out() {
    let mut all = conversation(&json!({"messages": [{"role": "user", "content": "x"}], "top_k": 3}));
    assert_eq!(compose(all.clone(), "m").unwrap_err().param.as_deref(), Some("top_k"));
    all.hints.insert("top_k");
    assert_eq!(compose(all, "m").unwrap().1, ["top_k"]);
}

proptest! {
    #[test]
    fn any_text_survives(said in any::<String>(), system in any::<String>()) {
        let body = json!({"messages": [{"role": "system", "content": system}, {"role": "user", "content": said}]});
        prop_assert_eq!(&composed(conversation(&body), "m")["messages"], &body["messages"]);
    }
}
