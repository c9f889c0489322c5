//! What a task wants its answers to be: `result: json`. What stands around the JSON is taken away, and what has none, or
//! none that fits the schema, is no answer. Comes before the validators: they judge what would be delivered.
//!
//! An answer that is JSON already is not touched. A choice that calls tools instead of saying something passes.

use jackfield_core::contract::{AnswerFormat, Choice, FinishReason, Reply};

use super::json_text::json_in;

/// The name under which this stands in the trail.
pub(super) const RESULT: &str = "result";

/// What is told of one answer.
const MAX_ISSUES: usize = 8;

/// What an answer is as a result.
pub(super) enum Processed {
    /// What was wanted.
    Fits,
    /// What was wanted, with something around it that is taken away here.
    Cut(Reply),
    /// Something else, for these reasons.
    Unfit(Vec<String>),
}

/// Makes a result of an answer.
pub(super) fn process(format: &AnswerFormat, reply: &Reply) -> Processed {
    let several = reply.choices.len() > 1;
    let (mut cut, mut issues) = (None, Vec::new());
    for (index, choice) in reply.choices.iter().enumerate() {
        match of_choice(format, choice) {
            Ok(None) => {}
            Ok(Some(text)) => {
                let cut: &mut Reply = cut.get_or_insert_with(|| Reply { wire: None, ..reply.clone() });
                if let Some(choice) = cut.choices.get_mut(index) {
                    choice.text = Some(text.to_owned());
                }
            }
            Err(found) => issues.extend(found.into_iter().map(|issue| match several {
                true => format!("choice {index}: {issue}"),
                false => issue,
            })),
        }
    }
    issues.truncate(MAX_ISSUES);
    match cut {
        _ if !issues.is_empty() => Processed::Unfit(issues),
        Some(reply) => Processed::Cut(reply),
        None => Processed::Fits,
    }
}

/// The JSON of one choice, if it is not all of its text; or what is wrong with it.
fn of_choice<'a>(format: &AnswerFormat, choice: &'a Choice) -> Result<Option<&'a str>, Vec<String>> {
    let text = choice.text.as_deref().unwrap_or_default();
    if text.is_empty() && !choice.tool_calls.is_empty() {
        return Ok(None);
    }
    let found = json_in(text);
    let fits = match format {
        AnswerFormat::Json => found.first().copied(),
        AnswerFormat::Schema(schema) => found.iter().copied().find(|value| schema.issues(value).is_empty()),
    };
    match (fits, format, found.first()) {
        (Some(value), ..) if value.len() == text.trim().len() => Ok(None),
        (Some(value), ..) => Ok(Some(value)),
        (None, AnswerFormat::Schema(schema), Some(likeliest)) => Err(schema.issues(likeliest)),
        _ => {
            let cut = choice.finish_reason == Some(FinishReason::Length);
            let why = if cut { ": the token limit cut it off" } else { "" };
            Err(vec![format!("there is no JSON in it{why}")])
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use jackfield_core::base::CompiledSchema;
    use jackfield_core::contract::ToolCall;
    use serde_json::json;

    use super::*;

    fn reply(texts: &[&str]) -> Reply {
        let choice = |text: &&str| Choice {
            text: Some((*text).to_owned()),
            finish_reason: Some(FinishReason::Length),
            ..Choice::default()
        };
        let mut reply = crate::pipeline::attempt::text_reply("m", String::new());
        reply.choices = texts.iter().map(choice).collect();
        reply.wire = Some("{}".into());
        reply
    }

    fn shown(format: &AnswerFormat, reply: &Reply) -> Vec<String> {
        match process(format, reply) {
            Processed::Fits => Vec::new(),
            Processed::Cut(reply) => {
                assert!(reply.wire.is_none());
                reply.choices.into_iter().map(|choice| choice.text.unwrap_or_default()).collect()
            }
            Processed::Unfit(issues) => issues,
        }
    }

    #[test]
    fn every_choice_must_hold_what_is_wanted() {
        let schema = CompiledSchema::compile(json!({ "type": "object", "required": ["n"] })).unwrap();
        let schema = AnswerFormat::Schema(Arc::new(schema));
        let json = &AnswerFormat::Json;
        let rows: [(_, &[&str], &[&str]); 9] = [
            (json, &[" {} \n"], &[]),
            (json, &["is {}"], &["{}"]),
            (json, &["{}", "is {\"a\":1}"], &["{}", "{\"a\":1}"]),
            (json, &["{", "{}"], &["choice 0: there is no JSON in it: the token limit cut it off"]),
            (&schema, &["{\"n\":1}"], &[]),
            // The one that fits, though another is longer.
            (&schema, &["{\"n\":1} and {\"other\":1}"], &["{\"n\":1}"]),
            (&schema, &["[1, 2]"], &["value is not of type \"object\""]),
            (&schema, &["so {}"], &["\"n\" is a required property"]),
            (&schema, &[""], &["there is no JSON in it: the token limit cut it off"]),
        ];
        for (format, texts, want) in rows {
            assert_eq!(shown(format, &reply(texts)), want, "{texts:?}");
        }
    }

    #[test]
    fn a_call_of_a_tool_has_no_text_to_be_json() {
        let mut reply = reply(&[""]);
        let call = ToolCall { id: "1".into(), name: "f".into(), arguments: "{".into() };
        reply.choices[0].tool_calls.push(call);
        assert!(matches!(process(&AnswerFormat::Json, &reply), Processed::Fits));
    }
}
