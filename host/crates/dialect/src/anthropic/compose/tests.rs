use proptest::prelude::*;
use serde_json::{Value, json};

use jackfield_core::contract::{Overrides, ReasoningLevel};

use super::*;
use crate::conversation::{Block, Turn};
use crate::openai::{Chat, parse_request};
use crate::{Asked, Client, Speech, Written};

/// What is sent for a chat completion request, and what was left out; or the field at fault.
fn sent(body: &Value, model: &str, overrides: &Overrides) -> Result<(Value, Vec<String>), String> {
    let request = parse_request(Bytes::from(body.to_string())).unwrap();
    let asked = Asked { request: &request, model_id: model, overrides, appended: &[], max_output: None };
    match super::super::MessagesSpeech.write(&asked) {
        Ok(Written::Call { path, body, dropped }) => {
            assert_eq!(path, "messages");
            Ok((serde_json::from_slice(&body).unwrap(), dropped))
        }
        Ok(other) => panic!("{other:?}"),
        Err(fault) => Err(fault.param.unwrap_or_default()),
    }
}

fn with(more: Value, model: &str) -> Result<(Value, Vec<String>), String> {
    let mut body = json!({"messages": [{"role": "user", "content": "x"}]});
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    sent(&body, model, &Overrides::default())
}

fn hinted(more: Value, model: &str, overrides: &Overrides) -> (Value, Vec<String>) {
    let mut body = json!({"messages": [{"role": "user", "content": "x"}]});
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    sent(&body, model, overrides).unwrap()
}

