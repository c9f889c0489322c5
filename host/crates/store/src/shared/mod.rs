//! What gateways on several hosts share: the counters of budgets, and kept answers. The only room that names Redis.
//!
//! All that goes there may arrive twice, has a bound on its wait, and is gone by itself when nobody needs it any more. What is
//! not shared (rows, runs) stays in this host's file.

mod answers;
mod counters;
mod leases;
mod link;

pub(crate) use answers::Answers;
pub(crate) use counters::{Bound, Counters, Held, Place, Seen};
pub use leases::SharedStatus;
pub(crate) use leases::{Lease, Leases, read};
pub(crate) use link::Link;

#[cfg(test)]
pub(crate) mod tests;
