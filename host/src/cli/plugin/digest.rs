//! The digest of everything a plugin is made from: its own source, the SDK's, the contract's, the lock file, and the packages
//! that a kit took from beside it. The compilers and tools are not in it.
//!
//! Components are built on machines with different compilers, so their bytes are never compared; their stamped
//! source digest is. What does not change the component (readme, tests beside `src`) is left out.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::build::Embedded;
use super::build::project::{MAX_BYTES, MAX_FILES, Project, read_file};
use super::cargo::{self, CargoError, Package};
pub use super::stamp::{Stamp, read_stamp};

/// Goes into every digest first: a change of the format changes every digest.
const FORMAT: &[u8] = b"jackfield source digest 1";

/// How many folders deep a source lies at most: a link may lead up.
const MAX_DEPTH: usize = 32;

/// The SDK's package: the contract stands two folders above it.
pub(super) const SDK: &str = "jackfield-plugin";

/// The sources could not be read.
#[derive(Debug, thiserror::Error)]
pub enum DigestError {
    /// A file or folder could not be read.
    #[error("read {}: {source}", path.display())]
    Read {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A path is not UTF-8 and would not mean the same elsewhere.
    #[error("take {} into the digest: its name is not UTF-8; rename it", .0.display())]
    Name(PathBuf),
    /// More than any plugin is made from.
    #[error(
        "take {} into the digest: with it there are more than {MAX_FILES} sources, {} MiB of them, or folders more than \
         {MAX_DEPTH} deep; move what is no source elsewhere",
        .0.display(), MAX_BYTES >> 20
    )]
    TooMuch(PathBuf),
    /// An environment of Python's with more in it than a plugin can want.
    #[error("take the packages in {} into the digest: they are too many; make an environment with the plugin's alone", .0.display())]
    TooManyPackaged(PathBuf),
    /// The package's dependencies could not be found out.
    #[error(transparent)]
    Cargo(#[from] CargoError),
}

/// The digest of everything the plugin in a folder is made from, as `sha256:` and 64 hexadecimal digits.
///
/// The same on every machine: paths are relative to the package they belong to.
///
/// # Errors
/// A source cannot be read, or Cargo does not understand the package.
pub fn source_digest(plugin_dir: &Path) -> Result<String, DigestError> {
    Ok(digest(&sources(plugin_dir)?))
}

/// What a plugin in another language is made from, but for packages: its files by its name, the SDK's that are part of this
/// program, and the contract's.
pub(super) fn project_sources(
    project: &Project,
    sdk: Embedded,
    wit: Embedded,
) -> Result<Sources, DigestError> {
    let mut sources = Sources::new();
    for path in &project.sources {
        let name = path.to_str().ok_or_else(|| DigestError::Name(project.dir.join(path)))?;
        // The same on every system.
        let name = name.replace(std::path::MAIN_SEPARATOR, "/");
        add(&mut sources, &format!("{}/{name}", project.name), &project.dir.join(path))?;
    }
    for (folder, files) in [("sdk", sdk), ("wit", wit)] {
        // A plugin may be called `sdk`; a colon is in no plugin's name.
        let file = |(name, text): &(&str, &str)| (format!(":{folder}/{name}"), text.as_bytes().to_vec());
        sources.extend(files.iter().map(file));
    }
    Ok(sources)
}

/// A package's file, as [`Sources`] holds it: packages may be large, so it is the SHA-256 of what is in it.
pub(super) fn of_package(path: &Path) -> Result<Vec<u8>, DigestError> {
    let bytes =
        read_file(path, MAX_BYTES).map_err(|source| DigestError::Read { path: path.to_owned(), source })?;
    Ok(Sha256::digest(bytes).to_vec())
}

/// Contents by path, the path starting with the package's name.
pub(super) type Sources = BTreeMap<String, Vec<u8>>;

/// SHA-256 over paths and contents in order of path, each preceded by its length (u64, little endian).
pub(super) fn digest(sources: &Sources) -> String {
    let mut hash = Sha256::new();
    hash.update(FORMAT);
    for part in sources.iter().flat_map(|(path, contents)| [path.as_bytes(), contents]) {
        hash.update((part.len() as u64).to_le_bytes());
        hash.update(part);
    }
    hash.finalize().iter().fold(String::from("sha256:"), |mut text, byte| {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// The plugin, and every package it takes by path: those are not pinned by the lock file.
fn sources(plugin_dir: &Path) -> Result<Sources, DigestError> {
    let mut sources = Sources::new();
    let plugin = cargo::package(plugin_dir)?;
    add(&mut sources, "Cargo.lock", &plugin.workspace_root.join("Cargo.lock"))?;

    let mut seen = BTreeSet::new();
    let mut open = vec![plugin];
    while let Some(package) = open.pop() {
        if !seen.insert(package.dir.clone()) {
            continue;
        }
        add_package(&mut sources, &package)?;
        for dir in &package.path_dependencies {
            open.push(cargo::package(dir)?);
        }
    }
    Ok(sources)
}

fn add_package(sources: &mut Sources, package: &Package) -> Result<(), DigestError> {
    let name = &package.name;
    for file in ["Cargo.toml", "build.rs", "src"] {
        add(sources, &format!("{name}/{file}"), &package.dir.join(file))?;
    }
    if name == SDK {
        add(sources, "wit", &package.dir.join("../../wit"))?;
    }
    Ok(())
}

/// A file, or all files below a folder but the hidden ones; nothing when there is none.
fn add(sources: &mut Sources, name: &str, path: &Path) -> Result<(), DigestError> {
    let failed = |source| DigestError::Read { path: path.to_owned(), source };
    let too_much = || DigestError::TooMuch(path.to_owned());
    if path.is_dir() {
        if name.matches('/').count() > MAX_DEPTH {
            return Err(too_much());
        }
        for entry in fs::read_dir(path).map_err(failed)? {
            let entry = entry.map_err(failed)?.path();
            let Some(file) = entry.file_name().and_then(|file| file.to_str()) else {
                return Err(DigestError::Name(entry));
            };
            if !file.starts_with('.') {
                add(sources, &format!("{name}/{file}"), &entry)?;
            }
        }
    } else if path.exists() {
        sources.insert(name.to_owned(), read_file(path, MAX_BYTES).map_err(failed)?);
        let bytes: usize = sources.values().map(Vec::len).sum();
        if sources.len() > MAX_FILES || bytes as u64 > MAX_BYTES {
            return Err(too_much());
        }
    }
    Ok(())
}
