//! What a model can do, in words that configuration, plugins and the catalogue share.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Something a model can do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Capability {
    /// It calls tools.
    Tools,
    /// It sees images.
    Vision,
    /// It keeps to a JSON schema.
    ResponseSchema,
    /// It thinks before it answers, and can be told how much.
    Reasoning,
    /// Its provider keeps the beginning of prompts and reads it again for less.
    PromptCaching,
}

impl Capability {
    /// The name in configuration and in the plugin contract.
    pub fn name(self) -> &'static str {
        match self {
            Self::Tools => "tools",
            Self::Vision => "vision",
            Self::ResponseSchema => "response_schema",
            Self::Reasoning => "reasoning",
            Self::PromptCaching => "prompt_caching",
        }
    }

    /// The capability with this letter in the table.
    pub(super) fn of_letter(letter: char) -> Option<Self> {
        Some(match letter {
            't' => Self::Tools,
            'v' => Self::Vision,
            's' => Self::ResponseSchema,
            'r' => Self::Reasoning,
            'p' => Self::PromptCaching,
            _ => return None,
        })
    }
}
