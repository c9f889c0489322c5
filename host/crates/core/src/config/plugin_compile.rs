//! `plugins.cache`: where what was compiled is kept; and the digest that a plugin is pinned to.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::findings::Located;
use super::pointer::Pointer;

/// The word that switches the cache off.
const OFF: &str = "none";
/// What the default folder is called in the user's folder of caches.
const FOLDER: &str = "jackfield/plugins";

/// Where compiled plugins, and what is remembered of them, are kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PluginCache {
    /// In this folder.
    Folder(PathBuf),
    /// Nowhere, as the configuration asks.
    Off,
    /// Nowhere, because nobody named a folder and the environment tells of none.
    Homeless,
}

impl PluginCache {
    /// Checks the key. Left out: `jackfield/plugins` in `$XDG_CACHE_HOME`, else in `$HOME/.cache`.
    pub(crate) fn check(
        raw: Option<&str>,
        environment: &dyn Fn(&str) -> Option<String>,
        at: &Pointer,
        found: &mut Located<'_>,
    ) -> Self {
        match raw {
            Some(OFF) => Self::Off,
            Some(folder) => {
                if folder.trim().is_empty() || folder.contains('\0') {
                    let hint = "write a path, or `none` to keep nothing";
                    found.fault(at, format!("`{at}` names no folder"), hint);
                }
                Self::Folder(folder.into())
            }
            None => {
                // A relative path in these variables means nothing: the base directory specification says to ignore it.
                let base = |name: &str| environment(name).filter(|path| Path::new(path).is_absolute());
                let caches = base("XDG_CACHE_HOME").map(PathBuf::from);
                let caches = caches.or_else(|| Some(Path::new(&base("HOME")?).join(".cache")));
                caches.map_or(Self::Homeless, |caches| Self::Folder(caches.join(FOLDER)))
            }
        }
    }

    /// The key as it took effect.
    pub(crate) fn show(&self) -> Value {
        match self {
            Self::Folder(folder) => json!(folder),
            Self::Off => json!(OFF),
            Self::Homeless => Value::Null,
        }
    }
}

/// A plugin's digest, in 64 hexadecimal digits of either case, bare or as `plugin check` prints it.
pub(crate) fn check_digest(raw: &str, at: &Pointer, found: &mut Located<'_>) -> String {
    let digits = raw.strip_prefix("sha256:").unwrap_or(raw);
    if digits.len() != 64 || !digits.bytes().all(|b| b.is_ascii_hexdigit()) {
        let hint = "`jackfield plugin check FILE` prints a file's digest";
        found.fault(at, "`sha256` must be 64 hexadecimal digits", hint);
    }
    digits.to_ascii_lowercase()
}
