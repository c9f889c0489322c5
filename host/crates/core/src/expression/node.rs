//! An expression, taken apart and checked: every function is known, every literal is JSON, every pattern compiled.

use regex::Regex;
use serde_json::Value;

use super::functions::Function;

/// One part of an expression.
#[derive(Debug)]
pub(super) struct Node {
    /// Where it stands, in bytes of the expression's text.
    pub(super) at: usize,
    /// What it is.
    pub(super) kind: Kind,
}

/// What a part is.
#[derive(Debug)]
pub(super) enum Kind {
    Literal(Value),
    Name(String),
    Field { of: Box<Node>, field: String },
    Has { of: Box<Node>, field: String },
    Index { of: Box<Node>, index: Box<Node> },
    List(Vec<Node>),
    Map(Vec<(Node, Node)>),
    Not(Box<Node>),
    Negate(Box<Node>),
    And(Box<Node>, Box<Node>),
    Or(Box<Node>, Box<Node>),
    If { condition: Box<Node>, then: Box<Node>, otherwise: Box<Node> },
    Binary { operator: Operator, left: Box<Node>, right: Box<Node> },
    Each { what: Each, of: Box<Node>, name: String, only: Option<Box<Node>>, body: Box<Node> },
    Matches { of: Box<Node>, pattern: Regex },
    Call { function: Function, arguments: Vec<Node> },
}

/// An operator between two values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operator {
    Add,
    Subtract,
    Multiply,
    Divide,
    Remainder,
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    In,
}

impl Operator {
    /// As it is written.
    pub(super) fn sign(self) -> &'static str {
        match self {
            Self::Add => "+",
            Self::Subtract => "-",
            Self::Multiply => "*",
            Self::Divide => "/",
            Self::Remainder => "%",
            Self::Equal => "==",
            Self::NotEqual => "!=",
            Self::Less => "<",
            Self::LessOrEqual => "<=",
            Self::Greater => ">",
            Self::GreaterOrEqual => ">=",
            Self::In => "in",
        }
    }
}

/// What is made of a list's elements, one by one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Each {
    All,
    Exists,
    ExistsOne,
    Filter,
    Map,
}

/// A variable that an expression reads, and the fields of it that are written out: `plan.output.steps` of
/// `plan.output.steps[n].id`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Path {
    /// The variable.
    pub name: String,
    /// The fields, as far as they are known without evaluating; an index into a list is its decimal digits.
    pub fields: Vec<String>,
    /// Where it begins, in bytes of the expression's text.
    pub offset: usize,
    /// How many bytes it covers.
    pub length: usize,
    /// Whether it is only asked for with `has(…)`: it need not be there.
    pub optional: bool,
}
