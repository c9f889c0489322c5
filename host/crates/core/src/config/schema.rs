//! The JSON schema of the configuration, generated from the raw types: for editors, and for the
//! check that finds all faults at once.
//!
//! Two things are changed in what schemars gives, both so that a fault can be said precisely: a
//! choice by `kind` becomes one `if`/`then` a kind, and "or null" is taken out (an empty value
//! counts as left out, see `shape`).

use schemars::Schema;
use serde_json::{Map, Value, json};

use super::raw::RawConfig;

/// The schema as a JSON value (draft 2020-12).
pub fn schema() -> Value {
    let mut schema = schemars::SchemaGenerator::default().into_root_schema_for::<RawConfig>().to_value();
    without_null(&mut schema);
    schema
}

/// Takes "or null" out of every type.
fn without_null(schema: &mut Value) {
    match schema {
        Value::Array(elements) => elements.iter_mut().for_each(without_null),
        Value::Object(members) => {
            if let Some(Value::Array(types)) = members.get_mut("type") {
                types.retain(|t| t != "null");
                if let [only] = &types[..] {
                    members["type"] = only.clone();
                }
            }
            if let Some(Value::Array(mut choices)) = members.remove("anyOf") {
                choices.retain(|choice| choice.get("type") != Some(&json!("null")));
                match <[Value; 1]>::try_from(choices) {
                    Ok([Value::Object(only)]) => {
                        // The field's own words stay: they say more than its type's.
                        for (name, value) in only {
                            members.entry(name).or_insert(value);
                        }
                    }
                    Ok([only]) => drop(members.insert("anyOf".into(), json!([only]))),
                    Err(choices) => drop(members.insert("anyOf".into(), Value::Array(choices))),
                }
            }
            if members.get("default") == Some(&Value::Null) {
                members.remove("default");
            }
            members.values_mut().for_each(without_null);
        }
        _ => {}
    }
}

/// Turns `oneOf` over a constant `kind` into an `enum` of kinds and one `if`/`then` each.
pub(crate) fn by_kind(schema: &mut Schema) {
    let Some(Value::Array(choices)) = schema.remove("oneOf") else { return };
    let mut kinds = Vec::new();
    let mut rules = Vec::new();
    for choice in choices {
        let Some(kind) = choice.pointer("/properties/kind/const").cloned() else { continue };
        rules.push(json!({
            "if": { "properties": { "kind": { "const": kind } }, "required": ["kind"] },
            "then": choice,
        }));
        kinds.push(kind);
    }
    let mut kind = Map::new();
    kind.insert("description".into(), "What it is.".into());
    kind.insert("enum".into(), Value::Array(kinds));
    schema.insert("type".into(), "object".into());
    schema.insert("properties".into(), json!({ "kind": kind }));
    schema.insert("required".into(), json!(["kind"]));
    schema.insert("allOf".into(), Value::Array(rules));
}
