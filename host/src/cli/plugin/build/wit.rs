//! The contract as every kit gives it to its tool: part of this program, so that `plugin build` works anywhere.

use super::Embedded;

macro_rules! wit {
    ($($name:literal),* $(,)?) => {
        &[$(($name, include_str!(concat!("../../../../../wit/", $name)))),*]
    };
}

/// The files of `wit/`, by name.
pub(in crate::cli::plugin) const WIT: Embedded = wit![
    "exports.wit",
    "host.wit",
    "llm.wit",
    "models.wit",
    "request.wit",
    "response.wit",
    "types.wit",
    "worlds.wit",
];
