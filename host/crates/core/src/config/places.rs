//! Where each key and each value stands in the text: a tree beside the document's own.
//!
//! It is pruned together with the document, so a pointer means the same in both at all times.

use std::collections::BTreeMap;
use std::ops::Range;

use serde_json::Value;

use super::pointer::Pointer;

/// One value's place, in bytes of the text.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    /// Where its key stands, if it is the member of a mapping.
    pub(crate) key: Option<Range<usize>>,
    /// Where the value stands; for a collection, only its beginning.
    pub(crate) value: Range<usize>,
    /// What is inside.
    pub(crate) inside: Inside,
    /// Its index in the text's sequence: that of the tree shrinks when elements are taken out.
    pub(crate) index: usize,
}

/// What a value holds.
#[derive(Clone, Debug)]
pub(crate) enum Inside {
    /// A scalar: nothing.
    Nothing,
    /// A mapping's members.
    Members(BTreeMap<String, Place>),
    /// A sequence's elements.
    Elements(Vec<Place>),
}

impl Place {
    /// The place of the value a pointer names, or of the innermost value on the way to it.
    pub(crate) fn nearest(&self, pointer: &Pointer) -> &Self {
        let mut place = self;
        for segment in pointer.segments() {
            match place.child(&segment) {
                Some(child) => place = child,
                None => break,
            }
        }
        place
    }

    /// A value that stands here as JSON, the keys of its mappings in the text's order. Goes as deep as the document.
    pub(crate) fn in_order(&self, value: &Value) -> String {
        let mut out = String::new();
        write_in_order(Some(self), value, &mut out);
        out
    }

    /// A pointer as the text has it: what is shown to people.
    pub(crate) fn in_text(&self, pointer: &Pointer) -> Pointer {
        let mut place = Some(self);
        let mut shown = Pointer::root();
        for segment in pointer.segments() {
            let is_element = place.is_some_and(|p| matches!(p.inside, Inside::Elements(_)));
            place = place.and_then(|p| p.child(&segment));
            shown = match place.filter(|_| is_element) {
                Some(element) => shown.index(element.index),
                None => shown.key(&segment),
            };
        }
        shown
    }

    /// What to underline to say "this value": a scalar itself, a collection by its key.
    pub(crate) fn label(&self) -> Range<usize> {
        match (&self.inside, &self.key) {
            (Inside::Nothing, Some(key)) if self.value.is_empty() => key.clone(),
            (Inside::Nothing, _) | (_, None) => self.value.clone(),
            (_, Some(key)) => key.clone(),
        }
    }

    /// What to underline to say "this key".
    pub(crate) fn key_label(&self) -> Range<usize> {
        self.key.clone().unwrap_or_else(|| self.value.clone())
    }

    /// Takes a value's place out; later elements of a sequence move up.
    pub(crate) fn remove(&mut self, pointer: &Pointer) {
        let (Some(parent), Some(last)) = (pointer.parent(), pointer.last()) else { return };
        let Some(parent) = parent.segments().try_fold(self, |place, segment| place.child_mut(&segment))
        else {
            return;
        };
        match &mut parent.inside {
            Inside::Nothing => {}
            Inside::Members(members) => drop(members.remove(&last)),
            Inside::Elements(elements) => {
                if let Some(index) = last.parse().ok().filter(|i| *i < elements.len()) {
                    elements.remove(index);
                }
            }
        }
    }

    fn start(&self) -> usize {
        self.key.as_ref().unwrap_or(&self.value).start
    }

    fn child(&self, segment: &str) -> Option<&Self> {
        match &self.inside {
            Inside::Nothing => None,
            Inside::Members(members) => members.get(segment),
            Inside::Elements(elements) => elements.get(segment.parse::<usize>().ok()?),
        }
    }

    fn child_mut(&mut self, segment: &str) -> Option<&mut Self> {
        match &mut self.inside {
            Inside::Nothing => None,
            Inside::Members(members) => members.get_mut(segment),
            Inside::Elements(elements) => elements.get_mut(segment.parse::<usize>().ok()?),
        }
    }
}

fn write_in_order(place: Option<&Place>, value: &Value, out: &mut String) {
    let place_of = |segment: &str| place.and_then(|place| place.child(segment));
    match value {
        Value::Object(members) => {
            let mut members: Vec<(&String, &Value)> = members.iter().collect();
            members.sort_by_key(|(key, _)| place_of(key).map(Place::start));
            out.push('{');
            for (at, (key, value)) in members.into_iter().enumerate() {
                if at > 0 {
                    out.push(',');
                }
                out.push_str(&Value::from(key.as_str()).to_string());
                out.push(':');
                write_in_order(place_of(key), value, out);
            }
            out.push('}');
        }
        Value::Array(elements) => {
            out.push('[');
            for (at, value) in elements.iter().enumerate() {
                if at > 0 {
                    out.push(',');
                }
                write_in_order(place_of(&at.to_string()), value, out);
            }
            out.push(']');
        }
        other => out.push_str(&other.to_string()),
    }
}
