//! What is wrong with a JSON text, and where.

use std::fmt::{self, Display, Write as _};

use serde::de::{Error as _, Expected, Unexpected};

/// What is wrong with a JSON text, and where: `limits.high: expected u32, found a string`.
// One pointer wide: results of this type are returned through every level of a text.
pub struct Error(Box<Fault>);

struct Fault {
    message: String,
    /// The way to the value, innermost step first.
    path: Vec<String>,
}

impl Error {
    /// The text is no JSON at this byte.
    pub(super) fn syntax(expected: &str, offset: usize) -> Self {
        Self::custom(format_args!("expected {expected} at byte {offset}"))
    }

    /// The value is inside this key or index of another.
    pub(super) fn inside(mut self, step: impl Display) -> Self {
        self.0.path.push(step.to_string());
        self
    }

    /// Where the value is: keys and indices joined by dots; empty for the whole text.
    pub fn path(&self) -> String {
        let steps: Vec<&str> = self.0.path.iter().rev().map(String::as_str).collect();
        steps.join(".")
    }
}

impl Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.0.path.is_empty() {
            write!(f, "{}: ", self.path())?;
        }
        f.write_str(&self.0.message)
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Display::fmt(self, f)
    }
}

impl std::error::Error for Error {}

impl serde::de::Error for Error {
    fn custom<T: Display>(message: T) -> Self {
        Self(Box::new(Fault { message: message.to_string(), path: Vec::new() }))
    }

    // Serde's own wording prints numbers with a fraction, and printing those costs 13 kB.
    fn invalid_type(found: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::custom(format_args!("expected {expected}, found {}", Found(found)))
    }

    fn invalid_value(found: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::invalid_type(found, expected)
    }
}

/// What was found, in JSON's words.
struct Found<'a>(Unexpected<'a>);

impl Display for Found<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            Unexpected::Bool(true) => "`true`",
            Unexpected::Bool(false) => "`false`",
            Unexpected::Unsigned(number) => return write!(f, "`{number}`"),
            Unexpected::Signed(number) => return write!(f, "`{number}`"),
            Unexpected::Float(_) => "a number with a fraction",
            Unexpected::Str(text) => {
                f.write_str("the text `")?;
                f.write_str(text)?;
                return f.write_char('`');
            }
            Unexpected::Unit | Unexpected::Option => "`null`",
            Unexpected::Seq => "a list",
            Unexpected::Map => "an object",
            _ => "something else",
        })
    }
}
