//! What both of OpenAI's APIs that clients speak say in the same words: which tools are to be called, and what the answer
//! must look like. Where the words stand differs, and is each API's own.

use serde_json::value::RawValue;

use jackfield_core::contract::Fault;

use crate::conversation::{Format, ToolChoice};

/// What a schema is called whose client gives it no name.
const UNNAMED: &str = "answer";

/// A word for how tools are to be called.
pub(super) fn tool_choice(word: &str) -> Option<ToolChoice> {
    match word {
        "auto" => Some(ToolChoice::Auto),
        "none" => Some(ToolChoice::None),
        "required" => Some(ToolChoice::Required),
        _ => None,
    }
}

/// A schema that the answer is bound to.
pub(super) struct Bound {
    pub(super) name: Option<String>,
    pub(super) description: Option<String>,
    pub(super) schema: Option<Box<RawValue>>,
    pub(super) strict: Option<bool>,
}

/// What the answer must look like; nothing in particular for `text`. `place` is where it is said. `bound` is what stands
/// beside `json_schema`; one without a schema is for the caller to judge before.
///
/// # Errors
/// The API has no such format.
pub(super) fn format(place: &str, kind: &str, bound: Option<Bound>) -> Result<Option<Format>, Fault> {
    match (kind, bound) {
        ("text", _) => Ok(None),
        ("json_object", _) => Ok(Some(Format::JsonObject)),
        ("json_schema", Some(Bound { name, description, schema: Some(schema), strict })) => {
            let name = name.unwrap_or_else(|| UNNAMED.to_owned());
            Ok(Some(Format::JsonSchema { name, description, schema, strict }))
        }
        _ => {
            let field = format!("{place}.type");
            let message = format!(
                "invalid value for '{field}'; supported values are 'text', 'json_object' and 'json_schema'"
            );
            Err(Fault::invalid(field, message))
        }
    }
}
