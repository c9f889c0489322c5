//! A plugin's folder in a language other than Rust: its name, its version, and the files it is made from.
//!
//! The files are what the digest holds, so they are also all that a kit may use: it copies them into its own folder and has
//! the tool run there. At most [`MAX_FILES`] of them, [`MAX_BYTES`] together, [`MAX_DEPTH`] folders deep.

use std::fs;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use jackfield_plugin_host::{NAME_RULE, name_of};

use super::error::BuildError;
use super::language::Language;
use super::tools::Tools;

/// The most files that a plugin is made from.
pub(in crate::cli::plugin) const MAX_FILES: usize = 4096;
/// What they hold together, in bytes.
pub(in crate::cli::plugin) const MAX_BYTES: u64 = 32 << 20;
/// What a manifest holds at most, in bytes.
const MAX_MANIFEST: u64 = 1 << 20;
/// How deep they lie at most.
const MAX_DEPTH: usize = 16;
/// What tools leave behind, and the tests: nothing a component is made from.
const SKIPPED: [&str; 7] = ["node_modules", "target", "__pycache__", "venv", "dist", "tests", "test"];
/// The version of a plugin that tells none.
const NO_VERSION: &str = "0.0.0";
/// The longest version: stamps and terminals show it.
const MAX_VERSION: usize = 64;

/// A plugin's folder in a language other than Rust.
#[derive(Clone, Debug)]
pub(in crate::cli::plugin) struct Project {
    /// The folder, from the root.
    pub(in crate::cli::plugin) dir: PathBuf,
    /// Told by pyproject.toml, package.json or `// name: x` at the top of plugin.c, else the folder's name.
    pub(in crate::cli::plugin) name: String,
    /// Told in the same place, else 0.0.0.
    pub(in crate::cli::plugin) version: String,
    /// What it is written in.
    pub(in crate::cli::plugin) language: Language,
    /// What the digest holds: below the folder, sorted.
    pub(in crate::cli::plugin) sources: Vec<PathBuf>,
    /// Where its tools may be.
    pub(in crate::cli::plugin) tools: Tools,
}

/// What is built cannot be told.
#[derive(Debug, thiserror::Error)]
pub enum ProjectError {
    /// A file or folder cannot be read.
    #[error("read {}: {source}", path.display())]
    Read {
        /// Which.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// A manifest does not say what it should.
    #[error("read {}: {fault}", path.display())]
    Manifest {
        /// Which.
        path: PathBuf,
        /// What is wrong.
        fault: String,
    },
    /// No component could be called so.
    #[error("build `{}` in {}: {NAME_RULE}; write another: {place}", name.escape_debug(), dir.display())]
    Name {
        /// The name.
        name: String,
        /// The plugin's folder.
        dir: PathBuf,
        /// Where a name is written.
        place: &'static str,
    },
    /// A version that no stamp should carry.
    #[error(
        "build {}: its version is `{}`, and must be 1 to {MAX_VERSION} of 0-9, a-z, A-Z, `.`, `+` and `-`",
        dir.display(), version.escape_debug()
    )]
    Version {
        /// The version.
        version: String,
        /// The plugin's folder.
        dir: PathBuf,
    },
    /// Something in the folder is called like a source and is none.
    #[error(
        "build from {}: it is no regular file of the plugin's folder, nor a link to one; remove it, or copy the file there",
        .0.display()
    )]
    NotAFile(PathBuf),
    /// The folder holds more than a plugin.
    #[error(
        "build {}: it holds more than {MAX_FILES} sources, {} MiB of them, or folders more than {MAX_DEPTH} deep; name the plugin's \
         own folder",
        .0.display(), MAX_BYTES >> 20
    )]
    TooMuch(PathBuf),
}

impl Project {
    /// Reads a folder: its manifest and the names in it.
    pub(super) fn open(dir: &Path, language: Language, tools: Tools) -> Result<Self, ProjectError> {
        let dir = dir.canonicalize().map_err(|source| ProjectError::Read { path: dir.to_owned(), source })?;
        let told = told(&dir, language)?;
        let folder = || dir.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let name = told.name.unwrap_or_else(folder);
        if name_of(Path::new(&format!("{name}.wasm"))) != Some(&name) {
            return Err(ProjectError::Name { name, dir, place: place_of_name(language) });
        }
        let version = told.version.unwrap_or_else(|| NO_VERSION.to_owned());
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b".+-".contains(&byte);
        if !(1..=MAX_VERSION).contains(&version.len()) || !version.bytes().all(plain) {
            return Err(ProjectError::Version { version, dir });
        }
        let (mut sources, mut bytes) = (Vec::new(), 0);
        list(&dir, Path::new(""), language, &mut sources, &mut bytes)?;
        sources.sort_unstable();
        Ok(Self { dir, name, version, language, sources, tools })
    }

    /// Copies what the plugin is made from into another folder, by the same paths.
    pub(in crate::cli::plugin) fn copy_into(&self, work: &Path) -> Result<(), BuildError> {
        for source in &self.sources {
            let (from, to) = (self.dir.join(source), work.join(source));
            let made = to.parent().map_or(Ok(()), fs::create_dir_all);
            let text =
                read_file(&from, MAX_BYTES).map_err(|source| BuildError::Read { path: from, source })?;
            made.and_then(|()| fs::write(&to, text))
                .map_err(|source| BuildError::Write { path: to, source })?;
        }
        Ok(())
    }
}

