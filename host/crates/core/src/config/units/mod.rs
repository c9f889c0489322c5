//! Quantities as people write them: durations, sizes, counts and shares. One parser each, used by the
//! schema check and by serde alike, so that the two cannot disagree.
//!
//! All are bounded and never negative; a plain number is seconds, bytes or things, and never a share.

mod count;
mod dollars;
mod period;
mod share;
mod size;
mod usd;

pub use count::Count;
pub(crate) use dollars::Dollars;
pub use period::Period;
pub use share::Share;
pub use size::Size;
pub(crate) use usd::Usd;

use std::fmt::Display;
use std::marker::PhantomData;
use std::str::FromStr;

use schemars::Schema;
use serde::Deserializer;
use serde::de::{Error, Visitor};

/// Why a text is not a quantity. Fits behind "…: ".
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct UnitError(String);

/// A quantity that can be written as a bare number or as a text with units.
pub(crate) trait Unit: FromStr<Err = UnitError> + Display + Sized {
    /// The name under which the schema refers to this parser.
    const FORMAT: &'static str;
    /// What it is called in messages, with its article.
    const WHAT: &'static str;
    /// How to write it.
    const WRITE: &'static str;
    /// Examples for editors.
    const EXAMPLES: &'static [&'static str];
    /// The largest bare number.
    const MAX: u64;

    /// Reads a bare number.
    fn from_number(number: u64) -> Result<Self, UnitError>;
}

/// The schema of a quantity: a number in bounds, or a text its parser takes.
pub(crate) fn schema_of<U: Unit>() -> Schema {
    schemars::json_schema!({
        "type": ["integer", "string"],
        "minimum": 0,
        "maximum": U::MAX,
        "format": U::FORMAT,
        "description": format!("{}: {}", U::WHAT, U::WRITE),
        "examples": U::EXAMPLES,
    })
}

/// Reads a quantity from either form.
pub(crate) fn deserialize<'de, U: Unit, D: Deserializer<'de>>(reader: D) -> Result<U, D::Error> {
    reader.deserialize_any(Either(PhantomData))
}

struct Either<U>(PhantomData<U>);

impl<U: Unit> Visitor<'_> for Either<U> {
    type Value = U;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(U::WHAT)
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<U, E> {
        U::from_number(number).map_err(E::custom)
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<U, E> {
        u64::try_from(number).map_err(E::custom).and_then(|n| self.visit_u64(n))
    }

    /// JSON Schema counts `10.0` as an integer, so it comes through to here.
    fn visit_f64<E: Error>(self, number: f64) -> Result<U, E> {
        if number.fract() == 0.0 && (0.0..=U::MAX as f64).contains(&number) {
            return self.visit_u64(number as u64);
        }
        Err(E::custom(format!("{number} is not {}", U::WHAT)))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<U, E> {
        text.parse().map_err(E::custom)
    }
}

/// Cuts `1m30s` into (1, "m"), (30, "s"). A number without a unit has the unit "".
fn parts(text: &str) -> Result<Vec<(u64, &str)>, UnitError> {
    let mut rest = text.trim();
    if rest.is_empty() {
        return Err(UnitError("it is empty".into()));
    }
    let mut found = Vec::new();
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
        let (number, tail) = rest.split_at(digits);
        if number.is_empty() {
            return Err(UnitError(format!("`{}` should start with a digit", shorten(rest))));
        }
        let number = number.parse().map_err(|_| UnitError(format!("{} is too large", shorten(number))))?;
        let letters = tail.find(|c: char| c.is_ascii_digit()).unwrap_or(tail.len());
        let (unit, tail) = tail.split_at(letters);
        found.push((number, unit.trim()));
        rest = tail;
    }
    Ok(found)
}

/// The one number and unit of a text that may hold only one.
fn single(text: &str) -> Result<(u64, &str), UnitError> {
    match parts(text)?[..] {
        [only] => Ok(only),
        _ => Err(UnitError(format!("`{}` holds more than one number", shorten(text)))),
    }
}

/// Multiplies within bounds.
fn scaled(number: u64, factor: u64, max: u64, too_large: &str) -> Result<u64, UnitError> {
    number.checked_mul(factor).filter(|n| *n <= max).ok_or_else(|| UnitError(too_large.into()))
}

/// Keeps a hostile text out of a message.
fn shorten(text: &str) -> String {
    match text.char_indices().nth(24) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests;
