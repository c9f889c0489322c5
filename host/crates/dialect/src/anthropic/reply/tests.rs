use proptest::prelude::*;
use serde_json::{Value, json};

use jackfield_core::contract::FaultKind;

use super::*;

#[test]
fn reads_what_providers_send() {
    let body = r#"{"id":"msg_1","type":"message","role":"assistant","model":"claude-x","novel":1,"content":[
        {"type":"thinking","thinking":"hm","signature":"s"},{"type":"text","text":"a"},{"type":"text","text":"b"},
        {"type":"server_tool_use","id":"s","name":"web","input":{}},
        {"type":"tool_use","id":"t","name":"f","input":{"z": 1.50,"a":12345678901234567890123}}],
        "stop_reason":"tool_use","stop_sequence":null,"usage":{"input_tokens":12,"cache_creation_input_tokens":3,
        "cache_read_input_tokens":4,"output_tokens":9,"output_tokens_details":{"thinking_tokens":5}}}"#;
    let reply = parse_reply(Bytes::from(body)).unwrap();
    assert_eq!((reply.id.as_str(), reply.model.as_str()), ("msg_1", "claude-x"));
    let choice = &reply.choices[0];
    assert_eq!(choice.text.as_deref(), Some("ab"));
    assert_eq!(choice.tool_calls[0].arguments, r#"{"z": 1.50,"a":12345678901234567890123}"#, "to the byte");
    assert_eq!(choice.finish_reason, Some(FinishReason::ToolCalls));
    let usage = reply.usage.unwrap();
    assert_eq!((usage.input_tokens, usage.cached_input_tokens), (19, 4));
    assert_eq!((usage.output_tokens, usage.reasoning_tokens), (9, 5));
    assert_eq!(reply.wire.unwrap(), body);
}

#[test]
fn every_stop_reason_has_its_meaning() {
    let rows = [
        ("end_turn", Some(FinishReason::Stop)),
        ("stop_sequence", Some(FinishReason::Stop)),
        ("max_tokens", Some(FinishReason::Length)),
        ("model_context_window_exceeded", Some(FinishReason::Length)),
        ("tool_use", Some(FinishReason::ToolCalls)),
        ("refusal", Some(FinishReason::ContentFilter)),
        ("pause_turn", None),
        ("novel", None),
    ];
    for (word, want) in rows {
        let body = json!({"content": [], "stop_reason": word}).to_string();
        assert_eq!(parse_reply(Bytes::from(body)).unwrap().choices[0].finish_reason, want, "{word}");
    }
}

#[test]
fn what_is_no_answer_is_the_providers_fault() {
    for body in ["", "<html>", "[]", "{}", r#"{"content":7}"#, r#"{"content":[7]}"#, r#"{"content":null}"#] {
        assert_eq!(parse_reply(Bytes::from(body)).unwrap_err().kind, FaultKind::UpstreamBroken, "{body}");
    }
    assert!(parse_count(Bytes::from(r#"{"input_tokens":"7"}"#)).is_err());
    let counted = parse_count(Bytes::from(r#"{"input_tokens":7}"#)).unwrap();
    assert_eq!((counted.usage, counted.wire.is_some()), (None, true));
}

#[test]
fn what_is_written_reads_back_the_same() {
    let call =
        |arguments: &str| ToolCall { id: "i".into(), name: "f".into(), arguments: arguments.to_owned() };
    let reply = Reply {
        id: "1".into(),
        model: "m".into(),
        created: 9,
        choices: vec![Choice {
            text: Some("a \"quote\"\n".into()),
            tool_calls: vec![call(r#"{"z": 1.0,"a":[]}"#)],
            finish_reason: Some(FinishReason::Stop),
            ..Choice::default()
        }],
        usage: Some(Usage { input_tokens: 5, cached_input_tokens: 2, output_tokens: 2, ..Usage::default() }),
        wire: None,
    };
    let back = parse_reply(render_reply(&reply)).unwrap();
    assert_eq!((back.id, back.model, back.usage), (reply.id.clone(), reply.model.clone(), reply.usage));
    assert_eq!(back.choices[0].tool_calls, reply.choices[0].tool_calls);
    assert_eq!(back.choices[0].finish_reason, Some(FinishReason::ToolCalls), "it has calls to be made");
    let mut odd = reply;
    odd.choices[0].tool_calls = vec![call("oops")];
    odd.choices[0].text = Some(String::new());
    let written: Value = serde_json::from_slice(&render_reply(&odd)).unwrap();
    assert_eq!(
        written["content"],
        json!([{"type": "tool_use", "id": "i", "name": "f", "input": {"arguments": "oops"}}])
    );
}

proptest! {
    #[test]
    fn arbitrary_bytes_never_panic(
        bytes in prop::collection::vec(any::<u8>(), 0..200), text in super::super::request::tests::nearly(),
    ) {
        let _ = parse_reply(Bytes::from(bytes.clone()));
        let _ = parse_count(Bytes::from(bytes));
        let _ = parse_reply(Bytes::from(text));
    }

    /// Any answer becomes a message whose calls have objects as their input.
    #[test]
    fn any_answer_is_written(text in any::<Option<String>>(), arguments in prop::collection::vec(any::<String>(), 0..3)) {
        let tool_calls: Vec<ToolCall> = arguments.into_iter()
            .map(|arguments| ToolCall { id: String::new(), name: "f".into(), arguments }).collect();
        let count = tool_calls.len();
        let choice = Choice { text: text.clone(), tool_calls, ..Choice::default() };
        let reply = Reply { id: "i".into(), model: "m".into(), created: 0, choices: vec![choice], usage: None, wire: None };
        let written: Value = serde_json::from_slice(&render_reply(&reply)).unwrap();
        let blocks = written["content"].as_array().unwrap();
        let calls: Vec<&Value> = blocks.iter().filter(|block| block["type"] == "tool_use").collect();
        prop_assert_eq!(calls.len(), count);
        prop_assert!(calls.iter().all(|call| call["input"].is_object() && call["id"] != ""));
        let said: String = blocks.iter().filter_map(|block| block["text"].as_str()).collect();
        prop_assert_eq!(said, text.unwrap_or_default());
    }
}
