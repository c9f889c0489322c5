//! Calling models from inside a plugin. A capability: a plugin that calls these functions is loaded only with
//! the grant `llm`. A call is charged to the request being decided about and never enters routing again.

use crate::imports;

pub use crate::bindings::imports::jackfield::plugin::llm::{Completion, LlmError, LlmMessage, Options};

impl LlmMessage {
    /// A standing instruction.
    pub fn system(text: impl Into<String>) -> Self {
        Self { role: "system".into(), text: text.into() }
    }

    /// A message of the user.
    pub fn user(text: impl Into<String>) -> Self {
        Self { role: "user".into(), text: text.into() }
    }

    /// A message of the model.
    pub fn assistant(text: impl Into<String>) -> Self {
        Self { role: "assistant".into(), text: text.into() }
    }
}

/// The model's own defaults.
impl Default for Options {
    fn default() -> Self {
        Self { temperature: None, max_output_tokens: None, reasoning: None, response_schema: None }
    }
}

/// Asks a model.
///
/// # Errors
/// There is no such model, the budget does not allow it, it took too long, or the provider failed.
pub fn complete(model: &str, messages: &[LlmMessage], options: &Options) -> Result<Completion, LlmError> {
    imports::llm::complete(model, messages, options)
}

/// Embeds texts; one vector for each, in order.
///
/// # Errors
/// There is no such model, the budget does not allow it, it took too long, or the provider failed.
pub fn embed<T: AsRef<str>>(model: &str, texts: &[T]) -> Result<Vec<Vec<f32>>, LlmError> {
    let texts: Vec<String> = texts.iter().map(|text| text.as_ref().to_owned()).collect();
    imports::llm::embed(model, &texts)
}
