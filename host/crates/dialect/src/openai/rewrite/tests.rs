use super::*;
use crate::openai::parse_request;
use jackfield_core::contract::{ReasoningLevel, Role};

fn rewrite(body: &str, model_id: &str, overrides: &Overrides) -> String {
    repaired(body, model_id, overrides, &[])
}

fn repaired(body: &str, model_id: &str, overrides: &Overrides, appended: &[(Role, String)]) -> String {
    let request = parse_request(Bytes::copy_from_slice(body.as_bytes())).unwrap();
    String::from_utf8(rewrite_request(&request, Rewrite { model_id, overrides, appended }).to_vec()).unwrap()
}

#[test]
fn changes_the_named_fields_and_no_other_byte() {
    let m = r#""messages":[{"role":"user","content":"h\u00e9\/"}]"#;
    let cases = [
        (format!(r#"{{"z":1.0e+2,"model":"m", {m}}}"#), format!(r#"{{"z":1.0e+2,"model":"m", {m}}}"#)),
        (
            format!(r#"{{"model":"auto",{m},"seed":123456789012345678901}}"#),
            format!(r#"{{"model":"m",{m},"seed":123456789012345678901}}"#),
        ),
        (format!("{{{m}}}"), format!(r#"{{{m},"model":"m"}}"#)),
        (format!(r#"{{"model":"m","metadata":{{"task":"t"}},{m}}}"#), format!(r#"{{"model":"m",{m}}}"#)),
        (
            format!(r#"{{"model":"m","metadata":{{"a":"b", "task":"t"}},{m}}}"#),
            format!(r#"{{"model":"m","metadata":{{"a":"b"}},{m}}}"#),
        ),
        (
            format!(r#"{{"model":"m","metadata":{{"a":"b"}},{m}}}"#),
            format!(r#"{{"model":"m","metadata":{{"a":"b"}},{m}}}"#),
        ),
        (
            format!(r#"{{"model":"m",{m},"stream":true}}"#),
            format!(r#"{{"model":"m",{m},"stream":true,"stream_options":{{"include_usage":true}}}}"#),
        ),
        (
            format!(r#"{{"model":"m",{m},"stream":true,"stream_options":{{"x":1}}}}"#),
            format!(r#"{{"model":"m",{m},"stream":true,"stream_options":{{"x":1,"include_usage":true}}}}"#),
        ),
        (
            format!(r#"{{"model":"m",{m},"stream":true,"stream_options":{{"include_usage" : true}}}}"#),
            format!(r#"{{"model":"m",{m},"stream":true,"stream_options":{{"include_usage" : true}}}}"#),
        ),
    ];
    for (body, want) in cases {
        assert_eq!(rewrite(&body, "m", &Overrides::default()), want);
    }
}

#[test]
fn overrides_use_the_clients_own_spelling() {
    let overrides = Overrides {
        temperature: Some(0.3),
        max_output_tokens: Some(9),
        reasoning: Some(ReasoningLevel::High),
        ..Overrides::default()
    };
    let m = r#""messages":[{"role":"user","content":"x"}]"#;
    assert_eq!(
        rewrite(&format!(r#"{{"model":"m","max_tokens":5,"temperature":1,{m}}}"#), "m", &overrides),
        format!(r#"{{"model":"m","max_tokens":9,"temperature":0.3,{m},"reasoning_effort":"high"}}"#),
    );
    assert_eq!(
        rewrite(
            &format!(r#"{{"model":"m","max_tokens":5,"temperature":1,"max_completion_tokens":6,{m}}}"#),
            "m",
            &overrides
        ),
        format!(
            r#"{{"model":"m","max_tokens":9,"temperature":0.3,"max_completion_tokens":9,{m},"reasoning_effort":"high"}}"#
        ),
    );
    for (model, name) in
        [("gpt-x", "max_completion_tokens"), ("o3", "max_completion_tokens"), ("m", "max_tokens")]
    {
        let out = rewrite(&format!(r#"{{"model":"m",{m}}}"#), model, &overrides);
        assert!(out.contains(&format!(r#""{name}":9"#)), "{out}");
    }
}

#[test]
fn a_template_wraps_the_last_user_message_alone() {
    let overrides =
        Overrides { prompt_template: Some("Scale \"this\":\n${input}!".into()), ..Overrides::default() };
    assert_eq!(
        rewrite(
            r#"{"model":"m","messages":[{"role":"user","content":"a"},{"role":"user","name":"n","content":"b"},{"role":"assistant","content":"c"}]}"#,
            "m",
            &overrides
        ),
        r#"{"model":"m","messages":[{"role":"user","content":"a"},{"role":"user","name":"n","content":"Scale \"this\":\nb!"},{"role":"assistant","content":"c"}]}"#,
    );
    assert_eq!(
        rewrite(
            r#"{"model":"m","messages":[{"role":"user","content":[{"type":"image_url","image_url":{"url":"u"}},{"type":"text","text":"b"}]}]}"#,
            "m",
            &overrides
        ),
        r#"{"model":"m","messages":[{"role":"user","content":[{"type":"text","text":"Scale \"this\":\nb!"},{"type":"image_url","image_url":{"url":"u"}}]}]}"#,
    );
}

#[test]
fn messages_are_appended_and_the_others_stay_as_they_are_written() {
    let said = [(Role::Assistant, "a \"b\"".to_owned()), (Role::User, "again,\nplease".to_owned())];
    let more = r#",{"role":"assistant","content":"a \"b\""},{"role":"user","content":"again,\nplease"}"#;
    let start = r#"{"model":"m", "messages" : [ {"role":"user","content":"h\u00e9 ]"}"#;
    for end in [r#"] ,"seed":1.0e+2}"#, " \n ]}"] {
        let got = repaired(&format!("{start}{end}"), "m", &Overrides::default(), &said);
        assert_eq!(got, format!("{start}{more}{end}"));
    }
    // Together with a template, which writes the list anew.
    let overrides = Overrides { prompt_template: Some("<${input}>".into()), ..Overrides::default() };
    assert_eq!(
        repaired(r#"{"model":"m","messages":[ {"role":"user","content":"x"} ]}"#, "m", &overrides, &said),
        format!(r#"{{"model":"m","messages":[{{"role":"user","content":"<x>"}}{more}]}}"#)
    );
}

#[test]
fn a_signature_in_an_id_is_for_the_provider_that_wrote_it() {
    let signed = crate::call_id::sign("call_0", "ab+/");
    let body = |id: &str| {
        format!(
            r#"{{"model":"m","messages":[{{"role":"assistant","tool_calls":[{{"id": "{id}","type":"function"}}]}},{{"tool_call_id":"{id}","role":"tool","content":"\u00e9"}}], "seed":1.0e+2}}"#
        )
    };
    assert_eq!(rewrite(&body(&signed), "m", &Overrides::default()), body("call_0"));
    let said = [(Role::User, "again".to_owned())];
    let want = body("call_0").replace("}],", r#"},{"role":"user","content":"again"}],"#);
    assert_eq!(repaired(&body(&signed), "m", &Overrides::default(), &said), want);
}
