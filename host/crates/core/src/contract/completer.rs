//! The seam behind which models answer plugins: what the import `llm` asks for. The gateway answers from its models,
//! a test as it likes.
//!
//! A question names its model: nobody routes it, nobody judges the answer, and no other model is tried. Whoever
//! answers it bounds it by its `timeout` and the request's deadline, and charges it to the request.

use std::time::Duration;

use super::{BoxFuture, ReasoningLevel, Role, Usage};

/// A plugin's question to a model.
#[derive(Clone, Debug, PartialEq)]
pub struct CompletionRequest {
    /// The model's name.
    pub model: String,
    /// The conversation, each message with who speaks. Never empty.
    pub messages: Vec<(Role, String)>,
    /// Sampling temperature, 0 to 2; `None` is the model's own.
    pub temperature: Option<f64>,
    /// Bound on the answer's tokens, at least 1.
    pub max_output_tokens: u32,
    /// How much the model should think; `None` is the model's own.
    pub reasoning: Option<ReasoningLevel>,
    /// A JSON schema that the answer is to follow: a JSON object.
    pub response_schema: Option<serde_json::Value>,
    /// How long to wait for the answer.
    pub timeout: Duration,
}

/// A model's answer to a plugin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Completion {
    /// Its text; empty when it has none.
    pub text: String,
    /// What it consumed, if the provider said.
    pub usage: Option<Usage>,
}

/// Why a plugin gets no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CompletionError {
    /// There is no such model, or the client whose request it is may not use it.
    UnknownModel(String),
    /// The budget does not allow it.
    BudgetExceeded,
    /// It took too long.
    TimedOut,
    /// The provider failed, or the question makes no sense. Never holds a secret.
    Failed(String),
}

/// Who asks models for the plugins of one request.
pub trait Completer: Send + Sync {
    /// Asks a model once. Dropped, the call is cancelled and still charged.
    fn complete(&self, request: CompletionRequest) -> BoxFuture<'_, Result<Completion, CompletionError>>;
}
