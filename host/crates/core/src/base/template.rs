//! Prompt templates: a text that says `${input}` where somebody else's text goes; `$${` is a literal `${`.
//!
//! Filled in one pass, so nothing in the text that goes in is read as a template. How often it may go in is bounded: a
//! long prompt must not be multiplied into one that nobody can hold.

/// The place in a template where the text goes.
const INPUT: &str = "${input}";

/// The longest template, in bytes.
pub const MAX_TEMPLATE: usize = 64 << 10;
/// How often a template may take the text in.
pub const MAX_TEMPLATE_INPUTS: usize = 8;

/// A piece of a template.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Piece<'a> {
    Text(&'a str),
    Input,
    /// A `${…}` that means nothing; it stands for itself.
    Unknown(&'a str),
}

/// The template with `input` in its places.
pub fn fill_template(template: &str, input: &str) -> String {
    let mut out = String::with_capacity(template.len() + input.len());
    for piece in pieces(template) {
        out.push_str(match piece {
            Piece::Text(text) | Piece::Unknown(text) => text,
            Piece::Input => input,
        });
    }
    out
}

/// How often the template takes the text in.
pub fn template_inputs(template: &str) -> usize {
    pieces(template).filter(|piece| *piece == Piece::Input).count()
}

/// The first `${…}` in a template that means nothing.
pub fn unknown_in_template(template: &str) -> Option<&str> {
    pieces(template).find_map(|piece| match piece {
        Piece::Unknown(text) => Some(text),
        Piece::Text(_) | Piece::Input => None,
    })
}

fn pieces(template: &str) -> impl Iterator<Item = Piece<'_>> {
    let mut rest = template;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let (piece, length) = first(rest);
        rest = rest.get(length..).unwrap_or_default();
        Some(piece)
    })
}

/// The first piece of a text that is not empty, and how many bytes of the text it takes.
fn first(text: &str) -> (Piece<'_>, usize) {
    let Some(at) = text.find("${") else { return (Piece::Text(text), text.len()) };
    let (before, from) = text.split_at(at);
    if before.ends_with('$') {
        // `$${`: the first sign goes. What stands before it is a piece of its own, unless there is nothing.
        return match before.len() {
            1 => (Piece::Text(&from[..2]), 3),
            length => (Piece::Text(&before[..length - 1]), length - 1),
        };
    }
    if !before.is_empty() {
        return (Piece::Text(before), before.len());
    }
    if from.starts_with(INPUT) {
        return (Piece::Input, INPUT.len());
    }
    let end = from.find('}').map_or(from.len(), |end| end + 1);
    (Piece::Unknown(&from[..end]), end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_goes_in_once_and_is_not_read_again() {
        // A template, what it becomes with `<${input}>`, how often that went in, what is unknown in it.
        let rows = [
            ("", "", 0, None),
            ("no place", "no place", 0, None),
            ("${input}", "<${input}>", 1, None),
            ("a ${input} b ${input}", "a <${input}> b <${input}>", 2, None),
            ("$${input} is ${input}", "${input} is <${input}>", 1, None),
            ("x$${y}$${", "x${y}${", 0, None),
            ("$$${input}", "$${input}", 0, None),
            ("$5 and $$ and {input}", "$5 and $$ and {input}", 0, None),
            ("für ${Input}, ${input}", "für ${Input}, <${input}>", 1, Some("${Input}")),
            ("${inp", "${inp", 0, Some("${inp")),
        ];
        for (template, filled, inputs, unknown) in rows {
            assert_eq!(fill_template(template, "<${input}>"), filled, "{template}");
            assert_eq!(template_inputs(template), inputs, "{template}");
            assert_eq!(unknown_in_template(template), unknown, "{template}");
        }
    }
}
