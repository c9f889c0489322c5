//! Where a kit's tools are, and how they are run: quietly, and with what they say kept for the error.

use std::env;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use super::error::BuildError;

/// Where to look for tools.
#[derive(Clone, Debug)]
pub(in crate::cli::plugin) struct Tools {
    /// Folders in the order in which they are looked at.
    dirs: Vec<PathBuf>,
    /// The plugin's own: whoever wrote the plugin wrote what is run from there.
    own: Vec<PathBuf>,
}

impl Tools {
    /// `given` comes first, with the folders that package managers make in it; then PATH; then the plugin's own.
    pub(super) fn new(given: Option<PathBuf>, plugin: &Path) -> Self {
        let given = given.into_iter().flat_map(|dir| {
            [dir.clone(), dir.join("bin"), dir.join("node_modules/.bin"), dir.join(".venv/bin")]
        });
        let path = env::var_os("PATH").unwrap_or_default();
        let path: Vec<PathBuf> = env::split_paths(&path).collect();
        let own = [plugin.join("node_modules/.bin"), plugin.join(".venv/bin"), plugin.join("venv/bin")];
        // The tools run in another folder.
        let whole = |dir: PathBuf| dir.canonicalize().unwrap_or(dir);
        Self { dirs: given.chain(path).map(whole).collect(), own: own.into_iter().map(whole).collect() }
    }

    /// One folder and nothing else.
    #[cfg(test)]
    pub(super) fn only(dir: &Path) -> Self {
        Self { dirs: vec![dir.to_owned()], own: Vec::new() }
    }

    /// All but the plugin's own.
    pub(super) fn without_own(&self) -> Self {
        Self { dirs: self.dirs.clone(), own: Vec::new() }
    }

    /// The first program of this name.
    pub(in crate::cli::plugin) fn find(&self, program: &str) -> Option<PathBuf> {
        self.find_any(&[program])
    }

    /// The first program of any of these names, folder by folder.
    pub(super) fn find_any(&self, programs: &[&str]) -> Option<PathBuf> {
        let files = programs.iter().map(|program| format!("{program}{}", env::consts::EXE_SUFFIX));
        let files: Vec<String> = files.collect();
        let dirs = self.dirs.iter().chain(&self.own);
        dirs.flat_map(|dir| files.iter().map(move |file| dir.join(file))).find(|path| path.is_file())
    }
}

/// Runs a tool to its end with nothing to read.
///
/// # Errors
/// It does not start, or fails: then the error holds what it said, on both of its streams.
pub(super) fn run(command: &mut Command, plugin: &str) -> Result<Output, BuildError> {
    let program = PathBuf::from(command.get_program());
    let output = command
        .stdin(Stdio::null())
        .output()
        .map_err(|source| BuildError::Start { program: program.clone(), source })?;
    if output.status.success() {
        return Ok(output);
    }
    let said: Vec<String> = [&output.stderr, &output.stdout]
        .map(|said| String::from_utf8_lossy(said).trim().to_owned())
        .into_iter()
        .filter(|said| !said.is_empty())
        .collect();
    let said = if said.is_empty() { output.status.to_string() } else { said.join("\n") };
    let tool = program.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    Err(BuildError::Refused { tool, plugin: plugin.to_owned(), said })
}