#[test]
fn turns_alternate_and_nothing_is_empty() {
    let call = |id: &str, arguments: &str| json!({"id": id, "type": "function", "function": {"name": "f", "arguments": arguments}});
    let body = json!({"messages": [
        {"role": "system", "content": "one"}, {"role": "user", "content": "a"}, {"role": "user", "content": "b"},
        {"role": "assistant", "content": ""}, {"role": "developer", "content": "two"},
        {"role": "user", "content": "c"},
        {"role": "assistant", "content": null, "tool_calls": [call("x:1", "{\"z\": 1.50, \"a\": 2}"), call("y", "oops"), call("z", "")]},
        {"role": "user", "content": "wait"},
        {"role": "tool", "tool_call_id": "x:1", "content": "r"}, {"role": "tool", "tool_call_id": "y", "content": ""},
        {"role": "assistant", "content": "so: "},
    ]});
    let (out, _) = sent(&body, "claude-sonnet-4-5", &Overrides::default()).unwrap();
    assert_eq!(out["system"], json!([{"type": "text", "text": "one"}, {"type": "text", "text": "two"}]));
    assert_eq!(
        out["messages"],
        json!([
            {"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}, {"type": "text", "text": "c"}]},
            {"role": "assistant", "content": [
                {"type": "tool_use", "id": "x_1", "name": "f", "input": {"z": 1.50, "a": 2}},
                {"type": "tool_use", "id": "y", "name": "f", "input": {"arguments": "oops"}},
                {"type": "tool_use", "id": "z", "name": "f", "input": {}}]},
            {"role": "user", "content": [
                {"type": "tool_result", "tool_use_id": "x_1", "content": "r"}, {"type": "tool_result", "tool_use_id": "y"},
                {"type": "text", "text": "wait"}]},
            {"role": "assistant", "content": "so:"},
        ])
    );
    assert_eq!(out["max_tokens"], DEFAULT_MAX_TOKENS);
    let alone = json!({"messages": [{"role": "system", "content": "x"}]});
    assert_eq!(sent(&alone, "m", &Overrides::default()).unwrap_err(), "messages");
}

#[test]
fn a_calls_arguments_keep_their_bytes() {
    let mut conversation = Conversation::default();
    let arguments = " {\"z\": 1.50,  \"a\": 12345678901234567890123} ".to_owned();
    let call = Block::ToolCall { id: "i".into(), name: "f".into(), arguments };
    conversation.turns.push(Turn { role: Role::Assistant, blocks: vec![call] });
    let (body, _) = compose(conversation, "m", None).unwrap();
    assert!(String::from_utf8_lossy(&body).contains("{\"z\": 1.50,  \"a\": 12345678901234567890123}"));
}

#[test]
fn wishes_without_a_word_are_refused_and_what_is_sent_depends_on_the_model() {
    const OLD: &str = "claude-3-haiku-20240307";
    const FOUR: &str = "claude-haiku-4-5";
    const NEW: &str = "claude-opus-5";
    // What is asked, of which model, and the field at fault or what stands in the request.
    let format = json!({"type": "json_schema", "json_schema": {"name": "n", "schema": {"type": "object"}}});
    let rows = [
        (json!({"seed": 1}), FOUR, Err("seed")),
        (json!({"n": 2}), FOUR, Err("n")),
        (json!({"presence_penalty": 1}), FOUR, Err("presence_penalty")),
        (json!({"frequency_penalty": 1}), FOUR, Err("frequency_penalty")),
        (json!({"logprobs": true}), FOUR, Err("logprobs")),
        (json!({"stop": "\n"}), FOUR, Err("stop")),
        (json!({"stop": "END"}), FOUR, Ok(json!({"stop_sequences": ["END"]}))),
        (json!({"temperature": 1.5}), FOUR, Err("temperature")),
        (json!({"temperature": 0.5}), FOUR, Ok(json!({"temperature": 0.5}))),
        (json!({"temperature": 0.5, "top_p": 0.9}), FOUR, Err("top_p")),
        (json!({"temperature": 0.5, "top_p": 0.9}), OLD, Ok(json!({"temperature": 0.5, "top_p": 0.9}))),
        (json!({"temperature": 0.5}), NEW, Err("temperature")),
        (json!({"temperature": 1, "top_p": 1}), NEW, Ok(json!({}))),
        (json!({"top_p": 0.5}), NEW, Err("top_p")),
        (json!({"top_k": 5}), NEW, Err("top_k")),
        (json!({"top_k": 5}), OLD, Ok(json!({"top_k": 5}))),
        (json!({"reasoning_effort": "high"}), OLD, Err("reasoning")),
        (json!({"reasoning_effort": "none"}), OLD, Ok(json!({}))),
        (
            json!({"reasoning_effort": "low"}),
            FOUR,
            Ok(json!({"max_tokens": 4096 + 2048, "thinking": {"type": "enabled", "budget_tokens": 1024}})),
        ),
        (json!({"reasoning_effort": "low", "max_tokens": 500}), FOUR, Err("reasoning")),
        (json!({"reasoning_effort": "low", "temperature": 0.5}), FOUR, Err("temperature")),
        (
            json!({"reasoning_effort": "medium"}),
            NEW,
            Ok(json!({"thinking": {"type": "adaptive"}, "output_config": {"effort": "medium"}})),
        ),
        (json!({"reasoning_effort": "none"}), NEW, Ok(json!({"thinking": {"type": "disabled"}}))),
        (json!({"reasoning_effort": "none"}), "claude-opus-5-5", Err("reasoning")),
        (json!({"response_format": format}), OLD, Err("response_format")),
        (
            json!({"response_format": format, "reasoning_effort": "low"}),
            NEW,
            Ok(json!({"thinking": {"type": "adaptive"},
                "output_config": {"effort": "low", "format": {"type": "json_schema", "schema": {"type": "object"}}}})),
        ),
        (json!({"response_format": {"type": "json_object"}}), FOUR, Ok(json!({"system": JSON_ONLY}))),
        (json!({"user": "u"}), FOUR, Ok(json!({"metadata": {"user_id": "u"}}))),
    ];
    for (asked, model, want) in rows {
        let got = with(asked.clone(), model).map(|(mut out, _)| {
            let fields = out.as_object_mut().unwrap();
            fields.remove("model");
            fields.remove("messages");
            if fields["max_tokens"] == DEFAULT_MAX_TOKENS {
                fields.remove("max_tokens");
            }
            out
        });
        assert_eq!(got, want.map_err(str::to_owned), "{asked} to {model}");
    }
    assert_eq!(
        with(json!({"response_format": {"type": "json_object"}}), FOUR).unwrap().1,
        ["response_format"]
    );
}

#[test]
fn tools_and_their_choice() {
    let tool = json!({"type": "function", "function": {"name": "f", "strict": true, "parameters": {"b": 1, "a": 2}}});
    let bare = json!({"type": "function", "function": {"name": "g"}});
    let (out, _) = with(json!({"tools": [tool, bare]}), "m").unwrap();
    assert_eq!(
        out["tools"],
        json!([{"name": "f", "strict": true, "input_schema": {"b": 1, "a": 2}},
            {"name": "g", "input_schema": {"type": "object", "properties": {}}}])
    );
    let named = json!({"type": "function", "function": {"name": "g"}});
    let rows = [
        (json!({}), Value::Null),
        (json!({"parallel_tool_calls": false}), json!({"type": "auto", "disable_parallel_tool_use": true})),
        (json!({"parallel_tool_calls": true}), Value::Null),
        (json!({"tool_choice": "none", "parallel_tool_calls": false}), json!({"type": "none"})),
        (json!({"tool_choice": "required"}), json!({"type": "any"})),
        (
            json!({"tool_choice": named, "parallel_tool_calls": false}),
            json!({"type": "tool", "name": "g", "disable_parallel_tool_use": true}),
        ),
    ];
    for (mut asked, want) in rows {
        asked["tools"] = json!([bare]);
        assert_eq!(with(asked.clone(), "m").unwrap().0["tool_choice"], want, "{asked}");
    }
    assert_eq!(with(json!({"tool_choice": "auto"}), "m").unwrap().0["tool_choice"], Value::Null);
    // Nobody can be made to think and to call at once.
    let forced = json!({"tools": [bare], "tool_choice": "required", "reasoning_effort": "high"});
    assert_eq!(with(forced.clone(), "claude-haiku-4-5").unwrap_err(), "reasoning");
    let (out, _) = with(forced, "claude-opus-4-6").unwrap();
    assert_eq!((&out["thinking"], &out["output_config"]["effort"]), (&Value::Null, &json!("high")));
}

#[test]
fn hints_give_way_to_wishes_and_to_what_the_model_takes() {
    let hot = Overrides { temperature: Some(1.5), ..Overrides::default() };
    let deep = Overrides { reasoning: Some(ReasoningLevel::High), ..Overrides::default() };
    let both = Overrides { temperature: Some(0.5), ..deep.clone() };
    let (out, dropped) = hinted(json!({}), "claude-haiku-4-5", &hot);
    assert_eq!((&out["temperature"], dropped), (&json!(1.0), vec!["temperature".to_owned()]));
    let rows = [
        (json!({}), "claude-3-haiku-20240307", &deep, "reasoning"),
        (json!({"temperature": 0.5}), "claude-haiku-4-5", &deep, "reasoning"),
        (json!({}), "claude-haiku-4-5", &both, "temperature"),
        (json!({}), "claude-opus-5", &hot, "temperature"),
        (json!({"top_p": 0.5}), "claude-haiku-4-5", &hot, "temperature"),
    ];
    for (asked, model, overrides, lost) in rows {
        let (out, dropped) = hinted(asked.clone(), model, overrides);
        assert!(dropped.iter().any(|field| field == lost), "{asked} {model}: {dropped:?}");
        assert_eq!(
            out["thinking"].is_null(),
            lost == "reasoning" || overrides.reasoning.is_none(),
            "{asked} {model}"
        );
    }
    // In the middle of calls nobody has the thoughts that led to them.
    let call = json!({"id": "i", "type": "function", "function": {"name": "f", "arguments": "{}"}});
    let body = json!({"reasoning_effort": "high", "messages": [{"role": "user", "content": "x"},
        {"role": "assistant", "tool_calls": [call]}, {"role": "tool", "tool_call_id": "i", "content": "r"}]});
    let (out, dropped) = sent(&body, "claude-haiku-4-5", &Overrides::default()).unwrap();
    assert_eq!((&out["thinking"], dropped), (&Value::Null, vec!["reasoning".to_owned()]));
}

proptest! {
    /// Whatever was said by whom: roles take turns, nothing is empty, and every word is there.
    #[test]
    fn any_turns_become_messages_that_the_api_takes(said in prop::collection::vec((0..4_u8, "[a-z ]{0,4}"), 1..12)) {
        let messages: Vec<Value> = said.iter().map(|(role, text)| match role {
            0 => json!({"role": "user", "content": text}),
            1 => json!({"role": "assistant", "content": text}),
            2 => json!({"role": "system", "content": text}),
            _ => json!({"role": "tool", "tool_call_id": "i", "content": text}),
        }).collect();
        if let Ok((out, _)) = sent(&json!({"messages": messages}), "m", &Overrides::default()) {
            let list = out["messages"].as_array().unwrap();
            prop_assert!(!list.is_empty());
            let roles: Vec<&str> = list.iter().map(|message| message["role"].as_str().unwrap()).collect();
            prop_assert!(roles.windows(2).all(|two| two[0] != two[1]), "{:?}", roles);
            prop_assert!(list.iter().all(|message| message["content"] != "" && message["content"] != json!([])));
            let written = out.to_string();
            for (_, text) in &said {
                prop_assert!(written.contains(text.trim()), "{} in {}", text, written);
            }
        }
    }

    #[test]
    fn any_arguments_become_an_object(arguments in any::<String>()) {
        let object = super::super::turns::object_of(&arguments);
        prop_assert!(serde_json::from_str::<Value>(object.get()).unwrap().is_object());
    }
}

#[test]
fn the_client_of_another_dialect_reads_its_own_words_back() {
    // Chat completions to Messages and back to chat completions.
    let body = json!({"model": "m", "max_tokens": 9, "temperature": 0.25, "stop": ["a"], "user": "u",
        "messages": [{"role": "system", "content": "brief"}, {"role": "user", "content": "look"},
            {"role": "assistant", "content": "ok"}, {"role": "user", "content": "go"}]});
    let (out, _) = sent(&body, "m", &Overrides::default()).unwrap();
    let there = super::super::parse_request(
        jackfield_core::contract::Dialect::AnthropicMessages,
        Bytes::from(out.to_string()),
    )
    .unwrap();
    let asked = Asked {
        request: &there,
        model_id: "m",
        overrides: &Overrides::default(),
        appended: &[],
        max_output: None,
    };
    let Ok(Written::Call { body: back, .. }) = crate::openai::ChatSpeech.write(&asked) else { panic!() };
    let back: Value = serde_json::from_slice(&back).unwrap();
    assert_eq!(back, body);
    let _ = Chat.response_schema(&there);
}
