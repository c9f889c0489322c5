//! A workflow as a whole: what it is given, its steps, what it gives, and what bounds it.

use std::collections::BTreeMap;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::base::NanoUsd;
use crate::expression::{Gives, ValueTemplate};

use super::step::Step;

/// A graph of steps.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Workflow {
    /// Its name: 1 to 64 of letters, digits, `_`, `.` and `-`.
    pub name: String,
    /// What it is for.
    pub description: Option<String>,
    /// What a run is given, by name. Empty: any JSON value, a text too.
    pub inputs: BTreeMap<String, Input>,
    /// In the file's order; at least one.
    pub steps: Vec<Step>,
    /// What a run gives; `None`: the output of the last step of the file.
    pub output: Option<ValueTemplate>,
    /// What one run may cost; above zero.
    pub budget: Option<NanoUsd>,
    /// How long one run may take; above zero.
    pub timeout: Duration,
    /// What a step that fails does to the others.
    pub on_error: StepFailure,
    /// Calls that one run makes at the same time, those of all its steps and nested workflows together; at least 1.
    pub max_parallel: usize,
    /// What becomes of a run whose client goes away.
    pub on_disconnect: OnDisconnect,
    /// SHA-256 of the definition and of all it nests: a run goes on only under the one it began with.
    pub digest: [u8; 32],
    /// The definition as it was written, with the defaults.
    pub(crate) source: Value,
}

/// One thing that a run is given.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Input {
    /// What it must be.
    pub kind: InputKind,
    /// Whether a run without it is refused.
    pub required: bool,
    /// What it is when left out; `None`: null. Fits the kind.
    pub default: Option<Value>,
    /// What it is for.
    pub description: Option<String>,
}

/// What an input must be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum InputKind {
    /// Anything.
    #[default]
    Any,
    /// A text.
    Text,
    /// A number.
    Number,
    /// A whole number.
    Integer,
    /// True or false.
    Boolean,
    /// A list.
    List,
    /// A map.
    Object,
}

/// What a step that fails does to the others.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum StepFailure {
    /// The run fails; steps under way are cancelled.
    #[default]
    Fail,
    /// Its output is null, steps that need it run with that, and the run tells of it at the end.
    Continue,
}

/// What becomes of a run whose client goes away.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum OnDisconnect {
    /// It is cancelled.
    #[default]
    Cancel,
    /// It goes on; its result can be asked for.
    Detach,
}

impl InputKind {
    /// Whether a value is of this kind. A whole number may be written as a fraction: `2.0`.
    pub fn fits(self, value: &Value) -> bool {
        match self {
            Self::Any => true,
            Self::Text => value.is_string(),
            Self::Number => value.is_number(),
            Self::Integer => {
                value.is_i64() || value.is_u64() || value.as_f64().is_some_and(|float| float.fract() == 0.0)
            }
            Self::Boolean => value.is_boolean(),
            Self::List => value.is_array(),
            Self::Object => value.is_object(),
        }
    }

    /// What it is called in messages.
    pub(crate) fn with_article(self) -> &'static str {
        match self {
            Self::Any => "anything",
            Self::Text => "a text",
            Self::Number => "a number",
            Self::Integer => "a whole number",
            Self::Boolean => "true or false",
            Self::List => "a list",
            Self::Object => "a map",
        }
    }

    /// What an expression that names it gives.
    pub(crate) fn gives(self) -> Gives {
        match self {
            Self::Any => Gives::Unknown,
            Self::Text => Gives::Text,
            Self::Number | Self::Integer => Gives::Number,
            Self::Boolean => Gives::Bool,
            Self::List => Gives::List,
            Self::Object => Gives::Map,
        }
    }

    /// The word in configuration.
    pub fn name(self) -> &'static str {
        match self {
            Self::Any => "any",
            Self::Text => "text",
            Self::Number => "number",
            Self::Integer => "integer",
            Self::Boolean => "boolean",
            Self::List => "list",
            Self::Object => "object",
        }
    }
}

impl Workflow {
    /// The step of this name.
    pub fn step(&self, name: &str) -> Option<&Step> {
        self.steps.iter().find(|step| *step.name == *name)
    }
}
