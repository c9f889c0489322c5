//! US dollars for a million tokens, as people write them: `0.15`, `15`. Kept as the text, so that no digit is lost to a
//! float before [`TokenPrice`] reads it.

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::de::{Error, Visitor};
use serde::{Deserialize, Deserializer};

use crate::catalogue::{PriceError, TokenPrice};

/// A price as it was written; whether it is one is found out by [`Usd::price`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Usd(String);

impl Usd {
    /// The name under which the schema refers to the parser.
    pub(crate) const FORMAT: &'static str = "jackfield-usd";
    /// What it is called in messages, with its article.
    pub(crate) const WHAT: &'static str = "a price";
    /// How to write it.
    pub(crate) const WRITE: &'static str =
        "US dollars for a million tokens, with at most six decimals: `15`, `0.075`";

    /// The price, exactly.
    pub(crate) fn price(&self) -> Result<TokenPrice, PriceError> {
        self.0.parse()
    }
}

impl<'de> Deserialize<'de> for Usd {
    fn deserialize<D: Deserializer<'de>>(reader: D) -> Result<Self, D::Error> {
        reader.deserialize_any(Text)
    }
}

struct Text;

impl Visitor<'_> for Text {
    type Value = Usd;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(Usd::WHAT)
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<Usd, E> {
        Ok(Usd(number.to_string()))
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<Usd, E> {
        Ok(Usd(number.to_string()))
    }

    /// Prints as the shortest decimal that means this float: what was written, as long as that had 15 digits or fewer.
    /// Texts with more are looked at in the file itself (`Located::usd`).
    fn visit_f64<E: Error>(self, number: f64) -> Result<Usd, E> {
        // `-0.0` is nothing too.
        Ok(Usd((number + 0.0).to_string()))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Usd, E> {
        Ok(Usd(text.trim().to_owned()))
    }
}

impl JsonSchema for Usd {
    fn schema_name() -> Cow<'static, str> {
        "Usd".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        schemars::json_schema!({
            "type": ["number", "string"],
            "minimum": 0,
            "maximum": 1_000_000,
            "format": Self::FORMAT,
            "description": format!("{}: {}", Self::WHAT, Self::WRITE),
            "examples": [15, 0.075],
        })
    }
}
