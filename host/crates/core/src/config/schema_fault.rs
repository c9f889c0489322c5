//! What a validator says, in words for people: the key, what is wrong with it, what would be right.

use std::sync::Arc;

use jsonschema::ValidationError;
use jsonschema::error::ValidationErrorKind as Kind;
use serde_json::Value;

use crate::catalogue::TokenPrice;

use super::fault::Fault;
use super::later;
use super::places::Place;
use super::pointer::Pointer;
use super::suggest;
use super::text::Text;
use super::units::{Count, Dollars, Period, Share, Size, Unit, Usd};

/// One place where the document does not fit the schema.
#[derive(Debug)]
pub(crate) struct Misfit {
    /// What the fault is about.
    pub(crate) at: Pointer,
    /// What has to go for the rest to be readable.
    pub(crate) remove: Pointer,
    /// Whether the key itself is wrong, not its value.
    on_key: bool,
    message: String,
    hint: Option<String>,
}

impl Misfit {
    /// The fault as it is told.
    pub(crate) fn fault(&self, text: &Arc<Text>, places: &Place) -> Fault {
        let place = places.nearest(&self.at);
        let range = if self.on_key { place.key_label() } else { place.label() };
        let fault = Fault::new(text, Some(range), self.message.clone());
        match &self.hint {
            Some(hint) => fault.hint(hint.clone()),
            None => fault,
        }
    }

    fn value(at: &Pointer, message: String, hint: Option<String>) -> Self {
        Self { at: at.clone(), remove: at.clone(), on_key: false, message, hint }
    }
}

/// The misfits one validation error stands for: one for each unknown key, else one.
pub(crate) fn misfits(error: &ValidationError<'_>, document: &Value, schema: &Value) -> Vec<Misfit> {
    let at = Pointer::from_raw(error.instance_path().as_str());
    let keyword = Pointer::from_raw(error.schema_path().as_str());
    // The schema object that the broken keyword stands in.
    let rule = keyword.parent().and_then(|p| schema.pointer(p.as_str())).unwrap_or(&Value::Null);
    let value = document.pointer(at.as_str()).unwrap_or(&Value::Null);
    match error.kind() {
        Kind::AdditionalProperties { unexpected } => {
            unexpected.iter().map(|key| unknown_key(&at, key, rule, schema)).collect()
        }
        Kind::Required { property } => {
            let key = property.as_str().unwrap_or_default();
            let message = match at.is_root() {
                true => format!("`{key}` is missing"),
                false => format!("`{key}` is missing in `{at}`"),
            };
            vec![Misfit::value(&at, message, about_key(rule, schema, key))]
        }
        Kind::Enum { options } => {
            vec![not_one_of(&at, value, options.as_array().map_or(&[][..], |o| &o[..]))]
        }
        Kind::OneOfNotValid { .. } => {
            let choices = rule.get("oneOf").and_then(Value::as_array).map_or(&[][..], |c| &c[..]);
            let options: Vec<Value> = choices.iter().filter_map(|c| c.get("const").cloned()).collect();
            vec![not_one_of(&at, value, &options)]
        }
        Kind::Constant { expected_value } => {
            vec![not_one_of(&at, value, std::slice::from_ref(expected_value))]
        }
        Kind::Type { .. } => vec![wrong_type(&at, value, rule)],
        Kind::Format { format } => vec![no_quantity(&at, value, format)],
        Kind::Minimum { limit } => vec![out_of_bounds(&at, value, "below", "smallest", limit)],
        Kind::Maximum { limit } => vec![out_of_bounds(&at, value, "above", "largest", limit)],
        // No type uses another keyword today; a new one still says something true.
        other => vec![Misfit::value(&at, format!("`{at}` breaks the rule `{}`", other.keyword()), None)],
    }
}

