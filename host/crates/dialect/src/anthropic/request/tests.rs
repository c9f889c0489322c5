use proptest::prelude::*;

use jackfield_core::contract::FaultKind;

use super::*;

fn parse(text: &str) -> Result<ChatRequest, Fault> {
    parse_request(Dialect::AnthropicMessages, Bytes::copy_from_slice(text.as_bytes()))
}

#[test]
fn reads_what_the_gateway_needs() {
    let request = parse(
        r#"{"model":"m","max_tokens":7,"stream":true,"metadata":{"task":"t","user_id":"u"},"tools":[{}],
            "output_config":{"format":{"type":"json_schema","schema":{}}},
            "system":[{"type":"text","text":"be"},{"type":"text","text":"brief"}],
            "messages":[{"role":"user","content":[{"type":"text","text":"a"},{"type":"image","source":{}},
            {"type":"text","text":"b"},{"type":"document"}]},{"role":"assistant","content":"c"},
            {"role":"\u0075ser","content":[{"type":"tool_result","tool_use_id":"x","content":"r1"},
            {"type":"tool_result","tool_use_id":"y","content":[{"type":"text","text":"r2"}]},{"type":"text","text":"d"}]},
            {"role":"user","content":[{"type":"tool_result","tool_use_id":"z"}]}]}"#,
    )
    .unwrap();
    assert_eq!((request.model.as_deref(), request.task.as_deref()), (Some("m"), Some("t")));
    assert!(request.stream && request.include_usage && request.has_tools && request.has_response_schema);
    assert!(request.has_images());
    assert_eq!(request.max_output_tokens, Some(7));
    assert_eq!(request.system_text(), "be\nbrief");
    assert_eq!(request.last_user_text(), "d", "results of tools are not what the user says");
    let roles: Vec<&str> = request.messages.iter().map(|message| message.role.name()).collect();
    assert_eq!(roles, ["system", "user", "assistant", "tool", "user", "tool"]);
    assert_eq!(request.messages[3].text(), "r1\nr2");
}

#[test]
fn counting_needs_no_bound_and_is_never_streamed() {
    let body = r#"{"model":"m","stream":true,"messages":[{"role":"user","content":"x"}]}"#;
    let request = parse_request(Dialect::AnthropicCountTokens, Bytes::from(body)).unwrap();
    assert!(!request.stream);
    assert_eq!(parse(body).unwrap_err().param.as_deref(), Some("max_tokens"));
}

