//! Reads the expressions of one workflow: every variable in them is there, every field that is known not to be there is
//! told, and what a step refers to it needs. Faults stand under the very words they are about.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use serde_json::Value;

use crate::expression::{Expression, ExpressionFault, Gives, Path, ValueTemplate};

use super::super::findings::Located;
use super::super::pointer::Pointer;
use super::super::suggest;
use super::shape::Shape;
use super::types::{Input, InputKind};

/// What expressions of one place see besides the run's input and the steps' outputs.
pub(super) type Locals<'a> = &'a [&'a str];

/// What one step refers to, by index, each with the first place.
pub(super) type Needs = BTreeMap<usize, Range<usize>>;

/// What all expressions of a workflow are read against.
pub(super) struct Reader<'a> {
    /// The steps' names, in the file's order.
    pub(super) steps: Vec<&'a str>,
    /// What their outputs look like.
    pub(super) shapes: Vec<Shape<'a>>,
    /// What a run is given.
    pub(super) inputs: &'a BTreeMap<String, Input>,
}

/// Expressions of one place being read: what they see, what they turn out to need, and where faults are told.
pub(super) struct Reading<'a, 'f> {
    reader: &'a Reader<'a>,
    locals: Locals<'a>,
    needs: &'a mut Needs,
    found: &'a mut Located<'f>,
}

impl<'r> Reader<'r> {
    /// Begins to read expressions that see these variables besides the run's input and the steps.
    pub(super) fn reading<'a, 'f>(
        &'a self,
        locals: Locals<'a>,
        needs: &'a mut Needs,
        found: &'a mut Located<'f>,
    ) -> Reading<'a, 'f>
    where
        'r: 'a,
    {
        Reading { reader: self, locals, needs, found }
    }
}

impl Reading<'_, '_> {
    /// Reads a field that is an expression as a whole.
    pub(super) fn expression(&mut self, text: &str, at: &Pointer) -> Option<Expression> {
        match Expression::parse_whole(text) {
            Ok(expression) => {
                let base = text.find(expression.as_str()).unwrap_or(0);
                self.check(&expression, text, base, at);
                Some(expression)
            }
            Err(fault) => {
                tell(&fault, text, at, self.found);
                None
            }
        }
    }

    /// The same, for a field whose value must be of one kind. One that is certainly of another is told; null stands for a step
    /// that was skipped, or for a field that need not be there.
    pub(super) fn expression_of(&mut self, wanted: Gives, text: &str, at: &Pointer) -> Option<Expression> {
        let expression = self.expression(text, at)?;
        let given = expression.gives(&|name, fields| self.kind(name, fields));
        if given != wanted && given != Gives::Unknown {
            let base = text.find(expression.as_str()).unwrap_or(0);
            let range = self.found.within(at, text, base, expression.as_str().len());
            let path = self.found.path(at);
            let hint = match wanted {
                Gives::Bool => "compare it: `… == …`, `… > …`, `size(…) > 0`",
                Gives::List => {
                    "name a list: an output by a schema with `type: array`, an input with `type: list`, or `[…]`"
                }
                _ => "name a number, as in `evaluation.score`, or make one: `size(…)`, `double(…)`",
            };
            let message =
                format!("`{path}` must be {}, and this is {}", wanted.with_article(), given.with_article());
            self.found.fault_at(range, message, hint.to_owned());
        }
        Some(expression)
    }

    /// What is known of a variable with fields behind it.
    fn kind(&self, name: &str, fields: &[&str]) -> Gives {
        if self.locals.contains(&name) {
            return match (name, fields) {
                ("index" | "iteration", []) => Gives::Number,
                ("results" | "issues", []) => Gives::List,
                ("request", []) => Gives::Text,
                _ => Gives::Unknown,
            };
        }
        if name == "input" {
            let input = fields.first().and_then(|first| self.reader.inputs.get(*first));
            return match (input, fields.len()) {
                // One that may be left out may be null.
                (Some(input), 1) if input.required || input.default.is_some() => input.kind.gives(),
                _ => Gives::Unknown,
            };
        }
        let step = self
            .reader
            .steps
            .iter()
            .position(|step| *step == name)
            .and_then(|step| self.reader.shapes.get(step));
        match (step, fields) {
            (Some(shape), ["output", rest @ ..]) => shape.gives(rest),
            _ => Gives::Unknown,
        }
    }

