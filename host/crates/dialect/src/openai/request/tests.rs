use super::*;

fn parse(text: &str) -> Result<ChatRequest, Fault> {
    parse_request(Bytes::copy_from_slice(text.as_bytes()))
}

#[test]
fn reads_what_the_gateway_needs() {
    let request = parse(
        r#"{"model":"m","stream":true,"metadata":{"task":"t","x":"y"},"max_tokens":7,"tools":[{}],
            "response_format":{"type":"json_schema","json_schema":{}},"stream_options":{"include_usage":true},
            "messages":[{"role":"\u0064eveloper","content":"be\nbrief"},{"role":"user","content":[{"type":"text","text":"a"},
            {"type":"image_url","image_url":{"url":"data:"}},{"type":"text","text":"b"},{"type":"file"}]},
            {"role":"assistant","content":null,"tool_calls":[]},{"role":"tool","content":"r"}]}"#
            .replace("be\nbrief", "be\\nbrief")
            .as_str(),
    )
    .unwrap();
    assert_eq!(request.model.as_deref(), Some("m"));
    assert!(request.stream && request.include_usage && request.has_tools && request.has_response_schema);
    assert_eq!(request.task.as_deref(), Some("t"));
    assert_eq!(request.max_output_tokens, Some(7));
    assert_eq!(request.last_user_text(), "a\nb");
    assert_eq!(request.system_text(), "be\nbrief");
    assert!(request.has_images());
    assert_eq!(request.messages.len(), 4);
}

#[test]
fn leaves_the_choice_open_for_auto_empty_and_absent() {
    for model in [r#""model":"auto","#, r#""model":"","#, r#""model":null,"#, ""] {
        let request = parse(&format!(r#"{{{model}"messages":[{{"role":"user","content":"x"}}]}}"#)).unwrap();
        assert_eq!(request.model, None, "{model}");
    }
}

#[test]
fn names_the_field_that_is_wrong() {
    let user = r#""messages":[{"role":"user","content":"x"}]"#;
    let cases = [
        ("[]".to_owned(), FaultKind::MalformedBody, None),
        (r#"{"messages":"#.to_owned(), FaultKind::MalformedBody, None),
        ("{}".to_owned(), FaultKind::InvalidRequest, Some("messages")),
        (r#"{"messages":[]}"#.to_owned(), FaultKind::InvalidRequest, Some("messages")),
        (r#"{"messages":{}}"#.to_owned(), FaultKind::InvalidRequest, Some("messages")),
        (r#"{"messages":[1]}"#.to_owned(), FaultKind::InvalidRequest, Some("messages[0]")),
        (r#"{"messages":[{}]}"#.to_owned(), FaultKind::InvalidRequest, Some("messages[0].role")),
        (r#"{"messages":[{"role":"king"}]}"#.to_owned(), FaultKind::InvalidRequest, Some("messages[0].role")),
        (
            r#"{"messages":[{"role":"user","role":"system"}]}"#.to_owned(),
            FaultKind::InvalidRequest,
            Some("messages[0]"),
        ),
        (
            r#"{"messages":[{"role":"user","content":1}]}"#.to_owned(),
            FaultKind::InvalidRequest,
            Some("messages[0].content"),
        ),
        (
            r#"{"messages":[{"role":"user","content":[{"type":"text"}]}]}"#.to_owned(),
            FaultKind::InvalidRequest,
            Some("messages[0].content[0].text"),
        ),
        (format!(r#"{{"model":1,{user}}}"#), FaultKind::InvalidRequest, Some("model")),
        (format!(r#"{{"stream":"yes",{user}}}"#), FaultKind::InvalidRequest, Some("stream")),
        (format!(r#"{{"temperature":"hot",{user}}}"#), FaultKind::InvalidRequest, Some("temperature")),
        (format!(r#"{{"max_tokens":0,{user}}}"#), FaultKind::InvalidRequest, Some("max_tokens")),
        (format!(r#"{{"max_tokens":1.5,{user}}}"#), FaultKind::InvalidRequest, Some("max_tokens")),
        (format!(r#"{{"metadata":[],{user}}}"#), FaultKind::InvalidRequest, Some("metadata")),
        (format!(r#"{{"metadata":{{"task":1}},{user}}}"#), FaultKind::InvalidRequest, Some("metadata.task")),
        (format!(r#"{{"model":"a","model":"b",{user}}}"#), FaultKind::InvalidRequest, Some("model")),
        (format!(r#"{{"tools":{{}},{user}}}"#), FaultKind::InvalidRequest, Some("tools")),
    ];
    for (text, kind, param) in cases {
        let fault = parse(&text).expect_err(&text);
        assert_eq!((fault.kind, fault.param.as_deref()), (kind, param), "{text}: {fault}");
    }
}

#[test]
fn deep_nesting_is_refused_or_skipped_but_never_overflows() {
    let deep = "[".repeat(200_000) + &"]".repeat(200_000);
    let _ = parse(&format!(r#"{{"messages":[{{"role":"user","content":"x"}}],"x":{deep}}}"#));
    assert!(parse(&format!(r#"{{"messages":{deep}}}"#)).is_err());
}
