//! How many things: `4096`, `200k`, `20M`. Decimal steps, because tokens are counted that way.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{Unit, UnitError, scaled, shorten, single};

/// A number of things, at most 2^53 - 1: what every JSON reader keeps exactly.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Count(u64);

const MAX: u64 = (1 << 53) - 1;
const TOO_LARGE: &str = "it is larger than 9007199254740991";
const UNITS: &[(&str, u64)] = &[("G", 1_000_000_000), ("M", 1_000_000), ("k", 1_000), ("K", 1_000), ("", 1)];

impl Count {
    /// This many; the largest count if there are too many.
    pub const fn new(number: u64) -> Self {
        Self(if number > MAX { MAX } else { number })
    }

    /// The number.
    pub const fn get(self) -> u64 {
        self.0
    }

    /// The number as this machine counts memory; saturates where that is narrower.
    pub fn as_usize(self) -> usize {
        usize::try_from(self.0).unwrap_or(usize::MAX)
    }
}

impl Unit for Count {
    const FORMAT: &'static str = "jackfield-count";
    const WHAT: &'static str = "a count";
    const WRITE: &'static str = "a whole number, or one with a unit: `4096`, `200k`, `20M`";
    const EXAMPLES: &'static [&'static str] = &["200k", "20M"];
    const MAX: u64 = MAX;

    fn from_number(number: u64) -> Result<Self, UnitError> {
        scaled(number, 1, MAX, TOO_LARGE).map(Self)
    }
}

impl FromStr for Count {
    type Err = UnitError;

    fn from_str(text: &str) -> Result<Self, UnitError> {
        let (number, unit) = single(text)?;
        let &(_, factor) = UNITS
            .iter()
            .find(|(name, _)| *name == unit)
            .ok_or_else(|| UnitError(format!("`{}` is no unit of counting", shorten(unit))))?;
        scaled(number, factor, MAX, TOO_LARGE).map(Self)
    }
}

impl fmt::Display for Count {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match UNITS
            .iter()
            .find(|(name, factor)| !name.is_empty() && self.0 >= *factor && self.0.is_multiple_of(*factor))
        {
            Some((name, factor)) => write!(f, "{}{name}", self.0 / factor),
            None => write!(f, "{}", self.0),
        }
    }
}

impl<'de> Deserialize<'de> for Count {
    fn deserialize<D: Deserializer<'de>>(reader: D) -> Result<Self, D::Error> {
        super::deserialize(reader)
    }
}

impl Serialize for Count {
    fn serialize<S: Serializer>(&self, writer: S) -> Result<S::Ok, S::Error> {
        match self.0 % 1_000 {
            0 if self.0 > 0 => writer.collect_str(self),
            _ => writer.serialize_u64(self.0),
        }
    }
}

impl JsonSchema for Count {
    fn schema_name() -> Cow<'static, str> {
        "Count".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        super::schema_of::<Self>()
    }
}
