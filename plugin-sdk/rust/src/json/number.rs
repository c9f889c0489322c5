//! JSON's numbers: whole ones as they are, the others as the nearest `f64` the mantissa and exponent allow.

use super::error::Error;
use super::text::Text;

/// A number as serde visits it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Number {
    Unsigned(u64),
    Signed(i64),
    Float(f64),
}

/// Powers of ten that an `f64` holds exactly.
const POWERS: [f64; 23] = [
    1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18,
    1e19, 1e20, 1e21, 1e22,
];

/// Beyond this power of ten every number is zero or infinite, whatever its up to 20 digits.
const FAR: i32 = 400;

/// A decimal on its way: `digits × 10^exponent`.
#[derive(Default)]
struct Decimal {
    digits: u64,
    exponent: i32,
    /// Zeros at the end of the fraction: they count only when another digit follows, and would else push a
    /// short number out of the exact range.
    zeros: u32,
}

impl Decimal {
    /// One more digit before the point.
    fn push_whole(&mut self, digit: u8) {
        // Once a digit is dropped, later ones are too: the exponent says so.
        if self.exponent > 0 || !self.append(digit) {
            self.exponent += 1;
        }
    }

    /// One more digit behind the point.
    fn push_fraction(&mut self, digit: u8) {
        if self.exponent > 0 {
            return;
        }
        self.zeros += 1;
        if digit == 0 {
            return;
        }
        while self.zeros > 0 && self.append(if self.zeros == 1 { digit } else { 0 }) {
            self.zeros -= 1;
            self.exponent -= 1;
        }
    }

    /// Takes a digit unless it is more than a `u64` holds: such a digit is below an `f64`'s precision.
    fn append(&mut self, digit: u8) -> bool {
        let longer = self.digits.checked_mul(10).and_then(|digits| digits.checked_add(u64::from(digit)));
        self.digits = longer.unwrap_or(self.digits);
        longer.is_some()
    }

    fn float(&self) -> f64 {
        let mut float = self.digits as f64;
        let mut exponent = self.exponent.clamp(-FAR, FAR);
        while exponent != 0 {
            let step = exponent.unsigned_abs().min(22);
            let power = POWERS[step as usize];
            if exponent > 0 {
                float *= power;
                exponent -= step as i32;
            } else {
                float /= power;
                exponent += step as i32;
            }
        }
        float
    }
}

/// Reads a number that starts here.
pub(super) fn read(text: &mut Text<'_>) -> Result<Number, Error> {
    let negative = text.take(b'-');
    let mut decimal = Decimal::default();
    if !text.take(b'0') {
        digits(text, |digit| decimal.push_whole(digit))?;
    }
    // A dropped digit, a point or an exponent: none of them is left in a whole number.
    let mut whole = decimal.exponent == 0;
    if text.take(b'.') {
        whole = false;
        digits(text, |digit| decimal.push_fraction(digit))?;
    }
    if text.take(b'e') || text.take(b'E') {
        whole = false;
        let down = text.take(b'-');
        if !down {
            text.take(b'+');
        }
        let mut exponent = 0_i32;
        digits(text, |digit| exponent = exponent.saturating_mul(10).saturating_add(i32::from(digit)))?;
        decimal.exponent = decimal.exponent.saturating_add(if down { -exponent } else { exponent });
    }
    match (whole, negative) {
        (true, false) => return Ok(Number::Unsigned(decimal.digits)),
        (true, true) => {
            if let Some(signed) = 0_i64.checked_sub_unsigned(decimal.digits) {
                return Ok(Number::Signed(signed));
            }
        }
        _ => {}
    }
    let float = decimal.float();
    if float.is_infinite() {
        return Err(Error::syntax("a number below 1.8e308", text.offset()));
    }
    Ok(Number::Float(if negative { -float } else { float }))
}

/// Reads one digit or more.
fn digits(text: &mut Text<'_>, mut each: impl FnMut(u8)) -> Result<(), Error> {
    let mut count = 0;
    while let Some(byte @ b'0'..=b'9') = text.peek_here() {
        text.skip();
        each(byte - b'0');
        count += 1;
    }
    if count == 0 { Err(Error::syntax("a digit", text.offset())) } else { Ok(()) }
}
