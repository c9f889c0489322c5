//! What kind of value an expression gives, as far as that can be told without evaluating it: CEL has no static types here, so
//! whatever is not certain is unknown, and nothing is ever called wrong that could be right.

use serde_json::Value;

use super::functions::Function;
use super::node::{Each, Kind, Node, Operator};

/// A kind of value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gives {
    /// Null.
    Null,
    /// True or false.
    Bool,
    /// A number.
    Number,
    /// A text.
    Text,
    /// A list.
    List,
    /// A map.
    Map,
    /// Nobody can tell.
    Unknown,
}

impl Gives {
    /// The kind of a value.
    pub fn of(value: &Value) -> Self {
        match value {
            Value::Null => Self::Null,
            Value::Bool(_) => Self::Bool,
            Value::Number(_) => Self::Number,
            Value::String(_) => Self::Text,
            Value::Array(_) => Self::List,
            Value::Object(_) => Self::Map,
        }
    }

    /// What it is called in messages.
    pub fn with_article(self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool => "true or false",
            Self::Number => "a number",
            Self::Text => "a text",
            Self::List => "a list",
            Self::Map => "a map",
            Self::Unknown => "anything",
        }
    }

    /// What it is, where another is as good.
    fn or(self, other: Self) -> Self {
        if self == other { self } else { Self::Unknown }
    }
}

/// What a part gives. `known` tells of a variable with fields behind it; `bound` are the names that the expression makes itself.
pub(super) fn gives<'n>(
    node: &'n Node,
    known: &dyn Fn(&str, &[&str]) -> Gives,
    bound: &mut Vec<&'n str>,
) -> Gives {
    match &node.kind {
        Kind::Literal(value) => Gives::of(value),
        Kind::Name(_) | Kind::Field { .. } | Kind::Index { .. } => match chain(node) {
            Some((name, fields)) if !bound.contains(&name) => known(name, &fields),
            _ => Gives::Unknown,
        },
        Kind::Has { .. } | Kind::Not(_) | Kind::And(..) | Kind::Or(..) | Kind::Matches { .. } => Gives::Bool,
        Kind::List(_) => Gives::List,
        Kind::Map(_) => Gives::Map,
        Kind::Negate(_) => Gives::Number,
        Kind::If { then, otherwise, .. } => gives(then, known, bound).or(gives(otherwise, known, bound)),
        Kind::Binary { operator, left, right } => match operator {
            // Either side tells: only its own kind can be added to it.
            Operator::Add => match (gives(left, known, bound), gives(right, known, bound)) {
                (Gives::Unknown, other) | (other, _) => other,
            },
            Operator::Subtract | Operator::Multiply | Operator::Divide | Operator::Remainder => Gives::Number,
            _ => Gives::Bool,
        },
        Kind::Each { what, .. } => match what {
            Each::All | Each::Exists | Each::ExistsOne => Gives::Bool,
            Each::Filter | Each::Map => Gives::List,
        },
        Kind::Call { function, .. } => match function {
            Function::Size | Function::Int | Function::Double => Gives::Number,
            Function::Contains | Function::StartsWith | Function::EndsWith | Function::Bool => Gives::Bool,
            Function::Text | Function::Join => Gives::Text,
            Function::Json => Gives::Unknown,
        },
    }
}

/// A name and the fields behind it that are written out; `None` where one is worked out.
fn chain(node: &Node) -> Option<(&str, Vec<&str>)> {
    match &node.kind {
        Kind::Name(name) => Some((name, Vec::new())),
        Kind::Field { of, field } => {
            let (name, mut fields) = chain(of)?;
            fields.push(field);
            Some((name, fields))
        }
        Kind::Index { of, index } => {
            let (name, mut fields) = chain(of)?;
            match &index.kind {
                Kind::Literal(Value::String(key)) => fields.push(key),
                // Any place of a list is as good as the first.
                Kind::Literal(Value::Number(_)) => fields.push("0"),
                _ => return None,
            }
            Some((name, fields))
        }
        _ => None,
    }
}
