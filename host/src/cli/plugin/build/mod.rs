//! `jackfield plugin build [DIR]`: from a folder of source to a component that a host can load.
//!
//! Find the language → digest the sources → make → digest again → encode, stamp, validate → write. The sources are digested
//! again after making: a stamp never vouches for an edit that came in between. One file a language makes the module or the
//! component; nothing else here knows languages.

mod c;
mod error;
mod js;
pub(super) mod language;
pub(super) mod project;
pub(super) mod python;
mod rust;
mod tools;
pub(super) mod wit;

use std::fmt;
use std::path::{Path, PathBuf};

use clap::Args;
use tempfile::TempDir;

pub use error::BuildError;
use language::Language;
use project::Project;
use tools::Tools;

use super::digest::{self, Sources};
use super::seal;
use super::stamp::{ABI, Stamp};

/// Files that are part of this program, by their path in the place where they are written: `/` between folders.
pub(super) type Embedded = &'static [(&'static str, &'static str)];

/// What to build, and where to put it.
#[derive(Args, Clone, Debug)]
pub struct BuildArgs {
    /// The plugin's folder: the one with its Cargo.toml, pyproject.toml, package.json or plugin.{py,js,ts,c}
    #[arg(default_value = ".")]
    pub dir: PathBuf,

    /// Where to write the component [default: beside the folder if that lies in one called `plugins`, else inside]
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,

    /// Where to keep what Rust's compiler makes; several plugins may share one
    #[arg(long, value_name = "DIR")]
    pub target_dir: Option<PathBuf>,

    /// Where componentize-py, componentize-qjs or zig are installed, if not on PATH or in the plugin's folder
    #[arg(long, value_name = "DIR", env = "JACKFIELD_TOOLS")]
    pub tools: Option<PathBuf>,
}

/// A built plugin. Displayed, it says what an author wants to know.
#[derive(Clone, Debug)]
pub struct Built {
    /// The component.
    pub path: PathBuf,
    /// Its size in bytes.
    pub size: usize,
    /// What it carries about its making.
    pub stamp: Stamp,
    /// What a host will call in it: `routing`, `validation`, `stream-validation`.
    pub exports: Vec<String>,
}

impl fmt::Display for Built {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { path, size, stamp, exports } = self;
        writeln!(f, "{} {} ({})", stamp.name, stamp.version, exports.join(", "))?;
        writeln!(f, "  component  {}", path.display())?;
        writeln!(f, "  size       {:.1} kB", *size as f64 / 1000.0)?;
        writeln!(f, "  contract   {}", stamp.abi)?;
        write!(f, "  source     {}", stamp.source)
    }
}

/// What a language's tool made.
#[derive(Debug)]
pub(super) enum Made {
    /// A core module that carries its part of the contract; it is still to be encoded.
    Module(Vec<u8>),
    /// A component.
    Component(Vec<u8>),
}

/// Builds the plugin in a folder. The tools' progress and messages go to standard error.
///
/// # Errors
/// Something is missing, does not compile, or cannot be written; the error says what to do about it.
pub fn build(args: &BuildArgs) -> Result<Built, BuildError> {
    let (dir, sealed, stamp) = match Language::of(&args.dir)? {
        Language::Rust => {
            let built = rust::build(&args.dir, args.target_dir.as_deref())?;
            (built.dir, seal::encode(&built.module, &built.stamp)?, built.stamp)
        }
        language => {
            let project = Project::open(&args.dir, language, Tools::new(args.tools.clone(), &args.dir))?;
            let (made, stamp) = make(&project)?;
            let sealed = match made {
                Made::Module(module) => seal::encode(&module, &stamp)?,
                Made::Component(component) => seal::seal(component, &stamp)?,
            };
            (project.dir, sealed, stamp)
        }
    };
    let path = args.out.clone().unwrap_or_else(|| default_path(&dir, &stamp.name));
    seal::write(&sealed.bytes, &path)?;
    Ok(Built { path, size: sealed.bytes.len(), stamp, exports: sealed.exports })
}

/// Has a language's tool make a plugin of a project, in an empty folder, and tells the packages that became part of it.
type Maker = fn(&Project, &Path) -> Result<(Made, Sources), BuildError>;

/// Has a language's tool make a plugin in a folder that nobody else sees, and says what it was made from.
fn make(project: &Project) -> Result<(Made, Stamp), BuildError> {
    let (make, sdk): (Maker, Embedded) = match project.language {
        Language::Python => (python::make, python::SDK),
        Language::JavaScript | Language::TypeScript => (js::make, js::SDK),
        Language::C => (c::make, c::SDK),
        Language::Rust => return Err(BuildError::NoKit(Language::Rust)),
    };
    let mut sources = digest::project_sources(project, sdk, wit::WIT)?;
    let work = TempDir::with_prefix("jackfield-build-").map_err(BuildError::Work)?;
    let (made, packages) = make(project, work.path())?;
    if digest::project_sources(project, sdk, wit::WIT)? != sources {
        return Err(BuildError::Changed(project.name.clone()));
    }
    sources.extend(packages);
    let stamp = Stamp {
        abi: ABI.into(),
        name: project.name.clone(),
        version: project.version.clone(),
        language: project.language.name().into(),
        // The SDK is part of this program.
        sdk: env!("CARGO_PKG_VERSION").into(),
        source: digest::digest(&sources),
    };
    Ok((made, stamp))
}

/// Writes embedded files below a folder, which is made if it is missing.
pub(super) fn write_files(files: Embedded, dir: &Path) -> Result<(), BuildError> {
    for (name, text) in files {
        let path = dir.join(name);
        let written = path.parent().map_or(Ok(()), std::fs::create_dir_all);
        written
            .and_then(|()| std::fs::write(&path, text))
            .map_err(|source| BuildError::Write { path, source })?;
    }
    Ok(())
}

/// Beside the plugin's folder if hosts watch there, else inside it.
fn default_path(dir: &Path, name: &str) -> PathBuf {
    let file = format!("{name}.wasm");
    match dir.parent() {
        Some(parent) if is_drop_folder(parent) => parent.join(file),
        _ => dir.join(file),
    }
}

/// A folder that hosts watch. Components that lie about make none of any other: they may be anybody's.
fn is_drop_folder(dir: &Path) -> bool {
    dir.file_name().is_some_and(|name| name == "plugins")
}

#[cfg(test)]
mod tests;
