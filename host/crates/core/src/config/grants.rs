//! What a plugin may be allowed beyond looking and deciding. Nothing is granted that the configuration does not write
//! out: a component that wants more is refused when it is loaded.

use std::collections::BTreeSet;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Something that a plugin may do only when it is written down. Its name is that of the interface it opens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Grant {
    /// Ask models in the middle of a call (the import `llm`), within `limits.llm_calls`, `llm_timeout` and
    /// `llm_output_tokens`. It costs what the models cost.
    Llm,
}

impl Grant {
    /// Every one there is.
    pub const ALL: [Self; 1] = [Self::Llm];

    /// The word in configuration, and the interface's name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Llm => "llm",
        }
    }

    /// Their names, as they are written in a list.
    pub fn names(grants: &BTreeSet<Self>) -> String {
        grants.iter().map(|grant| grant.name()).collect::<Vec<_>>().join(", ")
    }
}
