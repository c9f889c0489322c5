use proptest::prelude::*;
use serde_json::{Value, json};

use jackfield_core::contract::{FaultKind, Role};

use super::*;
use crate::Client;
use crate::call_id::sign;
use crate::conversation::{Block, Image, Turn};
use crate::openai::{Chat, parse_request};

fn conversation(body: &Value) -> Conversation {
    Chat.converse(&parse_request(Bytes::from(body.to_string())).unwrap()).unwrap()
}

fn composed(body: &Value, model: &str) -> Value {
    serde_json::from_slice(&compose(conversation(body), model).unwrap().0).unwrap()
}

fn refused(body: &Value) -> Fault {
    compose(conversation(body), "gemini-2.5-pro").unwrap_err()
}

fn with(more: Value) -> Value {
    let mut body = json!({"messages": [{"role": "user", "content": "x"}]});
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    body
}

/// A user who asks, and a model that called `f` and `g` at once.
fn called(more: &[Value], ids: [&str; 2]) -> Value {
    let call = |id: &str, name| json!({"id": id, "type": "function", "function": {"name": name, "arguments": "{\"n\":1}"}});
    let mut messages = vec![
        json!({"role": "user", "content": "go"}),
        json!({"role": "assistant", "content": "", "tool_calls": [call(ids[0], "f"), call(ids[1], "g")]}),
    ];
    messages.extend(more.iter().cloned());
    json!({"messages": messages})
}

fn result(id: &str, said: &str) -> Value {
    json!({"role": "tool", "tool_call_id": id, "content": said})
}

#[test]
fn every_setting_has_its_word() {
    let body = with(json!({
        "temperature": 0.5, "top_p": 0.25, "top_k": 7, "max_tokens": 9, "stop": ["a"], "seed": 4, "presence_penalty": 1.5,
        "frequency_penalty": -1.5, "n": 2, "reasoning_effort": "low",
        "response_format": {"type": "json_schema", "json_schema": {"name": "s", "schema": {"z": 1}}},
    }));
    let want = json!({
        "contents": [{"role": "user", "parts": [{"text": "x"}]}],
        "generationConfig": {"temperature": 0.5, "topP": 0.25, "topK": 7, "maxOutputTokens": 9, "stopSequences": ["a"],
            "seed": 4, "presencePenalty": 1.5, "frequencyPenalty": -1.5, "candidateCount": 2,
            "responseMimeType": "application/json", "responseJsonSchema": {"z": 1},
            "thinkingConfig": {"thinkingBudget": 1024}},
    });
    assert_eq!(composed(&body, "gemini-2.5-pro"), want);
    let plain = json!({"contents": [{"role": "user", "parts": [{"text": "x"}]}]});
    assert_eq!(composed(&with(json!({})), "gemini-2.5-pro"), plain);
}

#[test]
fn thinking_is_a_budget_before_3_and_a_level_from_3_on() {
    for (effort, budget, level) in [
        ("none", 0, "MINIMAL"),
        ("minimal", 1_024, "MINIMAL"),
        ("low", 1_024, "LOW"),
        ("medium", 8_192, "MEDIUM"),
        ("high", 24_576, "HIGH"),
    ] {
        let body = with(json!({"reasoning_effort": effort}));
        let thinking = |model| composed(&body, model)["generationConfig"]["thinkingConfig"].clone();
        assert_eq!(thinking("gemini-2.5-flash"), json!({"thinkingBudget": budget}), "{effort}");
        assert_eq!(thinking("gemini-3-flash"), json!({"thinkingLevel": level}), "{effort}");
    }
    let mut exact = conversation(&with(json!({})));
    exact.reasoning = Some(Reasoning::Budget(77));
    let out: Value = serde_json::from_slice(&compose(exact, "gemini-3-pro").unwrap().0).unwrap();
    assert_eq!(out["generationConfig"]["thinkingConfig"], json!({"thinkingBudget": 77}));
}

