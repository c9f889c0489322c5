//! A value that must never be shown: keys of providers and of clients.
//!
//! It has no `Serialize`, its `Debug` prints stars, and reading it is spelled out at the one place
//! that puts it on the wire.

use secrecy::{ExposeSecret, SecretString};

/// A secret text, wiped from memory when dropped.
#[derive(Clone)]
pub struct Secret(SecretString);

impl Secret {
    /// Takes ownership of a secret text.
    pub fn new(text: String) -> Self {
        Self(SecretString::from(text))
    }

    /// The text itself. Call this only where it goes on the wire or into a digest.
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("***")
    }
}
