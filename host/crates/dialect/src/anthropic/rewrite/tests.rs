use std::sync::Arc;

use serde_json::{Value, json};

use jackfield_core::base::CompiledSchema;
use jackfield_core::contract::ReasoningLevel;

use super::*;
use crate::anthropic::parse_request;

fn repaired(
    body: &str,
    model_id: &str,
    overrides: &Overrides,
    appended: &[(Role, String)],
) -> (String, Vec<String>) {
    let request = parse_request(Dialect::AnthropicMessages, Bytes::copy_from_slice(body.as_bytes())).unwrap();
    let (bytes, dropped) =
        rewrite(&Asked { request: &request, model_id, overrides, appended, max_output: None });
    (String::from_utf8(bytes.to_vec()).unwrap(), dropped)
}

fn rewritten(body: &str, model_id: &str, overrides: &Overrides) -> (String, Vec<String>) {
    repaired(body, model_id, overrides, &[])
}

#[test]
fn changes_the_named_fields_and_no_other_byte() {
    let m =
        r#""max_tokens" : 1.0e1,"messages":[{"role":"user","content":"h\u00e9\/"}]"#.replace("1.0e1", "10");
    let cases = [
        (format!(r#"{{"z":1.0e+2,"model":"m", {m}}}"#), format!(r#"{{"z":1.0e+2,"model":"m", {m}}}"#)),
        (
            format!(r#"{{"model":"auto",{m},"x":123456789012345678901}}"#),
            format!(r#"{{"model":"m",{m},"x":123456789012345678901}}"#),
        ),
        (format!("{{{m}}}"), format!(r#"{{{m},"model":"m"}}"#)),
        (format!(r#"{{"model":"m","metadata":{{"task":"t"}},{m}}}"#), format!(r#"{{"model":"m",{m}}}"#)),
        (
            format!(r#"{{"model":"m","metadata":{{"user_id":"b", "task":"t"}},{m}}}"#),
            format!(r#"{{"model":"m","metadata":{{"user_id":"b"}},{m}}}"#),
        ),
        (format!(r#"{{"model":"m",{m},"stream":true}}"#), format!(r#"{{"model":"m",{m},"stream":true}}"#)),
    ];
    for (body, want) in cases {
        assert_eq!(rewritten(&body, "m", &Overrides::default()), (want, Vec::new()));
    }
}

#[test]
fn routings_settings_are_sent_as_the_model_takes_them() {
    let high = Overrides { reasoning: Some(ReasoningLevel::High), ..Overrides::default() };
    let warm = Overrides { temperature: Some(1.5), max_output_tokens: Some(20), ..Overrides::default() };
    let none = Overrides { reasoning: Some(ReasoningLevel::None), ..Overrides::default() };
    let short = Overrides { max_output_tokens: Some(3000), ..Overrides::default() };
    let schema = CompiledSchema::compile(json!({"type": "object"})).unwrap();
    let shaped =
        Overrides { answer_format: Some(AnswerFormat::Schema(Arc::new(schema))), ..Overrides::default() };
    let format = json!({"type": "json_schema", "schema": {"type": "object"}});
    let adaptive = json!({"thinking": {"type": "adaptive"}, "output_config": {"effort": "high"}});
    // What else the client sent, the model, what routing sets, what changes, and what is lost.
    let rows = [
        (json!({}), "claude-haiku-4-5", &warm, json!({"temperature": 1, "max_tokens": 20}), ""),
        (
            json!({"temperature": 0.1}),
            "claude-haiku-4-5",
            &warm,
            json!({"temperature": 1, "max_tokens": 20}),
            "",
        ),
        (json!({}), "claude-opus-5", &warm, json!({"max_tokens": 20}), "temperature"),
        (
            json!({"top_p": 0.5}),
            "claude-haiku-4-5",
            &warm,
            json!({"top_p": 0.5, "max_tokens": 20}),
            "temperature",
        ),
        (json!({}), "claude-opus-5", &high, adaptive.clone(), ""),
        (
            json!({"output_config": {"format": null, "x": 1}}),
            "claude-opus-5",
            &high,
            json!({"thinking": {"type": "adaptive"}, "output_config": {"format": null, "x": 1, "effort": "high"}}),
            "",
        ),
        (
            json!({"tool_choice": {"type": "any"}}),
            "claude-opus-5",
            &high,
            json!({"tool_choice": {"type": "any"}}),
            "reasoning",
        ),
        (json!({"temperature": 0.1}), "claude-haiku-4-5", &high, json!({"temperature": 0.1}), "reasoning"),
        (
            json!({}),
            "claude-haiku-4-5",
            &high,
            json!({"thinking": {"type": "enabled", "budget_tokens": 4000}}),
            "",
        ),
        (json!({}), "claude-3-haiku-20240307", &high, json!({}), "reasoning"),
        (json!({}), "claude-haiku-4-5", &none, json!({"thinking": {"type": "disabled"}}), ""),
        (json!({}), "claude-opus-5-5", &none, json!({}), "reasoning"),
        (
            json!({"thinking": {"type": "enabled", "budget_tokens": 5000}}),
            "claude-haiku-4-5",
            &short,
            json!({"max_tokens": 3000, "thinking": {"type": "enabled", "budget_tokens": 1500}}),
            "",
        ),
        (json!({}), "claude-opus-5", &shaped, json!({"output_config": {"format": format}}), ""),
        (json!({}), "claude-3-haiku-20240307", &shaped, json!({}), "format"),
        (
            json!({"output_config": {"format": {"type": "json_schema", "schema": {}}}}),
            "claude-opus-5",
            &shaped,
            json!({"output_config": {"format": {"type": "json_schema", "schema": {}}}}),
            "",
        ),
    ];
    for (more, model, overrides, want, lost) in rows {
        let mut body =
            json!({"model": model, "max_tokens": 8000, "messages": [{"role": "user", "content": "x"}]});
        let mut expected = body.clone();
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        expected.as_object_mut().unwrap().extend(want.as_object().unwrap().clone());
        let (got, dropped) = rewritten(&body.to_string(), model, overrides);
        assert_eq!(serde_json::from_str::<Value>(&got).unwrap(), expected, "{more} {model}");
        assert_eq!(dropped.join(" "), lost, "{more} {model}");
    }
}

#[test]
fn a_template_wraps_the_last_thing_the_user_says() {
    let overrides = Overrides { prompt_template: Some("T \"${input}\"!".into()), ..Overrides::default() };
    let rows = [
        (
            r#"{"model":"m","max_tokens":1,"system":"s","messages":[{"role":"user","content":"a"},{"role":"user","x":1.0,"content":"b"},{"role":"assistant","content":"c"}]}"#,
            r#"{"model":"m","max_tokens":1,"system":"s","messages":[{"role":"user","content":"a"},{"role":"user","x":1.0,"content":"T \"b\"!"},{"role":"assistant","content":"c"}]}"#,
        ),
        (
            r#"{"model":"m","max_tokens":1,"messages":[{"role":"user","content":[{"type":"image","source":1.0},{"type":"text","text":"b"},{"type":"tool_result","tool_use_id":"i","content":"r"}]}]}"#,
            r#"{"model":"m","max_tokens":1,"messages":[{"role":"user","content":[{"type":"tool_result","tool_use_id":"i","content":"r"},{"type":"text","text":"T \"b\"!"},{"type":"image","source":1.0}]}]}"#,
        ),
        (
            r#"{"model":"m","max_tokens":1,"messages":[{"role":"user","content":"b"},{"role":"user","content":[{"type":"tool_result","tool_use_id":"i","content":"r"}]}]}"#,
            r#"{"model":"m","max_tokens":1,"messages":[{"role":"user","content":"T \"b\"!"},{"role":"user","content":[{"type":"tool_result","tool_use_id":"i","content":"r"}]}]}"#,
        ),
    ];
    for (body, want) in rows {
        assert_eq!(rewritten(body, "m", &overrides).0, want);
    }
}

#[test]
fn what_is_appended_stands_behind_the_others_which_stay_as_they_are_written() {
    let said = [(Role::Assistant, "a \"b\" ".to_owned()), (Role::User, "again".to_owned())];
    let more = r#",{"role":"assistant","content":"a \"b\""},{"role":"user","content":"again"}"#;
    let start = r#"{"model":"m","max_tokens":1, "messages" : [ {"role":"user","content":"h\u00e9 ]"}"#;
    for end in [r#"] ,"x":1.0e+2}"#, " \n ]}"] {
        let (got, _) = repaired(&format!("{start}{end}"), "m", &Overrides::default(), &said);
        assert_eq!(got, format!("{start}{more}{end}"));
    }
    let silent = [(Role::Assistant, " ".to_owned()), (Role::User, "again".to_owned())];
    let (got, _) = repaired(&format!("{start}]}}"), "m", &Overrides::default(), &silent);
    assert_eq!(got, format!(r#"{start},{{"role":"user","content":"again"}}]}}"#));
}

#[test]
fn what_is_counted_is_not_told_how_to_answer() {
    let body = r#"{"model":"x","messages":[{"role":"user","content":"a"}],"metadata":{"task":"t"}}"#;
    let request = parse_request(Dialect::AnthropicCountTokens, Bytes::from(body)).unwrap();
    let overrides = Overrides {
        temperature: Some(0.5),
        max_output_tokens: Some(5),
        reasoning: Some(ReasoningLevel::High),
        prompt_template: Some("<${input}>".into()),
        answer_format: None,
    };
    let asked =
        Asked { request: &request, model_id: "m", overrides: &overrides, appended: &[], max_output: None };
    let (bytes, dropped) = rewrite(&asked);
    assert_eq!(bytes, r#"{"model":"m","messages":[{"role":"user","content":"<a>"}]}"#);
    assert!(dropped.is_empty());
}
