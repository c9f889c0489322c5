//! From the parser's tree to ours. What cannot be evaluated is refused here, with its place, and not when a request comes.
//!
//! Recursive; a tree is no deeper than its text has operators, which are counted before.

use cel::common::ast::{EntryExpr, Expr, IdedExpr, LiteralValue, SourceInfo, operators};
use regex::RegexBuilder;
use serde_json::Value;

use super::functions::{self, Function};
use super::node::{Each, Kind, Node, Operator, Path};
use super::number;
use super::parse::{ExpressionFault, is_reserved};

/// A compiled pattern's size, in bytes.
const PATTERN_SIZE: usize = 1 << 20;

/// Checks a tree and takes it over.
pub(super) fn lower(text: &str, tree: &IdedExpr, source: &SourceInfo) -> Result<Node, ExpressionFault> {
    Lowering { text, source }.node(tree)
}

struct Lowering<'a> {
    text: &'a str,
    source: &'a SourceInfo,
}

impl Lowering<'_> {
    /// Where a node's own token begins, and how long it is. The parser counts in bytes.
    fn place(&self, id: u64) -> (usize, usize) {
        let (start, stop) = self.source.offset_for(id).unwrap_or_default();
        let start = (start as usize).min(self.text.len());
        let end = (stop as usize + 1).clamp(start, self.text.len());
        // A call stands at its bracket: people look at its name.
        if self.text.get(start..end) == Some("(") {
            let before = self.text.get(..start).unwrap_or_default().trim_end();
            let name = before.rfind(|c: char| !c.is_ascii_alphanumeric() && c != '_').map_or(0, |at| at + 1);
            if name < before.len() {
                return (name, before.len() - name);
            }
        }
        (start, end - start)
    }

    fn fault<T>(
        &self,
        id: u64,
        message: impl Into<String>,
        hint: impl Into<String>,
    ) -> Result<T, ExpressionFault> {
        let (offset, length) = self.place(id);
        Err(ExpressionFault { offset, length: length.max(1), message: message.into(), hint: hint.into() })
    }

    fn boxed(&self, tree: &IdedExpr) -> Result<Box<Node>, ExpressionFault> {
        self.node(tree).map(Box::new)
    }

    fn node(&self, tree: &IdedExpr) -> Result<Node, ExpressionFault> {
        let kind = match &tree.expr {
            Expr::Literal(literal) => Kind::Literal(self.literal(tree.id, literal)?),
            // A leading dot asks for the outermost name: here there is but one kind of name.
            Expr::Ident(name) => Kind::Name(name.trim_start_matches('.').to_owned()),
            Expr::Select(select) => {
                Kind::Field { of: self.boxed(&select.operand)?, field: select.field.clone() }
            }
            Expr::List(list) => {
                Kind::List(list.elements.iter().map(|element| self.node(element)).collect::<Result<_, _>>()?)
            }
            Expr::Map(map) => {
                let entries = map.entries.iter().map(|entry| match &entry.expr {
                    EntryExpr::MapEntry(entry) => Ok((self.node(&entry.key)?, self.node(&entry.value)?)),
                    EntryExpr::StructField(_) => {
                        self.fault(entry.id, "this is no entry of a map", "write `key: value`")
                    }
                });
                Kind::Map(entries.collect::<Result<_, _>>()?)
            }
            Expr::Call(call) => self.call(tree.id, &call.func_name, call.target.as_deref(), &call.args)?,
            Expr::Comprehension(_) | Expr::Struct(_) | Expr::Unspecified => {
                return self.fault(
                    tree.id,
                    "an expression cannot make a message",
                    "make a map: `{\"key\": value}`",
                );
            }
        };
        Ok(Node { at: self.place(tree.id).0, kind })
    }

    fn literal(&self, id: u64, literal: &LiteralValue) -> Result<Value, ExpressionFault> {
        Ok(match literal {
            LiteralValue::Boolean(is) => Value::Bool(*is.inner()),
            LiteralValue::Int(number) => Value::from(*number.inner()),
            LiteralValue::UInt(number) => Value::from(*number.inner()),
            LiteralValue::Double(number) => match number::fraction(*number.inner()) {
                Some(value) => value,
                None => return self.fault(id, "the number is not finite", "write a smaller one"),
            },
            LiteralValue::String(text) => Value::String(text.inner().to_owned()),
            LiteralValue::Null => Value::Null,
            LiteralValue::Bytes(_) => {
                return self.fault(id, "JSON has no bytes", "write a text, without the `b` before it");
            }
        })
    }

    fn call(
        &self,
        id: u64,
        name: &str,
        target: Option<&IdedExpr>,
        arguments: &[IdedExpr],
    ) -> Result<Kind, ExpressionFault> {
        match (name, target, arguments) {
            (operators::CONDITIONAL, None, [condition, then, otherwise]) => Ok(Kind::If {
                condition: self.boxed(condition)?,
                then: self.boxed(then)?,
                otherwise: self.boxed(otherwise)?,
            }),
            (operators::LOGICAL_AND, None, terms) => self.chain(terms, Kind::And),
            (operators::LOGICAL_OR, None, terms) => self.chain(terms, Kind::Or),
            (operators::LOGICAL_NOT, None, [of]) => Ok(Kind::Not(self.boxed(of)?)),
            (operators::NEGATE, None, [of]) => Ok(Kind::Negate(self.boxed(of)?)),
            (operators::INDEX, None, [of, index]) => {
                Ok(Kind::Index { of: self.boxed(of)?, index: self.boxed(index)? })
            }
            ("has", None, [of]) => match &of.expr {
                Expr::Select(select) => {
                    Ok(Kind::Has { of: self.boxed(&select.operand)?, field: select.field.clone() })
                }
                _ => self.fault(id, "`has` asks for a field", "write `has(x.field)`"),
            },
            ("matches", Some(of), [pattern]) | ("matches", None, [of, pattern]) => {
                self.matches(id, of, pattern)
            }
            (_, Some(of), _) if each(name).is_some() => self.each(id, name, of, arguments),
            (_, None, [left, right]) if operator(name).is_some() => {
                let Some(operator) = operator(name) else { return self.fault(id, "no operator", "") };
                Ok(Kind::Binary { operator, left: self.boxed(left)?, right: self.boxed(right)? })
            }
            _ => self.function(id, name, target, arguments),
        }
    }

    fn chain(
        &self,
        terms: &[IdedExpr],
        join: fn(Box<Node>, Box<Node>) -> Kind,
    ) -> Result<Kind, ExpressionFault> {
        let mut nodes = terms.iter().map(|term| self.node(term));
        let Some(first) = nodes.next() else { return Ok(Kind::Literal(Value::Null)) };
        let mut all = first?;
        for next in nodes {
            all = Node { at: all.at, kind: join(Box::new(all), Box::new(next?)) };
        }
        Ok(all.kind)
    }

    fn matches(&self, id: u64, of: &IdedExpr, pattern: &IdedExpr) -> Result<Kind, ExpressionFault> {
        let Expr::Literal(LiteralValue::String(written)) = &pattern.expr else {
            return self.fault(id, "a pattern is written out, not worked out", "write it in quotes");
        };
        match RegexBuilder::new(written.inner()).size_limit(PATTERN_SIZE).build() {
            Ok(pattern) => Ok(Kind::Matches { of: self.boxed(of)?, pattern }),
            Err(error) => {
                let why = error.to_string();
                let why = why.lines().last().unwrap_or_default().trim().to_owned();
                let hint = "see docs.rs/regex for what a pattern may say; it has no look-around";
                self.fault(pattern.id, format!("this is no pattern: {why}"), hint)
            }
        }
    }

    fn each(
        &self,
        id: u64,
        name: &str,
        of: &IdedExpr,
        arguments: &[IdedExpr],
    ) -> Result<Kind, ExpressionFault> {
        let (Some(what), [variable, rest @ ..]) = (each(name), arguments) else {
            return self.fault(id, format!("`{name}` needs a name for the element"), usage(name));
        };
        let Expr::Ident(variable_name) = &variable.expr else {
            return self.fault(variable.id, format!("`{name}` needs a name for the element"), usage(name));
        };
        let (only, body) = match (what, rest) {
            (_, [body]) => (None, body),
            (Each::Map, [only, body]) => (Some(self.boxed(only)?), body),
            _ => return self.fault(id, format!("`{name}` has another number of arguments"), usage(name)),
        };
        let (of, body) = (self.boxed(of)?, self.boxed(body)?);
        Ok(Kind::Each { what, of, name: variable_name.clone(), only, body })
    }

    fn function(
        &self,
        id: u64,
        name: &str,
        target: Option<&IdedExpr>,
        arguments: &[IdedExpr],
    ) -> Result<Kind, ExpressionFault> {
        let count = arguments.len() + usize::from(target.is_some());
        let function: Function = match functions::find(name, count, target.is_some()) {
            Ok(function) => function,
            Err(Some(usage)) => return self.fault(id, format!("`{name}` is called in another way"), usage),
            Err(None) => {
                let known: Vec<&str> = functions::names().collect();
                let shown = crate::base::excerpt(name, 32);
                let hint = format!("functions: {}", known.join(", "));
                return self.fault(id, format!("there is no function `{shown}`"), hint);
            }
        };
        let arguments = target.into_iter().chain(arguments).map(|argument| self.node(argument));
        Ok(Kind::Call { function, arguments: arguments.collect::<Result<_, _>>()? })
    }
}

