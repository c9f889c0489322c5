//! The choices about the log, as configuration names them.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tracing::level_filters::LevelFilter;

/// The form of the log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// Lines for people; coloured on a terminal unless `NO_COLOR` is set.
    #[default]
    Pretty,
    /// One JSON object a line, for machines.
    Json,
    /// No log.
    Off,
}

/// How loud the log is: this level and everything graver.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum LogLevel {
    /// Only what failed.
    Error,
    /// Also what may fail next.
    Warn,
    /// Also what happened: one line a request.
    #[default]
    Info,
    /// Also how it happened.
    Debug,
    /// Also every step of it.
    Trace,
}

impl LogLevel {
    /// The level as `tracing` has it.
    pub(crate) fn filter(self) -> LevelFilter {
        match self {
            Self::Error => LevelFilter::ERROR,
            Self::Warn => LevelFilter::WARN,
            Self::Info => LevelFilter::INFO,
            Self::Debug => LevelFilter::DEBUG,
            Self::Trace => LevelFilter::TRACE,
        }
    }
}
