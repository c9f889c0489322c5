//! How much of the requests: `5%`, `0.5%`, `100%`. Which requests fall into a share is a matter of their keys alone,
//! so that the same one falls the same way on every host, and after a restart.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::{Digest, Sha256};

use super::{Unit, UnitError, shorten};

/// A share above nothing, at most all, in steps of a ten-thousandth of a percent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Share(u32);

/// All of it, in parts.
const WHOLE: u32 = 1_000_000;
/// Parts of one percent.
const PERCENT: u32 = WHOLE / 100;
/// Digits behind the point that are parts.
const DECIMALS: usize = 4;

impl Share {
    /// Whether the request falls into the share that `of` (a plugin's name) gives away: the first eight bytes of
    /// SHA-256 over `{of}/{request}`, as a number with the largest byte first, modulo a million, lie below the
    /// share's millionths. With the name in it, two shares do not fall on the same requests.
    pub fn takes(self, of: &str, request: &str) -> bool {
        let digest = Sha256::new().chain_update(of).chain_update("/").chain_update(request).finalize();
        let number = digest.iter().take(8).fold(0_u64, |number, byte| (number << 8) | u64::from(*byte));
        number % u64::from(WHOLE) < u64::from(self.0)
    }
}

impl Share {
    /// The share in parts of a million.
    pub fn millionths(self) -> u32 {
        self.0
    }
}

impl Unit for Share {
    const FORMAT: &'static str = "jackfield-share";
    const WHAT: &'static str = "a share";
    const WRITE: &'static str = "a percentage above 0, with its sign: `5%`, `0.5%`, `100%`";
    const EXAMPLES: &'static [&'static str] = &["5%", "0.5%"];
    const MAX: u64 = 0;

    /// Never: whether 1 is a hundredth or all of it, people disagree.
    fn from_number(number: u64) -> Result<Self, UnitError> {
        Err(UnitError(format!("`{number}` lacks its sign: write `{number}%`")))
    }
}

impl FromStr for Share {
    type Err = UnitError;

    fn from_str(text: &str) -> Result<Self, UnitError> {
        let text = text.trim();
        let bad = |why: &str| UnitError(format!("`{}` {why}", shorten(text)));
        let number = text.strip_suffix('%').ok_or_else(|| bad("has no `%` at its end"))?.trim_end();
        let (whole, decimals) = number.split_once('.').unwrap_or((number, "0"));
        let digits = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
        if !digits(whole) || !digits(decimals) {
            return Err(bad("is not a number and a `%`"));
        }
        if decimals.len() > DECIMALS {
            return Err(bad("has more than four decimals"));
        }
        let percents: u32 =
            whole.parse().ok().filter(|n| *n <= 100).ok_or_else(|| bad("is more than all of it"))?;
        let decimals: u32 = format!("{decimals:0<DECIMALS$}").parse().map_err(|_| bad("is not a number"))?;
        match percents * PERCENT + decimals {
            0 => Err(bad("is nothing: leave it out instead")),
            parts if parts > WHOLE => Err(bad("is more than all of it")),
            parts => Ok(Self(parts)),
        }
    }
}

impl fmt::Display for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (whole, decimals) = (self.0 / PERCENT, self.0 % PERCENT);
        match format!("{decimals:0DECIMALS$}").trim_end_matches('0') {
            "" => write!(f, "{whole}%"),
            decimals => write!(f, "{whole}.{decimals}%"),
        }
    }
}

impl<'de> Deserialize<'de> for Share {
    fn deserialize<D: Deserializer<'de>>(reader: D) -> Result<Self, D::Error> {
        super::deserialize(reader)
    }
}

impl Serialize for Share {
    fn serialize<S: Serializer>(&self, writer: S) -> Result<S::Ok, S::Error> {
        writer.collect_str(self)
    }
}

impl JsonSchema for Share {
    fn schema_name() -> Cow<'static, str> {
        "Share".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        schemars::json_schema!({
            "type": "string",
            "format": Self::FORMAT,
            "description": format!("{}: {}", Self::WHAT, Self::WRITE),
            "examples": Self::EXAMPLES,
        })
    }
}