fn unknown_key(at: &Pointer, key: &str, rule: &Value, schema: &Value) -> Misfit {
    let here = at.key(key);
    let shown = key.escape_debug();
    let message = match at.is_root() {
        true => format!("unknown key `{shown}`"),
        false => format!("unknown key `{shown}` in `{at}`"),
    };
    let properties = rule.get("properties").and_then(Value::as_object);
    let known = properties.into_iter().flat_map(|p| p.keys().map(String::as_str));
    let hint = later::hint(at, key)
        .or_else(|| belongs_elsewhere(at, key, schema))
        .unwrap_or_else(|| suggest::hint(key, "known keys", known));
    Misfit { remove: here.clone(), at: here, on_key: true, message, hint: Some(hint) }
}

/// A key that is right but stands in the wrong place: mostly a matter of indentation.
fn belongs_elsewhere(at: &Pointer, key: &str, schema: &Value) -> Option<String> {
    let sections = schema.get("properties")?.as_object()?;
    if key == "stream" && at.parent().and_then(|list| list.last()).is_some_and(|list| list == "validators") {
        let hint = "`stream` is for plugins, under `plugins.settings.NAME`; the built-in checks judge answers as a whole";
        return Some(hint.to_owned());
    }
    if !at.is_root() {
        return sections
            .contains_key(key)
            .then(|| format!("`{key}` is a section of its own: move it to the left margin"));
    }
    let has_key = |section: &Value| {
        let definition = section.get("$ref")?.as_str()?.strip_prefix('#')?;
        schema.pointer(definition)?.get("properties")?.get(key)
    };
    let (section, _) = sections.iter().find(|(_, section)| has_key(section).is_some())?;
    Some(format!("`{key}` belongs under `{section}`"))
}

/// What the schema says about a key.
fn about_key(rule: &Value, schema: &Value, key: &str) -> Option<String> {
    let property = rule.get("properties")?.get(key)?;
    if let Some(options) = property.get("enum").and_then(Value::as_array) {
        return Some(format!("add `{key}:` with one of {}", list(options)));
    }
    let named =
        property.get("$ref").and_then(Value::as_str).and_then(|r| schema.pointer(r.trim_start_matches('#')));
    let description = property.get("description").or_else(|| named?.get("description"))?.as_str()?;
    Some(format!("add `{key}:`: {}", lower_first(description.split(". ").next()?.trim_end_matches('.'))))
}

fn not_one_of(at: &Pointer, value: &Value, options: &[Value]) -> Misfit {
    let names: Vec<&str> = options.iter().filter_map(Value::as_str).collect();
    let hint = match value.as_str() {
        Some(text) => suggest::hint(text, "possible", names),
        None => format!("possible: {}", names.join(", ")),
    };
    let message = match value {
        Value::String(text) => format!("`{at}` cannot be `{}`", text.escape_debug()),
        Value::Number(_) | Value::Bool(_) => format!("`{at}` cannot be `{value}`"),
        other => format!("`{at}` cannot be {}", kind_of(other)),
    };
    Misfit::value(at, message, Some(hint))
}

fn wrong_type(at: &Pointer, value: &Value, rule: &Value) -> Misfit {
    let quantity = rule.get("format").and_then(Value::as_str).and_then(unit);
    let wanted = match quantity {
        Some((what, _)) => what.to_owned(),
        None => match rule.get("type") {
            Some(Value::String(name)) => type_name(name).to_owned(),
            Some(Value::Array(names)) => {
                names.iter().filter_map(Value::as_str).map(type_name).collect::<Vec<_>>().join(" or ")
            }
            _ => "something else".to_owned(),
        },
    };
    let hint = match (rule.get("type").and_then(Value::as_str), value) {
        (Some("string"), Value::Number(_) | Value::Bool(_)) if quantity.is_none() => {
            match rule.get("default").and_then(Value::as_str) {
                Some(default) => Some(format!("write it like `{default}`")),
                None => Some("put it in quotes".to_owned()),
            }
        }
        (Some("array"), Value::String(_)) => {
            Some("write it as a list: `[…]`, or one `- …` a line".to_owned())
        }
        (Some("number" | "integer" | "boolean"), Value::String(_)) => {
            Some("write it without quotes; what comes from the environment is always text".to_owned())
        }
        _ => match quantity {
            Some((_, write)) => Some(format!("write {write}")),
            None if at.is_root() => {
                Some("begin with a section's name and a colon, as in `server:`".to_owned())
            }
            None => None,
        },
    };
    let message = match at.is_root() {
        _ if value.is_null() => format!("`{at}` must be {wanted}, but it is empty"),
        true => format!("the file must be {wanted}, not {}", kind_of(value)),
        false => format!("`{at}` must be {wanted}, not {}", kind_of(value)),
    };
    Misfit::value(at, message, hint)
}

