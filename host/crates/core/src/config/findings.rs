//! Collects faults and warnings while a configuration is checked, so that no check stops the next.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;

use crate::base::NanoUsd;
use crate::catalogue::TokenPrice;

use super::fault::Fault;
use super::places::Place;
use super::pointer::Pointer;
use super::report::Report;
use super::text::Text;
use super::units::{Count, Dollars, Period, Size, Usd};

/// More faults than this are counted, not kept: nobody reads them and a hostile file could fill memory.
const MAX_TOLD: usize = 100;

/// The longest name, in bytes: it becomes a metric label and a header.
const MAX_NAME: usize = 64;

/// The longest id of a model at its provider, in bytes: what Bedrock takes, whose ids may be ARNs.
const MAX_MODEL_ID: usize = 2_048;

/// The collector. Every check takes it by `&mut`.
pub(crate) struct Findings {
    text: Arc<Text>,
    faults: Vec<Fault>,
    untold: usize,
    warnings: Vec<Fault>,
    /// Values that stand in files of their own.
    files: BTreeMap<Pointer, Arc<Text>>,
}

/// A place in the configuration, and in the file that it names if the value stands there.
pub(crate) struct Spot {
    /// In the configuration.
    pub(crate) range: Range<usize>,
    file: Option<(Arc<Text>, Range<usize>)>,
}

impl From<Range<usize>> for Spot {
    fn from(range: Range<usize>) -> Self {
        Self { range, file: None }
    }
}

impl Findings {
    /// An empty collector for one text.
    pub(crate) fn new(text: Arc<Text>) -> Self {
        Self { text, faults: Vec::new(), untold: 0, warnings: Vec::new(), files: BTreeMap::new() }
    }

    /// Adds a fault.
    pub(crate) fn add(&mut self, fault: Fault) {
        if self.faults.len() < MAX_TOLD {
            self.faults.push(fault);
        } else {
            self.untold += 1;
        }
    }

    /// The text under inspection.
    pub(crate) fn text(&self) -> &Arc<Text> {
        &self.text
    }

    /// The warnings, or the report if there was any fault.
    pub(crate) fn finish(self) -> Result<Vec<Fault>, Report> {
        if self.faults.is_empty() {
            return Ok(self.warnings);
        }
        Err(self.into_report())
    }

    /// The report; to be called when there was a fault.
    pub(crate) fn into_report(self) -> Report {
        Report::new(self.text.name(), self.faults, self.untold)
    }
}

/// A collector that knows where things stand: what the checks of the sections use.
pub(crate) struct Located<'a> {
    findings: &'a mut Findings,
    places: &'a Place,
}

impl<'a> Located<'a> {
    /// Joins the two.
    pub(crate) fn new(findings: &'a mut Findings, places: &'a Place) -> Self {
        Self { findings, places }
    }

    /// A fault about a value.
    pub(crate) fn fault(&mut self, at: &Pointer, message: impl Into<String>, hint: impl Into<String>) {
        let fault = self.about(at, message).hint(hint);
        self.findings.add(fault);
    }

    /// A fault about a key: its value may be right.
    pub(crate) fn key_fault(&mut self, at: &Pointer, message: impl Into<String>, hint: impl Into<String>) {
        let place = self.places.nearest(at).key_label();
        let fault = Fault::new(&self.findings.text, Some(place), message).hint(hint);
        self.findings.add(fault);
    }

    /// Where a part of a text value stands: `length` bytes from `offset` of `text`, which is what the value says. A value
    /// that is written otherwise (escapes, folded lines) is taken as a whole.
    pub(crate) fn within(&self, at: &Pointer, text: &str, offset: usize, length: usize) -> Spot {
        let range = self.within_text(at, text, offset, length);
        let file = self.findings.files.get(&self.places.in_text(at)).map(|file| {
            // A byte order mark is no part of what is shown.
            let start = offset.saturating_sub(text.len().saturating_sub(file.raw().len()));
            (Arc::clone(file), start..start.saturating_add(length).min(file.raw().len()).max(start))
        });
        Spot { range, file }
    }

