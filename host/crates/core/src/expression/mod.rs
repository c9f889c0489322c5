//! Expressions: what stands in `${…}`. The words are CEL's; the values are JSON's.
//!
//! CEL's own parser reads them (this room alone names `cel`); what it gives is checked and taken apart once, when the
//! configuration is read, and evaluated here over JSON as it is: nothing is converted, no digit and no key is lost, and
//! every step is counted. What is evaluated may come from a model, so both ends are bounded:
//!
//! - a text: `MAX_EXPRESSION` bytes, `MAX_NESTING` brackets inside brackets, `MAX_OPERATORS` operators. A tree cannot be
//!   deeper than it has operators, so neither the parser nor the evaluation can use up a thread's stack;
//! - an evaluation: `MAX_STEPS` steps and `MAX_BYTES` bytes built or compared, whatever the data.
//!
//! It differs from CEL where JSON does: whole numbers and fractions may be mixed (`score > 1` where a model wrote `0.9`),
//! a number is whole from -2⁶³ to 2⁶⁴-1, there are no bytes, no durations, no types as values, and keys are texts.
//!
//! | function | gives |
//! |---|---|
//! | `size(x)`, `x.size()` | characters of a text, elements of a list, keys of a map |
//! | `has(x.key)` | whether the map has the key; false where `x` is no map |
//! | `list.all(e, p)`, `exists`, `exists_one`, `filter(e, p)`, `map(e, f)`, `map(e, p, f)` | as in CEL; over a map: its keys |
//! | `text.contains(t)`, `startsWith`, `endsWith` | true or false |
//! | `text.matches("pattern")` | whether the pattern, written out, is found |
//! | `int(x)`, `double(x)`, `string(x)`, `bool(x)` | the value as another kind |
//! | `json(text)` | the JSON that a text holds |
//! | `text(x)` | a text as it is, any other value as JSON: what `${…}` inside of a text does |
//! | `list.join(sep)` | the elements' texts, with `sep` between them |

mod evaluate;
mod functions;
mod gives;
mod lower;
mod node;
mod number;
mod parse;
mod scan;
mod scope;
mod template;

pub use evaluate::EvaluationError;
pub use gives::Gives;
pub use lower::is_identifier;
pub use node::Path;
pub use parse::{Expression, ExpressionFault};
pub use scope::Scope;
pub use template::{Placed, TemplateFault, ValueTemplate};

/// The longest expression, in bytes.
pub const MAX_EXPRESSION: usize = 4 << 10;
/// Brackets inside brackets.
pub const MAX_NESTING: usize = 16;
/// Operators, dots and brackets of one expression.
pub const MAX_OPERATORS: usize = 100;
/// Steps of one evaluation: each part of the expression, each time it is looked at.
pub const MAX_STEPS: u32 = 1_000_000;
/// Bytes one evaluation may build, copy or compare.
pub const MAX_BYTES: usize = 16 << 20;

#[cfg(test)]
mod tests;
