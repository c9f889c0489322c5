//! Why there is no component, and what to do about it.

use std::io;
use std::path::PathBuf;

use super::language::{Language, LanguageError};
use super::project::ProjectError;
use crate::cli::plugin::cargo::CargoError;
use crate::cli::plugin::digest::DigestError;
use crate::cli::plugin::seal::SealError;
use crate::cli::plugin::toolchain::ToolchainError;

/// Why there is no component.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// Which language the folder is in cannot be told.
    #[error(transparent)]
    Language(#[from] LanguageError),
    /// What is built cannot be told.
    #[error(transparent)]
    Project(#[from] ProjectError),
    /// The package does not build to a module.
    #[error("build {0}: it is no cdylib; add `[lib]` with `crate-type = [\"cdylib\"]` to its Cargo.toml")]
    NotCdylib(String),
    /// This program cannot make plugins of that language.
    #[error("build a plugin in {}: this build of jackfield has no kit for it yet", .0.title())]
    NoKit(Language),
    /// A tool is not installed.
    #[error(
        "find {tool}, which plugins in {} are built with: it is not in --tools or $JACKFIELD_TOOLS, not on PATH and not in \
         the plugin's folder. Install it with `{install}`", language.title()
    )]
    NoTool {
        /// The tool's program.
        tool: String,
        /// What is built with it.
        language: Language,
        /// The one command that installs it, with its version.
        install: String,
    },
    /// A tool refused; what it said follows.
    #[error("run {tool} on {plugin}: {said}")]
    Refused {
        /// The tool's program.
        tool: String,
        /// The plugin's name.
        plugin: String,
        /// What it said, trimmed.
        said: String,
    },
    /// A tool does not come to an end.
    #[error(
        "run {} on {plugin}: it has run for {seconds} s; does something loop at the module's top?", program.display()
    )]
    TooLong {
        /// The program.
        program: PathBuf,
        /// The plugin's name.
        plugin: String,
        /// How long it ran.
        seconds: u64,
    },
    /// Something is wrong with the author's own source.
    #[error("build {plugin}: {place}: {fault}")]
    Source {
        /// The plugin's name.
        plugin: String,
        /// The file below the plugin's folder, with line where known: `plugin.py:3`.
        place: String,
        /// What is wrong, and the remedy.
        fault: String,
    },
    /// A tool does not start.
    #[error("run {}: {source}", program.display())]
    Start {
        /// The program.
        program: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// The compiler refused; it said why itself.
    #[error("compile {0}: see the compiler's messages above")]
    Compile(String),
    /// The compiler finished and named no module.
    #[error("find the module that cargo built of {0}")]
    NoModule(String),
    /// There is no folder to work in.
    #[error("make a folder to build in: {0}")]
    Work(#[source] io::Error),
    /// A file cannot be read.
    #[error("read {}: {source}", path.display())]
    Read {
        /// Which.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// A file cannot be written.
    #[error("write {}: {source}", path.display())]
    Write {
        /// Which.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// Somebody edited while the compiler ran.
    #[error("stamp {0}: its sources changed while it was compiled; build it again")]
    Changed(String),
    /// No compiler.
    #[error(transparent)]
    Toolchain(#[from] ToolchainError),
    /// Cargo does not understand the package.
    #[error(transparent)]
    Cargo(#[from] CargoError),
    /// The sources cannot be digested.
    #[error(transparent)]
    Digest(#[from] DigestError),
    /// The module makes no plugin.
    #[error(transparent)]
    Seal(#[from] SealError),
}
