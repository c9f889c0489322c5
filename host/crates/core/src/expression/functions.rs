//! The functions that expressions have, by name and number of arguments. Methods are functions whose first argument is
//! what they are called on.

use std::borrow::Cow;

use serde_json::Value;

use super::evaluate::{Meter, Spent};
use super::number;

/// A function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Function {
    Size,
    Contains,
    StartsWith,
    EndsWith,
    Int,
    Double,
    Text,
    Bool,
    Json,
    Join,
}

/// Name, function, arguments (with what it is called on), whether it is written `f(x)`, whether `x.f()`.
const FUNCTIONS: &[(&str, Function, usize, bool, bool)] = &[
    ("size", Function::Size, 1, true, true),
    ("contains", Function::Contains, 2, false, true),
    ("startsWith", Function::StartsWith, 2, false, true),
    ("endsWith", Function::EndsWith, 2, false, true),
    ("int", Function::Int, 1, true, false),
    ("double", Function::Double, 1, true, false),
    ("string", Function::Text, 1, true, false),
    ("text", Function::Text, 1, true, false),
    ("bool", Function::Bool, 1, true, false),
    ("json", Function::Json, 1, true, false),
    ("join", Function::Join, 2, false, true),
];

/// The names of all functions, those that the grammar knows by itself included.
pub(super) fn names() -> impl Iterator<Item = &'static str> {
    let special = ["has", "matches", "all", "exists", "exists_one", "filter", "map"];
    FUNCTIONS.iter().map(|(name, ..)| *name).chain(special)
}

/// The function of this name, written this way; the error says how it is written.
pub(super) fn find(name: &str, arguments: usize, method: bool) -> Result<Function, Option<String>> {
    let Some((_, function, count, global, member)) = FUNCTIONS.iter().find(|(known, ..)| *known == name)
    else {
        return Err(None);
    };
    let fits = if method { *member } else { *global };
    if fits && *count == arguments {
        return Ok(*function);
    }
    let rest = if *count == 2 { "y" } else { "" };
    Err(Some(match (*global, *member) {
        (true, true) => format!("write `{name}(x)` or `x.{name}()`"),
        (true, false) => format!("write `{name}(x)`"),
        _ => format!("write `x.{name}({rest})`"),
    }))
}

/// Why a function gave nothing.
pub(super) enum Refused {
    /// The evaluation is over.
    Spent(Spent),
    /// The arguments do not fit.
    Unfit(String),
}

impl From<Spent> for Refused {
    fn from(spent: Spent) -> Self {
        Self::Spent(spent)
    }
}

fn unfit<T>(why: impl Into<String>) -> Result<T, Refused> {
    Err(Refused::Unfit(why.into()))
}

/// Calls a function; `arguments` are as many as it takes.
pub(super) fn call(
    function: Function,
    arguments: &[Cow<'_, Value>],
    meter: &mut Meter,
) -> Result<Value, Refused> {
    let (Some(first), second) = (arguments.first(), arguments.get(1)) else {
        return unfit("an argument is missing");
    };
    match function {
        Function::Size => size(first, meter),
        Function::Contains | Function::StartsWith | Function::EndsWith => {
            let (Value::String(text), Some(Value::String(part))) = (&**first, second.map(|part| &**part))
            else {
                return unfit("it is for texts");
            };
            meter.bytes(text.len())?;
            Ok(Value::Bool(match function {
                Function::Contains => text.contains(part.as_str()),
                Function::StartsWith => text.starts_with(part.as_str()),
                _ => text.ends_with(part.as_str()),
            }))
        }
        Function::Int => match &**first {
            Value::Number(number) => number::truncate(number).map_or_else(|| unfit(NO_ROOM), Ok),
            Value::String(text) => {
                let read = text.trim().parse::<i128>().ok().and_then(number::whole);
                read.map_or_else(|| unfit("the text is no whole number"), Ok)
            }
            other => unfit(format!("{} has no whole number", kind_of(other))),
        },
        Function::Double => match &**first {
            Value::Number(number) => number::as_fraction(number).map_or_else(|| unfit(NO_ROOM), Ok),
            Value::String(text) => {
                let read = text.trim().parse::<f64>().ok().and_then(number::fraction);
                read.map_or_else(|| unfit("the text is no number"), Ok)
            }
            other => unfit(format!("{} has no number", kind_of(other))),
        },
        Function::Text => Ok(Value::String(text_of(first, meter)?)),
        Function::Bool => match &**first {
            Value::Bool(is) => Ok(Value::Bool(*is)),
            Value::String(text) => match text.trim() {
                "true" => Ok(Value::Bool(true)),
                "false" => Ok(Value::Bool(false)),
                _ => unfit("the text is neither `true` nor `false`"),
            },
            other => unfit(format!("{} is neither true nor false", kind_of(other))),
        },
        Function::Json => {
            let Value::String(text) = &**first else { return unfit("it reads a text") };
            // A small text can hold many small values, each larger in memory.
            meter.bytes(text.len().saturating_mul(8))?;
            serde_json::from_str(text).or_else(|why| unfit(format!("the text is no JSON: {why}")))
        }
        Function::Join => {
            let (Value::Array(list), Some(Value::String(between))) = (&**first, second.map(|sep| &**sep))
            else {
                return unfit("it joins a list with a text");
            };
            let mut joined = String::new();
            for (index, element) in list.iter().enumerate() {
                if index > 0 {
                    meter.bytes(between.len())?;
                    joined.push_str(between);
                }
                joined.push_str(&text_of(element, meter)?);
            }
            Ok(Value::String(joined))
        }
    }
}

const NO_ROOM: &str = "the number has no room";

fn size(value: &Value, meter: &mut Meter) -> Result<Value, Refused> {
    Ok(Value::from(match value {
        Value::String(text) => {
            meter.bytes(text.len())?;
            text.chars().count()
        }
        Value::Array(list) => list.len(),
        Value::Object(members) => members.len(),
        other => return unfit(format!("{} has no size", kind_of(other))),
    }))
}

/// A text as it is, any other value as compact JSON.
pub(super) fn text_of(value: &Value, meter: &mut Meter) -> Result<String, Spent> {
    meter.value(value)?;
    Ok(match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    })
}

/// What to call a value in a message: never the value itself.
pub(super) fn kind_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "a map",
    }
}
