//! What a validator finds, and what a validator function may return.

use crate::{Error, Validation, Verdict};

/// A builder: a verdict first, then [`score`](Validation::score), [`issue`](Validation::issue) and
/// [`label`](Validation::label).
impl Validation {
    /// Deliver the answer.
    pub fn accept() -> Self {
        Self::from(Verdict::Accept)
    }

    /// Do not deliver it, for this issue; the next candidate is tried.
    pub fn reject(issue: impl Into<String>) -> Self {
        Self::from(Verdict::Reject(vec![issue.into()]))
    }

    /// Ask the same model again, with this instruction.
    pub fn repair(instruction: impl Into<String>) -> Self {
        Self::from(Verdict::Repair(instruction.into()))
    }

    /// Deliver this text instead.
    pub fn replace(text: impl Into<String>) -> Self {
        Self::from(Verdict::Replace(text.into()))
    }

    /// How good the answer is, 0 to 1.
    #[must_use]
    pub fn score(mut self, score: f64) -> Self {
        self.score = Some(score);
        self
    }

    /// What is wrong or could be better: at most 64 issues of 1 024 bytes.
    #[must_use]
    pub fn issue(mut self, issue: impl Into<String>) -> Self {
        self.issues.push(issue.into());
        self
    }

    /// A label for later plugins and the log: at most 32.
    #[must_use]
    pub fn label(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.labels.push((name.into(), value.into()));
        self
    }
}

impl From<Verdict> for Validation {
    fn from(verdict: Verdict) -> Self {
        Self { verdict, score: None, issues: Vec::new(), labels: Vec::new() }
    }
}

/// What a validator function may return.
///
/// | returned | finds |
/// |---|---|
/// | `bool` | `true`: accept; `false`: reject |
/// | [`Verdict`], [`Validation`] | itself |
/// | `Option<…>` | `None`: accept |
/// | `Result<…, E>` | `Err`: the plugin failed, and the host does what `on_error` says |
pub trait IntoValidation: Sized {
    /// The verdict with its score, issues and labels.
    ///
    /// # Errors
    /// The plugin failed, and says how.
    fn into_validation(self) -> Result<Validation, Error>;
}

impl IntoValidation for Validation {
    fn into_validation(self) -> Result<Validation, Error> {
        Ok(self)
    }
}

impl IntoValidation for Verdict {
    fn into_validation(self) -> Result<Validation, Error> {
        Ok(self.into())
    }
}

impl IntoValidation for bool {
    fn into_validation(self) -> Result<Validation, Error> {
        Ok(if self { Verdict::Accept } else { Verdict::Reject(Vec::new()) }.into())
    }
}

impl<T: IntoValidation> IntoValidation for Option<T> {
    fn into_validation(self) -> Result<Validation, Error> {
        self.map_or_else(|| Ok(Validation::accept()), IntoValidation::into_validation)
    }
}

impl<T: IntoValidation, E: Into<Error>> IntoValidation for Result<T, E> {
    fn into_validation(self) -> Result<Validation, Error> {
        self.map_err(Into::into)?.into_validation()
    }
}
