//! A model to use, and what to change of the client's request.

use crate::{Reasoning, Target};

/// A builder: start with [`Target::model`], change what should differ, leave the rest as the client asked.
impl Target {
    /// This model, and the request as the client wrote it.
    pub fn model(model: impl Into<String>) -> Self {
        Self {
            model: model.into(),
            temperature: None,
            max_output_tokens: None,
            reasoning: None,
            prompt_template: None,
        }
    }

    /// Sampling temperature, 0 to 2.
    #[must_use]
    pub fn temperature(mut self, temperature: f64) -> Self {
        self.temperature = Some(temperature);
        self
    }

    /// Bound on the answer's tokens, at least 1.
    #[must_use]
    pub fn max_output_tokens(mut self, tokens: u32) -> Self {
        self.max_output_tokens = Some(tokens);
        self
    }

    /// How much the model should think before it answers.
    #[must_use]
    pub fn reasoning(mut self, level: Reasoning) -> Self {
        self.reasoning = Some(level);
        self
    }

    /// A template for the last user message, with `${input}` where its text goes.
    #[must_use]
    pub fn prompt_template(mut self, template: impl Into<String>) -> Self {
        self.prompt_template = Some(template.into());
        self
    }
}

impl From<&str> for Target {
    fn from(model: &str) -> Self {
        Self::model(model)
    }
}

impl From<String> for Target {
    fn from(model: String) -> Self {
        Self::model(model)
    }
}

impl From<&String> for Target {
    fn from(model: &String) -> Self {
        Self::model(model)
    }
}
