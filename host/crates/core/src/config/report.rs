//! All faults of one configuration, told at once.

use std::fmt::{self, Write};
use std::path::PathBuf;

use miette::{Diagnostic, GraphicalReportHandler};

use super::fault::Fault;

/// Why a configuration is not used. Holds every fault found, in the order of the file.
#[derive(Debug)]
pub struct Report {
    name: String,
    faults: Vec<Fault>,
    /// Faults beyond the bound on how many are kept.
    untold: usize,
    /// The files that its prompts are read from, as far as it could be told.
    files: Vec<PathBuf>,
}

impl Report {
    /// A report over these faults, of the text of this name.
    pub(crate) fn new(name: &str, mut faults: Vec<Fault>, untold: usize) -> Self {
        faults.sort_by(|a, b| a.order().cmp(&b.order()));
        Self { name: name.to_owned(), faults, untold, files: Vec::new() }
    }

    /// Says which files the configuration's prompts are read from.
    pub(crate) fn reading(mut self, files: Vec<PathBuf>) -> Self {
        self.files = files;
        self
    }

    /// The files that prompts are read from, those that are not there included: a change of one may mend the configuration.
    pub fn files(&self) -> &[PathBuf] {
        &self.files
    }

    /// The faults; never empty.
    pub fn faults(&self) -> &[Fault] {
        &self.faults
    }

    /// The report for a person at a terminal; colour only where the terminal has it and `NO_COLOR` is unset.
    pub fn to_graphical(&self) -> String {
        let handler = GraphicalReportHandler::new();
        let mut out = String::new();
        for fault in &self.faults {
            if handler.render_report(&mut out, fault).is_err() {
                // Nothing is lost when the drawing fails: the plain form says the same.
                out.push_str(&fault.to_plain());
            }
            out.push('\n');
        }
        out.push_str(&self.summary());
        out
    }

    fn summary(&self) -> String {
        let untold = match self.untold {
            0 => String::new(),
            more => format!(" ({more} more not shown)"),
        };
        let total = self.faults.len() + self.untold;
        format!("{total} fault{} in {}{untold}", if total == 1 { "" } else { "s" }, self.name)
    }
}

/// Plain text, without colour or drawing.
impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for fault in &self.faults {
            fault.write_plain(f)?;
            f.write_char('\n')?;
        }
        f.write_str(&self.summary())
    }
}

impl std::error::Error for Report {}

impl Diagnostic for Report {
    fn related<'a>(&'a self) -> Option<Box<dyn Iterator<Item = &'a dyn Diagnostic> + 'a>> {
        Some(Box::new(self.faults.iter().map(|fault| fault as &dyn Diagnostic)))
    }
}
