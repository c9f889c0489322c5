//! Which language a plugin's folder is in: told by what lies in it, so that nobody has to say it.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use super::project::read_manifest;

/// A language that plugins are written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Language {
    /// Rust, with Cargo.
    Rust,
    /// Python 3.
    Python,
    /// JavaScript, as a module.
    JavaScript,
    /// TypeScript; its types are stripped.
    TypeScript,
    /// C, without a libc.
    C,
}

/// Which language a folder is in cannot be told.
#[derive(Debug, thiserror::Error)]
pub enum LanguageError {
    /// The folder cannot be listed.
    #[error("build {}: {source}; name the plugin's folder", dir.display())]
    Folder {
        /// Which.
        dir: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// Nothing in the folder is a plugin's.
    #[error(
        "build {}: there is no Cargo.toml, pyproject.toml, package.json, plugin.js, plugin.ts, *.py or *.c; name the \
         plugin's folder", .0.display()
    )]
    None(PathBuf),
    /// There are sources of several languages, and no Cargo.toml.
    #[error("build {}: there is {languages} in it; a plugin is in one language: move the others to folders of their own", dir.display())]
    Several {
        /// The folder.
        dir: PathBuf,
        /// What was found.
        languages: String,
    },
}

impl Language {
    /// Every one.
    pub(in crate::cli::plugin) const ALL: [Self; 5] =
        [Self::Rust, Self::Python, Self::JavaScript, Self::TypeScript, Self::C];

    /// As stamps and `--lang` have it.
    pub(in crate::cli::plugin) const fn name(self) -> &'static str {
        match self {
            Self::Rust => "rust",
            Self::Python => "python",
            Self::JavaScript => "js",
            Self::TypeScript => "ts",
            Self::C => "c",
        }
    }

    /// As people call it.
    pub(in crate::cli::plugin) const fn title(self) -> &'static str {
        match self {
            Self::Rust => "Rust",
            Self::Python => "Python",
            Self::JavaScript => "JavaScript",
            Self::TypeScript => "TypeScript",
            Self::C => "C",
        }
    }

    /// The language of a folder. A Cargo.toml settles it, for other languages' files may lie beside one; else a manifest
    /// does; else the sources at the folder's top.
    pub(in crate::cli::plugin) fn of(dir: &Path) -> Result<Self, LanguageError> {
        if dir.join("Cargo.toml").is_file() {
            return Ok(Self::Rust);
        }
        let names = names(dir).map_err(|source| LanguageError::Folder { dir: dir.to_owned(), source })?;
        let manifests = find(&names, |name| match name {
            "pyproject.toml" => Some(Self::Python),
            "package.json" => Some(js_of(&names, dir)),
            _ => None,
        });
        let found = if manifests.is_empty() { find(&names, of_source) } else { manifests };
        match found.as_slice() {
            [] => Err(LanguageError::None(dir.to_owned())),
            [one] => Ok(*one),
            several => {
                let languages: Vec<&str> = several.iter().map(|language| language.title()).collect();
                Err(LanguageError::Several { dir: dir.to_owned(), languages: languages.join(" and ") })
            }
        }
    }

    /// Whether a component may be made from a file of this name: what the digest holds, and all of the folder that a kit may use.
    /// Tests, readmes and cases change no component.
    pub(super) fn is_source(self, file: &str) -> bool {
        let (stem, extension) = file.rsplit_once('.').unwrap_or((file, ""));
        match self {
            // Cargo knows.
            Self::Rust => false,
            Self::Python => {
                let test = stem.starts_with("test_") || stem.ends_with("_test") || stem == "conftest";
                matches!(extension, "py") && !test
                    || matches!(file, "pyproject.toml" | "requirements.txt" | "uv.lock" | "poetry.lock")
            }
            Self::JavaScript | Self::TypeScript => {
                let test = stem.ends_with(".test") || stem.ends_with(".spec");
                matches!(extension, "js" | "mjs" | "cjs" | "ts" | "mts" | "json") && !test
                    || matches!(file, "yarn.lock" | "pnpm-lock.yaml")
            }
            Self::C => matches!(extension, "c" | "h"),
        }
    }
}

impl fmt::Display for Language {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

fn of_source(name: &str) -> Option<Language> {
    match name {
        "plugin.ts" | "plugin.mts" => Some(Language::TypeScript),
        "plugin.js" | "plugin.mjs" => Some(Language::JavaScript),
        name if name.ends_with(".py") => Some(Language::Python),
        name if name.ends_with(".c") => Some(Language::C),
        _ => None,
    }
}

/// A package of Node's is in TypeScript if its entry is: `main` says which that is.
fn js_of(names: &[String], dir: &Path) -> Language {
    let main = read_manifest(&dir.join("package.json"))
        .ok()
        .and_then(|bytes| serde_json::from_slice::<serde_json::Value>(&bytes).ok())
        .and_then(|package| package.get("main")?.as_str().map(str::to_owned));
    let typed = match &main {
        Some(main) => main.ends_with(".ts") || main.ends_with(".mts"),
        None => names.iter().any(|name| of_source(name) == Some(Language::TypeScript)),
    };
    if typed { Language::TypeScript } else { Language::JavaScript }
}

fn names(dir: &Path) -> std::io::Result<Vec<String>> {
    let entries = fs::read_dir(dir)?.collect::<Result<Vec<_>, _>>()?;
    Ok(entries.iter().filter_map(|entry| entry.file_name().into_string().ok()).collect())
}

/// The languages that names stand for, each once, in order.
fn find(names: &[String], of: impl Fn(&str) -> Option<Language>) -> Vec<Language> {
    let mut found: Vec<Language> = names.iter().filter_map(|name| of(name)).collect();
    found.sort_unstable();
    found.dedup();
    found
}
