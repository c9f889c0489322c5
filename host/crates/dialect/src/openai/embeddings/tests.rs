use jackfield_core::contract::{Dialect, Usage};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::openai::ChatSpeech;
use crate::speech::Speech;

fn parse(body: &str) -> Result<ChatRequest, Fault> {
    Embeddings.parse(Bytes::copy_from_slice(body.as_bytes()))
}

fn asked<'a>(request: &'a ChatRequest, overrides: &'a Overrides) -> Asked<'a> {
    Asked { request, model_id: "there", overrides, appended: &[], max_output: None }
}

#[test]
fn texts_are_the_users_and_tokens_are_none() {
    let rows = [
        (r#""a\nb""#, "a\nb", vec![Input::Text("a\nb".into())]),
        (r#"["a", "b"]"#, "a\nb", vec![Input::Text("a".into()), Input::Text("b".into())]),
        ("[1, 2]", "", vec![Input::Tokens("[1,2]".into())]),
        ("[[1, 2], [3]]", "", vec![Input::Tokens("[1,2]".into()), Input::Tokens("[3]".into())]),
    ];
    for (input, text, inputs) in rows {
        let request =
            parse(&format!(r#"{{"model":"m","input":{input},"dimensions":3,"encoding_format":"base64"}}"#))
                .unwrap();
        assert_eq!((request.dialect, request.stream), (Dialect::OpenAiEmbeddings, false));
        assert_eq!(request.last_user_text(), text, "{input}");
        let want = Wanted { inputs, dimensions: Some(3), encoding: Some("base64".into()) };
        assert_eq!(wanted(&request), want, "{input}");
    }
}

#[test]
fn the_field_that_is_wrong_is_named() {
    let rows = [
        ("{}", "input"),
        (r#"{"input":null}"#, "input"),
        (r#"{"input":7}"#, "input"),
        (r#"{"input":[]}"#, "input"),
        (r#"{"input":["a",7]}"#, "input[1]"),
        (r#"{"input":[1,"a"]}"#, "input[1]"),
        (r#"{"input":[{}]}"#, "input[0]"),
        (r#"{"input":"a","stream":true}"#, "stream"),
        (r#"{"input":"a","dimensions":0}"#, "dimensions"),
        (r#"{"input":"a","encoding_format":1}"#, "encoding_format"),
        (r#"{"input":"a","model":1}"#, "model"),
        (r#"{"input":"a","metadata":{"task":1}}"#, "metadata.task"),
    ];
    for (body, param) in rows {
        assert_eq!(parse(body).expect_err(body).param.as_deref(), Some(param), "{body}");
    }
    let many = format!(r#"{{"input":[{}""]}}"#, r#""","#.repeat(20_000));
    assert!(parse(&many).unwrap_err().message.contains("20001 entries"));
    let tokens = format!(r#"{{"input":[{}1]}}"#, "1,".repeat(20_000));
    assert!(parse(&tokens).is_ok());
}

#[test]
fn only_the_model_and_our_label_are_edited() {
    let body = r#"{ "input" : ["x"],"model":"mine" , "metadata":{"task":"t"}, "new": 1.50 }"#;
    let request = parse(body).unwrap();
    let overrides = Overrides { temperature: Some(1.0), ..Overrides::default() };
    let Written::Call { path, body, dropped } = ChatSpeech.write(&asked(&request, &overrides)).unwrap()
    else {
        panic!("no call")
    };
    assert_eq!((&*path, &*dropped), ("embeddings", &["temperature".to_owned()][..]));
    assert_eq!(body, r#"{ "input" : ["x"],"model":"there" , "new": 1.50 }"#);
}

#[test]
fn other_apis_have_no_word_for_it() {
    let fault = Embeddings.converse(&parse(r#"{"input":"x"}"#).unwrap()).unwrap_err();
    assert_eq!(fault.kind, FaultKind::Unsupported);
}

#[test]
fn a_providers_answer_is_counted_and_kept() {
    let bytes = Bytes::from_static(
        br#"{"object":"list","data":[{"embedding":"AAAA"}],"model":"up","usage":{"prompt_tokens":7,"total_tokens":7}}"#,
    );
    let reply = read(bytes.clone()).unwrap();
    assert_eq!((reply.wire, &*reply.model), (Some(bytes), "up"));
    assert_eq!(reply.usage.map(|usage| (usage.input_tokens, usage.output_tokens)), Some((7, 0)));
    for broken in ["{}", "[]", r#"{"data":[]}"#, r#"{"data":{}}"#, "<html>"] {
        assert_eq!(read(Bytes::from(broken)).unwrap_err().kind, FaultKind::UpstreamBroken, "{broken}");
    }
}

#[test]
fn vectors_are_written_in_both_encodings() {
    let vectors = [vec![1.0, -0.5]];
    let usage = Usage { input_tokens: 3, ..Usage::default() };
    let written = |base64| -> Value {
        serde_json::from_slice(&render(&Vectors { model: "m", vectors: &vectors, base64 }, usage)).unwrap()
    };
    let of = |embedding: Value| {
        json!({"object": "list", "data": [{"object": "embedding", "index": 0, "embedding": embedding}],
            "model": "m", "usage": {"prompt_tokens": 3, "total_tokens": 3}})
    };
    assert_eq!(written(false), of(json!([1.0, -0.5])));
    assert_eq!(written(true), of(json!("AACAPwAAAL8=")));
}

proptest! {
    #[test]
    fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = Embeddings.parse(Bytes::from(bytes.clone()));
        let _ = read(Bytes::from(bytes));
    }

    #[test]
    fn any_text_is_taken_and_forwarded_to_the_byte(texts in proptest::collection::vec(any::<String>(), 1..5)) {
        let body = json!({"input": texts, "model": "there"}).to_string();
        let request = parse(&body).unwrap();
        let overrides = Overrides::default();
        let Written::Call { body: sent, .. } = write(&asked(&request, &overrides)) else { panic!("no call") };
        prop_assert_eq!(sent, body);
        let inputs: Vec<Input> = texts.into_iter().map(Input::Text).collect();
        prop_assert_eq!(wanted(&request).inputs, inputs);
    }
}
