//! A JSON schema that texts are held against. Never looks outside: a reference to another document does not compile.
//!
//! A schema that the configuration holds is trusted to end. One that a client sent is not: it may be so large, refer to
//! itself no time, unfold to so many places and have so many patterns, and then a check of a text takes a time that is
//! bounded by the schema's weight and the text's length.

use std::borrow::Cow;
use std::fmt;

use jsonschema::{PatternOptions, Validator};
use serde_json::Value;

/// What is told of one text, and of one issue, in characters.
const MAX_ISSUES: usize = 8;
const MAX_ISSUE: usize = 240;

/// A compiled pattern's size, in bytes: of the configuration's, and of a client's.
const PATTERN_SIZE: usize = 1 << 20;
const FOREIGN_PATTERN_SIZE: usize = 64 << 10;

/// Bounds on a client's schema: bytes, places when all references are unfolded, references inside references.
const MAX_FOREIGN_BYTES: usize = 64 << 10;
const MAX_FOREIGN_WEIGHT: usize = 20_000;
const MAX_FOREIGN_REFERENCES: usize = 32;
/// What a pattern weighs: compiling one takes about as long as looking at so many places.
const PATTERN_WEIGHT: usize = 500;

/// A schema, compiled.
pub struct CompiledSchema {
    source: Value,
    /// As it was written, where its keys' order is known.
    written: Option<Box<str>>,
    validator: Validator,
}

impl CompiledSchema {
    /// Compiles a schema that is trusted. The error says what is wrong with it.
    pub fn compile(source: Value) -> Result<Self, String> {
        Self::with(source, PATTERN_SIZE)
    }

    /// Compiles a schema that is trusted and known as it was written: `text` is the same as JSON, its keys in their order.
    pub fn compile_written(source: Value, text: String) -> Result<Self, String> {
        let written = Some(text.into_boxed_str());
        Ok(Self { written, ..Self::with(source, PATTERN_SIZE)? })
    }

    /// Compiles a schema that a client sent, if it is within the bounds. The error says what is wrong with it.
    pub fn compile_foreign(bytes: &[u8]) -> Result<Self, String> {
        if bytes.len() > MAX_FOREIGN_BYTES {
            return Err(format!("it is larger than {} KiB", MAX_FOREIGN_BYTES >> 10));
        }
        let source: Value = serde_json::from_slice(bytes).map_err(|e| format!("it is not JSON: {e}"))?;
        Weigher { root: &source, weight: 0, path: vec![""] }.weigh(&source)?;
        Self::with(source, FOREIGN_PATTERN_SIZE)
    }

    fn with(source: Value, pattern_size: usize) -> Result<Self, String> {
        let validator = jsonschema::options()
            .offline()
            .with_pattern_options(PatternOptions::regex().size_limit(pattern_size))
            .build(&source)
            .map_err(|e| excerpt(&e.to_string()))?;
        Ok(Self { source, written: None, validator })
    }

    /// The schema, its keys in no order of their own.
    pub fn source(&self) -> &Value {
        &self.source
    }

    /// The schema as JSON, its keys in the order they were written in where that is known: models answer in that order.
    pub fn text(&self) -> Cow<'_, str> {
        match &self.written {
            Some(text) => Cow::Borrowed(text),
            None => Cow::Owned(self.source.to_string()),
        }
    }

    /// What keeps this text from fitting; nothing when it fits. Places are named, values are not shown.
    pub fn issues(&self, text: &str) -> Vec<String> {
        let value: Value = match serde_json::from_str(text) {
            Ok(value) => value,
            Err(error) => return vec![format!("it is not JSON: {error}")],
        };
        let told = self.validator.iter_errors(&value).take(MAX_ISSUES).map(|error| {
            let (at, what) = (error.instance_path().as_str().to_owned(), error.masked().to_string());
            excerpt(&if at.is_empty() { what } else { format!("at {at}: {what}") })
        });
        told.collect()
    }
}

impl PartialEq for CompiledSchema {
    fn eq(&self, other: &Self) -> bool {
        self.source == other.source
    }
}

impl fmt::Debug for CompiledSchema {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("CompiledSchema").field(&self.source).finish()
    }
}

fn excerpt(text: &str) -> String {
    super::excerpt(text, MAX_ISSUE)
}

/// Walks a schema as a check of a text does: through its references.
struct Weigher<'a> {
    root: &'a Value,
    weight: usize,
    /// The places whose references are being followed.
    path: Vec<&'a str>,
}

