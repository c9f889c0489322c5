//! One JSON object kept as the bytes it came in, with the place of every field.
//!
//! The gateway changes a few named fields and must leave the rest as it was, byte for byte: key
//! order, white space and numbers too big for any type included. So an edit splices the bytes and
//! never re-serialises.
//!
//! Bounds: one pass over the body, memory for one small record per top-level field, and at most
//! 1 024 of them. Nested values are skipped, not parsed; a caller that needs one parses it.

use std::ops::Range;

use bytes::{Bytes, BytesMut};
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

/// Fields beyond this count are refused: OpenAI's widest request has fewer than fifty.
pub(super) const MAX_FIELDS: usize = 1_024;

/// An object's bytes and where its fields lie in them.
#[derive(Clone, Debug)]
pub struct JsonObject {
    bytes: Bytes,
    fields: Vec<Field>,
}

#[derive(Clone, Debug)]
struct Field {
    name: Box<str>,
    /// Where the key's literal starts; with `value.end` the whole member.
    start: usize,
    value: Range<usize>,
}

/// One change to a top-level field.
#[derive(Clone, Debug, PartialEq)]
pub enum ObjectEdit {
    /// Give the field this JSON value: in place when the field is there, appended when not.
    Set(&'static str, String),
    /// Take the field out. Nothing happens when it is not there.
    Remove(&'static str),
}

/// Why some bytes are not an object this gateway takes.
#[derive(Debug, thiserror::Error)]
pub enum ObjectError {
    /// Not UTF-8; `at` is the offset of the first bad byte.
    #[error("the text is not valid UTF-8 at byte {at}")]
    NotUtf8 {
        /// Offset of the first bad byte.
        at: usize,
    },
    /// Not JSON, or not an object.
    #[error("{0}")]
    NotAnObject(#[from] serde_json::Error),
    /// The same key twice: two parsers would disagree on which counts.
    #[error("the key `{0}` appears twice")]
    Duplicate(Box<str>),
    /// More fields than are taken (1 024).
    #[error("more than {MAX_FIELDS} fields")]
    TooMany,
}

impl JsonObject {
    /// Finds the fields of an object. Refuses a repeated key.
    pub fn parse(bytes: Bytes) -> Result<Self, ObjectError> {
        let text = std::str::from_utf8(&bytes).map_err(|e| ObjectError::NotUtf8 { at: e.valid_up_to() })?;
        let mut reader = serde_json::Deserializer::from_str(text);
        let found = reader.deserialize_map(Members)?;
        reader.end()?;
        if found.len() > MAX_FIELDS {
            return Err(ObjectError::TooMany);
        }
        let base = text.as_ptr() as usize;
        let mut fields: Vec<Field> = Vec::with_capacity(found.len());
        for (key, value) in found {
            let name = name_of(key)?;
            if fields.iter().any(|f| f.name == name) {
                return Err(ObjectError::Duplicate(name));
            }
            let start = key.get().as_ptr() as usize - base;
            let value_start = value.get().as_ptr() as usize - base;
            fields.push(Field { name, start, value: value_start..value_start + value.get().len() });
        }
        Ok(Self { bytes, fields })
    }

    /// The whole object as it came.
    pub fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// One field's raw JSON, sharing the object's memory.
    pub fn get(&self, name: &str) -> Option<Bytes> {
        self.find(name).map(|at| self.bytes.slice(self.fields[at].value.clone()))
    }

    /// Every field's name and raw JSON, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, Bytes)> {
        self.fields.iter().map(|f| (&*f.name, self.bytes.slice(f.value.clone())))
    }

    /// How many fields there are.
    pub fn len(&self) -> usize {
        self.fields.len()
    }

    /// Whether there are no fields.
    pub fn is_empty(&self) -> bool {
        self.fields.is_empty()
    }

    /// The object with these edits and every other byte as it was. No edit, no copy.
    pub fn edit(&self, edits: &[ObjectEdit]) -> Bytes {
        let mut splices: Vec<(Range<usize>, &str)> = Vec::with_capacity(edits.len());
        let mut removed = vec![false; self.fields.len()];
        let mut appended = String::new();
        for edit in edits {
            match edit {
                ObjectEdit::Set(name, json) => match self.find(name) {
                    Some(at) => splices.push((self.fields[at].value.clone(), json)),
                    None => appended.push_str(&format!(",\"{name}\":{json}")),
                },
                ObjectEdit::Remove(name) => {
                    if let Some(at) = self.find(name) {
                        removed[at] = true;
                    }
                }
            }
        }
        splices.extend(self.removals(&removed).into_iter().map(|range| (range, "")));
        if !appended.is_empty() {
            let tail = if removed.contains(&false) { &appended[..] } else { &appended[1..] };
            // After the last member, before any white space that precedes the brace.
            let close = self.bytes.iter().rposition(|b| *b == b'}').unwrap_or(self.bytes.len());
            let at = self.fields.last().map_or(close, |f| f.value.end);
            splices.push((at..at, tail));
        }
        if splices.is_empty() {
            return self.bytes.clone();
        }
        splices.sort_by_key(|(range, _)| (range.start, range.end));
        let grown: usize = splices.iter().map(|(_, with)| with.len()).sum();
        let mut out = BytesMut::with_capacity(self.bytes.len() + grown);
        let mut from = 0;
        for (range, with) in splices {
            out.extend_from_slice(&self.bytes[from..range.start.max(from)]);
            out.extend_from_slice(with.as_bytes());
            from = range.end.max(from);
        }
        out.extend_from_slice(&self.bytes[from..]);
        out.freeze()
    }

    fn find(&self, name: &str) -> Option<usize> {
        self.fields.iter().position(|f| &*f.name == name)
    }

    /// What to cut so that each run of removed members goes with exactly its own commas.
    fn removals(&self, removed: &[bool]) -> Vec<Range<usize>> {
        let mut cuts = Vec::new();
        let mut at = 0;
        while at < removed.len() {
            let run = removed[at..].iter().take_while(|r| **r).count();
            if run == 0 {
                at += 1;
                continue;
            }
            let (first, last) = (&self.fields[at], &self.fields[at + run - 1]);
            cuts.push(match (self.fields.get(at + run), at.checked_sub(1)) {
                (Some(next), _) => first.start..next.start,
                (None, Some(before)) => self.fields[before].value.end..last.value.end,
                (None, None) => first.start..last.value.end,
            });
            at += run;
        }
        cuts
    }
}

/// A key's text: its literal without quotes, unescaped when it has to be.
fn name_of(key: &RawValue) -> Result<Box<str>, serde_json::Error> {
    let literal = key.get();
    if literal.contains('\\') {
        return serde_json::from_str::<String>(literal).map(String::into_boxed_str);
    }
    Ok(literal.trim_matches('"').into())
}

struct Members;

impl<'de> Visitor<'de> for Members {
    type Value = Vec<(&'de RawValue, &'de RawValue)>;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut members = Vec::with_capacity(16);
        while let Some(member) = map.next_entry::<&RawValue, &RawValue>()? {
            members.push(member);
            if members.len() > MAX_FIELDS {
                // Refused by the caller; reading on would only cost memory.
                while map.next_entry::<serde::de::IgnoredAny, serde::de::IgnoredAny>()?.is_some() {}
            }
        }
        Ok(members)
    }
}

#[cfg(test)]
mod tests;