fn usage(name: &str) -> String {
    match name {
        "map" => "write `list.map(e, …)` or `list.map(e, condition, …)`".to_owned(),
        _ => format!("write `list.{name}(e, condition)`"),
    }
}

fn each(name: &str) -> Option<Each> {
    Some(match name {
        operators::ALL => Each::All,
        operators::EXISTS => Each::Exists,
        operators::EXISTS_ONE => Each::ExistsOne,
        operators::FILTER => Each::Filter,
        operators::MAP => Each::Map,
        _ => return None,
    })
}

fn operator(name: &str) -> Option<Operator> {
    Some(match name {
        operators::ADD => Operator::Add,
        operators::SUBSTRACT => Operator::Subtract,
        operators::MULTIPLY => Operator::Multiply,
        operators::DIVIDE => Operator::Divide,
        operators::MODULO => Operator::Remainder,
        operators::EQUALS => Operator::Equal,
        operators::NOT_EQUALS => Operator::NotEqual,
        operators::LESS => Operator::Less,
        operators::LESS_EQUALS => Operator::LessOrEqual,
        operators::GREATER => Operator::Greater,
        operators::GREATER_EQUALS => Operator::GreaterOrEqual,
        operators::IN => Operator::In,
        _ => return None,
    })
}

/// Every place where a variable from outside is read.
pub(super) fn paths(node: &Node, text: &str) -> Vec<Path> {
    let mut found = Vec::new();
    Paths { text, bound: Vec::new(), found: &mut found }.node(node, false);
    found
}

