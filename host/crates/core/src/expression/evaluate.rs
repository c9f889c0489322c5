//! Evaluates an expression over JSON. What is there is borrowed; what is made is counted, and there is an end to it
//! whatever the data.
//!
//! As in CEL, `&&` and `||` (and `all`, `exists`) forgive an error on one side when the other decides.

use std::borrow::Cow;
use std::cmp::Ordering;

use serde_json::{Map, Value};

use super::functions::{self, Refused, kind_of};
use super::node::{Each, Kind, Node, Operator};
use super::number;
use super::scope::Scope;
use super::{MAX_BYTES, MAX_STEPS};

/// Why an expression has no value. Names the expression and what in it; shows no value.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`${{{expression}}}` has no value: {message}")]
pub struct EvaluationError {
    /// The expression, shortened.
    expression: String,
    message: String,
}

impl EvaluationError {
    fn new(text: &str, message: String) -> Self {
        Self { expression: crate::base::excerpt(text, 80), message }
    }

    /// The data is too large for this expression.
    pub(super) fn spent(text: &str, _: Spent) -> Self {
        let bytes = MAX_BYTES >> 20;
        let message =
            format!("it takes more than {MAX_STEPS} steps or {bytes} MiB: the data is too large for it");
        Self::new(text, message)
    }
}

/// There is nothing left to evaluate with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Spent;

/// What an evaluation may still cost.
#[derive(Debug)]
pub(super) struct Meter {
    steps: u32,
    bytes: usize,
}

impl Default for Meter {
    fn default() -> Self {
        Self { steps: MAX_STEPS, bytes: MAX_BYTES }
    }
}

impl Meter {
    fn step(&mut self) -> Result<(), Spent> {
        self.steps = self.steps.checked_sub(1).ok_or(Spent)?;
        Ok(())
    }

    /// Counts bytes that are built, copied or compared.
    pub(super) fn bytes(&mut self, count: usize) -> Result<(), Spent> {
        self.bytes = self.bytes.checked_sub(count).ok_or(Spent)?;
        Ok(())
    }

    /// Counts a value, as it takes room in memory. Stops with what is left.
    pub(super) fn value(&mut self, value: &Value) -> Result<(), Spent> {
        self.bytes(size_of::<Value>())?;
        match value {
            Value::String(text) => self.bytes(text.len()),
            Value::Array(list) => list.iter().try_for_each(|element| self.value(element)),
            Value::Object(members) => members.iter().try_for_each(|(key, member)| {
                self.bytes(key.len())?;
                self.value(member)
            }),
            Value::Null | Value::Bool(_) | Value::Number(_) => Ok(()),
        }
    }
}

/// Why an evaluation stops.
enum Stop {
    Spent,
    Failed(String),
}

impl From<Spent> for Stop {
    fn from(_: Spent) -> Self {
        Self::Spent
    }
}

type Found<'v> = Result<Cow<'v, Value>, Stop>;

/// Evaluates a node; `text` is what the error quotes.
pub(super) fn evaluate(
    node: &Node,
    text: &str,
    scope: &Scope,
    meter: &mut Meter,
) -> Result<Value, EvaluationError> {
    let mut run = Run { scope, locals: Vec::new(), meter };
    let found = run.node(node).and_then(|value| run.own(value));
    found.map_err(|stop| match stop {
        Stop::Spent => EvaluationError::spent(text, Spent),
        Stop::Failed(why) => EvaluationError::new(text, why),
    })
}

struct Run<'v, 'm> {
    scope: &'v Scope,
    /// What the expression itself gives a name, innermost last.
    locals: Vec<(&'v str, Cow<'v, Value>)>,
    meter: &'m mut Meter,
}

fn failed<T>(why: impl Into<String>) -> Result<T, Stop> {
    Err(Stop::Failed(why.into()))
}

fn made<'v>(value: impl Into<Value>) -> Cow<'v, Value> {
    Cow::Owned(value.into())
}