impl<'a> Weigher<'a> {
    fn weigh(&mut self, node: &'a Value) -> Result<(), String> {
        self.add(1)?;
        match node {
            Value::Array(elements) => elements.iter().try_for_each(|element| self.weigh(element)),
            Value::Object(members) => {
                members.iter().try_for_each(|(key, value)| match (key.as_str(), value) {
                    ("$ref", Value::String(to)) => self.follow(to),
                    ("$dynamicRef" | "$recursiveRef", Value::String(_)) => {
                        Err("it has references that depend on where they are followed from".to_owned())
                    }
                    ("pattern", Value::String(_)) => self.add(PATTERN_WEIGHT),
                    ("patternProperties", Value::Object(patterns)) => {
                        self.add(PATTERN_WEIGHT.saturating_mul(patterns.len()))?;
                        self.weigh(value)
                    }
                    _ => self.weigh(value),
                })
            }
            _ => Ok(()),
        }
    }

    fn follow(&mut self, to: &'a str) -> Result<(), String> {
        let place = to.strip_prefix('#').filter(|place| !place.contains('%'));
        let Some((place, target)) = place.and_then(|place| Some((place, self.root.pointer(place)?))) else {
            return Err(format!("`$ref: {}` names no place in it", to.escape_debug()));
        };
        if self.path.contains(&place) {
            return Err("it refers to itself".to_owned());
        }
        if self.path.len() > MAX_FOREIGN_REFERENCES {
            return Err(format!("its references are nested more than {MAX_FOREIGN_REFERENCES} deep"));
        }
        self.path.push(place);
        self.weigh(target)?;
        self.path.pop();
        Ok(())
    }

    fn add(&mut self, weight: usize) -> Result<(), String> {
        self.weight = self.weight.saturating_add(weight);
        (self.weight <= MAX_FOREIGN_WEIGHT)
            .then_some(())
            .ok_or_else(|| "it is too large once its references are followed".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn issues_name_places_and_show_no_values() {
        let schema =
            json!({ "type": "object", "required": ["n"], "properties": { "n": { "type": "integer" } } });
        let schema = CompiledSchema::compile(schema).unwrap();
        assert!(schema.issues(r#"{"n":1}"#).is_empty());
        assert!(schema.issues("word")[0].starts_with("it is not JSON: "));
        let found = schema.issues(r#"{"n":"private"}"#).join("; ");
        assert!(found.contains("at /n: ") && !found.contains("private"), "{found}");
        assert!(schema.issues("{}").join("").contains("\"n\""));
        let many = CompiledSchema::compile(json!({ "items": { "type": "string" } })).unwrap();
        assert_eq!(many.issues(&json!(vec![1; 50]).to_string()).len(), MAX_ISSUES);
    }

    #[test]
    fn a_clients_schema_is_taken_within_bounds_only() {
        let foreign = |schema: Value| CompiledSchema::compile_foreign(schema.to_string().as_bytes());
        let fine = json!({ "$defs": { "a": { "type": "string", "pattern": "^a+$" } }, "properties": { "x": { "$ref": "#/$defs/a" } } });
        assert!(foreign(fine.clone()).unwrap().issues(r#"{"x":"aa"}"#).is_empty());
        assert_eq!(foreign(fine).unwrap().issues(r#"{"x":"b"}"#).len(), 1);
        let doubling: serde_json::Map<String, Value> = (0..20)
            .map(|n| {
                let next = json!({ "$ref": format!("#/$defs/d{}", n + 1) });
                (format!("d{n}"), json!({ "allOf": [next, next] }))
            })
            .chain([("d20".to_owned(), json!(true))])
            .collect();
        let bad = [
            (json!({ "$ref": "#" }), "refers to itself"),
            (json!({ "properties": { "next": { "$ref": "#" } } }), "refers to itself"),
            (json!({ "properties": { "a": { "items": { "$ref": "#/properties/a" } } } }), "refers to itself"),
            (json!({ "$defs": doubling, "$ref": "#/$defs/d0" }), "too large once"),
            (json!({ "$ref": "http://127.0.0.1:1/a.json" }), "names no place"),
            (json!({ "$ref": "#/nowhere" }), "names no place"),
            (json!({ "pattern": "\\w{1000}{1000}" }), ""),
            (json!({ "anyOf": vec![json!({ "pattern": "a" }); 50] }), "too large"),
            (json!({ "description": "x".repeat(MAX_FOREIGN_BYTES) }), "larger than 64 KiB"),
            (json!({ "type": "nothing" }), ""),
        ];
        for (schema, why) in bad {
            let refused = foreign(schema.clone()).expect_err(&schema.to_string());
            assert!(refused.contains(why), "{schema}: {refused}");
        }
    }

    #[test]
    fn nothing_is_fetched_for_a_schema() {
        for to in ["http://127.0.0.1:1/a.json", "file:///etc/hostname"] {
            assert!(CompiledSchema::compile(json!({ "$ref": to })).is_err(), "{to}");
        }
    }
}
