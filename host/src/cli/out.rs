//! Printing. Colour only on a terminal and never under `NO_COLOR`; a closed pipe ends a command quietly.

use std::fmt::Display;
use std::io::{IsTerminal, Write};

use comfy_table::{ContentArrangement, Table, presets};
use jackfield_core::config::{Config, Report};

use super::{Failed, Outcome};

/// One line (or several) on standard output.
pub(super) fn line(text: &dyn Display) -> Outcome {
    match writeln!(std::io::stdout(), "{text}") {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            Err(Failed(format!("error: write to standard output: {error}")))
        }
        _ => Ok(()),
    }
}

/// A note for the person at the terminal, on standard error.
pub(super) fn note(text: &dyn Display) {
    let _ = writeln!(std::io::stderr(), "{text}");
}

/// What is worth saying about a configuration, and what to do about it, on standard error.
pub(super) fn warnings(config: &Config) {
    for warning in config.warnings() {
        let hint = warning.advice().map(|hint| format!("\n  hint: {hint}")).unwrap_or_default();
        note(&format!("warning: {warning}{hint}"));
    }
}

/// Why a command failed.
pub(super) fn error(text: &str) {
    let _ = writeln!(std::io::stderr(), "{}", text.trim_end());
}

/// All faults of a configuration: drawn on a terminal, plain elsewhere.
pub(super) fn report(report: &Report) -> String {
    if colour(&std::io::stderr()) { report.to_graphical() } else { report.to_string() }
}

/// A table that fits the terminal.
pub(super) fn table(header: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::UTF8_HORIZONTAL_ONLY).set_content_arrangement(ContentArrangement::Dynamic);
    if !std::io::stdout().is_terminal() {
        table.set_width(160);
    }
    table.set_header(header.iter().copied());
    table
}

fn colour(stream: &impl IsTerminal) -> bool {
    stream.is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}
