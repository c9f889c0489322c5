//! Where a request is to go: a model by name, and what the routing rule changes on the way.

use std::sync::Arc;

use crate::base::CompiledSchema;

/// How much a model should think before it answers. Each provider's adapter translates it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize, serde::Serialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ReasoningLevel {
    /// Not at all.
    None,
    /// As little as the model can.
    Minimal,
    /// A little.
    Low,
    /// The provider's usual.
    Medium,
    /// As much as is sensible.
    High,
}

impl ReasoningLevel {
    /// The level's name in configuration, on OpenAI's wire and in logs.
    pub fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Minimal => "minimal",
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
        }
    }
}

/// What a rule changes of the client's request. Absent means: as the client asked.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Overrides {
    /// Sampling temperature, 0 to 2.
    pub temperature: Option<f64>,
    /// Bound on the answer's tokens, at least 1.
    pub max_output_tokens: Option<u32>,
    /// How much the model should think.
    pub reasoning: Option<ReasoningLevel>,
    /// A template for the last user message, with `${input}` where its text goes; `$${` is a literal `${`.
    pub prompt_template: Option<String>,
    /// What the answer's text must be. Models that can are asked for it, and every answer is held against it.
    pub answer_format: Option<AnswerFormat>,
}

/// What an answer's text must be.
#[derive(Clone, Debug, PartialEq)]
pub enum AnswerFormat {
    /// JSON of any kind.
    Json,
    /// JSON that fits this schema.
    Schema(Arc<CompiledSchema>),
}

/// A model by the name people use for it, with the rule's overrides.
#[derive(Clone, Debug, PartialEq)]
pub struct Target {
    /// The model's name: declared in configuration, referenced by it, or well known.
    pub model: String,
    /// What the rule changes.
    pub overrides: Overrides,
    /// The task in whose row of the configuration it stands: what that row wants of an answer is wanted of this one's.
    pub task: Option<Arc<str>>,
}

impl Target {
    /// A target without overrides.
    pub fn model(name: impl Into<String>) -> Self {
        Self { model: name.into(), overrides: Overrides::default(), task: None }
    }
}