#[test]
fn names_the_field_that_is_wrong() {
    let rest = r#""max_tokens":1,"messages":[{"role":"user","content":"x"}]"#;
    let with = |messages: &str| format!(r#"{{"max_tokens":1,"messages":{messages}}}"#);
    let cases = [
        ("[]".to_owned(), FaultKind::MalformedBody, None),
        (r#"{"messages":"#.to_owned(), FaultKind::MalformedBody, None),
        ("{}".to_owned(), FaultKind::InvalidRequest, Some("messages")),
        (with("[]"), FaultKind::InvalidRequest, Some("messages")),
        (with("{}"), FaultKind::InvalidRequest, Some("messages")),
        (with("[1]"), FaultKind::InvalidRequest, Some("messages[0]")),
        (with("[{}]"), FaultKind::InvalidRequest, Some("messages[0].role")),
        (with(r#"[{"role":"tool"}]"#), FaultKind::InvalidRequest, Some("messages[0].role")),
        (with(r#"[{"role":"user"}]"#), FaultKind::InvalidRequest, Some("messages[0].content")),
        (with(r#"[{"role":"user","content":1}]"#), FaultKind::InvalidRequest, Some("messages[0].content")),
        (
            with(r#"[{"role":"user","content":[{}]}]"#),
            FaultKind::InvalidRequest,
            Some("messages[0].content[0].type"),
        ),
        (
            with(r#"[{"role":"user","content":[{"type":"text"}]}]"#),
            FaultKind::InvalidRequest,
            Some("messages[0].content[0].text"),
        ),
        (
            with(r#"[{"role":"user","content":[{"type":"tool_result","content":7}]}]"#),
            FaultKind::InvalidRequest,
            Some("messages[0].content[0].content"),
        ),
        (format!(r#"{{"model":1,{rest}}}"#), FaultKind::InvalidRequest, Some("model")),
        (format!(r#"{{"system":1,{rest}}}"#), FaultKind::InvalidRequest, Some("system")),
        (format!(r#"{{"stream":"yes",{rest}}}"#), FaultKind::InvalidRequest, Some("stream")),
        (format!(r#"{{"temperature":"hot",{rest}}}"#), FaultKind::InvalidRequest, Some("temperature")),
        (format!(r#"{{"top_k":0.5,{rest}}}"#), FaultKind::InvalidRequest, Some("top_k")),
        (format!(r#"{{"stop_sequences":"x",{rest}}}"#), FaultKind::InvalidRequest, Some("stop_sequences")),
        (format!(r#"{{"tool_choice":"auto",{rest}}}"#), FaultKind::InvalidRequest, Some("tool_choice")),
        (format!(r#"{{"thinking":true,{rest}}}"#), FaultKind::InvalidRequest, Some("thinking")),
        (format!(r#"{{"output_config":[],{rest}}}"#), FaultKind::InvalidRequest, Some("output_config")),
        (format!(r#"{{"metadata":{{"task":1}},{rest}}}"#), FaultKind::InvalidRequest, Some("metadata.task")),
        (format!(r#"{{"tools":{{}},{rest}}}"#), FaultKind::InvalidRequest, Some("tools")),
        (
            r#"{"max_tokens":-1,"messages":[{"role":"user","content":"x"}]}"#.to_owned(),
            FaultKind::InvalidRequest,
            Some("max_tokens"),
        ),
    ];
    for (text, kind, param) in cases {
        let fault = parse(&text).expect_err(&text);
        assert_eq!((fault.kind, fault.param.as_deref()), (kind, param), "{text}: {fault}");
    }
}

/// Pieces that requests are made of, in any order: more often nearly right than random bytes are.
pub(in crate::anthropic) fn nearly() -> impl Strategy<Value = String> {
    let piece = prop::sample::select(vec![
        "{",
        "}",
        "[",
        "]",
        ",",
        ":",
        "\"role\"",
        "\"user\"",
        "\"content\"",
        "\"type\"",
        "\"text\"",
        "\"tool_result\"",
        "\"messages\"",
        "\"system\"",
        "\"thinking\"",
        "\"tool_use\"",
        "\"image\"",
        "\"source\"",
        "1",
        "null",
        "true",
        "\"x\"",
        "\"tools\"",
        "\"tool_choice\"",
        "\"output_config\"",
        "\"index\"",
        "\"delta\"",
        "\"message_delta\"",
    ]);
    prop::collection::vec(piece, 0..40).prop_map(|pieces| pieces.concat())
}

fn json() -> impl Strategy<Value = serde_json::Value> {
    use serde_json::{Value, json};
    let word = prop::sample::select(vec![
        "text",
        "image",
        "tool_use",
        "tool_result",
        "thinking",
        "document",
        "base64",
        "url",
        "user",
        "assistant",
        "x",
        "",
    ]);
    let leaf = prop_oneof![
        Just(json!(null)),
        any::<bool>().prop_map(Value::from),
        any::<u32>().prop_map(Value::from),
        word.prop_map(Value::from)
    ];
    leaf.prop_recursive(4, 48, 6, |inner| {
        let key = prop::sample::select(vec![
            "type",
            "text",
            "content",
            "source",
            "data",
            "media_type",
            "url",
            "id",
            "name",
            "input",
            "tool_use_id",
            "is_error",
            "role",
        ]);
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map(key.prop_map(str::to_owned), inner, 0..5)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..200), text in nearly()) {
        for dialect in [Dialect::AnthropicMessages, Dialect::AnthropicCountTokens] {
            let _ = parse_request(dialect, Bytes::from(bytes.clone()));
            let _ = parse_request(dialect, Bytes::from(text.clone()));
        }
    }

    /// Whatever stands where, it is read, refused, or written for another API; nothing breaks.
    #[test]
    fn arbitrary_values_are_read_or_refused(content in json(), system in json(), other in json()) {
        use crate::{Asked, Client, Speech};
        let body = serde_json::json!({
            "max_tokens": 9, "system": system, "tools": other, "tool_choice": other, "thinking": other,
            "output_config": other, "messages": [{"role": "user", "content": content}],
        });
        let without = serde_json::json!({"max_tokens": 9, "messages": [{"role": "user", "content": content}]});
        for body in [body, without] {
            if let Ok(request) = parse(&body.to_string()) {
                let _ = super::super::Messages.converse(&request);
                let overrides = jackfield_core::contract::Overrides {
                    prompt_template: Some("<${input}>".into()), ..Default::default()
                };
                let asked = Asked {
                    request: &request, model_id: "m", overrides: &overrides, appended: &[], max_output: None,
                };
                let _ = crate::openai::ChatSpeech.write(&asked);
                let Ok(crate::Written::Call { body, .. }) = super::super::MessagesSpeech.write(&asked) else { panic!() };
                prop_assert!(serde_json::from_slice::<serde_json::Value>(&body).is_ok());
            }
        }
    }
}