#[test]
fn tools_keep_their_schemas_to_the_byte_and_choices_have_modes() {
    let schema =
        r#"{"type":"object","properties":{"zeta":{"type":"number"},"alpha":{"type":"string"}},"x":1e400}"#;
    let body = format!(
        r#"{{"messages":[{{"role":"user","content":"x"}}],"tools":[{{"type":"function","function":{{"name":"f","description":"d","parameters":{schema}}}}},{{"type":"function","function":{{"name":"g"}}}}]}}"#
    );
    let conversation = Chat.converse(&parse_request(Bytes::from(body)).unwrap()).unwrap();
    let out = compose(conversation.clone(), "m").unwrap().0;
    let want = format!(
        r#""tools":[{{"functionDeclarations":[{{"name":"f","description":"d","parametersJsonSchema":{schema}}},{{"name":"g"}}]}}]"#
    );
    assert!(String::from_utf8_lossy(&out).contains(&want), "{out:?}");
    for (choice, strict, want) in [
        (None, None, Value::Null),
        (Some(ToolChoice::Auto), None, json!({"mode": "AUTO"})),
        (Some(ToolChoice::None), Some(true), json!({"mode": "NONE"})),
        (Some(ToolChoice::Required), Some(true), json!({"mode": "ANY"})),
        (Some(ToolChoice::Named("g".into())), None, json!({"mode": "ANY", "allowedFunctionNames": ["g"]})),
        (None, Some(true), json!({"mode": "VALIDATED"})),
        (Some(ToolChoice::Auto), Some(true), json!({"mode": "VALIDATED"})),
        (None, Some(false), Value::Null),
    ] {
        let mut asked = conversation.clone();
        asked.tool_choice = choice.clone();
        asked.tools[0].strict = strict;
        let out: Value = serde_json::from_str(
            &String::from_utf8_lossy(&compose(asked, "m").unwrap().0).replace("1e400", "1"),
        )
        .unwrap();
        assert_eq!(out["toolConfig"]["functionCallingConfig"], want, "{choice:?} {strict:?}");
    }
    // Without tools there is nothing to choose.
    assert_eq!(composed(&with(json!({"tool_choice": "none"})), "m").get("toolConfig"), None);
}

#[test]
fn speakers_alternate_and_instructions_stand_apart() {
    let body = json!({"messages": [
        {"role": "system", "content": "one"}, {"role": "user", "content": "a"}, {"role": "user", "content": "b"},
        {"role": "developer", "content": "two"}, {"role": "assistant", "content": "c"}, {"role": "assistant", "content": ""},
        {"role": "user", "content": ""},
    ]});
    assert_eq!(
        composed(&body, "m"),
        json!({
            "systemInstruction": {"parts": [{"text": "one"}, {"text": "two"}]},
            "contents": [{"role": "user", "parts": [{"text": "a"}, {"text": "b"}]}, {"role": "model", "parts": [{"text": "c"}]}],
        })
    );
    let alone = json!({"messages": [{"role": "system", "content": "one"}]});
    assert_eq!(composed(&alone, "m"), json!({"contents": [{"role": "user", "parts": [{"text": "one"}]}]}));
    let nothing = json!({"messages": [{"role": "user", "content": ""}]});
    assert_eq!(composed(&nothing, "m"), json!({"contents": [{"role": "user", "parts": [{"text": ""}]}]}));
}

#[test]
fn results_find_their_calls_by_id_in_the_calls_order() {
    let body = called(
        &[result("b", "two"), result("a", "one"), json!({"role": "user", "content": "and?"})],
        ["a", "b"],
    );
    assert_eq!(
        composed(&body, "gemini-2.5-pro")["contents"],
        json!([
            {"role": "user", "parts": [{"text": "go"}]},
            {"role": "model", "parts": [{"functionCall": {"id": "a", "name": "f", "args": {"n": 1}}},
                {"functionCall": {"id": "b", "name": "g", "args": {"n": 1}}}]},
            {"role": "user", "parts": [{"functionResponse": {"id": "a", "name": "f", "response": {"output": "one"}}},
                {"functionResponse": {"id": "b", "name": "g", "response": {"output": "two"}}}, {"text": "and?"}]},
        ])
    );
    let fault = refused(&called(&[result("c", "three")], ["a", "b"]));
    assert_eq!((fault.kind, fault.param.as_deref()), (FaultKind::InvalidRequest, Some("messages")));
    assert!(fault.message.contains("'c'"), "{fault}");
}

#[test]
fn failures_are_told_as_such_and_pictures_among_results_follow_them() {
    let mut all = conversation(&called(&[], ["a", "b"]));
    let inline = Image::Inline { media_type: "image/png".into(), data: "AAAA".into() };
    let blocks = vec![Block::Image(inline), Block::Text("no".into())];
    all.turns.push(Turn {
        role: Role::Tool,
        blocks: vec![
            Block::ToolResult { id: "a".into(), blocks, failed: true },
            Block::ToolResult { id: "b".into(), blocks: Vec::new(), failed: false },
        ],
    });
    let out: Value = serde_json::from_slice(&compose(all, "m").unwrap().0).unwrap();
    assert_eq!(
        out["contents"][2]["parts"],
        json!([{"functionResponse": {"id": "a", "name": "f", "response": {"error": "no"}}},
            {"functionResponse": {"id": "b", "name": "g", "response": {"output": ""}}},
            {"inlineData": {"mimeType": "image/png", "data": "AAAA"}}])
    );
}

