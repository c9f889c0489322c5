//! From a JSON value to the raw types, with every fault of shape found on the way.
//!
//! The schema finds all faults at once, but serde stops at the first. So what the schema rejects is
//! told, taken out, and the rest is read: the checks of meaning then run over everything that is in
//! order, and one mistyped key does not hide a wrong model name elsewhere.

use std::collections::BTreeSet;

use jsonschema::{PatternOptions, Validator};
use serde_json::Value;

use crate::catalogue::TokenPrice;

use super::document::Document;
use super::fault::Fault;
use super::findings::Findings;
use super::pointer::Pointer;
use super::raw::RawConfig;
use super::schema::schema;
use super::schema_fault::{self, Misfit};
use super::units::{Count, Dollars, Period, Share, Size, Unit, Usd};

/// Reads the raw configuration. `skip` are leaves whose fault was told already.
pub(crate) fn read(document: &mut Document, skip: &BTreeSet<Pointer>, found: &mut Findings) -> RawConfig {
    let schema = schema();
    let validator = match validator(&schema) {
        Ok(validator) => validator,
        // The schema comes from our own types and a test builds it: this is for the reader of a bug report.
        Err(error) => {
            found.add(Fault::new(
                found.text(),
                None,
                format!("the schema of this version is broken: {error}"),
            ));
            return RawConfig::default();
        }
    };
    drop_empty(document, &validator, &schema);
    for misfit in misfits(&document.value, &validator, &schema) {
        if !skip.contains(&misfit.at) {
            found.add(misfit.fault(found.text(), &document.places));
        }
    }
    remove(document, skip);
    // What is taken out may leave something incomplete around it: that goes too, without a word,
    // for the word was said. Every round takes something out, so this ends.
    loop {
        let bad: BTreeSet<Pointer> =
            misfits(&document.value, &validator, &schema).map(|misfit| misfit.remove).collect();
        if bad.is_empty() {
            break;
        }
        if bad.contains(&Pointer::root()) {
            return RawConfig::default();
        }
        remove(document, &bad);
    }
    RawConfig::deserialize_from(&document.value).unwrap_or_else(|error| {
        // Schema and types come from the same source; a gap between them must not pass unseen.
        found.add(Fault::new(found.text(), None, format!("the file cannot be read: {error}")));
        RawConfig::default()
    })
}

/// `key:` with nothing behind it means that the key is left out, as far as the schema has a key of
/// this name and nothing is not a value for it.
fn drop_empty(document: &mut Document, validator: &Validator, schema: &Value) {
    let empty: BTreeSet<Pointer> = misfits(&document.value, validator, schema)
        .map(|misfit| misfit.at)
        .filter(|at| {
            let member_of =
                |parent: Pointer| document.value.pointer(parent.as_str()).is_some_and(Value::is_object);
            document.value.pointer(at.as_str()) == Some(&Value::Null) && at.parent().is_some_and(member_of)
        })
        .collect();
    remove(document, &empty);
}

/// Takes values out of the document. Back to front, so that indices stay right while it happens.
fn remove(document: &mut Document, pointers: &BTreeSet<Pointer>) {
    let mut sorted: Vec<&Pointer> = pointers.iter().collect();
    sorted.sort_by_key(|p| {
        std::cmp::Reverse(p.segments().map(|s| (s.parse::<usize>().ok(), s)).collect::<Vec<_>>())
    });
    for pointer in sorted {
        let (Some(parent), Some(last)) = (pointer.parent(), pointer.last()) else { continue };
        match document.value.pointer_mut(parent.as_str()) {
            Some(Value::Object(members)) => drop(members.remove(&last)),
            Some(Value::Array(elements)) => {
                if let Some(index) = last.parse().ok().filter(|i| *i < elements.len()) {
                    elements.remove(index);
                }
            }
            _ => continue,
        }
        document.places.remove(pointer);
    }
}

fn misfits<'a>(
    value: &'a Value,
    validator: &'a Validator,
    schema: &'a Value,
) -> impl Iterator<Item = Misfit> {
    validator.iter_errors(value).flat_map(move |error| schema_fault::misfits(&error, value, schema))
}

/// A validator that also knows our quantities.
pub(crate) fn validator(schema: &Value) -> Result<Validator, Box<jsonschema::ValidationError<'static>>> {
    jsonschema::options()
        .with_pattern_options(PatternOptions::regex())
        .should_validate_formats(true)
        .with_format(Period::FORMAT, |text: &str| text.parse::<Period>().is_ok())
        .with_format(Size::FORMAT, |text: &str| text.parse::<Size>().is_ok())
        .with_format(Count::FORMAT, |text: &str| text.parse::<Count>().is_ok())
        .with_format(Share::FORMAT, |text: &str| text.parse::<Share>().is_ok())
        .with_format(Usd::FORMAT, |text: &str| text.trim().parse::<TokenPrice>().is_ok())
        .with_format(Dollars::FORMAT, |text: &str| Dollars::read(text).is_ok())
        .build(schema)
        .map_err(Box::new)
}
