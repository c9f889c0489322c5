//! One plugin file: what it is and carries, and what is needed to load it by hand.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::Value;
use sha2::{Digest, Sha256};

use jackfield_core::config::{Config, Grant};
use jackfield_plugin_host::{Inspection, LoadError, NAME_RULE, PluginSettings, inspect, name_of, read_file};

use super::stamp::{Stamp, read_stamp};
use crate::app;
use crate::cli::{Failed, out};

/// The longest word of a file's author that is printed, in characters.
const MAX_WORD: usize = 256;

/// A plugin file, and the settings to try it with.
#[derive(Args, Clone, Debug)]
pub(crate) struct FileArgs {
    /// The component
    pub(super) file: PathBuf,
    /// The plugin's settings, as JSON [default: its `config` in the configuration]
    #[arg(long, value_name = "JSON", value_parser = settings_json)]
    config: Option<Value>,
    /// Grant it this for the try, as `plugins.settings.NAME.grants` would; may be repeated
    #[arg(long = "grant", value_name = "GRANT", value_parser = grant)]
    grants: Vec<Grant>,
    /// The configuration that gives models, limits and settings [default: as for `serve`]
    #[arg(long, value_name = "FILE")]
    config_file: Option<PathBuf>,
}

/// What can be told of a file without running it.
pub(super) struct Looked {
    pub(super) size: u64,
    /// SHA-256, in hexadecimal.
    pub(super) digest: String,
    pub(super) stamp: Option<Stamp>,
    pub(super) face: Result<Inspection, LoadError>,
}

/// Reads and looks at a file. One that cannot be read tells nothing.
pub(super) fn look(path: &Path) -> Result<Looked, LoadError> {
    let bytes = read_file(path)?;
    let digest = Sha256::digest(&bytes).iter().map(|byte| format!("{byte:02x}")).collect();
    Ok(Looked { size: bytes.len() as u64, digest, stamp: read_stamp(&bytes), face: inspect(&bytes) })
}

impl FileArgs {
    /// The configuration.
    pub(super) fn load_config(&self) -> Result<Config, Failed> {
        Config::load(self.config_file.as_deref()).map_err(|report| Failed(out::report(&report)))
    }

    /// The plugin's name: the file's.
    pub(super) fn name(&self) -> Result<&str, Failed> {
        let path = self.file.display();
        name_of(&self.file).ok_or_else(|| Failed(format!("error: load {path}: {NAME_RULE}")))
    }

    /// The settings it is loaded with, and whether anybody wrote them.
    pub(super) fn settings(&self, config: &Config, name: &str) -> (PluginSettings, bool) {
        let configured = config.plugins().settings(name);
        let mut settings = app::plugin_settings(configured);
        if let Some(given) = &self.config {
            settings.config = given.to_string();
        }
        settings.grants.extend(&self.grants);
        (settings, self.config.is_some() || !configured.config.is_null())
    }
}

/// Bytes as people read them.
pub(in crate::cli) fn bytes(count: u64) -> String {
    const UNITS: [(&str, u64); 3] = [("GB", 1_000_000_000), ("MB", 1_000_000), ("kB", 1_000)];
    match UNITS.into_iter().find(|(_, unit)| count >= *unit) {
        Some((name, unit)) => format!("{:.1} {name}", count as f64 / unit as f64),
        None => format!("{count} B"),
    }
}

/// A word of the file's author made harmless for a terminal: one line, no control characters, not endless.
pub(super) fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(MAX_WORD).collect()
}

/// Memory as configuration counts it: in powers of two.
pub(super) fn memory(bytes: usize) -> String {
    let mebibytes = bytes as f64 / f64::from(1 << 20);
    let digits = usize::from(mebibytes.fract() != 0.0);
    format!("{mebibytes:.digits$} MiB")
}

/// What a component must be granted, and whether it is: `llm (not granted)`.
pub(super) fn grants(wants: &BTreeSet<Grant>, granted: &BTreeSet<Grant>) -> String {
    let told = |grant: &Grant| match granted.contains(grant) {
        true => format!("{} (granted)", grant.name()),
        false => format!("{} (not granted)", grant.name()),
    };
    let unused = granted.difference(wants).map(|grant| format!("{} (granted, not wanted)", grant.name()));
    wants.iter().map(told).chain(unused).collect::<Vec<_>>().join(", ")
}

/// The contracts a component is made for, in one word.
pub(super) fn abi(face: &Inspection) -> String {
    face.abi.join(", ")
}

fn grant(text: &str) -> Result<Grant, String> {
    let named = |grant: &Grant| grant.name() == text;
    Grant::ALL
        .into_iter()
        .find(named)
        .ok_or_else(|| format!("there is no such grant; there are: {}", Grant::names(&Grant::ALL.into())))
}

fn settings_json(text: &str) -> Result<Value, String> {
    serde_json::from_str(text).map_err(|e| format!("it is not JSON: {e}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_printed_is_short_and_harmless() {
        let shown = [0, 999, 1_000, 43_451, 18_400_000, 2_000_000_000].map(bytes);
        assert_eq!(shown, ["0 B", "999 B", "1.0 kB", "43.5 kB", "18.4 MB", "2.0 GB"]);
        assert_eq!(printable("red \u{1b}[31m\n"), "red  [31m ");
        assert_eq!([64 << 20, 1_179_648].map(memory), ["64 MiB", "1.1 MiB"]);
    }
}
