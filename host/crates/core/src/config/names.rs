//! Which model names mean something: declared ones, and well-known ones whose provider is there.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::families::{Family, Home, family_of};
use super::findings::Located;
use super::pointer::Pointer;
use super::suggest;

/// What the file declares, faulty entries included: a fault in one entry must not make every
/// reference to it look wrong too.
#[derive(Debug, Default)]
pub(crate) struct Known {
    /// Providers, and whether each is simulated.
    pub(crate) providers: BTreeMap<String, bool>,
    /// Models.
    pub(crate) models: BTreeSet<String>,
    /// Workflows.
    pub(crate) workflows: BTreeSet<String>,
}

impl Known {
    /// Reads the names off the document, before anything is checked.
    pub(crate) fn of(document: &Value) -> Self {
        let members = |section: &str| document.get(section).and_then(Value::as_object).into_iter().flatten();
        let simulated = |provider: &Value| provider.get("kind").and_then(Value::as_str) == Some("simulated");
        Self {
            providers: members("providers").map(|(name, value)| (name.clone(), simulated(value))).collect(),
            models: members("models").map(|(name, _)| name.clone()).collect(),
            workflows: members("workflows").map(|(name, _)| name.clone()).collect(),
        }
    }
}

/// Collects the names the file refers to.
pub(crate) struct Names<'a> {
    known: &'a Known,
    referenced: BTreeMap<String, Pointer>,
}

impl<'a> Names<'a> {
    /// No references yet.
    pub(crate) fn new(known: &'a Known) -> Self {
        Self { known, referenced: BTreeMap::new() }
    }

    /// Notes a reference to a model, and faults one that cannot be resolved.
    pub(crate) fn refer(&mut self, name: &str, at: &Pointer, found: &mut Located<'_>) {
        if self.known.models.contains(name) {
            return;
        }
        let Some(family) = family_of(name) else {
            let hint = match found.is_full() {
                true => String::new(),
                false => suggest::undeclared(name, "models", self.known.models.iter().map(String::as_str)),
            };
            found.fault(at, format!("there is no model `{name}`"), hint);
            return;
        };
        match &family.home {
            None => found.fault(at, cannot_speak(name, family), declare(name)),
            Some(home) if self.known.providers.get(home.provider) == Some(&true) => {
                let message = format!(
                    "`{name}` is a model of {}, and `{}` only simulates",
                    family.maker, home.provider
                );
                found.fault(at, message, declare(name));
            }
            Some(_) => {
                self.referenced.entry(name.to_owned()).or_insert_with(|| at.clone());
            }
        }
    }

    /// Where a well-known name is first referred to.
    pub(crate) fn place(&self, name: &str) -> Option<&Pointer> {
        self.referenced.get(name)
    }

    /// Notes a reference to what a client may name as a model: a model, or a workflow as `workflow/NAME`.
    pub(crate) fn refer_or_workflow(&mut self, name: &str, at: &Pointer, found: &mut Located<'_>) {
        let Some(workflow) = name.strip_prefix("workflow/") else { return self.refer(name, at, found) };
        if !self.known.workflows.contains(workflow) {
            let names = self.known.workflows.iter().map(String::as_str);
            let hint = suggest::undeclared(workflow, "workflows", names);
            found.fault(at, format!("there is no workflow `{workflow}`"), hint);
        }
    }

    /// The well-known names referred to, each with its home and its first place.
    pub(crate) fn well_known(&self) -> impl Iterator<Item = (&str, &'static Home, &Pointer)> {
        self.referenced
            .iter()
            .filter_map(|(name, at)| Some((name.as_str(), family_of(name)?.home.as_ref()?, at)))
    }
}

fn cannot_speak(name: &str, family: &Family) -> String {
    format!("`{name}` is a model of {}, whose API this version does not speak by itself", family.maker)
}

fn declare(name: &str) -> String {
    format!(
        "declare it: `models: {{ {name}: {{ provider: NAME }} }}`, with a provider of kind openai that serves it"
    )
}
