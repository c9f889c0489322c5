//! From text to a JSON value with the place of everything in it.
//!
//! Two readers: `saphyr-parser` gives places and finds what must not be there, `serde_yaml` gives
//! the value. Bounds: `MAX_BYTES` of text, `MAX_DEPTH` levels, no anchors (so nothing expands),
//! no tags, one document. The first reader is iterative, so depth costs no stack before it is refused.

use std::collections::BTreeMap;
use std::ops::Range;

use saphyr_parser::{Event, Parser, ScalarStyle, Span};
use serde_json::Value;

use super::fault::Fault;
use super::findings::Findings;
use super::places::{Inside, Place};
use super::text::Text;

/// The largest configuration, in bytes.
pub(crate) const MAX_BYTES: usize = 1 << 20;
/// The deepest nesting of mappings and sequences.
pub(crate) const MAX_DEPTH: usize = 64;

/// A parsed text.
#[derive(Debug)]
pub(crate) struct Document {
    /// The value; an empty text is an empty mapping.
    pub(crate) value: Value,
    /// Where everything in it stands.
    pub(crate) places: Place,
}

impl Document {
    /// Parses. `None` means that nothing of the text can be used and the findings say why; a
    /// document beside findings is good enough to be checked further.
    pub(crate) fn parse(text: &Text, found: &mut Findings) -> Option<Self> {
        if text.raw().len() > MAX_BYTES {
            let message = format!("the file is larger than {MAX_BYTES} bytes");
            found.add(Fault::new(found.text(), None, message).hint("is this the right file?"));
            return None;
        }
        let places = Reader { text, found, open: Vec::new(), root: None }.read()?;
        let value = match serde_yaml::from_str::<Value>(text.raw()) {
            Ok(value) => value,
            Err(error) => {
                let place = error.location().map(|l| {
                    let at = text.offset(l.line(), l.column().saturating_sub(1));
                    at..at
                });
                found.add(Fault::new(found.text(), place, format!("the file is not valid YAML: {error}")));
                return None;
            }
        };
        match value {
            Value::Null => Some(Self { value: Value::Object(serde_json::Map::new()), places }),
            Value::Object(_) => Some(Self { value, places }),
            _ => {
                let fault =
                    Fault::new(found.text(), Some(places.value), "the file must be a mapping of sections");
                found.add(fault.hint("begin with a section's name and a colon, as in `server:`"));
                None
            }
        }
    }
}

/// A collection that is still open.
struct Frame {
    place: Place,
    /// The key whose value comes next, in a mapping.
    key: Option<(String, Range<usize>)>,
}

/// Builds the tree of places out of the parser's events.
struct Reader<'a> {
    text: &'a Text,
    found: &'a mut Findings,
    open: Vec<Frame>,
    root: Option<Place>,
}

