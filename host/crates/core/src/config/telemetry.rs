//! `telemetry:` what the gateway says about itself.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::telemetry::{LogFormat, LogLevel};

/// How the gateway logs. No combination is wrong, so what is written is what is used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[non_exhaustive]
pub struct Telemetry {
    /// The form of the log.
    pub log: LogFormat,
    /// How loud the log is.
    pub level: LogLevel,
}
