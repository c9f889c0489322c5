//! The plugin's own settings: its `config:` section, as JSON.
//!
//! A rule that takes its settings as a parameter never calls this: they are read for it, once an instance, and
//! checked when the plugin is loaded.

use serde::de::DeserializeOwned;

use crate::{Error, imports, json};

/// The settings as JSON text; `{}` when there are none.
pub fn text() -> String {
    imports::config::get()
}

/// The settings, read.
///
/// # Errors
/// They do not fit the type; the text says which key and why.
pub fn read<C: DeserializeOwned>() -> Result<C, Error> {
    decode(&text())
}

/// Settings from JSON text.
///
/// # Errors
/// They do not fit the type; the text says which key and why.
#[doc(hidden)]
pub fn decode<C: DeserializeOwned>(json: &str) -> Result<C, Error> {
    json::from_str(json).map_err(|error| Error::InvalidConfig(error.to_string()))
}

/// The settings of a plugin that has none. Kept apart from [`decode`], so that such a plugin links no JSON.
///
/// # Errors
/// There are some.
#[doc(hidden)]
pub fn decode_nothing(json: &str) -> Result<(), Error> {
    match json.trim() {
        "" | "{}" | "null" => Ok(()),
        _ => Err(Error::invalid_config("this plugin takes no settings: remove its `config:`")),
    }
}
