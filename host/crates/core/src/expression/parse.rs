//! From a text to an expression, or to what is wrong with it and where.

use std::collections::BTreeSet;
use std::sync::Arc;

use cel::Env;
use serde_json::Value;

use super::evaluate::{self, EvaluationError};
use super::gives::{self, Gives};
use super::lower;
use super::node::{Node, Path};
use super::scan;
use super::scope::Scope;
use super::{MAX_EXPRESSION, MAX_NESTING, MAX_OPERATORS};

/// Words that no variable can have as its name.
const RESERVED: &[&str] = &[
    "as",
    "break",
    "const",
    "continue",
    "else",
    "false",
    "for",
    "function",
    "if",
    "import",
    "in",
    "let",
    "loop",
    "namespace",
    "null",
    "package",
    "return",
    "true",
    "var",
    "void",
    "while",
];

/// Whether this is a word that CEL keeps for itself.
pub(super) fn is_reserved(word: &str) -> bool {
    RESERVED.contains(&word)
}

/// A checked expression. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Expression(Arc<Parsed>);

#[derive(Debug)]
struct Parsed {
    text: String,
    names: BTreeSet<String>,
    paths: Vec<Path>,
    node: Node,
}

/// What is wrong with an expression, and where in its text.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ExpressionFault {
    /// Where it begins, in bytes of the text.
    pub offset: usize,
    /// How many bytes it covers; at least 1, but for a fault at the end of the text.
    pub length: usize,
    /// What is wrong.
    pub message: String,
    /// What to do about it.
    pub hint: String,
}

impl ExpressionFault {
    /// The same fault in a longer text that has this one from `by` on.
    #[must_use]
    pub(super) fn moved(self, by: usize) -> Self {
        Self { offset: self.offset + by, ..self }
    }
}

impl Expression {
    /// Reads an expression. The fault is the first there is.
    pub fn parse(text: &str) -> Result<Self, ExpressionFault> {
        let whole = |message: String, hint: String| ExpressionFault {
            offset: 0,
            length: text.len().min(MAX_EXPRESSION),
            message,
            hint,
        };
        if text.len() > MAX_EXPRESSION {
            let message = format!("the expression has {} bytes", text.len());
            return Err(whole(message, format!("use at most {} KiB", MAX_EXPRESSION >> 10)));
        }
        if text.trim().is_empty() {
            return Err(whole(
                "the expression is empty".to_owned(),
                "name something, as in `input` or `plan.output`".to_owned(),
            ));
        }
        if let Some((offset, message)) = scan::too_deep(text) {
            let hint = format!(
                "split it over two steps: {MAX_NESTING} brackets inside brackets and {MAX_OPERATORS} operators are the most"
            );
            return Err(ExpressionFault { offset, length: 1, message, hint });
        }
        // No macros: `map`, `filter` and the like stay the calls they are written as.
        let parser = Env::default().with_optional_support(false).parser();
        let (tree, source) = parser.parse_with_source_info(text).map_err(|errors| syntax(text, &errors))?;
        let node = lower::lower(text, &tree, &source)?;
        let paths = lower::paths(&node, text);
        let names = paths.iter().map(|path| path.name.clone()).collect();
        Ok(Self(Arc::new(Parsed { text: text.to_owned(), names, paths, node })))
    }

    /// Reads a text that is an expression as a whole: bare, or in one `${…}`.
    pub fn parse_whole(text: &str) -> Result<Self, ExpressionFault> {
        let bare = text.trim();
        let lead = text.len() - text.trim_start().len();
        let Some(inner) = bare.strip_prefix("${") else {
            if let Some(at) = text.find("${") {
                return Err(ExpressionFault {
                    offset: at,
                    length: 2,
                    message: "an expression cannot have another in it".to_owned(),
                    hint: "write one expression, without `${` inside".to_owned(),
                });
            }
            return Self::parse(bare).map_err(|fault| fault.moved(lead));
        };
        match scan::closing_brace(inner) {
            Some(end) if end + 1 == inner.len() => {
                Self::parse(&inner[..end]).map_err(|fault| fault.moved(lead + 2))
            }
            Some(end) => Err(ExpressionFault {
                offset: lead + 2 + end + 1,
                length: inner.len() - end - 1,
                message: "nothing can stand behind the expression here".to_owned(),
                hint: "put everything into one `${…}`".to_owned(),
            }),
            None => Err(unclosed(lead)),
        }
    }