fn no_quantity(at: &Pointer, value: &Value, format: &str) -> Misfit {
    let text = value.as_str().unwrap_or_default();
    let why = match format {
        f if f == Period::FORMAT => text.parse::<Period>().err().map(|why| why.to_string()),
        f if f == Size::FORMAT => text.parse::<Size>().err().map(|why| why.to_string()),
        f if f == Share::FORMAT => text.parse::<Share>().err().map(|why| why.to_string()),
        f if f == Usd::FORMAT => text.trim().parse::<TokenPrice>().err().map(|why| why.to_string()),
        f if f == Dollars::FORMAT => Dollars::read(text).err().map(|why| why.to_string()),
        _ => text.parse::<Count>().err().map(|why| why.to_string()),
    };
    let (what, write) = unit(format).unwrap_or(("what it should be", "another value"));
    let why = why.map(|why| format!(": {why}")).unwrap_or_default();
    Misfit::value(at, format!("`{at}` is not {what}{why}"), Some(format!("write {write}")))
}

fn out_of_bounds(at: &Pointer, value: &Value, side: &str, end: &str, limit: &Value) -> Misfit {
    let message = format!("`{at}` is {value}, {side} the {end} possible value");
    // `2.0` in the schema is `2` for people.
    let limit = limit.to_string();
    let limit = limit.strip_suffix(".0").unwrap_or(&limit);
    Misfit::value(at, message, Some(format!("the {end} possible value is {limit}")))
}

/// What a quantity of this format is called, and how to write it.
fn unit(format: &str) -> Option<(&'static str, &'static str)> {
    [
        (Period::FORMAT, Period::WHAT, Period::WRITE),
        (Size::FORMAT, Size::WHAT, Size::WRITE),
        (Count::FORMAT, Count::WHAT, Count::WRITE),
        (Share::FORMAT, Share::WHAT, Share::WRITE),
        (Usd::FORMAT, Usd::WHAT, Usd::WRITE),
        (Dollars::FORMAT, Dollars::WHAT, Dollars::WRITE),
    ]
    .into_iter()
    .find(|(name, _, _)| *name == format)
    .map(|(_, what, write)| (what, write))
}

fn type_name(name: &str) -> &str {
    match name {
        "object" => "a mapping",
        "array" => "a list",
        "string" => "text",
        "integer" => "a whole number",
        "number" => "a number",
        "boolean" => "true or false",
        "null" => "nothing",
        other => other,
    }
}

fn kind_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "nothing",
        Value::Bool(true) => "`true`",
        Value::Bool(false) => "`false`",
        Value::Number(number) if number.is_f64() => "a fraction",
        Value::Number(_) => "a number",
        Value::String(_) => "text",
        Value::Array(_) => "a list",
        Value::Object(_) => "a mapping",
    }
}

fn list(options: &[Value]) -> String {
    options.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(", ")
}

/// A sentence made fit to follow a colon; an abbreviation stays as it is.
fn lower_first(text: &str) -> String {
    if text.chars().nth(1).is_some_and(char::is_uppercase) {
        return text.to_owned();
    }
    let mut chars = text.chars();
    match chars.next() {
        Some(first) => first.to_lowercase().chain(chars).collect(),
        None => String::new(),
    }
}
