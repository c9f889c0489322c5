//! What a route says about its task besides the model: the template that a request's text goes into (`template`), and
//! what the answer must be (`result`, `schema`).
//!
//! Checked: a template takes the text in, is bounded, and says nothing that is not understood; a schema compiles and is
//! obeyed.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::base::{
    CompiledSchema, MAX_TEMPLATE, MAX_TEMPLATE_INPUTS, excerpt, template_inputs, unknown_in_template,
};
use crate::contract::{AnswerFormat, Overrides};

use super::findings::Located;
use super::models::ResolvedModel;
use super::orchestrator::Route;
use super::pointer::Pointer;
use super::units::Count;
use crate::catalogue::Capability;

/// What is made of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(rename = "Result")]
pub(crate) enum RawResult {
    /// It is delivered as it came.
    Text,
    /// Its text must be JSON. What stands around that, code fences and prose, is taken away.
    Json,
}

/// A JSON schema, as written.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct RawSchema(Value);

impl RawSchema {
    /// The schema itself.
    pub(crate) fn value(&self) -> &Value {
        &self.0
    }
}

impl JsonSchema for RawSchema {
    fn schema_name() -> Cow<'static, str> {
        "ResultSchema".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "description": "A JSON schema.", "type": ["object", "boolean"] })
    }
}

/// Checks a route's template.
pub(crate) fn check_template(raw: Option<&str>, at: &Pointer, found: &mut Located<'_>) -> Option<String> {
    let template = raw?;
    let path = found.path(at);
    let write = "write `${input}` where the text of the request's last user message goes";
    if template.len() > MAX_TEMPLATE {
        let message = format!("`{path}` has {} bytes", template.len());
        found.fault(at, message, format!("use at most {} KiB", MAX_TEMPLATE >> 10));
    } else if let Some(unknown) = unknown_in_template(template) {
        let unknown = excerpt(unknown, 32);
        let hint = format!("{write}; `$${{` is a literal `${{`");
        found.fault(at, format!("`{unknown}` means nothing in a template"), hint);
    } else {
        match template_inputs(template) {
            0 => found.fault(at, format!("`{path}` leaves out what the client asks"), write),
            1..=MAX_TEMPLATE_INPUTS => {}
            more => {
                let message = format!("`{path}` has `${{input}}` {more} times");
                found.fault(at, message, format!("use it at most {MAX_TEMPLATE_INPUTS} times"));
            }
        }
    }
    Some(template.to_owned())
}

/// Checks `max_tokens`.
pub(crate) fn check_max_tokens(count: Count, at: &Pointer, found: &mut Located<'_>) -> u32 {
    found.count(at, count);
    u32::try_from(count.get()).unwrap_or_else(|_| {
        let message = format!("{count} tokens are more than any model gives");
        found.fault(at, message, "leave it out for no limit");
        u32::MAX
    })
}

/// Checks a route's `result` and `schema`.
pub(crate) fn check_result(
    result: Option<RawResult>,
    schema: Option<&RawSchema>,
    route: &Pointer,
    found: &mut Located<'_>,
) -> Option<AnswerFormat> {
    let at = route.key("schema");
    let compiled = schema.map(|RawSchema(schema)| {
        CompiledSchema::compile_written(schema.clone(), found.in_order(&at, schema))
    });
    if let Some(Err(why)) = &compiled {
        let hint = "see json-schema.org; nothing outside of this file is looked at";
        found.fault(&at, format!("this is no JSON schema: {why}"), hint);
    }
    if schema.is_some() && result != Some(RawResult::Json) {
        found.key_fault(&at, "a schema is for answers that are JSON", "add `result: json`, or remove it");
    }
    match (result?, compiled) {
        (RawResult::Text, _) => None,
        (RawResult::Json, Some(Ok(schema))) => Some(AnswerFormat::Schema(Arc::new(schema))),
        (RawResult::Json, _) => Some(AnswerFormat::Json),
    }
}

/// Warns of what a route asks of a model that is known not to do it.
pub(crate) fn check_abilities(
    routes: &[Route],
    declared: &BTreeMap<String, ResolvedModel>,
    found: &mut Located<'_>,
) {
    let all = Pointer::root().key("orchestrator").key("routes");
    for (index, route) in routes.iter().enumerate() {
        let name = &route.target.model;
        let Some(model) = declared.get(name) else { continue };
        if route.target.overrides.reasoning.is_some() && model.is_known_to_lack(Capability::Reasoning) {
            let message = format!("`{name}` is not told how much to think: its `capabilities` lack it");
            let hint = format!("add `reasoning` to `models.{name}.capabilities`, or remove it here");
            found.warn(&all.index(index).key("reasoning"), message, hint);
        }
    }
}

/// Both as they took effect.
pub(crate) fn show(overrides: &Overrides, shown: &mut Map<String, Value>) {
    if let Some(template) = &overrides.prompt_template {
        shown.insert("template".into(), json!(template));
    }
    if let Some(format) = &overrides.answer_format {
        shown.insert("result".into(), json!("json"));
        if let AnswerFormat::Schema(schema) = format {
            shown.insert("schema".into(), schema.source().clone());
        }
    }
}