/// What a regular file holds, if that is no more than `most` bytes. A FIFO is never at its end, and a device need not be.
pub(in crate::cli::plugin) fn read_file(path: &Path, most: u64) -> io::Result<Vec<u8>> {
    if !fs::metadata(path)?.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is no regular file"));
    }
    let mut bytes = Vec::new();
    fs::File::open(path)?.take(most + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > most {
        let said = format!("it holds more than {most} bytes");
        return Err(io::Error::new(io::ErrorKind::InvalidData, said));
    }
    Ok(bytes)
}

/// A manifest's bytes.
pub(super) fn read_manifest(path: &Path) -> io::Result<Vec<u8>> {
    read_file(path, MAX_MANIFEST)
}

/// Where an author writes the plugin's name.
fn place_of_name(language: Language) -> &'static str {
    match language {
        Language::Rust => "`name` below `[package]` in Cargo.toml",
        Language::Python => "`name` below `[project]` in pyproject.toml",
        Language::JavaScript | Language::TypeScript => "`name` in package.json",
        Language::C => "`// name: NAME` at the top of plugin.c",
    }
}

/// Adds the sources below a folder, and their bytes.
fn list(
    root: &Path,
    below: &Path,
    language: Language,
    sources: &mut Vec<PathBuf>,
    bytes: &mut u64,
) -> Result<(), ProjectError> {
    let dir = root.join(below);
    let failed = |source| ProjectError::Read { path: dir.clone(), source };
    for entry in fs::read_dir(&dir).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let path = below.join(entry.file_name());
        // A name that is no UTF-8 is told by the digest, if it is a source's.
        let name = entry.file_name().to_string_lossy().into_owned();
        if name.starts_with('.') || SKIPPED.contains(&name.as_str()) {
            continue;
        }
        // A link to a folder is not followed: it may lead up.
        if entry.file_type().map_err(failed)?.is_dir() {
            if path.components().count() > MAX_DEPTH {
                return Err(ProjectError::TooMuch(root.to_owned()));
            }
            list(root, &path, language, sources, bytes)?;
        } else if language.is_source(&name) {
            let whole = root.join(&path);
            // A link may lead to another folder's file, which is not the plugin's to show.
            let file = whole.canonicalize().ok().filter(|target| target.starts_with(root));
            let file = file.and_then(|target| fs::metadata(target).ok()).filter(fs::Metadata::is_file);
            *bytes += file.ok_or(ProjectError::NotAFile(whole))?.len();
            sources.push(path);
        }
        if sources.len() > MAX_FILES || *bytes > MAX_BYTES {
            return Err(ProjectError::TooMuch(root.to_owned()));
        }
    }
    Ok(())
}

/// What a plugin says of itself.
#[derive(Default)]
struct Told {
    name: Option<String>,
    version: Option<String>,
}

/// Reads that from a manifest's text.
type Reader = fn(&str) -> Result<Told, String>;

fn told(dir: &Path, language: Language) -> Result<Told, ProjectError> {
    let (file, read): (_, Reader) = match language {
        Language::Rust => return Ok(Told::default()),
        Language::Python => ("pyproject.toml", pyproject),
        Language::JavaScript | Language::TypeScript => ("package.json", package_json),
        Language::C => ("plugin.c", first_comments),
    };
    let path = dir.join(file);
    match read_manifest(&path) {
        Ok(bytes) => {
            let text = String::from_utf8(bytes).map_err(|error| error.to_string());
            text.and_then(|text| read(&text)).map_err(|fault| ProjectError::Manifest { path, fault })
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Told::default()),
        Err(source) => Err(ProjectError::Read { path, source }),
    }
}

/// The two plain strings `name` and `version` of `[project]`; nothing else of TOML is understood, or needed.
fn pyproject(text: &str) -> Result<Told, String> {
    let mut told = Told::default();
    let mut within = false;
    for (number, line) in (1..).zip(text.lines()) {
        let line = line.trim();
        if line.starts_with('[') {
            within = line.split('#').next().is_some_and(|line| line.trim() == "[project]");
            continue;
        }
        let Some((key, value)) = line.split_once('=').filter(|_| within) else { continue };
        let place = match key.trim() {
            "name" => &mut told.name,
            "version" => &mut told.version,
            _ => continue,
        };
        let value = value.trim();
        let quote = value.chars().next().filter(|quote| matches!(quote, '"' | '\''));
        let text = quote.and_then(|quote| value.get(1..)?.split_once(quote)).map(|(text, _)| text);
        let plain = text.filter(|text| !text.is_empty() && !text.contains('\\'));
        let told = plain.ok_or_else(|| format!("line {number}: `{}` is no plain string", key.trim()))?;
        *place = Some(told.to_owned());
    }
    Ok(told)
}

/// A package's own name is the last part of it: `@acme/urgent` builds `urgent.wasm`.
fn package_json(text: &str) -> Result<Told, String> {
    #[derive(serde::Deserialize)]
    struct Package {
        name: Option<String>,
        version: Option<String>,
    }
    let package: Package = serde_json::from_str(text).map_err(|error| error.to_string())?;
    let name = package.name.map(|name| name.rsplit('/').next().unwrap_or_default().to_owned());
    Ok(Told { name, version: package.version })
}

/// `// name: x` and `// version: x` among the comments before the first line of code.
fn first_comments(text: &str) -> Result<Told, String> {
    let mut told = Told::default();
    let lines = text.lines().map(str::trim);
    for line in lines.take_while(|line| line.is_empty() || line.starts_with("//")) {
        let Some((key, value)) = line.trim_start_matches('/').split_once(':') else { continue };
        let value = Some(value.trim()).filter(|value| !value.is_empty()).map(str::to_owned);
        match key.trim() {
            "name" => told.name = value,
            "version" => told.version = value,
            _ => {}
        }
    }
    Ok(told)
}
