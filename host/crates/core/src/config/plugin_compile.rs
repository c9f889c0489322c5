//! `plugins.compile` and `plugins.cache`: what compiling one plugin may cost, and where what was compiled is kept.

use std::path::{Path, PathBuf};
use std::time::Duration;

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

use super::findings::Located;
use super::pointer::Pointer;
use super::units::{Period, Size};

/// The word that switches the cache off.
const OFF: &str = "none";
/// What the default folder is called in the user's folder of caches.
const FOLDER: &str = "jackfield/plugins";

/// What compiling one plugin may cost.
#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(rename = "PluginCompile")]
pub(crate) struct RawCompile {
    /// Computing time, in whole seconds: 1s to 1h, 60s if nothing else is said.
    cpu: Option<Period>,
    /// Memory (address space): 256MiB to 64GiB, 2GiB if nothing else is said.
    memory: Option<Size>,
}

/// What compiling one plugin may cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CompileLimits {
    /// Computing time, over all threads: 1 s to 1 h.
    pub cpu: Duration,
    /// Address space in bytes: 256 MiB to 64 GiB.
    pub memory: u64,
}

impl Default for CompileLimits {
    fn default() -> Self {
        Self { cpu: Duration::from_secs(60), memory: 2 << 30 }
    }
}

impl CompileLimits {
    /// Checks the section.
    pub(crate) fn check(raw: &RawCompile, at: &Pointer, found: &mut Located<'_>) -> Self {
        let default = Self::default();
        let cpu = raw.cpu.map_or(default.cpu, |cpu| {
            if !(Period::from_secs(1)..=Period::from_secs(3_600)).contains(&cpu) {
                let at = at.key("cpu");
                found.fault(&at, format!("`{at}` is {cpu}"), "use 1s to 1h");
            }
            cpu.get()
        });
        let memory = raw.memory.map_or(default.memory, |memory| {
            if !(256 << 20..=64 << 30).contains(&memory.bytes()) {
                let at = at.key("memory");
                found.fault(&at, format!("`{at}` is {memory}"), "use 256MiB to 64GiB");
            }
            memory.bytes()
        });
        Self { cpu, memory }
    }

    /// The limits as they took effect.
    pub(crate) fn show(&self) -> Value {
        json!({ "cpu": Period::from(self.cpu), "memory": Size::from_bytes(self.memory) })
    }
}

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