#[test]
fn signatures_go_back_and_a_lost_one_has_a_stand_in() {
    let (signed, plain) = (sign("a", "ab+/"), "b");
    let parts =
        |ids: [&str; 2], model| composed(&called(&[result(ids[0], "r")], ids), model)["contents"].clone();
    let out = parts([&signed, plain], "gemini-3-pro");
    assert_eq!(out[1]["parts"][0]["thoughtSignature"], "ab+/");
    assert_eq!(out[1]["parts"][0]["functionCall"]["id"], "a");
    assert_eq!(out[1]["parts"][1].get("thoughtSignature"), None);
    assert_eq!(out[2]["parts"][0]["functionResponse"]["id"], "a");
    let lost = parts([&signed[..signed.len() - 1], plain], "gemini-3-pro");
    assert_eq!(lost[1]["parts"][0]["thoughtSignature"], UNSIGNED);
    assert_eq!(lost[1]["parts"][1].get("thoughtSignature"), None, "the first is signed");
    // Older models ask for none, and take one back.
    assert_eq!(parts(["a", plain], "gemini-2.5-pro")[1]["parts"][0].get("thoughtSignature"), None);
    assert_eq!(parts([&signed, plain], "gemini-2.5-pro")[1]["parts"][0]["thoughtSignature"], "ab+/");
}

#[test]
fn pictures_go_inline_or_by_an_address_that_is_taken() {
    let image = |url: &str| {
        json!({"messages": [{"role": "user", "content": [{"type": "text", "text": "look"},
            {"type": "image_url", "image_url": {"url": url}}]}]})
    };
    let part = |url| composed(&image(url), "m")["contents"][0]["parts"][1].clone();
    assert_eq!(
        part("data:image/webp;base64,AAAA"),
        json!({"inlineData": {"mimeType": "image/webp", "data": "AAAA"}})
    );
    for (url, mime) in [
        ("https://x.test/a/b.PNG?sig=1.gif", Some("image/png")),
        ("gs://bucket/a.jpeg", Some("image/jpeg")),
        ("https://generativelanguage.googleapis.com/v1beta/files/abc", None),
    ] {
        let mut want = json!({"fileData": {"fileUri": url}});
        if let Some(mime) = mime {
            want["fileData"]["mimeType"] = json!(mime);
        }
        assert_eq!(part(url), want);
    }
    for url in [
        "http://x.test/a.png",
        "https://x.test/a",
        "https://x.test/a.gif",
        "https://x.png/",
        "ftp://x/a.png",
        "",
    ] {
        let fault = refused(&image(url));
        assert_eq!(
            (fault.kind, fault.param.as_deref()),
            (FaultKind::Unsupported, Some("image_url")),
            "{url}"
        );
    }
}

#[test]
fn what_it_has_no_word_for_is_refused_and_a_hint_left_out() {
    let tools = json!([{"type": "function", "function": {"name": "f"}}]);
    let six = json!(["1", "2", "3", "4", "5", "6"]);
    for (body, field) in [
        (with(json!({"tools": tools, "parallel_tool_calls": false})), "parallel_tool_calls"),
        (with(json!({"seed": 1_i64 << 31})), "seed"),
        (with(json!({"stop": six})), "stop"),
    ] {
        let fault = refused(&body);
        assert_eq!((fault.kind, fault.param.as_deref()), (FaultKind::Unsupported, Some(field)));
    }
    let mut odd = called(&[], ["a", "b"]);
    odd["messages"][1]["tool_calls"][0]["function"]["arguments"] = json!("not json");
    assert_eq!(refused(&odd).kind, FaultKind::Unsupported);
    odd["messages"][1]["tool_calls"][0]["function"]["arguments"] = json!(" ");
    assert_eq!(composed(&odd, "m")["contents"][1]["parts"][0]["functionCall"]["args"], json!({}));

    let harmless = with(json!({"user": "ann", "parallel_tool_calls": false, "store": true}));
    assert_eq!(compose(conversation(&harmless), "m").unwrap().1, ["store", "user"]);
}

/// The stand-in of `contents`, spelled out: it is Google's word.
const UNSIGNED: &str = "skip_thought_signature_validator";

proptest! {
    #[test]
    fn any_words_survive(said in "\\PC{1,40}", system in "\\PC{1,40}", id in any::<String>(), model in any::<String>()) {
        let mut body = called(&[result(&id, &said)], [&id, "other"]);
        body["messages"][0]["content"] = json!(said);
        body["messages"].as_array_mut().unwrap().insert(0, json!({"role": "system", "content": system}));
        let out = composed(&body, &model);
        prop_assert_eq!(&out["systemInstruction"]["parts"][0]["text"], &json!(system));
        prop_assert_eq!(&out["contents"][0]["parts"][0]["text"], &json!(said));
        prop_assert_eq!(&out["contents"][2]["parts"][0]["functionResponse"]["response"]["output"], &json!(said));
    }

    #[test]
    fn any_address_has_an_answer(url in "(https|gs|http)?(://)?[a-z./?#:A-Z é-]{0,40}") {
        let image = Turn { role: Role::User, blocks: vec![Block::Image(Image::Url(url))] };
        let _ = compose(Conversation { turns: vec![image], ..Conversation::default() }, "m");
    }
}
