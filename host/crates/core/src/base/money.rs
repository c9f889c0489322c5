//! Money, exact: whole nano-dollars (10⁻⁹ US dollars). Every sum is checked; no float stands between a price and the ledger.

use std::fmt;
use std::iter::Sum;

/// Nano-dollars in a dollar.
const DOLLAR: u64 = 1_000_000_000;
/// Pico-dollars in a nano-dollar.
const PICO: u128 = 1_000;

/// An amount of US dollars, in whole nano-dollars: at most 18 446 744 073 dollars.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NanoUsd(u64);

impl NanoUsd {
    /// Nothing.
    pub const ZERO: Self = Self(0);
    /// More than any budget has.
    pub const MAX: Self = Self(u64::MAX);

    /// This many nano-dollars.
    pub const fn new(nanos: u64) -> Self {
        Self(nanos)
    }

    /// An exact sum of pico-dollars (10⁻¹² dollars), rounded once, half up. What does not fit is `MAX`.
    pub fn from_pico_usd(pico_usd: u128) -> Self {
        let nanos = pico_usd.saturating_add(PICO / 2) / PICO;
        Self(u64::try_from(nanos).unwrap_or(u64::MAX))
    }

    /// Whole nano-dollars.
    pub const fn nanos(self) -> u64 {
        self.0
    }

    /// Dollars. For comparing and showing, not for accounting.
    pub fn usd(self) -> f64 {
        self.0 as f64 / DOLLAR as f64
    }

    /// The sum; `MAX` when it does not fit.
    #[must_use]
    pub const fn plus(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }

    /// What is left; nothing when the other is more.
    #[must_use]
    pub const fn less(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }
}

impl Sum for NanoUsd {
    fn sum<I: Iterator<Item = Self>>(all: I) -> Self {
        all.fold(Self::ZERO, Self::plus)
    }
}

/// Dollars with as many decimals as there are, two at least: `0.000015`, `12.50`.
impl fmt::Display for NanoUsd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let decimals = format!("{:09}", self.0 % DOLLAR);
        let shown = decimals.trim_end_matches('0');
        write!(f, "{}.{shown:0<2}", self.0 / DOLLAR)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pico_dollars_are_rounded_once_half_up() {
        for (pico, nanos) in [(0, 0), (499, 0), (500, 1), (1_499, 1), (1_500, 2), (u128::MAX, u64::MAX)] {
            assert_eq!(NanoUsd::from_pico_usd(pico).nanos(), nanos, "{pico}");
        }
    }

    #[test]
    fn dollars_are_shown_exactly() {
        for (nanos, shown) in [
            (0, "0.00"),
            (1, "0.000000001"),
            (15_000, "0.000015"),
            (1_500_000_000, "1.50"),
            (12_345_678_901, "12.345678901"),
            (50_000_000_000, "50.00"),
        ] {
            assert_eq!(NanoUsd::new(nanos).to_string(), shown);
        }
    }

    #[test]
    fn sums_do_not_wrap() {
        assert_eq!(NanoUsd::MAX.plus(NanoUsd::new(1)), NanoUsd::MAX);
        assert_eq!(NanoUsd::new(1).less(NanoUsd::new(2)), NanoUsd::ZERO);
        assert_eq!([NanoUsd::new(1), NanoUsd::new(2)].into_iter().sum::<NanoUsd>(), NanoUsd::new(3));
    }
}
