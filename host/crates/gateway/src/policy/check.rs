//! What a validator can be asked: whole answers, answers as they stream, or both. Which of the two is asked of a stream is
//! its slot's `mode`; a check that knows streams alone judges a whole answer as a stream of one piece.

use std::sync::Arc;

use jackfield_core::config::StreamMode;
use jackfield_core::contract::{
    Ask, BoxFuture, PluginFault, PluginFaultKind, Review, StreamValidator, StreamWatch, Validation, Validator,
};

/// A validator by what it can be asked.
#[derive(Clone)]
pub enum Check {
    /// Whole answers.
    Whole(Arc<dyn Validator>),
    /// Answers as they stream.
    Stream(Arc<dyn StreamValidator>),
    /// Both.
    Both(Arc<dyn Validator>, Arc<dyn StreamValidator>),
}

impl Check {
    /// The check with these abilities, if there is any.
    pub fn of(whole: Option<Arc<dyn Validator>>, stream: Option<Arc<dyn StreamValidator>>) -> Option<Self> {
        match (whole, stream) {
            (Some(whole), Some(stream)) => Some(Self::Both(whole, stream)),
            (Some(whole), None) => Some(Self::Whole(whole)),
            (None, Some(stream)) => Some(Self::Stream(stream)),
            (None, None) => None,
        }
    }

    /// A check that is named and not loaded: it fails, whatever it is asked.
    pub(super) fn missing(name: &str, mode: StreamMode) -> Self {
        let missing = Arc::new(Missing { name: name.to_owned(), mode });
        Self::Both(Arc::<Missing>::clone(&missing), missing)
    }

    /// Its name in configuration, trail and metrics.
    pub fn name(&self) -> &str {
        match self {
            Self::Whole(check) | Self::Both(check, _) => check.name(),
            Self::Stream(check) => check.name(),
        }
    }

    /// The check of answers as they stream.
    pub(crate) fn stream(&self) -> Option<&Arc<dyn StreamValidator>> {
        match self {
            Self::Stream(check) | Self::Both(_, check) => Some(check),
            Self::Whole(_) => None,
        }
    }
}

/// A validator that is named and not loaded.
struct Missing {
    name: String,
    mode: StreamMode,
}

impl Missing {
    fn fault(&self) -> PluginFault {
        let what = if self.mode == StreamMode::Window { " that can look at streams" } else { "" };
        let message = format!("no validator of this name{what} is loaded");
        PluginFault { kind: PluginFaultKind::NotLoaded, message }
    }
}

impl Validator for Missing {
    fn name(&self) -> &str {
        &self.name
    }

    fn validate(&self, _: Review) -> BoxFuture<'_, Result<Validation, PluginFault>> {
        Box::pin(std::future::ready(Err(self.fault())))
    }
}

impl StreamValidator for Missing {
    fn name(&self) -> &str {
        &self.name
    }

    fn open(&self, _: Ask) -> BoxFuture<'_, Result<Box<dyn StreamWatch>, PluginFault>> {
        Box::pin(std::future::ready(Err(self.fault())))
    }
}
