//! What is known about models without being told: prices, windows and abilities of well-known ones, by who sells them.
//!
//! A room of its own because configuration, and later the ledger, stand on it, and it needs nothing but its table:
//! `models.tsv`, made by `make.py` from a file of facts as of November 2026. The table is part of the program and is
//! searched as it is, so it costs nothing at startup and nothing until it is asked. It knows no configuration, no
//! request and no network; what it has is the list price of text tokens, without discounts and without the tiers
//! that some vendors have for long conversations.

mod alias;
mod capability;
mod facts;
mod price;
mod vendor;

pub use alias::alias;
pub use capability::Capability;
pub use facts::{Facts, Mode, facts};
pub use price::{Price, PriceError, TokenPrice};
pub use vendor::Vendor;

#[cfg(test)]
mod tests;