    fn within_text(&self, at: &Pointer, text: &str, offset: usize, length: usize) -> Range<usize> {
        let place = self.places.nearest(at);
        let whole = place.label();
        let end = (offset.saturating_add(length.max(1))).min(text.len());
        let part = text.get(offset..end).and_then(|part| part.lines().next()).unwrap_or_default();
        let written = self.findings.text.raw().get(place.value.clone()).unwrap_or_default();
        if part.is_empty() || written.matches(part).count() != text.matches(part).count() {
            return whole;
        }
        let before = text.match_indices(part).take_while(|(found, _)| *found < offset).count();
        match written.match_indices(part).nth(before) {
            Some((from, _)) => place.value.start + from..place.value.start + from + part.len(),
            None => whole,
        }
    }

    /// Where a value stands.
    pub(crate) fn range(&self, at: &Pointer) -> Range<usize> {
        self.places.nearest(at).label()
    }

    /// The value at this place stands in a file of this name. A prompt holds no secrets: what is wrong with it is shown.
    pub(crate) fn stands_in(&mut self, at: Pointer, name: &str, text: &str) {
        let text = Text::new(name, text);
        text.hide([]);
        self.findings.files.insert(at, Arc::new(text));
    }

    /// A fault about this place.
    pub(crate) fn fault_at(
        &mut self,
        spot: impl Into<Spot>,
        message: impl Into<String>,
        hint: impl Into<String>,
    ) {
        let Spot { range, file } = spot.into();
        let fault = match file {
            Some((text, within)) => Fault::new(&text, Some(within), message).named_at(range.start),
            None => Fault::new(&self.findings.text, Some(range), message),
        };
        let fault = fault.hint(hint);
        self.findings.add(fault);
    }

    /// Whether further faults are only counted: the time to work out a hint can be saved.
    pub(crate) fn is_full(&self) -> bool {
        self.findings.faults.len() >= MAX_TOLD
    }

    /// A fault about a value that also points at another.
    pub(crate) fn clash(&mut self, at: &Pointer, other: &Pointer, label: &str, message: String, hint: &str) {
        let other = self.places.nearest(other).label();
        let fault = self.about(at, message).hint(hint).also(other, label);
        self.findings.add(fault);
    }

    /// A warning about a value.
    pub(crate) fn warn(&mut self, at: &Pointer, message: impl Into<String>, hint: impl Into<String>) {
        let warning = self.about(at, message).hint(hint).warning();
        self.findings.warnings.push(warning);
    }

    /// What to call a value in a message: checks run on what is left of the document after faults of
    /// shape were taken out, people read the text as it is.
    pub(crate) fn path(&self, at: &Pointer) -> Pointer {
        self.places.in_text(at)
    }

    /// A value that stands at this place, as JSON in the text's order.
    pub(crate) fn in_order(&self, at: &Pointer, value: &Value) -> String {
        self.places.nearest(at).in_order(value)
    }

    /// A duration that must not be zero.
    pub(crate) fn period(&mut self, at: &Pointer, period: Period) -> Duration {
        if period.get().is_zero() {
            let path = self.path(at);
            self.fault(at, format!("`{path}` must be longer than zero"), "leave it out to get the default");
        }
        period.get()
    }

    /// A size that must not be zero.
    pub(crate) fn size(&mut self, at: &Pointer, size: Size) -> usize {
        if size.bytes() == 0 {
            let path = self.path(at);
            self.fault(at, format!("`{path}` must be larger than zero"), "leave it out to get the default");
        }
        size.as_usize()
    }

    /// A count that must not be zero.
    pub(crate) fn count(&mut self, at: &Pointer, count: Count) -> usize {
        if count.get() == 0 {
            let path = self.path(at);
            self.fault(at, format!("`{path}` must be at least 1"), "leave it out to get the default");
        }
        count.as_usize()
    }