impl<'v> Run<'v, '_> {
    /// A value of our own: a borrowed one is copied, and counted.
    fn own(&mut self, value: Cow<'v, Value>) -> Result<Value, Stop> {
        match value {
            Cow::Owned(value) => Ok(value),
            Cow::Borrowed(value) => {
                self.meter.value(value)?;
                Ok(value.clone())
            }
        }
    }

    fn node(&mut self, node: &'v Node) -> Found<'v> {
        self.meter.step()?;
        match &node.kind {
            Kind::Literal(value) => Ok(Cow::Borrowed(value)),
            Kind::Name(name) => self.name(name),
            Kind::Field { of, field } => {
                let of = self.node(of)?;
                member(of, field)
            }
            Kind::Has { of, field } => {
                let of = self.node(of)?;
                Ok(made(of.get(field.as_str()).is_some()))
            }
            Kind::Index { of, index } => {
                let (of, index) = (self.node(of)?, self.node(index)?);
                element(of, &index)
            }
            Kind::List(elements) => {
                let mut list = Vec::with_capacity(elements.len());
                for element in elements {
                    let element = self.node(element)?;
                    list.push(self.own(element)?);
                }
                Ok(made(list))
            }
            Kind::Map(entries) => self.map(entries),
            Kind::Not(of) => {
                let of = self.truth(of)?;
                Ok(made(!of))
            }
            Kind::Negate(of) => match &*self.node(of)? {
                Value::Number(number) => {
                    number::negate(number).map(made).map_or_else(|| failed("the number has no room"), Ok)
                }
                other => failed(format!("`-` is for numbers, not for {}", kind_of(other))),
            },
            Kind::And(left, right) => self.decide(left, right, false),
            Kind::Or(left, right) => self.decide(left, right, true),
            Kind::If { condition, then, otherwise } => {
                if self.truth(condition)? {
                    self.node(then)
                } else {
                    self.node(otherwise)
                }
            }
            Kind::Binary { operator, left, right } => {
                let (left, right) = (self.node(left)?, self.node(right)?);
                self.binary(*operator, left, right)
            }
            Kind::Each { what, of, name, only, body } => {
                let of = self.node(of)?;
                self.each(*what, of, name, only.as_deref(), body)
            }
            Kind::Matches { of, pattern } => match &*self.node(of)? {
                Value::String(text) => {
                    // A pattern costs more than a copy does.
                    self.meter.bytes(text.len().saturating_mul(4))?;
                    Ok(made(pattern.is_match(text)))
                }
                other => failed(format!("`matches` is for texts, not for {}", kind_of(other))),
            },
            Kind::Call { function, arguments } => {
                let mut values = Vec::with_capacity(arguments.len());
                for argument in arguments {
                    values.push(self.node(argument)?);
                }
                functions::call(*function, &values, self.meter).map(Cow::Owned).map_err(|refused| {
                    match refused {
                        Refused::Spent(_) => Stop::Spent,
                        Refused::Unfit(why) => {
                            Stop::Failed(format!("in a call of `{function:?}`: {why}").to_lowercase())
                        }
                    }
                })
            }
        }
    }

    fn name(&mut self, name: &str) -> Found<'v> {
        if let Some((_, value)) = self.locals.iter().rev().find(|(known, _)| *known == name) {
            return Ok(match value {
                Cow::Borrowed(value) => Cow::Borrowed(*value),
                Cow::Owned(value) => {
                    self.meter.value(value)?;
                    Cow::Owned(value.clone())
                }
            });
        }
        match self.scope.get(name) {
            Some(value) => Ok(Cow::Borrowed(&**value)),
            None => failed(format!("there is no `{name}` here")),
        }
    }

    fn truth(&mut self, node: &'v Node) -> Result<bool, Stop> {
        match &*self.node(node)? {
            Value::Bool(is) => Ok(*is),
            other => failed(format!("a condition is true or false, not {}", kind_of(other))),
        }
    }

    /// `&&` (decided by false) and `||` (decided by true).
    fn decide(&mut self, left: &'v Node, right: &'v Node, decisive: bool) -> Found<'v> {
        let first = match self.truth(left) {
            Err(Stop::Spent) => return Err(Stop::Spent),
            Ok(is) if is == decisive => return Ok(made(decisive)),
            other => other,
        };
        let second = self.truth(right)?;
        if second == decisive {
            return Ok(made(decisive));
        }
        first.map(|_| made(!decisive))
    }

    fn map(&mut self, entries: &'v [(Node, Node)]) -> Found<'v> {
        let mut members = Map::new();
        for (key, value) in entries {
            let key = match &*self.node(key)? {
                Value::String(key) => key.clone(),
                other => return failed(format!("a map's key is a text, not {}", kind_of(other))),
            };
            self.meter.bytes(key.len())?;
            let value = self.node(value)?;
            let value = self.own(value)?;
            if members.insert(key, value).is_some() {
                return failed("a map has a key twice");
            }
        }
        Ok(made(members))
    }

    fn binary(&mut self, operator: Operator, left: Cow<'v, Value>, right: Cow<'v, Value>) -> Found<'v> {
        use Operator::{Equal, Greater, GreaterOrEqual, In, Less, LessOrEqual, NotEqual};
        match operator {
            Equal => Ok(made(self.equal(&left, &right)?)),
            NotEqual => Ok(made(!self.equal(&left, &right)?)),
            In => self.is_in(&left, &right).map(made),
            Less | LessOrEqual | Greater | GreaterOrEqual => {
                let ordering = self.compare(&left, &right)?;
                let Some(ordering) = ordering else { return failed(unfit(operator, &left, &right)) };
                Ok(made(match operator {
                    Less => ordering == Ordering::Less,
                    LessOrEqual => ordering != Ordering::Greater,
                    Greater => ordering == Ordering::Greater,
                    _ => ordering != Ordering::Less,
                }))
            }
            _ => self.sum(operator, left, right),
        }
    }

    fn sum(&mut self, operator: Operator, left: Cow<'v, Value>, right: Cow<'v, Value>) -> Found<'v> {
        if let (Value::Number(a), Value::Number(b)) = (&*left, &*right) {
            return match number::reckon(operator, a, b) {
                Ok(value) => Ok(Cow::Owned(value)),
                Err(why) => failed(why),
            };
        }
        let sum = matches!(
            (operator, &*left, &*right),
            (Operator::Add, Value::String(_), Value::String(_))
                | (Operator::Add, Value::Array(_), Value::Array(_))
        );
        if !sum {
            return failed(unfit(operator, &left, &right));
        }
        // What is added to is copied where it is not ours already, what is added always.
        self.meter.value(&right)?;
        match (self.own(left)?, &*right) {
            (Value::String(mut text), Value::String(more)) => {
                text.push_str(more);
                Ok(made(text))
            }
            (Value::Array(mut list), Value::Array(more)) => {
                list.extend(more.iter().cloned());
                Ok(made(list))
            }
            (other, _) => Ok(made(other)),
        }
    }

    fn compare(&mut self, left: &Value, right: &Value) -> Result<Option<Ordering>, Stop> {
        Ok(match (left, right) {
            (Value::Number(a), Value::Number(b)) => number::compare(a, b),
            (Value::String(a), Value::String(b)) => {
                self.meter.bytes(a.len().min(b.len()))?;
                Some(a.cmp(b))
            }
            (Value::Bool(a), Value::Bool(b)) => Some(a.cmp(b)),
            _ => None,
        })
    }

    fn equal(&mut self, left: &Value, right: &Value) -> Result<bool, Spent> {
        self.meter.step()?;
        match (left, right) {
            (Value::Number(a), Value::Number(b)) => Ok(number::compare(a, b) == Some(Ordering::Equal)),
            (Value::String(a), Value::String(b)) if a.len() == b.len() => {
                self.meter.bytes(a.len())?;
                Ok(a == b)
            }
            (Value::Array(a), Value::Array(b)) if a.len() == b.len() => {
                for (a, b) in a.iter().zip(b) {
                    if !self.equal(a, b)? {
                        return Ok(false);
                    }
                }
                Ok(true)
            }
            (Value::Object(a), Value::Object(b)) if a.len() == b.len() => {
                for (key, a) in a {
                    let Some(b) = b.get(key) else { return Ok(false) };
                    if !self.equal(a, b)? {
                        return Ok(false);
                    }
                }
                Ok(true)
            }
            (Value::Bool(a), Value::Bool(b)) => Ok(a == b),
            (Value::Null, Value::Null) => Ok(true),
            _ => Ok(false),
        }
    }

    fn is_in(&mut self, wanted: &Value, all: &Value) -> Result<bool, Stop> {
        match all {
            Value::Array(list) => {
                for element in list {
                    if self.equal(wanted, element)? {
                        return Ok(true);
                    }
                }
                Ok(false)
            }
            Value::Object(members) => match wanted {
                Value::String(key) => Ok(members.contains_key(key)),
                other => failed(format!("a map's key is a text, not {}", kind_of(other))),
            },
            other => failed(format!("`in` looks into a list or a map, not into {}", kind_of(other))),
        }
    }

    fn each(
        &mut self,
        what: Each,
        of: Cow<'v, Value>,
        name: &'v str,
        only: Option<&'v Node>,
        body: &'v Node,
    ) -> Found<'v> {
        let elements: Vec<Cow<'v, Value>> = match of {
            Cow::Borrowed(Value::Array(list)) => list.iter().map(Cow::Borrowed).collect(),
            Cow::Owned(Value::Array(list)) => list.into_iter().map(Cow::Owned).collect(),
            Cow::Borrowed(Value::Object(members)) => {
                self.meter.bytes(members.keys().map(String::len).sum())?;
                members.keys().map(|key| made(key.as_str())).collect()
            }
            Cow::Owned(Value::Object(members)) => members.into_iter().map(|(key, _)| made(key)).collect(),
            other => return failed(format!("a list or a map is gone through, not {}", kind_of(&other))),
        };
        let mut list: Vec<Value> = Vec::new();
        let (mut hits, mut first_error) = (0_usize, None);
        for element in elements {
            self.locals.push((name, element));
            let turn = self.turn(what, only, body);
            let element = self.locals.pop().map(|(_, element)| element);
            match (turn, what) {
                (Err(Stop::Failed(why)), Each::All | Each::Exists) => drop(first_error.get_or_insert(why)),
                (Err(stop), _) => return Err(stop),
                (Ok(Turn::Value(value)), _) => list.push(value),
                (Ok(Turn::Holds(holds)), Each::Filter) => {
                    if let Some(element) = element.filter(|_| holds) {
                        list.push(self.own(element)?);
                    }
                }
                (Ok(Turn::Holds(true)), Each::Exists) => return Ok(made(true)),
                (Ok(Turn::Holds(false)), Each::All) => return Ok(made(false)),
                (Ok(Turn::Holds(holds)), _) => hits += usize::from(holds),
            }
        }
        match (what, first_error) {
            (_, Some(why)) => failed(why),
            (Each::All, None) => Ok(made(true)),
            (Each::Exists, None) => Ok(made(false)),
            (Each::ExistsOne, None) => Ok(made(hits == 1)),
            (Each::Filter | Each::Map, None) => Ok(made(list)),
        }
    }

    /// One element's turn; its name is set.
    fn turn(&mut self, what: Each, only: Option<&'v Node>, body: &'v Node) -> Result<Turn, Stop> {
        if what != Each::Map {
            return self.truth(body).map(Turn::Holds);
        }
        if let Some(only) = only
            && !self.truth(only)?
        {
            return Ok(Turn::Holds(false));
        }
        let value = self.node(body)?;
        self.own(value).map(Turn::Value)
    }
}

