//! An amount of US dollars, as people write it: `50.00`, `0.25`. Kept as the text, so that no digit is lost to a float.

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::de::{Error, Visitor};
use serde::{Deserialize, Deserializer};

use crate::base::NanoUsd;

use super::UnitError;

/// Decimals of a dollar: whole nano-dollars.
const DECIMALS: usize = 9;
/// Nano-dollars in a dollar.
const DOLLAR: u64 = 1_000_000_000;
/// The largest amount, in dollars.
const MAX: u64 = 1_000_000_000;

/// An amount as it was written; whether it is one is found out by [`Dollars::read`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Dollars(String);

impl Dollars {
    /// The name under which the schema refers to the parser.
    pub(crate) const FORMAT: &'static str = "jackfield-dollars";
    /// What it is called in messages, with its article.
    pub(crate) const WHAT: &'static str = "an amount of money";
    /// How to write it.
    pub(crate) const WRITE: &'static str = "US dollars, with at most nine decimals: `50`, `0.25`";

    /// Reads a text, exactly.
    pub(crate) fn read(text: &str) -> Result<NanoUsd, UnitError> {
        let text = text.trim();
        let shown = super::shorten(text);
        let (whole, decimals) = text.split_once('.').unwrap_or((text, ""));
        let digits = |part: &str| part.bytes().all(|b| b.is_ascii_digit());
        if whole.is_empty() || !digits(whole) || !digits(decimals) || text.ends_with('.') {
            return Err(UnitError(format!("`{shown}` is not a plain decimal number")));
        }
        if decimals.len() > DECIMALS {
            return Err(UnitError(format!("`{shown}` has more than nine decimals")));
        }
        let too_large = || UnitError(format!("`{shown}` is more than {MAX}"));
        let whole: u64 = whole.parse().map_err(|_| too_large())?;
        let nanos: u64 = format!("{decimals:0<DECIMALS$}").parse().map_err(|_| too_large())?;
        if whole > MAX || (whole == MAX && nanos > 0) {
            return Err(too_large());
        }
        Ok(NanoUsd::new(whole * DOLLAR + nanos))
    }

    /// The amount, exactly as far as it was written as a text or with at most 15 digits.
    pub(crate) fn amount(&self) -> Result<NanoUsd, UnitError> {
        Self::read(&self.0)
    }
}

impl<'de> Deserialize<'de> for Dollars {
    fn deserialize<D: Deserializer<'de>>(reader: D) -> Result<Self, D::Error> {
        reader.deserialize_any(Text)
    }
}

struct Text;

impl Visitor<'_> for Text {
    type Value = Dollars;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(Dollars::WHAT)
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<Dollars, E> {
        Ok(Dollars(number.to_string()))
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<Dollars, E> {
        Ok(Dollars(number.to_string()))
    }

    /// Prints as the shortest decimal that means this float. `-0.0` is nothing too.
    fn visit_f64<E: Error>(self, number: f64) -> Result<Dollars, E> {
        Ok(Dollars((number + 0.0).to_string()))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Dollars, E> {
        Ok(Dollars(text.trim().to_owned()))
    }
}

impl JsonSchema for Dollars {
    fn schema_name() -> Cow<'static, str> {
        "Dollars".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        schemars::json_schema!({
            "type": ["number", "string"],
            "minimum": 0,
            "maximum": MAX,
            "format": Self::FORMAT,
            "description": format!("{}: {}", Self::WHAT, Self::WRITE),
            "examples": [50, 0.25],
        })
    }
}