    /// A price, to its last digit: a number with more digits than a float keeps is read from the file itself.
    pub(crate) fn usd(&mut self, at: &Pointer, usd: &Usd) -> TokenPrice {
        let written = self.decimal(at).map(str::parse);
        written.unwrap_or_else(|| usd.price()).unwrap_or_else(|error| {
            let path = self.path(at);
            self.fault(
                at,
                format!("`{path}` is not {}: {error}", Usd::WHAT),
                format!("write {}", Usd::WRITE),
            );
            TokenPrice::ZERO
        })
    }

    /// An amount of dollars, to its last digit, as with prices.
    pub(crate) fn dollars(&mut self, at: &Pointer, dollars: &Dollars) -> NanoUsd {
        self.amount(at, dollars).unwrap_or(NanoUsd::ZERO)
    }

    /// The same, above zero.
    pub(crate) fn dollars_above_zero(&mut self, at: &Pointer, dollars: &Dollars) -> NanoUsd {
        let amount = self.amount(at, dollars);
        if amount == Some(NanoUsd::ZERO) {
            let path = self.path(at);
            self.fault(at, format!("`{path}` must be more than zero"), "leave it out for no limit");
        }
        amount.unwrap_or(NanoUsd::ZERO)
    }

    fn amount(&mut self, at: &Pointer, dollars: &Dollars) -> Option<NanoUsd> {
        let written = self.decimal(at).map(Dollars::read);
        match written.unwrap_or_else(|| dollars.amount()) {
            Ok(amount) => Some(amount),
            Err(error) => {
                let path = self.path(at);
                let message = format!("`{path}` is not {}: {error}", Dollars::WHAT);
                self.fault(at, message, format!("write {}", Dollars::WRITE));
                None
            }
        }
    }

    /// What the file has at this place, if that is a decimal number.
    fn decimal(&self, at: &Pointer) -> Option<&str> {
        let place = self.places.nearest(at).value.clone();
        let text = self.findings.text.raw().get(place)?;
        (text.contains('.') && text.bytes().all(|b| b.is_ascii_digit() || b == b'.')).then_some(text)
    }

    /// A name that people give and that ends up in headers, logs and metric labels.
    pub(crate) fn name(&mut self, at: &Pointer, what: &str, name: &str) {
        let fits = |c: char| c.is_ascii_alphanumeric() || "_.-".contains(c);
        self.name_of(at, what, name, fits, "letters, digits, `_`, `.` and `-`", MAX_NAME);
    }

    /// A model's name: as other names, and what providers put into their ids.
    pub(crate) fn model_name(&mut self, at: &Pointer, name: &str) {
        let fits = |c: char| c.is_ascii_alphanumeric() || "_.-:/@+".contains(c);
        self.name_of(at, "model", name, fits, "letters, digits and `_.-:/@+`", MAX_NAME);
    }

    /// A model's id in its provider's words.
    pub(crate) fn model_id(&mut self, at: &Pointer, id: &str) {
        let fits = |c: char| c.is_ascii_alphanumeric() || "_.-:/@+".contains(c);
        self.name_of(at, "model", id, fits, "letters, digits and `_.-:/@+`", MAX_MODEL_ID);
    }

    fn name_of(
        &mut self,
        at: &Pointer,
        what: &str,
        name: &str,
        fits: impl Fn(char) -> bool,
        letters: &str,
        max: usize,
    ) {
        // An address takes these as a step, and some have a model's id in them.
        if matches!(name, "." | "..") {
            let hint = format!("use {letters}, and not points alone");
            self.fault(at, format!("`{name}` cannot be the name of a {what}"), hint);
        } else if name.is_empty() || name.len() > max || !name.chars().all(fits) {
            let hint = format!("use 1 to {max} of {letters}");
            self.fault(at, format!("`{}` cannot be the name of a {what}", name.escape_debug()), hint);
        }
    }

    fn about(&self, at: &Pointer, message: impl Into<String>) -> Fault {
        let place = self.places.nearest(at).label();
        Fault::new(&self.findings.text, Some(place), message)
    }
}
