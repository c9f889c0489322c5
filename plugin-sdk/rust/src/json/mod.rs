//! Reading JSON: settings, bodies, and answers that promise to be JSON.
//!
//! A reader of our own because a plugin is small: it takes about a quarter of what `serde_json` adds to a
//! component, and its errors say where (`limits.high: expected u32, found a string`). A crate that needs a JSON
//! value or a writer takes `serde_json` itself. Numbers with up to 15 digits and a power of ten within ±22 are
//! exact; beyond that the last bit may differ. Nesting ends at 128 levels.

mod de;
mod error;
mod number;
mod text;

#[cfg(test)]
mod tests;

use serde::de::DeserializeOwned;

pub use error::Error;

/// Reads a whole JSON text.
///
/// # Errors
/// It is no JSON, or does not fit the type; the error says where.
pub fn from_str<T: DeserializeOwned>(json: &str) -> Result<T, Error> {
    let mut text = text::Text::new(json);
    let value = T::deserialize(de::Value::new(&mut text))?;
    text.end()?;
    Ok(value)
}
