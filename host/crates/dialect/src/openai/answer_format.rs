//! Asking a model for the JSON that a route wants: the request's `response_format`, where the client set none.
//!
//! Only what OpenAI's API takes is asked for: a schema of an object, or JSON as such where the conversation says the word,
//! without which the API refuses to be asked. What is not asked for is enforced all the same, by whoever reads the answer.

use jackfield_core::base::ObjectEdit;
use jackfield_core::contract::{AnswerFormat, ChatRequest};
use serde_json::Value;

use crate::conversation::RESULT;

/// The word that has to stand somewhere in a conversation that is to be answered in JSON.
const WORD: &str = "json";

/// The edit that asks for an answer in this format. `template` is what the last user message is put into.
pub(super) fn ask_for(
    format: &AnswerFormat,
    request: &ChatRequest,
    template: Option<&str>,
) -> Option<ObjectEdit> {
    if request.body.get("response_format").is_some_and(|sent| sent.as_ref() != b"null") {
        return None;
    }
    let wanted = match format {
        AnswerFormat::Schema(schema) => {
            if schema.source().get("type").and_then(Value::as_str) != Some("object") {
                return None;
            }
            let schema = schema.text();
            format!(r#"{{"type":"json_schema","json_schema":{{"name":"{RESULT}","schema":{schema}}}}}"#)
        }
        AnswerFormat::Json => {
            let mut said = request.messages.iter().flat_map(|message| message.texts());
            if !template.is_some_and(says_json) && !said.any(|text| says_json(text.as_str())) {
                return None;
            }
            r#"{"type":"json_object"}"#.to_owned()
        }
    };
    Some(ObjectEdit::Set("response_format", wanted))
}

fn says_json(text: &str) -> bool {
    text.as_bytes().windows(WORD.len()).any(|word| word.eq_ignore_ascii_case(WORD.as_bytes()))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use jackfield_core::base::CompiledSchema;
    use jackfield_core::contract::Overrides;
    use serde_json::json;

    use crate::openai::{Rewrite, parse_request, rewrite_request};

    use super::*;

    #[test]
    fn a_format_is_asked_for_where_the_api_takes_it_and_the_client_said_nothing() {
        let schema = |schema: Value| AnswerFormat::Schema(Arc::new(CompiledSchema::compile(schema).unwrap()));
        let text = r#"{"type":"object","required":["n"]}"#;
        let written = CompiledSchema::compile_written(serde_json::from_str(text).unwrap(), text.to_owned());
        let written = Arc::new(written.unwrap());
        let object = || AnswerFormat::Schema(Arc::clone(&written));
        let as_schema = r#","response_format":{"type":"json_schema","json_schema":{"name":"result","schema":{"type":"object","required":["n"]}}}"#;
        let as_json = r#","response_format":{"type":"json_object"}"#;
        let own = r#","response_format": {"type" : "text"}"#;
        // The format, a template, what the user says, what else is in the body, and what is added to it or in its place.
        let rows = [
            (object(), None, "hi", "", as_schema),
            (object(), None, "hi", own, own),
            (object(), None, "hi", r#","response_format":null"#, as_schema),
            (schema(json!({ "type": "array" })), None, "json", "", ""),
            (schema(json!(true)), None, "json", "", ""),
            (AnswerFormat::Json, None, "hi", "", ""),
            (AnswerFormat::Json, None, "as Json!", "", as_json),
            (AnswerFormat::Json, Some("JSON: ${input}"), "hi", "", as_json),
            (AnswerFormat::Json, None, "as json", own, own),
        ];
        for (format, template, said, sent, want) in rows {
            let body = |said: &str, more: &str| {
                format!(r#"{{"model":"m","messages":[{{"role":"user","content":"{said}"}}]{more}}}"#)
            };
            let overrides = Overrides {
                prompt_template: template.map(str::to_owned),
                answer_format: Some(format.clone()),
                ..Overrides::default()
            };
            let request = parse_request(body(said, sent).into()).unwrap();
            let rewrite = Rewrite { model_id: "m", overrides: &overrides, appended: &[] };
            let said = template.map_or(said.to_owned(), |template| template.replace("${input}", said));
            let written = String::from_utf8(rewrite_request(&request, rewrite).to_vec()).unwrap();
            // What the gateway writes stands anywhere in the body; what the client wrote keeps its bytes, and a schema the
            // order of its keys.
            let read = |text: &str| serde_json::from_str::<Value>(text).unwrap();
            assert_eq!(read(&written), read(&body(&said, want)), "{format:?} {sent}");
            assert_eq!(written.contains(own), sent == own, "{written}");
            assert_eq!(written.contains(text), want == as_schema, "{written}");
        }
    }
}
