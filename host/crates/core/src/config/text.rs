//! The file as text: its name, its lines, and a copy that is safe to show.
//!
//! A fault quotes the line it is about, and that line may hold a key written out in clear. What is
//! shown therefore comes from a copy in which literal secrets are stars.

use std::ops::Range;
use std::sync::OnceLock;

use miette::{MietteError, MietteSpanContents, SourceCode, SourceSpan, SpanContents};

/// One configuration text.
#[derive(Debug)]
pub(crate) struct Text {
    name: String,
    raw: String,
    shown: OnceLock<String>,
    line_starts: Vec<usize>,
}

impl Text {
    /// Takes in a text under the name to show for it. A byte order mark becomes white space.
    pub(crate) fn new(name: &str, text: &str) -> Self {
        let raw = text.strip_prefix('\u{FEFF}').unwrap_or(text).to_owned();
        let bytes = raw.as_bytes();
        let ends = bytes.iter().enumerate().filter(|(at, b)| {
            // YAML's line breaks: LF, CR LF, and a lone CR.
            **b == b'\n' || (**b == b'\r' && bytes.get(at + 1) != Some(&b'\n'))
        });
        let line_starts = std::iter::once(0).chain(ends.map(|(at, _)| at + 1)).collect();
        Self { name: name.to_owned(), raw, shown: OnceLock::new(), line_starts }
    }

    /// The name to show.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// The text to parse.
    pub(crate) fn raw(&self) -> &str {
        &self.raw
    }

    /// Puts stars over these secrets in what is shown. To be called once, when the places are known
    /// and before anything is shown.
    pub(crate) fn hide(&self, secrets: impl IntoIterator<Item = Range<usize>>) {
        let _ = self.shown.set(starred(&self.raw, secrets));
    }

    /// The text to show; as long as the raw one, byte for byte. Where the text could not be parsed,
    /// whatever follows a word that ends in `key:` counts as a secret.
    fn shown(&self) -> &str {
        self.shown.get_or_init(|| starred(&self.raw, likely_secrets(&self.raw)))
    }

    /// The byte a parser means by line (from 1) and column (from 0, in characters).
    pub(crate) fn offset(&self, line: usize, column: usize) -> usize {
        let Some(&start) = self.line_starts.get(line.saturating_sub(1)) else { return self.raw.len() };
        let end = self.line_starts.get(line).copied().unwrap_or(self.raw.len());
        self.raw[start..end].char_indices().nth(column).map_or(end, |(at, _)| start + at)
    }

    /// Line and column, both from 1, column in characters.
    pub(crate) fn line_and_column(&self, offset: usize) -> (usize, usize) {
        let offset = offset.min(self.raw.len());
        let line = self.line_starts.partition_point(|start| *start <= offset);
        let start = self.line_starts[line - 1];
        let before = self.raw.get(start..offset).unwrap_or_default();
        (line, before.chars().count() + 1)
    }

    /// What to show of one line (from 1), without its break.
    pub(crate) fn line(&self, line: usize) -> &str {
        let start = self.line_starts.get(line - 1).copied().unwrap_or(self.raw.len());
        let end = self.line_starts.get(line).copied().unwrap_or(self.raw.len());
        self.shown()[start..end].trim_end_matches(['\n', '\r'])
    }
}

/// Lets miette quote from the copy that is safe to show, under the file's name.
impl SourceCode for Text {
    fn read_span<'a>(
        &'a self,
        span: &SourceSpan,
        lines_before: usize,
        lines_after: usize,
    ) -> Result<Box<dyn SpanContents<'a> + 'a>, MietteError> {
        let part = self.shown().read_span(span, lines_before, lines_after)?;
        Ok(Box::new(MietteSpanContents::new_named(
            self.name.clone(),
            part.data(),
            *part.span(),
            part.line(),
            part.column(),
            part.line_count(),
        )))
    }
}

/// Stars over these bytes. Line breaks stay, so that lines keep their numbers.
fn starred(raw: &str, secrets: impl IntoIterator<Item = Range<usize>>) -> String {
    let mut shown = raw.to_owned();
    for range in secrets {
        let Some(secret) = raw.get(range.clone()) else { continue };
        if is_variable(secret) {
            continue;
        }
        let stars: String = secret
            .chars()
            .flat_map(|c| std::iter::repeat_n(if c == '\n' || c == '\r' { c } else { '*' }, c.len_utf8()))
            .collect();
        shown.replace_range(range, &stars);
    }
    shown
}

/// Whether this is one `${NAME}` without a default: a name is no secret.
fn is_variable(text: &str) -> bool {
    let bare = text.trim_matches(['"', '\'']);
    let name = bare.strip_prefix("${").and_then(|rest| rest.strip_suffix('}'));
    name.is_some_and(|name| name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_'))
}

/// What looks like a key's value in a text without structure: up to a comma, a brace or the line's end.
fn likely_secrets(raw: &str) -> Vec<Range<usize>> {
    let mut secrets = Vec::new();
    for (at, found) in raw.match_indices("key") {
        let after = at + found.len();
        let rest = raw[after..].trim_start_matches(['"', '\'']);
        let Some(value) = rest.strip_prefix(':') else { continue };
        let value = value.trim_start_matches(' ');
        let start = raw.len() - value.len();
        // `${NAME}` ends in a brace of its own.
        let end = match value.trim_start_matches(['"', '\'']).starts_with("${") {
            true => value.find('}').map_or(value.len(), |end| end + 1),
            false => value.find([',', '}', '\n', '\r']).unwrap_or(value.len()),
        };
        secrets.push(start..start + end);
    }
    secrets
}