impl Reader<'_> {
    fn read(mut self) -> Option<Place> {
        let mut documents = 0;
        for event in Parser::new_from_str(self.text.raw()) {
            let (event, span) = match event {
                Ok(event) => event,
                Err(error) => {
                    let at = self.text.offset(error.marker().line(), error.marker().col());
                    let message = format!("the file is not valid YAML: {}", error.info());
                    self.refuse(
                        at..at,
                        message,
                        "check indentation, quotes and brackets on this line and the one before",
                    );
                    return None;
                }
            };
            let range = self.range(span);
            match event {
                Event::DocumentStart(_) => {
                    documents += 1;
                    if documents > 1 {
                        self.refuse(
                            range,
                            "a second document begins here".into(),
                            "keep one; remove the `---`",
                        );
                        return None;
                    }
                }
                Event::MappingStart(anchor, tag) => {
                    self.enter(range, anchor, tag.is_some(), Inside::Members(BTreeMap::new()))?;
                }
                Event::SequenceStart(anchor, tag) => {
                    self.enter(range, anchor, tag.is_some(), Inside::Elements(Vec::new()))?;
                }
                Event::MappingEnd | Event::SequenceEnd => {
                    if let Some(frame) = self.open.pop() {
                        self.put(frame.place);
                    }
                }
                Event::Scalar(value, style, anchor, tag) => {
                    self.refuse_extras(&range, anchor, tag.is_some())?;
                    self.scalar(&value, style, range)?;
                }
                Event::Alias(_) => {
                    self.refuse(range, "aliases are not used in this file".into(), "write the value out");
                    return None;
                }
                Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentEnd => {}
            }
        }
        Some(self.root.unwrap_or(Place { key: None, value: 0..0, inside: Inside::Nothing, index: 0 }))
    }

    fn enter(&mut self, range: Range<usize>, anchor: usize, tagged: bool, inside: Inside) -> Option<()> {
        self.refuse_extras(&range, anchor, tagged)?;
        if self.open.last().is_some_and(|f| f.key.is_none() && matches!(f.place.inside, Inside::Members(_))) {
            self.refuse(range, "a key must be a plain word".into(), "a `{` or `[` here may want quotes");
            return None;
        }
        if self.open.len() >= MAX_DEPTH {
            self.refuse(range, format!("nested deeper than {MAX_DEPTH} levels"), "flatten it");
            return None;
        }
        let start = range.start;
        let first = self.text.raw()[start..].chars().next().map_or(0, char::len_utf8);
        let place = Place { key: None, value: start..start + first, inside, index: 0 };
        self.open.push(Frame { place, key: None });
        Some(())
    }

    fn scalar(&mut self, value: &str, style: ScalarStyle, range: Range<usize>) -> Option<()> {
        if let Some(frame) = self.open.last_mut()
            && let Inside::Members(members) = &frame.place.inside
            && frame.key.is_none()
        {
            if let Some(first) = members.get(value).map(Place::key_label) {
                let message = format!("the key `{value}` is here twice");
                let fault = Fault::new(self.found.text(), Some(range.clone()), message);
                self.found.add(fault.hint("keep one of them").also(first, "first here"));
            }
            frame.key = Some((value.to_owned(), range));
            return Some(());
        }
        if style == ScalarStyle::Plain && is_no_number(value) {
            self.refuse(
                range.clone(),
                format!("`{value}` is not a number this file can hold"),
                "write a finite number",
            );
        }
        self.put(Place { key: None, value: range, inside: Inside::Nothing, index: 0 });
        Some(())
    }

    /// Puts a finished value into the collection it belongs to.
    fn put(&mut self, mut place: Place) {
        let Some(frame) = self.open.last_mut() else {
            self.root = Some(place);
            return;
        };
        match (&mut frame.place.inside, frame.key.take()) {
            (Inside::Members(members), Some((name, key))) => {
                place.key = Some(key);
                members.insert(name, place);
            }
            (Inside::Elements(elements), _) => {
                place.index = elements.len();
                elements.push(place);
            }
            (Inside::Members(_) | Inside::Nothing, _) => {}
        }
    }

    fn refuse_extras(&mut self, range: &Range<usize>, anchor: usize, tagged: bool) -> Option<()> {
        let what = match (anchor, tagged) {
            (0, false) => return Some(()),
            (0, true) => "tags (`!…`) are not used in this file",
            _ => "anchors (`&…`) are not used in this file",
        };
        self.refuse(range.clone(), what.into(), "remove it; quote the value if it is text");
        None
    }

    fn refuse(&mut self, range: Range<usize>, message: String, hint: &str) {
        self.found.add(Fault::new(self.found.text(), Some(range), message).hint(hint));
    }

    fn range(&self, span: Span) -> Range<usize> {
        let start = self.text.offset(span.start.line(), span.start.col());
        let end = self.text.offset(span.end.line(), span.end.col()).max(start);
        // A block scalar's span runs into the next line.
        let covered = self.text.raw()[start..end].trim_end().len();
        start..start + covered
    }
}

/// YAML can write what JSON cannot: infinity and "not a number".
fn is_no_number(plain: &str) -> bool {
    let unsigned = plain.strip_prefix(['+', '-']).unwrap_or(plain);
    matches!(unsigned, ".inf" | ".Inf" | ".INF") || matches!(plain, ".nan" | ".NaN" | ".NAN")
}
