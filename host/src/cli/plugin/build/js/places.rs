//! Which line of the author's files a place in the bundle comes from: read from the bundler's source map (version 3).
//!
//! The table goes into the component as well, for errors at run time: plugin-sdk/js/src/places.js reads it. Lines of the SDK and
//! of generated code belong to nobody: a stack's frames in them are passed over.

use serde::Deserialize;
use serde_json::json;

/// Where the plugin's own sources are in the folder of the bundle.
const OWN: &str = "plugin/";

/// The bundle's lines, each cut where its origin changes.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Places {
    /// The files, as the author calls them.
    sources: Vec<String>,
    lines: Vec<Vec<Segment>>,
}

/// From this column on (from 0) a line comes from there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Segment {
    column: i64,
    /// The source and its line (from 1); absent for what is nobody's.
    origin: Option<(usize, i64)>,
}

impl Places {
    /// Reads the map of a bundle.
    ///
    /// # Errors
    /// The text is no source map; the error says why.
    pub(super) fn read(map: &str, bundle: &str) -> Result<Self, String> {
        #[derive(Deserialize)]
        struct Map {
            sources: Vec<String>,
            mappings: String,
        }
        let map: Map = serde_json::from_str(map).map_err(|error| error.to_string())?;
        let names: Vec<Option<String>> = map.sources.iter().map(|source| own_name(source)).collect();
        let mut lines = Vec::new();
        let mut code = bundle.lines();
        // All but the column go on from line to line.
        let (mut source, mut line) = (0_i64, 0_i64);
        for text in map.mappings.split(';') {
            let mut column = 0_i64;
            let mut segments: Vec<Segment> = Vec::new();
            for segment in text.split(',').filter(|segment| !segment.is_empty()) {
                let fields = numbers(segment).ok_or_else(|| format!("`{segment}` is no segment"))?;
                column += fields.first().copied().unwrap_or_default();
                let mut origin = None;
                if let [_, more_source, more_line, ..] = fields.as_slice() {
                    source += more_source;
                    line += more_line;
                    let index = usize::try_from(source).ok().filter(|index| *index < names.len());
                    let index = index.ok_or_else(|| format!("there is no source {source}"))?;
                    origin = names.get(index).and_then(Option::as_ref).map(|_| (index, line + 1));
                }
                if segments.last().is_none_or(|last| last.origin != origin) {
                    segments.push(Segment { column, origin });
                }
            }
            indent(&mut segments, code.next().unwrap_or_default());
            lines.push(segments);
        }
        Ok(Self { sources: names.into_iter().map(Option::unwrap_or_default).collect(), lines })
    }

    /// The statement that leaves the table to the component's own code.
    pub(super) fn code(&self) -> String {
        let segment = |Segment { column, origin }: &Segment| match origin {
            Some((source, line)) => format!("{column},{source},{line}"),
            None => format!("{column},,"),
        };
        let line = |line: &Vec<Segment>| line.iter().map(segment).collect::<Vec<_>>().join(";");
        let lines: Vec<String> = self.lines.iter().map(line).collect();
        format!(
            "globalThis.jackfieldPlaces = {};\n",
            json!({ "sources": self.sources, "lines": lines.join("\n") })
        )
    }

    /// The first place of a stack in the author's files, as `file:line`.
    pub(super) fn first_in(&self, stack: &str) -> Option<String> {
        let frames = stack.lines().map(str::trim).filter(|line| line.starts_with("at "));
        frames.filter_map(frame).find_map(|(line, column)| self.find(line, column))
    }

    /// Where a place of the bundle comes from; both count from 1.
    fn find(&self, line: usize, column: i64) -> Option<String> {
        let segments = self.lines.get(line.checked_sub(1)?)?;
        let (source, line) = segments.iter().take_while(|segment| segment.column < column).last()?.origin?;
        Some(format!("{}:{line}", self.sources.get(source)?))
    }
}

/// The bundler maps a line's indentation to the line before, and QuickJS often tells the first column where it knows none: a line
/// begins with what stands first in it.
fn indent(segments: &mut Vec<Segment>, line: &str) {
    let Ok(width) = i64::try_from(line.len() - line.trim_start().len()) else { return };
    if matches!(segments.as_slice(), [first, second, ..] if first.column < width && second.column <= width) {
        segments.remove(0);
    }
    if let Some(first) = segments.first_mut().filter(|first| first.column <= width) {
        first.column = 0;
    }
}

/// The line and column of a frame: `at f (/bundle.js:3:14)`.
fn frame(text: &str) -> Option<(usize, i64)> {
    let mut parts = text.trim_end_matches(')').rsplit(':');
    let column = parts.next()?.parse().ok()?;
    Some((parts.next()?.parse().ok()?, column))
}

/// A source as the author calls it; absent for what is ours.
fn own_name(source: &str) -> Option<String> {
    if let Some(own) = source.strip_prefix(OWN) {
        return Some(own.to_owned());
    }
    source.find("node_modules/").and_then(|at| source.get(at..)).map(str::to_owned)
}

/// A segment's numbers, in base 64 with a sign and a mark that more follows (VLQ); at most five, of 32 bits.
fn numbers(segment: &str) -> Option<Vec<i64>> {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut numbers = Vec::new();
    let (mut value, mut shift) = (0_i64, 0_u32);
    for byte in segment.bytes() {
        let digit = ALPHABET.iter().position(|known| *known == byte)?;
        let digit = i64::try_from(digit).ok()?;
        if shift > 30 || numbers.len() == 5 {
            return None;
        }
        value |= (digit & 31) << shift;
        shift += 5;
        if digit & 32 == 0 {
            numbers.push(if value & 1 == 1 { -(value >> 1) } else { value >> 1 });
            (value, shift) = (0, 0);
        }
    }
    (shift == 0).then_some(numbers)
}
