//! The room as a whole: texts in, configurations or reports out.

mod bad;
mod figures;
mod fuzz;
mod good;
mod resolve;
mod shipped;
mod workflows;

use std::path::PathBuf;

use super::{Config, Report};

/// Set to rewrite the goldens; then read every change in the diff.
const UPDATE: &str = "UPDATE_GOLDENS";

fn parse(text: &str) -> Result<Config, Report> {
    with(text, &[])
}

fn with(text: &str, variables: &[(&str, &str)]) -> Result<Config, Report> {
    Config::from_text("jackfield.yaml", text, &|name| {
        variables.iter().find(|(n, _)| *n == name).map(|(_, value)| (*value).to_owned())
    })
}

/// A path from the crate's folder.
fn path(below: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(below)
}
