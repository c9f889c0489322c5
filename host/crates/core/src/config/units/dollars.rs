//! An amount of US dollars, as people write it: `50`, `0.25`. Kept as the text, so that no digit is lost to a float before
//! it is read into nano-dollars.

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::de::{Error, Visitor};
use serde::{Deserialize, Deserializer};

use super::{UnitError, shorten};
use crate::base::NanoUsd;

/// Decimals that an amount may have: whole nano-dollars.
const DECIMALS: usize = 9;
/// Nano-dollars in a dollar.
const DOLLAR: u64 = 1_000_000_000;
/// The largest amount, in dollars.
const MAX: u64 = 1_000_000_000;

/// An amount as it was written; whether it is one is found out by [`Dollars::amount`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Dollars(String);

impl Dollars {
    /// The name under which the schema refers to the parser.
    pub(crate) const FORMAT: &'static str = "jackfield-dollars";
    /// What it is called in messages, with its article.
    pub(crate) const WHAT: &'static str = "an amount of dollars";
    /// How to write it.
    pub(crate) const WRITE: &'static str = "US dollars, with at most nine decimals: `50`, `0.25`";

    /// The amount, exactly.
    pub(crate) fn amount(&self) -> Result<NanoUsd, UnitError> {
        Self::read(&self.0)
    }

    /// Reads `50`, `0.25`. No sign and no exponent.
    pub(crate) fn read(text: &str) -> Result<NanoUsd, UnitError> {
        let bad = |why: &str| UnitError(format!("`{}` {why}", shorten(text)));
        let (whole, decimals) = text.split_once('.').unwrap_or((text, "0"));
        let digits = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
        if !digits(whole) || !digits(decimals) {
            return Err(bad("is not a plain decimal number"));
        }
        let decimals = decimals.trim_end_matches('0');
        if decimals.len() > DECIMALS {
            return Err(bad("has more than nine decimals"));
        }
        let decimals: u64 = format!("{decimals:0<DECIMALS$}").parse().unwrap_or(0);
        let whole: Option<u64> =
            whole.parse().ok().filter(|whole| *whole < MAX || (*whole == MAX && decimals == 0));
        let nanos = whole.map(|whole| whole * DOLLAR + decimals);
        nanos.map(NanoUsd::new).ok_or_else(|| bad("is more than a thousand million"))
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

    /// As with prices, the shortest decimal that means this float; longer texts are looked at in the file itself.
    fn visit_f64<E: Error>(self, number: f64) -> Result<Dollars, E> {
        // `-0.0` is nothing too.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_read_exactly() {
        for (text, nanos) in [
            ("50.00", 50_000_000_000),
            ("0", 0),
            ("0.000000001", 1),
            ("12.3456789010", 12_345_678_901),
            ("1000000000", 1_000_000_000_000_000_000),
        ] {
            assert_eq!(Dollars::read(text), Ok(NanoUsd::new(nanos)), "{text}");
        }
        for text in
            ["", ".5", "5.", "-1", "1e3", "0.0000000001", "1000000000.1", "99999999999999999999", "$5"]
        {
            assert!(Dollars::read(text).is_err(), "{text}");
        }
    }
}
