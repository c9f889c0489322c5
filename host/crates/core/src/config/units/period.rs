//! How long something may take: `3600` (seconds), `250ms`, `30s`, `1m30s`, `2h`, `7d`.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{Unit, UnitError, parts, scaled, shorten};

/// A duration in whole milliseconds, at most 366 days.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Period(Duration);

const MAX_SECONDS: u64 = 366 * 24 * 3600;
const TOO_LONG: &str = "it is longer than 366 days";
const UNITS: &[(&str, u64)] = &[("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)];

impl Period {
    /// This many seconds; the longest period if there are too many.
    pub const fn from_secs(seconds: u64) -> Self {
        Self(Duration::from_secs(if seconds > MAX_SECONDS { MAX_SECONDS } else { seconds }))
    }

    /// This many milliseconds; the longest period if there are too many.
    pub const fn from_millis(millis: u64) -> Self {
        if millis > MAX_SECONDS * 1_000 {
            Self::from_secs(MAX_SECONDS)
        } else {
            Self(Duration::from_millis(millis))
        }
    }

    /// The standard library's word for it.
    pub const fn get(self) -> Duration {
        self.0
    }
}

impl Unit for Period {
    const FORMAT: &'static str = "jackfield-duration";
    const WHAT: &'static str = "a duration";
    const WRITE: &'static str =
        "whole seconds (`3600`), or numbers with units: `250ms`, `30s`, `1m30s`, `2h`, `7d`";
    const EXAMPLES: &'static [&'static str] = &["250ms", "30s", "1m30s", "2h"];
    const MAX: u64 = MAX_SECONDS;

    fn from_number(number: u64) -> Result<Self, UnitError> {
        scaled(number, 1, Self::MAX, TOO_LONG).map(Self::from_secs)
    }
}

impl FromStr for Period {
    type Err = UnitError;

    fn from_str(text: &str) -> Result<Self, UnitError> {
        let parts = parts(text)?;
        if let [(seconds, "")] = parts[..] {
            return Self::from_number(seconds);
        }
        let mut millis: u64 = 0;
        let mut last = u64::MAX;
        for (number, unit) in parts {
            let &(_, factor) = UNITS
                .iter()
                .find(|(name, _)| *name == unit)
                .ok_or_else(|| UnitError(format!("`{}` is no unit of time", shorten(unit))))?;
            if factor >= last {
                return Err(UnitError("units go from the largest to the smallest, each once".into()));
            }
            last = factor;
            let part = scaled(number, factor, MAX_SECONDS * 1_000, TOO_LONG)?;
            millis = scaled(millis.saturating_add(part), 1, MAX_SECONDS * 1_000, TOO_LONG)?;
        }
        Ok(Self::from_millis(millis))
    }
}

impl fmt::Display for Period {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut rest = self.0.as_millis() as u64;
        if rest == 0 {
            return f.write_str("0s");
        }
        for (name, factor) in UNITS {
            if rest >= *factor {
                write!(f, "{}{name}", rest / factor)?;
                rest %= factor;
            }
        }
        Ok(())
    }
}

impl<'de> Deserialize<'de> for Period {
    fn deserialize<D: Deserializer<'de>>(reader: D) -> Result<Self, D::Error> {
        super::deserialize(reader)
    }
}

impl Serialize for Period {
    fn serialize<S: Serializer>(&self, writer: S) -> Result<S::Ok, S::Error> {
        writer.collect_str(self)
    }
}

impl JsonSchema for Period {
    fn schema_name() -> Cow<'static, str> {
        "Duration".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        super::schema_of::<Self>()
    }
}

impl From<Duration> for Period {
    /// Cut to whole milliseconds and to the longest period.
    fn from(duration: Duration) -> Self {
        Self::from_millis(u64::try_from(duration.as_millis()).unwrap_or(u64::MAX))
    }
}