    /// The text it was read from, without `${` and `}`.
    pub fn as_str(&self) -> &str {
        &self.0.text
    }

    /// The variables it reads. Those that it makes itself, as in `map(e, …)`, are not among them.
    pub fn names(&self) -> &BTreeSet<String> {
        &self.0.names
    }

    /// Every place where it reads a variable.
    pub fn paths(&self) -> &[Path] {
        &self.0.paths
    }

    /// What kind of value it gives, as far as its text tells. `known` says what a variable with these fields behind it is.
    pub fn gives(&self, known: &dyn Fn(&str, &[&str]) -> Gives) -> Gives {
        gives::gives(&self.0.node, known, &mut Vec::new())
    }

    /// Evaluates it. Bounded whatever the data; see the room's bounds.
    pub fn evaluate(&self, scope: &Scope) -> Result<Value, EvaluationError> {
        evaluate::evaluate(&self.0.node, &self.0.text, scope, &mut evaluate::Meter::default())
    }

    /// The same, with a meter that others use too.
    pub(super) fn evaluate_with(
        &self,
        scope: &Scope,
        meter: &mut evaluate::Meter,
    ) -> Result<Value, EvaluationError> {
        evaluate::evaluate(&self.0.node, &self.0.text, scope, meter)
    }
}

impl PartialEq for Expression {
    fn eq(&self, other: &Self) -> bool {
        self.0.text == other.0.text
    }
}

/// A `${` whose brace never comes.
pub(super) fn unclosed(offset: usize) -> ExpressionFault {
    ExpressionFault {
        offset,
        length: 2,
        message: "the expression is not closed".to_owned(),
        hint: "end it with `}`; `$${` is a literal `${`".to_owned(),
    }
}

/// What the parser says, with the place in bytes.
fn syntax(text: &str, errors: &cel::ParseErrors) -> ExpressionFault {
    let Some(first) = errors.errors.first() else {
        return ExpressionFault {
            offset: 0,
            length: text.len(),
            message: "the expression cannot be read".to_owned(),
            hint: HINT.to_owned(),
        };
    };
    let (line, column) = first.pos;
    let line = usize::try_from(line - 1).unwrap_or(0);
    let start: usize = text.split_inclusive('\n').take(line).map(str::len).sum();
    let column = usize::try_from(column - 1).unwrap_or(0);
    let rest = text.get(start..).unwrap_or_default();
    let offset = start + rest.char_indices().nth(column).map_or(rest.len(), |(at, _)| at);
    let length = token_length(text.get(offset..).unwrap_or_default());
    ExpressionFault { offset, length, message: said(&first.msg), hint: HINT.to_owned() }
}

const HINT: &str =
    "write an expression as in `plan.output`, `size(items) > 3`, `items.map(i, i.name)`; see cel.dev";

/// The parser's own words, without the long list of what could have come instead.
fn said(message: &str) -> String {
    let message = message.trim_start_matches("Syntax error: ");
    let message = message.split(" expecting ").next().unwrap_or(message);
    if message.contains("<EOF>") {
        return "the expression cannot be read: it ends too early".to_owned();
    }
    format!("the expression cannot be read: {}", crate::base::excerpt(message, 160))
}

/// How long the word or sign is that begins here.
fn token_length(text: &str) -> usize {
    let word = text.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(text.len());
    if word > 0 { word } else { text.chars().next().map_or(0, char::len_utf8) }
}
