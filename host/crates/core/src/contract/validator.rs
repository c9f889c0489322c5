//! The seam behind which checks of answers live: WebAssembly components, and the built-in ones.

use std::sync::{Arc, OnceLock};

use bytes::Bytes;

use super::{Ask, BoxFuture, FinishReason, PluginFault, Reply};

/// An answer before anybody has read it.
pub struct Draft {
    /// What the model said.
    pub reply: Reply,
    /// The model that answered, by the gateway's name.
    pub model: String,
    /// Which attempt this is; the first is 1.
    pub attempt: u32,
    /// Writes a reply's body where the provider sent none that can be shown.
    render: fn(&Reply) -> Bytes,
    body: OnceLock<Bytes>,
}

impl Draft {
    /// An answer to be judged. `render` makes its body, should anybody ask for it.
    pub fn new(reply: Reply, model: String, attempt: u32, render: fn(&Reply) -> Bytes) -> Self {
        Self { reply, model, attempt, render, body: OnceLock::new() }
    }

    /// The text of the first choice; empty when it has none.
    pub fn text(&self) -> &str {
        self.reply.choices.first().and_then(|choice| choice.text.as_deref()).unwrap_or_default()
    }

    /// Why the model stopped its first choice.
    pub fn finish(&self) -> Option<FinishReason> {
        self.reply.choices.first().and_then(|choice| choice.finish_reason)
    }

    /// The answer's body as JSON text: the provider's own, or one like it.
    pub fn body(&self) -> &Bytes {
        self.body.get_or_init(|| self.reply.wire.clone().unwrap_or_else(|| (self.render)(&self.reply)))
    }
}

/// What a validator is asked. Cheap to clone: everything in it is shared.
#[derive(Clone)]
pub struct Review {
    /// The request that was answered.
    pub ask: Ask,
    /// The answer.
    pub draft: Arc<Draft>,
}

/// What a validator finds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Deliver it.
    Accept,
    /// Do not deliver it; the next candidate is tried.
    Reject,
    /// Ask the same model again, with this instruction.
    Repair(String),
    /// Deliver this text instead.
    Replace(String),
}

impl Verdict {
    /// The word for it in logs, trails and metrics.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Accept => "accept",
            Self::Reject => "reject",
            Self::Repair(_) => "repair",
            Self::Replace(_) => "replace",
        }
    }
}

/// A verdict and what goes with it. Texts are bounded and free of control characters, but for the text of a
/// replacement and an instruction, which are for a reader and a model.
#[derive(Clone, Debug, PartialEq)]
pub struct Validation {
    /// The verdict.
    pub verdict: Verdict,
    /// How good the answer is: 0 to 1, finite.
    pub score: Option<f64>,
    /// What is wrong or could be better.
    pub issues: Vec<String>,
    /// Labels for whoever comes after.
    pub labels: Vec<(String, String)>,
}

impl Validation {
    /// Nothing is wrong.
    pub fn accept() -> Self {
        Self { verdict: Verdict::Accept, score: None, issues: Vec::new(), labels: Vec::new() }
    }

    /// This is wrong with it.
    pub fn reject(issues: Vec<String>) -> Self {
        Self { verdict: Verdict::Reject, issues, ..Self::accept() }
    }
}

/// A check of whole answers.
pub trait Validator: Send + Sync {
    /// The check's name in configuration, trail and metrics.
    fn name(&self) -> &str;

    /// Judges one answer. Bounded in time and memory by the implementation.
    fn validate(&self, review: Review) -> BoxFuture<'_, Result<Validation, PluginFault>>;
}
