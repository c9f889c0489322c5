//! Python's SDK for a new plugin: a copy for editors and unit tests, in a hidden folder that `plugin build` does not look at,
//! because it brings its own.

use std::fs;
use std::io;
use std::path::Path;

use crate::cli::plugin::build::python::{SDK, TESTING};

/// The folder in the plugin's; its pyproject.toml names it.
pub(super) const FOLDER: &str = ".jackfield";

/// Writes the SDK; no text of the template says where it is.
pub(super) fn sdk_into(dir: &Path) -> io::Result<String> {
    for (name, text) in SDK.iter().chain(TESTING) {
        let path = dir.join(FOLDER).join(name);
        path.parent().map_or(Ok(()), fs::create_dir_all)?;
        fs::write(path, text)?;
    }
    Ok(String::new())
}