struct Paths<'a, 'n> {
    text: &'a str,
    /// The names that the expression itself makes, innermost last.
    bound: Vec<&'n str>,
    found: &'a mut Vec<Path>,
}

impl<'n> Paths<'_, 'n> {
    fn node(&mut self, node: &'n Node, optional: bool) {
        match &node.kind {
            Kind::Literal(_) => {}
            Kind::Name(_) | Kind::Field { .. } | Kind::Index { .. } => self.chain(node, optional),
            Kind::Has { of, .. } => self.node(of, true),
            Kind::List(elements) => elements.iter().for_each(|element| self.node(element, optional)),
            Kind::Map(entries) => entries.iter().for_each(|(key, value)| {
                self.node(key, optional);
                self.node(value, optional);
            }),
            Kind::Not(of) | Kind::Negate(of) | Kind::Matches { of, .. } => self.node(of, optional),
            Kind::And(left, right) | Kind::Or(left, right) | Kind::Binary { left, right, .. } => {
                self.node(left, optional);
                self.node(right, optional);
            }
            Kind::If { condition, then, otherwise } => {
                [condition, then, otherwise].into_iter().for_each(|part| self.node(part, optional));
            }
            Kind::Each { of, name, only, body, .. } => {
                self.node(of, optional);
                self.bound.push(name);
                only.iter().chain([body]).for_each(|part| self.node(part, optional));
                self.bound.pop();
            }
            Kind::Call { arguments, .. } => {
                arguments.iter().for_each(|argument| self.node(argument, optional));
            }
        }
    }

    /// A name with fields behind it. What an index is worked out from is looked at by itself.
    fn chain(&mut self, node: &'n Node, optional: bool) {
        let mut steps: Vec<(Option<String>, usize)> = Vec::new();
        let mut here = node;
        loop {
            match &here.kind {
                Kind::Field { of, field } => {
                    steps.push((Some(field.clone()), self.end_of(here.at, field)));
                    here = of;
                }
                Kind::Index { of, index } => {
                    let known = match &index.kind {
                        Kind::Literal(Value::String(key)) => Some(key.clone()),
                        Kind::Literal(Value::Number(number)) if number.is_u64() => Some(number.to_string()),
                        _ => {
                            self.node(index, optional);
                            None
                        }
                    };
                    let end = self.text.get(index.at..).and_then(|rest| rest.find(']'));
                    steps.push((known, end.map_or(index.at + 1, |end| index.at + end + 1)));
                    here = of;
                }
                Kind::Name(name) => {
                    if !self.bound.contains(&name.as_str()) {
                        let offset = here.at;
                        let mut path = Path {
                            name: name.clone(),
                            fields: Vec::new(),
                            offset,
                            length: name.len(),
                            optional,
                        };
                        for (field, end) in steps.into_iter().rev() {
                            let Some(field) = field else { break };
                            path.fields.push(field);
                            path.length = end.saturating_sub(offset).max(path.length);
                        }
                        self.found.push(path);
                    }
                    return;
                }
                // `(a ? b : c).field`, `f(x)[0]`: the names are further in.
                _ => return self.node(here, optional),
            }
        }
    }

    /// Where a field's name ends whose dot stands at `at`.
    fn end_of(&self, at: usize, field: &str) -> usize {
        let rest = self.text.get(at..).unwrap_or_default();
        rest.find(field).map_or(at + 1, |from| at + from + field.len())
    }
}

/// Whether a name can be a variable's: letters, digits and `_`, no digit first, and no reserved word.
pub fn is_identifier(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
        && !is_reserved(name)
}
