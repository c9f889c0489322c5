//! How many bytes: `1024`, `64KiB`, `32MiB`, `2GiB`, and the decimal `64KB`, `32MB`, `2GB`.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{Unit, UnitError, scaled, shorten, single};

/// A number of bytes, at most 1 TiB.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Size(u64);

const MAX: u64 = 1 << 40;
const TOO_LARGE: &str = "it is larger than 1024GiB";
const SHOWN: &[(&str, u64)] = &[("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)];
const DECIMAL: &[(&str, u64)] =
    &[("GB", 1_000_000_000), ("MB", 1_000_000), ("KB", 1_000), ("kB", 1_000), ("B", 1), ("", 1)];

impl Size {
    /// This many bytes; the largest size if there are too many.
    pub const fn from_bytes(bytes: u64) -> Self {
        Self(if bytes > MAX { MAX } else { bytes })
    }

    /// The number of bytes.
    pub const fn bytes(self) -> u64 {
        self.0
    }

    /// The number of bytes as this machine counts memory; saturates where that is narrower.
    pub fn as_usize(self) -> usize {
        usize::try_from(self.0).unwrap_or(usize::MAX)
    }
}

impl Unit for Size {
    const FORMAT: &'static str = "jackfield-size";
    const WHAT: &'static str = "a size";
    const WRITE: &'static str = "bytes (`65536`), or a whole number with a unit: `64KiB`, `32MiB`, `2GiB`";
    const EXAMPLES: &'static [&'static str] = &["64KiB", "32MiB", "2GiB"];
    const MAX: u64 = MAX;

    fn from_number(number: u64) -> Result<Self, UnitError> {
        scaled(number, 1, MAX, TOO_LARGE).map(Self)
    }
}

impl FromStr for Size {
    type Err = UnitError;

    fn from_str(text: &str) -> Result<Self, UnitError> {
        let (number, unit) = single(text)?;
        let &(_, factor) = SHOWN
            .iter()
            .chain(DECIMAL)
            .find(|(name, _)| *name == unit)
            .ok_or_else(|| UnitError(format!("`{}` is no unit of size", shorten(unit))))?;
        scaled(number, factor, MAX, TOO_LARGE).map(Self)
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match SHOWN.iter().find(|(_, factor)| self.0 >= *factor && self.0.is_multiple_of(*factor)) {
            Some((name, factor)) => write!(f, "{}{name}", self.0 / factor),
            None => write!(f, "{}", self.0),
        }
    }
}

impl<'de> Deserialize<'de> for Size {
    fn deserialize<D: Deserializer<'de>>(reader: D) -> Result<Self, D::Error> {
        super::deserialize(reader)
    }
}

impl Serialize for Size {
    fn serialize<S: Serializer>(&self, writer: S) -> Result<S::Ok, S::Error> {
        writer.collect_str(self)
    }
}

impl JsonSchema for Size {
    fn schema_name() -> Cow<'static, str> {
        "Size".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        super::schema_of::<Self>()
    }
}
