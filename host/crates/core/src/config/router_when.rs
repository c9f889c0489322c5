//! `when:` of a plugin router: the condition under which it is asked at all, over what is known of a request. Checked when the
//! configuration is read; evaluated before anything of the plugin is touched.

use super::findings::Located;
use super::pointer::Pointer;
use super::suggest;
use crate::expression::{Expression, Gives};

/// The variable of conditions.
pub const REQUEST: &str = "request";

/// What is known of a request, by name, and what kind each is. What a request does not say is null.
const REQUEST_FACTS: &[(&str, Gives)] = &[
    ("headers", Gives::Map),
    ("input_tokens", Gives::Number),
    ("messages", Gives::Number),
    ("model", Gives::Unknown),
    ("project", Gives::Unknown),
    ("prompt", Gives::Text),
    ("step", Gives::Unknown),
    ("stream", Gives::Bool),
    ("task", Gives::Unknown),
    ("tools", Gives::Bool),
    ("user", Gives::Unknown),
    ("workflow", Gives::Unknown),
];

/// Reads a condition. What is wrong with it is told under the very words.
pub(super) fn check(text: &str, at: &Pointer, found: &mut Located<'_>) -> Option<Expression> {
    let expression = match Expression::parse_whole(text) {
        Ok(expression) => expression,
        Err(fault) => {
            let range = found.within(at, text, fault.offset, fault.length);
            found.fault_at(range, fault.message.clone(), fault.hint.clone());
            return None;
        }
    };
    let base = text.find(expression.as_str()).unwrap_or(0);
    let facts = || REQUEST_FACTS.iter().map(|(name, _)| *name);
    for path in expression.paths() {
        let range = found.within(at, text, base + path.offset, path.length);
        if path.name != REQUEST {
            let message = format!("there is no variable `{}` here", path.name);
            found.fault_at(range, message, "a condition sees the request: `request.task == 'x'`");
        } else if let Some(first) = path.fields.first().filter(|first| facts().all(|fact| fact != **first)) {
            let hint = suggest::hint(first, "what is known of a request", facts());
            found.fault_at(range, format!("a request has no `{first}`"), hint);
        }
    }
    let given = expression.gives(&|_, fields| match fields {
        [first] => {
            REQUEST_FACTS.iter().find(|(name, _)| name == first).map_or(Gives::Unknown, |(_, kind)| *kind)
        }
        [] => Gives::Map,
        _ => Gives::Unknown,
    });
    if !matches!(given, Gives::Bool | Gives::Unknown) {
        let range = found.within(at, text, base, expression.as_str().len());
        let message = format!("a condition must be true or false, and this is {}", given.with_article());
        found.fault_at(range, message, "compare it: `request.task == 'x'`, `request.input_tokens > 1000`");
    }
    Some(expression)
}