enum Turn {
    Holds(bool),
    Value(Value),
}

fn unfit(operator: Operator, left: &Value, right: &Value) -> String {
    format!("`{}` cannot stand between {} and {}", operator.sign(), kind_of(left), kind_of(right))
}

fn member<'v>(of: Cow<'v, Value>, field: &str) -> Found<'v> {
    let missing = |of: &Value| match of {
        Value::Object(_) => failed(format!("there is no key `{}`", crate::base::excerpt(field, 64))),
        other => failed(format!("{} has no key `{}`", kind_of(other), crate::base::excerpt(field, 64))),
    };
    match of {
        Cow::Borrowed(of) => of.get(field).map(Cow::Borrowed).map_or_else(|| missing(of), Ok),
        Cow::Owned(Value::Object(mut members)) => match members.remove(field) {
            Some(value) => Ok(Cow::Owned(value)),
            None => missing(&Value::Object(members)),
        },
        Cow::Owned(other) => missing(&other),
    }
}

fn element<'v>(of: Cow<'v, Value>, index: &Value) -> Found<'v> {
    match (&*of, index) {
        (Value::Object(_), Value::String(key)) => member(of, key),
        (Value::Array(list), Value::Number(number)) => {
            let length = list.len();
            // A whole number may have come as a fraction: `2.0`.
            let whole = number::truncate(number).filter(|whole| {
                matches!(whole, Value::Number(whole) if number::compare(whole, number) == Some(Ordering::Equal))
            });
            let at = whole.as_ref().and_then(Value::as_u64).and_then(|at| usize::try_from(at).ok());
            let Some(at) = at.filter(|at| *at < length) else {
                return failed(format!("a list of {length} has no element {number}"));
            };
            Ok(match of {
                Cow::Borrowed(Value::Array(list)) => Cow::Borrowed(&list[at]),
                Cow::Owned(Value::Array(mut list)) => Cow::Owned(list.swap_remove(at)),
                other => other,
            })
        }
        (of, index) => failed(format!("{} cannot be indexed with {}", kind_of(of), kind_of(index))),
    }
}
