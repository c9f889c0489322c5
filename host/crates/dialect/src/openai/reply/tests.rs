use super::*;
use jackfield_core::contract::Picture;
use proptest::prelude::*;

#[test]
fn reads_what_providers_send() {
    let reply = parse_reply(Bytes::from_static(
        br#"{"id":"c1","object":"chat.completion","created":7,"model":"gpt-x","service_tier":"z","choices":[
            {"index":0,"message":{"role":"assistant","content":null,"tool_calls":[{"id":"t1","type":"function",
            "function":{"name":"f","arguments":"{\"a\":1}"}}]},"finish_reason":"tool_calls"},
            {"index":1,"message":{"content":"hi"},"finish_reason":"novel"}],
            "usage":{"prompt_tokens":5,"completion_tokens":3,"total_tokens":8,
            "prompt_tokens_details":{"cached_tokens":2},"completion_tokens_details":{"reasoning_tokens":1}}}"#,
    ))
    .unwrap();
    assert_eq!((reply.id.as_str(), reply.model.as_str(), reply.created), ("c1", "gpt-x", 7));
    assert_eq!(reply.choices[0].tool_calls[0].arguments, r#"{"a":1}"#);
    assert_eq!(reply.choices[0].finish_reason, Some(FinishReason::ToolCalls));
    assert_eq!((reply.choices[1].text.as_deref(), reply.choices[1].finish_reason), (Some("hi"), None));
    let usage = reply.usage.unwrap();
    assert_eq!((usage.input_tokens, usage.output_tokens), (5, 3));
    assert_eq!((usage.cached_input_tokens, usage.reasoning_tokens), (2, 1));
}

#[test]
fn what_is_no_answer_is_the_providers_fault() {
    for body in ["", "<html>", "[]", "{}", r#"{"choices":[]}"#, r#"{"choices":7}"#] {
        let fault = parse_reply(Bytes::from(body)).expect_err(body);
        assert_eq!(fault.kind, FaultKind::UpstreamBroken, "{body}");
    }
}

#[test]
fn what_is_written_reads_back_the_same() {
    let reply = Reply {
        id: "chatcmpl-1".into(),
        model: "m".into(),
        created: 9,
        choices: vec![Choice {
            text: Some("a \"quote\"\n".into()),
            refusal: Some("no".into()),
            pictures: vec![Picture { media_type: "image/png".into(), data: "AAAA".into() }],
            tool_calls: vec![ToolCall { id: "i".into(), name: "f".into(), arguments: "{}".into() }],
            finish_reason: Some(FinishReason::Length),
        }],
        usage: Some(Usage { input_tokens: 1, output_tokens: 2, ..Usage::default() }),
        wire: None,
    };
    let back = parse_reply(render_reply(&reply)).unwrap();
    assert_eq!((back.id, back.model, back.created), (reply.id, reply.model, reply.created));
    assert_eq!((back.choices, back.usage), (reply.choices, reply.usage));
}

proptest! {
    #[test]
    fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = parse_reply(Bytes::from(bytes.clone()));
        let _ = super::super::parse_error(&bytes);
        let _ = super::super::parse_request(Bytes::from(bytes));
    }
}
