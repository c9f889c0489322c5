use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::call_id::split;

fn read(body: &Value) -> Result<Reply, Fault> {
    parse_reply(&Bytes::from(body.to_string()), &mut Ids::after(b""))
}

fn candidate(parts: Value, reason: &str) -> Value {
    json!({"candidates": [{"index": 0, "content": {"role": "model", "parts": parts}, "finishReason": reason}]})
}

#[test]
fn reads_what_gemini_sends() {
    let reply = read(&json!({
        "candidates": [
            {"content": {"role": "model", "parts": [{"text": "let me ", "thought": true}, {"text": "hi "}, {"text": "there",
                "thoughtSignature": "AAAA"}]}, "finishReason": "STOP", "safetyRatings": []},
            {"index": 1, "content": {"parts": []}, "finishReason": "SAFETY"}],
        "usageMetadata": {"promptTokenCount": 10, "toolUsePromptTokenCount": 1, "candidatesTokenCount": 5,
            "thoughtsTokenCount": 7, "cachedContentTokenCount": 4, "totalTokenCount": 23},
        "modelVersion": "gemini-x", "responseId": "r1",
    }))
    .unwrap();
    assert_eq!((reply.id.as_str(), reply.model.as_str()), ("r1", "gemini-x"));
    let of = |choice: &Choice| (choice.text.clone(), choice.finish_reason);
    assert_eq!(of(&reply.choices[0]), (Some("hi there".into()), Some(FinishReason::Stop)));
    assert_eq!(of(&reply.choices[1]), (None, Some(FinishReason::ContentFilter)));
    let usage = reply.usage.unwrap();
    assert_eq!((usage.input_tokens, usage.output_tokens), (11, 12));
    assert_eq!((usage.cached_input_tokens, usage.reasoning_tokens), (4, 7));
}

#[test]
fn calls_keep_their_arguments_ids_and_signatures() {
    let body = br#"{"candidates":[{"content":{"parts":[
        {"functionCall":{"id":"x1","name":"f","args":{"zeta": 1.0, "alpha": 12345678901234567890}},"thoughtSignature":"ab+/"},
        {"functionCall":{"name":"g"}},{"functionCall":{"name":"g","args":null}}]},"finishReason":"STOP"}]}"#;
    let reply = parse_reply(&Bytes::from_static(body), &mut Ids::after(br#""call_4""#)).unwrap();
    let Choice { tool_calls, finish_reason, text, .. } = &reply.choices[0];
    assert_eq!((finish_reason, text), (&Some(FinishReason::ToolCalls), &None));
    assert_eq!(split(&tool_calls[0].id), ("x1", Some("ab+/".into())));
    assert_eq!(tool_calls[0].arguments, r#"{"zeta": 1.0, "alpha": 12345678901234567890}"#);
    assert_eq!((tool_calls[1].id.as_str(), tool_calls[1].arguments.as_str()), ("call_5", "{}"));
    assert_eq!((tool_calls[2].id.as_str(), tool_calls[2].arguments.as_str()), ("call_6", "{}"));
}

#[test]
fn every_end_has_its_meaning() {
    let said = json!([{"text": "x"}]);
    for (reason, want) in [
        ("STOP", Some(FinishReason::Stop)),
        ("MAX_TOKENS", Some(FinishReason::Length)),
        ("SAFETY", Some(FinishReason::ContentFilter)),
        ("RECITATION", Some(FinishReason::ContentFilter)),
        ("PROHIBITED_CONTENT", Some(FinishReason::ContentFilter)),
        ("OTHER", None),
        ("A_WORD_OF_TOMORROW", None),
        ("FINISH_REASON_UNSPECIFIED", None),
    ] {
        assert_eq!(
            read(&candidate(said.clone(), reason)).unwrap().choices[0].finish_reason,
            want,
            "{reason}"
        );
    }
    for (parts, reason) in [
        (said, "MALFORMED_FUNCTION_CALL"),
        (json!([]), "UNEXPECTED_TOOL_CALL"),
        (json!([]), "OTHER"),
        (json!([]), "A_WORD_OF_TOMORROW"),
    ] {
        let fault = read(&candidate(parts, reason)).unwrap_err();
        assert_eq!(fault.kind, FaultKind::UpstreamBroken, "{reason}");
        assert!(fault.message.contains(reason), "{fault}");
    }
}

#[test]
fn a_prompt_that_is_blocked_is_an_answer() {
    let reply =
        read(&json!({"promptFeedback": {"blockReason": "SAFETY"}, "usageMetadata": {"promptTokenCount": 3}}))
            .unwrap();
    assert_eq!(reply.choices[0].finish_reason, Some(FinishReason::ContentFilter));
    assert_eq!((reply.choices.len(), reply.usage.unwrap().input_tokens), (1, 3));
}

#[test]
fn what_is_no_answer_is_the_providers_fault() {
    for body in
        ["", "<html>", "[]", "{}", r#"{"candidates":[]}"#, r#"{"candidates":7}"#, r#"{"promptFeedback":{}}"#]
    {
        let fault = parse_reply(&Bytes::from(body), &mut Ids::after(b"")).expect_err(body);
        assert_eq!(fault.kind, FaultKind::UpstreamBroken, "{body}");
    }
    let told = read(&json!({"error": {"code": 503, "message": "overheated"}})).unwrap_err();
    assert_eq!(told.kind, FaultKind::UpstreamFailed);
    assert!(told.message.contains("overheated"));
}

proptest! {
    #[test]
    fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = parse_reply(&Bytes::from(bytes), &mut Ids::after(b""));
    }

    #[test]
    fn odd_fields_cost_nothing(odd in prop_oneof![Just(json!(null)), Just(json!(-1)), Just(json!("x")), Just(json!([1])), Just(json!({"a": 1}))]) {
        let body = json!({
            "candidates": [{"index": odd, "content": {"parts": [{"text": "hi", "thought": odd, "thoughtSignature": odd},
                {"functionCall": odd}]}, "finishReason": "STOP"}],
            "usageMetadata": {"promptTokenCount": odd}, "modelVersion": odd, "responseId": odd, "promptFeedback": odd,
        });
        let reply = read(&body).unwrap();
        prop_assert_eq!(reply.choices[0].text.as_deref(), Some("hi"));
    }
}
