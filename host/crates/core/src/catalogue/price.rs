//! Prices, exact: whole pico-dollars for a token.
//!
//! A price list says dollars for a million tokens, with at most six decimals; one millionth of a dollar for a million
//! tokens is one pico-dollar (10⁻¹² dollars) for a token. So every such price is a whole number, and no float stands between
//! the text and the value. Bounded by a million dollars for a million tokens.

use std::fmt;
use std::str::FromStr;

/// Decimals of a dollar that a price for a million tokens may have.
const DECIMALS: usize = 6;
/// Pico-dollars for a token in one dollar for a million tokens.
const SCALE: u64 = 1_000_000;
/// The dearest price, in pico-dollars for a token.
const MAX: u64 = 1_000_000 * SCALE;

/// What one token costs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TokenPrice(u64);

/// What a model's tokens cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Price {
    /// A token of the prompt.
    pub input: TokenPrice,
    /// A token of the answer, reasoning included.
    pub output: TokenPrice,
    /// A token of the prompt that is read from the provider's cache; `None`: it has no price of its own.
    pub cached_input: Option<TokenPrice>,
    /// A token of the prompt that is written to the provider's cache; `None`: it has no price of its own.
    pub cache_write: Option<TokenPrice>,
}

/// Why a text is not a price. Fits behind "…: ".
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PriceError {
    /// Not digits, perhaps with a point between them.
    #[error("`{0}` is not a plain decimal number")]
    NotDecimal(String),
    /// More decimals than six.
    #[error("`{0}` has more than six decimals")]
    TooFine(String),
    /// More than a million.
    #[error("`{0}` is more than a million")]
    TooLarge(String),
}

impl TokenPrice {
    /// Nothing.
    pub const ZERO: Self = Self(0);

    /// This many pico-dollars for a token, if that is not more than a million dollars for a million tokens.
    pub const fn from_pico_usd(pico_usd: u64) -> Option<Self> {
        if pico_usd > MAX { None } else { Some(Self(pico_usd)) }
    }

    /// Pico-dollars (10⁻¹² US dollars) for a token: at most 10¹².
    pub const fn pico_usd(self) -> u64 {
        self.0
    }

    /// US dollars for a million tokens. For comparing and showing, not for accounting; it still prints as the decimal.
    pub fn usd_per_mtok(self) -> f64 {
        self.0 as f64 / SCALE as f64
    }
}

/// Reads US dollars for a million tokens: `15`, `0.075`. No sign and no exponent.
impl FromStr for TokenPrice {
    type Err = PriceError;

    fn from_str(text: &str) -> Result<Self, PriceError> {
        let (whole, decimals) = text.split_once('.').unwrap_or((text, "0"));
        let digits = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
        if !digits(whole) || !digits(decimals) {
            return Err(PriceError::NotDecimal(shorten(text)));
        }
        let decimals = decimals.trim_end_matches('0');
        if decimals.len() > DECIMALS {
            return Err(PriceError::TooFine(shorten(text)));
        }
        // An empty text of digits, and one that is too long for any price, have no number.
        let decimals: u64 = format!("{decimals:0<DECIMALS$}").parse().unwrap_or(u64::MAX);
        let whole: Option<u64> = whole.parse().ok();
        let pico = whole.and_then(|whole| whole.checked_mul(SCALE)?.checked_add(decimals));
        pico.and_then(Self::from_pico_usd).ok_or_else(|| PriceError::TooLarge(shorten(text)))
    }
}

/// US dollars for a million tokens, as short as they can be said.
impl fmt::Display for TokenPrice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (whole, decimals) = (self.0 / SCALE, self.0 % SCALE);
        match format!("{decimals:0DECIMALS$}").trim_end_matches('0') {
            "" => write!(f, "{whole}"),
            decimals => write!(f, "{whole}.{decimals}"),
        }
    }
}

/// Keeps a hostile text out of a message.
fn shorten(text: &str) -> String {
    match text.char_indices().nth(24) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text.to_owned(),
    }
}
