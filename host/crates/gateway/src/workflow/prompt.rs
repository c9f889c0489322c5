//! What a step says: its prompt, then after a blank line its input.

use serde_json::Value;

use jackfield_core::config::Step;
use jackfield_core::contract::{Fault, FaultKind};
use jackfield_core::expression::{Scope, ValueTemplate};

use super::step::unfit;

/// The user message of a step.
pub(super) fn message(step: &Step, scope: &Scope) -> Result<String, Fault> {
    let parts = [&step.prompt, &step.input].into_iter().flatten();
    let mut text = String::new();
    for part in parts {
        let part = render(part, scope)?;
        if !text.is_empty() && !part.is_empty() {
            text.push_str("\n\n");
        }
        text.push_str(&part);
    }
    if text.is_empty() {
        let message = "it has nothing to say: its prompt and its input came to nothing";
        return Err(Fault::new(FaultKind::StepFailed, message));
    }
    Ok(text)
}

/// The system message of a step.
pub(super) fn system(step: &Step, scope: &Scope) -> Result<Option<String>, Fault> {
    step.system.as_ref().map(|template| render(template, scope)).transpose()
}

/// A template as text.
pub(super) fn render(template: &ValueTemplate, scope: &Scope) -> Result<String, Fault> {
    Ok(text_of(template.render(scope).map_err(unfit)?))
}

/// A value as a part of a message: a text as it is, null as nothing, any other value as JSON.
pub(super) fn text_of(value: Value) -> String {
    match value {
        Value::String(text) => text,
        Value::Null => String::new(),
        other => other.to_string(),
    }
}
