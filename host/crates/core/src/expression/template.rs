//! Any JSON value whose texts hold `${…}`: what prompts, inputs and outputs of workflows are written as.
//!
//! A text that is one `${…}` and nothing else becomes the expression's value as it is; in a longer text each `${…}`
//! becomes text. `$${` is a literal `${`. Keys are left alone. What goes in is never read as an expression.

use serde_json::{Map, Value};

use super::evaluate::{EvaluationError, Meter};
use super::functions::text_of;
use super::parse::{Expression, ExpressionFault, unclosed};
use super::scan;
use super::scope::Scope;

/// Lists and maps inside each other.
const MAX_DEPTH: usize = 64;

/// A value with expressions in it, checked.
#[derive(Clone, Debug, PartialEq)]
pub struct ValueTemplate(Part);

#[derive(Clone, Debug, PartialEq)]
enum Part {
    Fixed(Value),
    Whole(Expression, usize),
    Text(Vec<Piece>),
    List(Vec<Part>),
    Map(Vec<(String, Part)>),
}

#[derive(Clone, Debug, PartialEq)]
enum Piece {
    Text(String),
    /// With where it begins in its text, in bytes.
    Expression(Expression, usize),
}

/// What is wrong with one text of a template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TemplateFault {
    /// The keys and indices that lead to the text.
    pub path: Vec<String>,
    /// What is wrong, with its place in the text.
    pub fault: ExpressionFault,
}

impl ValueTemplate {
    /// Reads a value. All faults are told, one a text at most.
    pub fn parse(value: &Value) -> Result<Self, Vec<TemplateFault>> {
        let mut faults = Vec::new();
        let part = read(value, &mut Vec::new(), &mut faults);
        if faults.is_empty() { Ok(Self(part)) } else { Err(faults) }
    }

    /// A template that is this expression and nothing else.
    pub fn of(expression: Expression) -> Self {
        Self(Part::Whole(expression, 0))
    }

    /// The value with everything put in. One bound holds for all its expressions together.
    pub fn render(&self, scope: &Scope) -> Result<Value, EvaluationError> {
        self.0.render(scope, &mut Meter::default())
    }

    /// Every expression in it, with the keys and indices that lead to its text, and where in that text the expression
    /// itself begins, in bytes.
    pub fn expressions(&self) -> Vec<Placed<'_>> {
        let mut found = Vec::new();
        self.0.collect(&mut Vec::new(), &mut found);
        found
    }

    /// Whether it has no expression.
    pub fn is_fixed(&self) -> bool {
        self.expressions().is_empty()
    }
}

/// An expression of a template, and where it stands.
#[derive(Clone, Debug)]
pub struct Placed<'a> {
    /// The keys and indices that lead to the text it is in.
    pub path: Vec<String>,
    /// The expression.
    pub expression: &'a Expression,
    /// Where in that text the expression begins, in bytes, behind its `${`.
    pub offset: usize,
}

impl Part {
    fn render(&self, scope: &Scope, meter: &mut Meter) -> Result<Value, EvaluationError> {
        Ok(match self {
            Self::Fixed(value) => value.clone(),
            Self::Whole(expression, _) => expression.evaluate_with(scope, meter)?,
            Self::Text(pieces) => {
                let mut text = String::new();
                for piece in pieces {
                    match piece {
                        Piece::Text(piece) => text.push_str(piece),
                        Piece::Expression(expression, _) => {
                            let value = expression.evaluate_with(scope, meter)?;
                            match text_of(&value, meter) {
                                Ok(piece) => text.push_str(&piece),
                                Err(spent) => return Err(EvaluationError::spent(expression.as_str(), spent)),
                            }
                        }
                    }
                }
                Value::String(text)
            }
            Self::List(parts) => {
                Value::Array(parts.iter().map(|part| part.render(scope, meter)).collect::<Result<_, _>>()?)
            }
            Self::Map(parts) => {
                let mut members = Map::new();
                for (key, part) in parts {
                    members.insert(key.clone(), part.render(scope, meter)?);
                }
                Value::Object(members)
            }
        })
    }

    fn collect<'a>(&'a self, path: &mut Vec<String>, found: &mut Vec<Placed<'a>>) {
        match self {
            Self::Fixed(_) => {}
            Self::Whole(expression, offset) => {
                found.push(Placed { path: path.clone(), expression, offset: *offset });
            }
            Self::Text(pieces) => {
                for piece in pieces {
                    if let Piece::Expression(expression, offset) = piece {
                        found.push(Placed { path: path.clone(), expression, offset: *offset });
                    }
                }
            }
            Self::List(parts) => {
                for (index, part) in parts.iter().enumerate() {
                    path.push(index.to_string());
                    part.collect(path, found);
                    path.pop();
                }
            }
            Self::Map(parts) => {
                for (key, part) in parts {
                    path.push(key.clone());
                    part.collect(path, found);
                    path.pop();
                }
            }
        }
    }
}

fn read(value: &Value, path: &mut Vec<String>, faults: &mut Vec<TemplateFault>) -> Part {
    if path.len() > MAX_DEPTH {
        let message = format!("the value is more than {MAX_DEPTH} deep");
        let fault = ExpressionFault { offset: 0, length: 0, message, hint: "make it flatter".to_owned() };
        faults.push(TemplateFault { path: path.clone(), fault });
        return Part::Fixed(Value::Null);
    }
    match value {
        Value::String(text) => match read_text(text) {
            Ok(part) => part,
            Err(fault) => {
                faults.push(TemplateFault { path: path.clone(), fault });
                Part::Fixed(Value::Null)
            }
        },
        Value::Array(list) => {
            let mut parts = Vec::with_capacity(list.len());
            for (index, element) in list.iter().enumerate() {
                path.push(index.to_string());
                parts.push(read(element, path, faults));
                path.pop();
            }
            Part::List(parts)
        }
        Value::Object(members) => {
            let mut parts = Vec::with_capacity(members.len());
            for (key, member) in members {
                path.push(key.clone());
                parts.push((key.clone(), read(member, path, faults)));
                path.pop();
            }
            Part::Map(parts)
        }
        other => Part::Fixed(other.clone()),
    }
}

fn read_text(text: &str) -> Result<Part, ExpressionFault> {
    let mut pieces: Vec<Piece> = Vec::new();
    let mut fixed = String::new();
    let mut at = 0;
    while let Some(found) = text[at..].find("${") {
        let before = &text[at..at + found];
        let open = at + found;
        if let Some(before) = before.strip_suffix('$') {
            fixed.push_str(before);
            fixed.push_str("${");
            at = open + 2;
            continue;
        }
        fixed.push_str(before);
        let inner = &text[open + 2..];
        let Some(end) = scan::closing_brace(inner) else { return Err(unclosed(open)) };
        let expression = Expression::parse(&inner[..end]).map_err(|fault| fault.moved(open + 2))?;
        if !fixed.is_empty() {
            pieces.push(Piece::Text(std::mem::take(&mut fixed)));
        }
        pieces.push(Piece::Expression(expression, open + 2));
        at = open + 2 + end + 1;
    }
    fixed.push_str(&text[at..]);
    Ok(match &pieces[..] {
        [] => Part::Fixed(Value::String(fixed)),
        // What YAML leaves around it, as the line's end of a block, is not meant.
        [Piece::Expression(only, offset)] if fixed.trim().is_empty() => Part::Whole(only.clone(), *offset),
        _ => {
            if !fixed.is_empty() {
                pieces.push(Piece::Text(fixed));
            }
            Part::Text(pieces)
        }
    })
}
