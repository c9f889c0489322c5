//! How a plugin admits that it failed. What the client then sees is up to the host's `on_error`.

use std::fmt;

use crate::bindings::imports::jackfield::plugin::types::PluginError;

/// A plugin's own admission that it failed.
///
/// Every [`std::error::Error`] turns into [`Error::Internal`], so `?` works on whatever a rule calls.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Error {
    /// The plugin's configuration makes no sense to it; the text says what to change.
    InvalidConfig(String),
    /// This request makes no sense to it.
    InvalidInput(String),
    /// Anything else.
    Internal(String),
}

impl Error {
    /// The configuration is wrong: say what to change.
    pub fn invalid_config(text: impl Into<String>) -> Self {
        Self::InvalidConfig(text.into())
    }

    /// The request is nothing this rule can work with.
    pub fn invalid_input(text: impl Into<String>) -> Self {
        Self::InvalidInput(text.into())
    }

    /// Anything else.
    pub fn internal(text: impl Into<String>) -> Self {
        Self::Internal(text.into())
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::InvalidConfig(text) => write!(f, "invalid config: {text}"),
            Self::InvalidInput(text) => write!(f, "invalid input: {text}"),
            Self::Internal(text) => f.write_str(text),
        }
    }
}

// `Error` itself is no `std::error::Error`: only so can every other one convert into it.
impl<E: std::error::Error> From<E> for Error {
    fn from(error: E) -> Self {
        Self::Internal(error.to_string())
    }
}

impl Error {
    /// The error as the contract spells it.
    pub(crate) fn into_contract(self) -> PluginError {
        match self {
            Self::InvalidConfig(text) => PluginError::InvalidConfig(text),
            Self::InvalidInput(text) => PluginError::InvalidInput(text),
            Self::Internal(text) => PluginError::Internal(text),
        }
    }
}
