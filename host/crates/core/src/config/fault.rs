//! One thing wrong with a configuration: what, where, and what to do about it.

use std::fmt::{self, Write};
use std::ops::Range;
use std::sync::Arc;

use miette::{Diagnostic, LabeledSpan, Severity, SourceCode};

use super::text::Text;

/// A fault or a warning at a place in a file.
#[derive(Clone)]
pub struct Fault {
    text: Arc<Text>,
    severity: Severity,
    message: String,
    hint: Option<String>,
    place: Option<Range<usize>>,
    also: Vec<(Range<usize>, String)>,
    /// Where the configuration names the file that this is about, if it is about another.
    named: Option<usize>,
}

impl Fault {
    /// Something that keeps the configuration from being used.
    pub(crate) fn new(text: &Arc<Text>, place: Option<Range<usize>>, message: impl Into<String>) -> Self {
        let (text, message) = (Arc::clone(text), message.into());
        Self { text, severity: Severity::Error, message, hint: None, place, also: Vec::new(), named: None }
    }

    /// Something worth saying that does not stand in the way.
    pub(crate) fn warning(mut self) -> Self {
        self.severity = Severity::Warning;
        self
    }

    /// What to do about it.
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// A second place that has to do with it, and how.
    pub(crate) fn also(mut self, place: Range<usize>, label: impl Into<String>) -> Self {
        self.also.push((place, label.into()));
        self
    }

    /// It is in a file of its own, which the configuration names here.
    pub(crate) fn named_at(mut self, offset: usize) -> Self {
        self.named = Some(offset);
        self
    }

    /// What is wrong, in one line.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// What to do about it.
    pub fn advice(&self) -> Option<&str> {
        self.hint.as_deref()
    }

    /// Line and column, both from 1; `None` when the fault has no place in the file.
    pub fn line_and_column(&self) -> Option<(usize, usize)> {
        self.place.as_ref().map(|p| self.text.line_and_column(p.start))
    }

    /// Faults are told in the order of the file; those without a place come first.
    pub(crate) fn order(&self) -> (Option<usize>, &str) {
        (self.named.or(self.place.as_ref().map(|p| p.start)), &self.message)
    }

    /// Where it is: `file:line:column`, which editors and terminals make a link of.
    pub fn at(&self) -> String {
        match self.line_and_column() {
            Some((line, column)) => format!("{}:{line}:{column}", self.text.name()),
            None => self.text.name().to_owned(),
        }
    }

    /// Plain text for logs, tests and pipes: the place, what is wrong, the line with marks, the hint.
    pub fn to_plain(&self) -> String {
        let mut out = String::new();
        // Writing into a string cannot fail.
        let _ = self.write_plain(&mut out);
        out
    }

    pub(crate) fn write_plain(&self, out: &mut impl Write) -> fmt::Result {
        let word = if self.severity == Severity::Warning { "warning: " } else { "" };
        writeln!(out, "{}: {word}{}", self.at(), self.message)?;
        if let Some(place) = &self.place {
            self.excerpt(out, place, "")?;
        }
        for (place, label) in &self.also {
            self.excerpt(out, place, label)?;
        }
        match &self.hint {
            Some(hint) => writeln!(out, "  hint: {hint}"),
            None => Ok(()),
        }
    }

    /// One line of the file with marks under the place.
    fn excerpt(&self, out: &mut impl Write, place: &Range<usize>, label: &str) -> fmt::Result {
        let (number, column) = self.text.line_and_column(place.start);
        let (line, indent) = window(self.text.line(number), column - 1);
        let covered = self.text.raw().get(place.clone()).unwrap_or_default();
        let covered = covered.lines().next().unwrap_or_default().trim_end().chars().count();
        let room = line.chars().count().saturating_sub(indent).max(1);
        let marks = "^".repeat(covered.clamp(1, room));
        let gap = if label.is_empty() { "" } else { " " };
        writeln!(out, "{number:>5} | {line}")?;
        writeln!(out, "      | {:indent$}{marks}{gap}{label}", "")
    }
}

/// The part of a long line around a column, tabs made single spaces so that marks stand right.
fn window(line: &str, column: usize) -> (String, usize) {
    const BEFORE: usize = 80;
    const WIDTH: usize = 120;
    let from = column.saturating_sub(BEFORE);
    let mut part: String =
        line.chars().skip(from).take(WIDTH).map(|c| if c.is_control() { ' ' } else { c }).collect();
    if line.chars().nth(from + WIDTH).is_some() {
        part.push('…');
    }
    if from > 0 {
        part.insert(0, '…');
    }
    (part.trim_end().to_owned(), column - from + usize::from(from > 0))
}

/// What is wrong, in one line; the place and the advice are asked for apart.
impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl fmt::Debug for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write_plain(f)
    }
}

impl std::error::Error for Fault {}

impl Diagnostic for Fault {
    fn severity(&self) -> Option<Severity> {
        Some(self.severity)
    }

    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        self.hint.as_ref().map(|hint| Box::new(hint) as Box<dyn fmt::Display>)
    }

    fn source_code(&self) -> Option<&dyn SourceCode> {
        self.place.as_ref().map(|_| &*self.text as &dyn SourceCode)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        let place = self.place.clone()?;
        let first = LabeledSpan::new_primary_with_span(None, place);
        let rest =
            self.also.iter().map(|(p, label)| LabeledSpan::new_with_span(Some(label.clone()), p.clone()));
        Some(Box::new(std::iter::once(first).chain(rest)))
    }
}
