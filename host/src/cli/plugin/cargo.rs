//! What Cargo knows of a package: asked of Cargo itself, so that every way of writing a manifest counts.

use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde::Deserialize;

/// Cargo could not be asked, or does not understand the package.
#[derive(Debug, thiserror::Error)]
pub enum CargoError {
    /// Cargo does not start.
    #[error("run {}: {source}; install Rust (https://rustup.rs)", program.display())]
    Start {
        /// The program.
        program: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// Cargo refused.
    #[error("read {}: {said}", manifest.display())]
    Refused {
        /// The manifest it was asked about.
        manifest: PathBuf,
        /// What it said.
        said: String,
    },
    /// Cargo answered something else.
    #[error("read cargo's answer: {0}")]
    Answer(#[from] serde_json::Error),
}

/// A package.
#[derive(Clone, Debug)]
pub(super) struct Package {
    /// Its folder.
    pub(super) dir: PathBuf,
    /// Its name.
    pub(super) name: String,
    /// Its version.
    pub(super) version: String,
    /// Whether its library builds to a module of its own.
    pub(super) is_cdylib: bool,
    /// The folders of the packages that it takes by path, tests' ones left out.
    pub(super) path_dependencies: Vec<PathBuf>,
    /// Where its lock file stands.
    pub(super) workspace_root: PathBuf,
    /// Where Cargo would build it.
    pub(super) target_dir: PathBuf,
}

/// The package in a folder. Neither resolves nor downloads anything.
pub(super) fn package(dir: &Path) -> Result<Package, CargoError> {
    let manifest = dir.join("Cargo.toml");
    // Links are resolved first: Cargo takes `..` in a path dependency by the letter.
    let manifest = manifest.canonicalize().unwrap_or(manifest);
    let answer = metadata(&manifest, &["--no-deps"])?;
    let answer: Metadata = serde_json::from_slice(&answer)?;
    let found = answer
        .packages
        .into_iter()
        .find(|package| package.manifest_path.canonicalize().is_ok_and(|path| path == manifest));
    let Some(found) = found else {
        let said = "it is no package of its workspace; exclude it there or give it a `[workspace]`".into();
        return Err(CargoError::Refused { manifest, said });
    };
    let dependencies =
        found.dependencies.into_iter().filter(|dependency| dependency.kind.as_deref() != Some("dev"));
    Ok(Package {
        dir: manifest.parent().unwrap_or(dir).to_owned(),
        name: found.name,
        version: found.version,
        is_cdylib: found.targets.iter().any(|target| target.crate_types.iter().any(|kind| kind == "cdylib")),
        path_dependencies: dependencies.filter_map(|dependency| dependency.path).collect(),
        workspace_root: answer.workspace_root,
        target_dir: answer.target_directory,
    })
}

/// Writes the lock file if it is missing or out of date.
pub(super) fn lock(package: &Package) -> Result<(), CargoError> {
    metadata(&package.dir.join("Cargo.toml"), &[]).map(drop)
}

fn metadata(manifest: &Path, arguments: &[&str]) -> Result<Vec<u8>, CargoError> {
    // Inside a `cargo` run this is that very Cargo.
    let program = PathBuf::from(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    let output = Command::new(&program)
        .args(["metadata", "--format-version", "1", "--manifest-path"])
        .arg(manifest)
        .args(arguments)
        .output()
        .map_err(|source| CargoError::Start { program, source })?;
    if output.status.success() {
        return Ok(output.stdout);
    }
    let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    Err(CargoError::Refused { manifest: manifest.to_owned(), said })
}

#[derive(Deserialize)]
struct Metadata {
    packages: Vec<RawPackage>,
    workspace_root: PathBuf,
    target_directory: PathBuf,
}

#[derive(Deserialize)]
struct RawPackage {
    name: String,
    version: String,
    manifest_path: PathBuf,
    targets: Vec<RawTarget>,
    dependencies: Vec<RawDependency>,
}

#[derive(Deserialize)]
struct RawTarget {
    crate_types: Vec<String>,
}

#[derive(Deserialize)]
struct RawDependency {
    kind: Option<String>,
    path: Option<PathBuf>,
}
