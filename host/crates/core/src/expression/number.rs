//! Numbers as JSON has them: whole ones are exact from -2⁶³ to 2⁶⁴-1, fractions are floats, and the two may be mixed.

use std::cmp::Ordering;

use serde_json::{Number, Value};

use super::node::Operator;

/// A number to reckon with.
#[derive(Clone, Copy, Debug)]
enum Figure {
    Whole(i128),
    Fraction(f64),
}

fn read(number: &Number) -> Figure {
    let whole = number.as_i64().map(i128::from).or_else(|| number.as_u64().map(i128::from));
    match whole {
        Some(whole) => Figure::Whole(whole),
        None => Figure::Fraction(number.as_f64().unwrap_or(f64::NAN)),
    }
}

/// A whole number as JSON; `None` when it has no room.
pub(super) fn whole(number: i128) -> Option<Value> {
    i64::try_from(number).map(Value::from).or_else(|_| u64::try_from(number).map(Value::from)).ok()
}

/// A fraction as JSON; `None` for infinity and what is no number.
pub(super) fn fraction(number: f64) -> Option<Value> {
    Number::from_f64(number).map(Value::Number)
}

/// How two numbers compare, exactly.
pub(super) fn compare(a: &Number, b: &Number) -> Option<Ordering> {
    match (read(a), read(b)) {
        (Figure::Whole(a), Figure::Whole(b)) => Some(a.cmp(&b)),
        (Figure::Fraction(a), Figure::Fraction(b)) => a.partial_cmp(&b),
        (Figure::Whole(a), Figure::Fraction(b)) => compare_mixed(a, b),
        (Figure::Fraction(a), Figure::Whole(b)) => compare_mixed(b, a).map(Ordering::reverse),
    }
}

/// Compares the float's whole part as a whole number: a large one would lose digits as a float.
fn compare_mixed(whole: i128, float: f64) -> Option<Ordering> {
    if float.is_nan() {
        return None;
    }
    // Casts saturate, far outside of what a whole number here can be.
    let ordering = whole.cmp(&(float.trunc() as i128));
    Some(ordering.then_with(|| 0.0_f64.partial_cmp(&float.fract()).unwrap_or(Ordering::Equal)))
}

/// The result of an operator on two numbers; the error says why there is none.
pub(super) fn reckon(operator: Operator, a: &Number, b: &Number) -> Result<Value, String> {
    let (a, b) = (read(a), read(b));
    if let (Figure::Whole(a), Figure::Whole(b)) = (a, b) {
        if b == 0 && matches!(operator, Operator::Divide | Operator::Remainder) {
            return Err("a division by zero".to_owned());
        }
        let result = match operator {
            Operator::Add => a.checked_add(b),
            Operator::Subtract => a.checked_sub(b),
            Operator::Multiply => a.checked_mul(b),
            Operator::Divide => a.checked_div(b),
            _ => a.checked_rem(b),
        };
        return result.and_then(whole).ok_or_else(|| "the result has no room in a whole number".to_owned());
    }
    let float = |figure| match figure {
        Figure::Whole(whole) => whole as f64,
        Figure::Fraction(float) => float,
    };
    let (a, b) = (float(a), float(b));
    let result = match operator {
        Operator::Add => a + b,
        Operator::Subtract => a - b,
        Operator::Multiply => a * b,
        Operator::Divide => a / b,
        _ => return Err("a remainder is of whole numbers".to_owned()),
    };
    fraction(result).ok_or_else(|| "the result is no finite number".to_owned())
}

/// The number with the other sign.
pub(super) fn negate(number: &Number) -> Option<Value> {
    match read(number) {
        Figure::Whole(number) => whole(-number),
        Figure::Fraction(number) => fraction(-number),
    }
}

/// The number without what is behind its point.
pub(super) fn truncate(number: &Number) -> Option<Value> {
    match read(number) {
        Figure::Whole(number) => whole(number),
        // A float's whole part is exact as i128 wherever it fits into what JSON holds.
        Figure::Fraction(number) => whole(number.trunc() as i128).filter(|_| number.is_finite()),
    }
}

/// The number as a fraction.
pub(super) fn as_fraction(number: &Number) -> Option<Value> {
    match read(number) {
        Figure::Whole(number) => fraction(number as f64),
        Figure::Fraction(number) => fraction(number),
    }
}
