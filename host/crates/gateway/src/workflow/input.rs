//! What a run is given, held against what its workflow declares.

use serde_json::{Map, Value};

use jackfield_core::base::excerpt;
use jackfield_core::config::{InputKind, Workflow};
use jackfield_core::contract::Fault;

/// The input with the defaults put in.
///
/// # Errors
/// A field is missing, unknown or of another kind; the fault names it.
pub fn checked(workflow: &Workflow, input: Value) -> Result<Value, Fault> {
    if workflow.inputs.is_empty() {
        return Ok(input);
    }
    let names: Vec<&str> = workflow.inputs.keys().map(String::as_str).collect();
    let names = names.join(", ");
    let mut given = match input {
        Value::Object(given) => given,
        Value::Null => Map::new(),
        _ => {
            let message =
                format!("'input' must be an object: the workflow '{}' takes {names}", workflow.name);
            return Err(Fault::invalid("input", message));
        }
    };
    if let Some(unknown) = given.keys().find(|name| !workflow.inputs.contains_key(*name)) {
        let shown = excerpt(unknown, 64);
        let message = format!("unknown input '{shown}': the workflow '{}' takes {names}", workflow.name);
        return Err(Fault::invalid(format!("input.{shown}"), message));
    }
    for (name, declared) in &workflow.inputs {
        match given.get(name) {
            Some(value) if declared.kind.fits(value) => {}
            // Said to be nothing is as good as not said.
            Some(Value::Null) | None if !declared.required => {
                given.insert(name.clone(), declared.default.clone().unwrap_or_default());
            }
            Some(value) => {
                let message = format!(
                    "'input.{name}' must be {}, not {}",
                    word(declared.kind),
                    super::step::kind(value)
                );
                return Err(Fault::invalid(format!("input.{name}"), message));
            }
            None => {
                let message = format!("missing required input 'input.{name}' ({})", declared.kind.name());
                return Err(Fault::invalid(format!("input.{name}"), message));
            }
        }
    }
    Ok(Value::Object(given))
}

/// The input that a conversation's last words are: the object that they hold, where one is declared; the text, where one text
/// is all that must be given; else the text as it is.
///
/// # Errors
/// As [`checked`].
pub(super) fn said(workflow: &Workflow, text: String) -> Result<Value, Fault> {
    if workflow.inputs.is_empty() {
        return Ok(Value::String(text));
    }
    if let Ok(object @ Value::Object(_)) = serde_json::from_str(&text) {
        return checked(workflow, object);
    }
    let takes_text = |kind: InputKind| matches!(kind, InputKind::Text | InputKind::Any);
    let mut required = workflow.inputs.iter().filter(|(_, input)| input.required);
    let one = match (required.next(), required.next(), workflow.inputs.len()) {
        (Some(only), None, _) => Some(only),
        (None, _, 1) => workflow.inputs.iter().next(),
        _ => None,
    };
    if let Some((name, _)) = one.filter(|(_, input)| takes_text(input.kind)) {
        return checked(workflow, Value::Object(Map::from_iter([(name.clone(), Value::String(text))])));
    }
    let names: Vec<&str> = workflow.inputs.keys().map(String::as_str).collect();
    let message = format!(
        "the workflow '{}' takes {}: send them as a JSON object in the last user message",
        workflow.name,
        names.join(", ")
    );
    Err(Fault::invalid("messages", message))
}

fn word(kind: InputKind) -> &'static str {
    match kind {
        InputKind::Any => "any value",
        InputKind::Text => "a text",
        InputKind::Number => "a number",
        InputKind::Integer => "a whole number",
        InputKind::Boolean => "true or false",
        InputKind::List => "a list",
        InputKind::Object => "an object",
    }
}
