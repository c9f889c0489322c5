//! What a step's output is known to look like: enough to tell of a field that cannot be there before a run finds out.
//!
//! A schema says what must be, seldom what cannot: where it leaves a question open, nothing is told.

use serde_json::Value;

use crate::expression::Gives;

use super::super::suggest;

/// Words that put several schemas together: those are not looked into.
const COMBINED: [&str; 5] = ["anyOf", "oneOf", "allOf", "if", "not"];
/// References followed at most.
const MAX_REFERENCES: usize = 16;

/// What a value looks like.
#[derive(Clone, Debug)]
pub(super) enum Shape<'a> {
    /// Nothing is known.
    Anything,
    /// A text.
    Text,
    /// JSON that fits a schema.
    Schema(&'a Value),
    /// A list of such.
    List(Box<Shape<'a>>),
}

impl Shape<'_> {
    /// Whether a value of this shape cannot have these fields: what is wrong, to follow its name, and a hint. A field that is
    /// only asked for may be missing.
    pub(super) fn lacks(&self, fields: &[String], optional: bool) -> Option<(String, String)> {
        let (first, rest) = fields.split_first()?;
        let is_index = first.bytes().all(|b| b.is_ascii_digit());
        match self {
            Self::Anything => None,
            Self::Text => Some((
                format!("is a text: it has no `{first}`"),
                "add `output: json` to that step, or take the field away".to_owned(),
            )),
            Self::List(of) if is_index => of.lacks(rest, optional),
            Self::List(_) => Some((
                format!("is a list, one output for each item: it has no `{first}`"),
                "take one by its place, `[0]`, or go through them: `.map(o, …)`".to_owned(),
            )),
            Self::Schema(schema) => lacks(schema, schema, fields, optional),
        }
    }
}

impl Shape<'_> {
    /// What kind of value these fields of it are.
    pub(super) fn gives(&self, fields: &[&str]) -> Gives {
        match (self, fields) {
            (Self::Anything, _) => Gives::Unknown,
            (Self::Text, []) => Gives::Text,
            (Self::Text, _) => Gives::Unknown,
            (Self::List(_), []) => Gives::List,
            (Self::List(of), [_, rest @ ..]) => of.gives(rest),
            (Self::Schema(schema), fields) => kind_of(schema, schema, fields).unwrap_or(Gives::Unknown),
        }
    }
}

/// What kind a schema says that these fields are, if it says one.
fn kind_of(root: &Value, schema: &Value, fields: &[&str]) -> Option<Gives> {
    let schema = follow(root, schema)?;
    if COMBINED.iter().any(|word| schema.get(word).is_some()) {
        return None;
    }
    let kind = schema.get("type").and_then(Value::as_str);
    let Some((first, rest)) = fields.split_first() else {
        return Some(match kind? {
            "string" => Gives::Text,
            "number" | "integer" => Gives::Number,
            "boolean" => Gives::Bool,
            "null" => Gives::Null,
            "array" => Gives::List,
            "object" => Gives::Map,
            _ => Gives::Unknown,
        });
    };
    match kind {
        Some("array") => kind_of(root, schema.get("items")?, rest),
        _ => kind_of(root, schema.get("properties")?.get(first)?, rest),
    }
}

fn lacks(root: &Value, schema: &Value, fields: &[String], optional: bool) -> Option<(String, String)> {
    let schema = follow(root, schema)?;
    let (first, rest) = fields.split_first()?;
    // What is put together of several schemas is not looked into.
    if COMBINED.iter().any(|word| schema.get(word).is_some()) {
        return None;
    }
    if first.bytes().all(|b| b.is_ascii_digit())
        && schema.get("type").and_then(Value::as_str) == Some("array")
    {
        return lacks(root, schema.get("items")?, rest, optional);
    }
    let kind = schema.get("type").and_then(Value::as_str);
    if let Some(kind @ ("string" | "number" | "integer" | "boolean" | "null" | "array")) = kind {
        let kind = match kind {
            "string" => "a text",
            "array" => "a list",
            "boolean" => "true or false",
            "null" => "null",
            _ => "a number",
        };
        let hint = "see the step's `schema`".to_owned();
        return Some((format!("has {kind} where `{first}` is looked for"), hint));
    }
    let properties = schema.get("properties").and_then(Value::as_object)?;
    if let Some(property) = properties.get(first.as_str()) {
        return lacks(root, property, rest, optional);
    }
    let open = schema.get("patternProperties").is_some()
        || schema.get("additionalProperties").is_some_and(|more| *more != Value::Bool(false));
    if open || optional {
        return None;
    }
    let hint = suggest::hint(first, "in its schema", properties.keys().map(String::as_str));
    Some((format!("has no `{first}` in its schema"), hint))
}

/// What a schema that refers to another place of its document means; `None` where that is not known.
fn follow<'a>(root: &'a Value, mut schema: &'a Value) -> Option<&'a Value> {
    for _ in 0..MAX_REFERENCES {
        let Some(reference) = schema.get("$ref") else { return Some(schema) };
        schema = root.pointer(reference.as_str()?.strip_prefix('#')?)?;
    }
    None
}