    /// Reads a text with expressions in it.
    pub(super) fn text(&mut self, text: &str, at: &Pointer) -> Option<ValueTemplate> {
        self.template(&Value::String(text.to_owned()), at)
    }

    /// Reads any value with expressions in its texts.
    pub(super) fn template(&mut self, value: &Value, at: &Pointer) -> Option<ValueTemplate> {
        let text_at = |path: &[String]| {
            let inner = path.iter().try_fold(value, |value, key| match value {
                Value::Array(list) => list.get(key.parse::<usize>().ok()?),
                other => other.get(key.as_str()),
            });
            inner.and_then(Value::as_str).unwrap_or_default().to_owned()
        };
        let place = |path: &[String]| path.iter().fold(at.clone(), |at, key| at.key(key));
        match ValueTemplate::parse(value) {
            Ok(template) => {
                for placed in template.expressions() {
                    let text = text_at(&placed.path);
                    let at = place(&placed.path);
                    self.check(placed.expression, &text, placed.offset, &at);
                }
                Some(template)
            }
            Err(faults) => {
                for fault in faults {
                    tell(&fault.fault, &text_at(&fault.path), &place(&fault.path), self.found);
                }
                None
            }
        }
    }

    /// Checks what an expression refers to. It begins at `base` of `text`.
    fn check(&mut self, expression: &Expression, text: &str, base: usize, at: &Pointer) {
        for path in expression.paths() {
            let range = self.found.within(at, text, base + path.offset, path.length);
            if self.locals.contains(&path.name.as_str()) {
                continue;
            }
            let told =
                match (path.name.as_str(), self.reader.steps.iter().position(|step| *step == path.name)) {
                    ("input", _) => self.input(path),
                    (_, Some(step)) => {
                        self.needs.entry(step).or_insert_with(|| range.range.clone());
                        self.output(step, path)
                    }
                    (name, None) => Err(self.unknown(name)),
                };
            if let Err((message, hint)) = told {
                self.found.fault_at(range, message, hint);
            }
        }
    }

    fn unknown(&self, name: &str) -> (String, String) {
        let known: BTreeSet<&str> =
            self.locals.iter().copied().chain(["input"]).chain(self.reader.steps.iter().copied()).collect();
        let hint = suggest::hint(name, "what an expression here can name", known);
        (format!("there is no step or variable `{name}` here"), hint)
    }

    fn input(&self, path: &Path) -> Result<(), (String, String)> {
        let Some(first) = path.fields.first().filter(|_| !self.reader.inputs.is_empty()) else {
            return Ok(());
        };
        let Some(input) = self.reader.inputs.get(first) else {
            let known = self.reader.inputs.keys().map(String::as_str);
            return Err((
                format!("the workflow has no input `{first}`"),
                suggest::undeclared(first, "inputs", known),
            ));
        };
        let plain = !matches!(input.kind, InputKind::Any | InputKind::List | InputKind::Object);
        match path.fields.get(1).filter(|_| plain && !path.optional) {
            Some(field) => Err((
                format!("the input `{first}` is {}: it has no `{field}`", input.kind.with_article()),
                format!("write `${{input.{first}}}`, or give it another `type`"),
            )),
            None => Ok(()),
        }
    }

    fn output(&self, step: usize, path: &Path) -> Result<(), (String, String)> {
        let name = &path.name;
        let Some((first, rest)) = path.fields.split_first() else {
            return match path.optional {
                true => Ok(()),
                false => Err((format!("`{name}` is a step, not a value"), format!("write `{name}.output`"))),
            };
        };
        if first != "output" {
            return Err((format!("a step has no `{first}`"), format!("write `{name}.output`")));
        }
        let shape = self.reader.shapes.get(step).unwrap_or(&Shape::Anything);
        shape
            .lacks(rest, path.optional)
            .map_or(Ok(()), |(what, hint)| Err((format!("the output of `{name}` {what}"), hint)))
    }
}

/// Tells what is wrong with an expression, under it.
fn tell(fault: &ExpressionFault, text: &str, at: &Pointer, found: &mut Located<'_>) {
    let range = found.within(at, text, fault.offset, fault.length);
    found.fault_at(range, fault.message.clone(), fault.hint.clone());
}
