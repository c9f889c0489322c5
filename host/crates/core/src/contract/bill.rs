//! What the calls made for one request cost: attempts at answering, ratings, questions of plugins. One line a call, known
//! once the call is over, whoever made it and whoever was told of its answer. Bounded by the calls that a request may make.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::base::NanoUsd;

use super::Usage;

/// What one call cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Charged {
    /// Its number among the request's charges, from 1: with the request's id, the ledger's key.
    pub number: u32,
    /// What it consumed.
    pub usage: Usage,
    /// What that costs; `None` when the model's price is not known.
    pub cost: Option<NanoUsd>,
}

/// A request's bill. Cheap to clone: all clones are one.
#[derive(Clone, Debug, Default)]
pub struct Bill(Arc<Mutex<Lines>>);

#[derive(Debug, Default)]
struct Lines {
    last: u32,
    charged: Vec<Charged>,
}

impl Bill {
    /// The number of the next charge. One that is released leaves a gap.
    pub fn next_number(&self) -> u32 {
        let mut lines = self.lock();
        lines.last = lines.last.saturating_add(1);
        lines.last
    }

    /// Writes a line.
    pub fn add(&self, charged: Charged) {
        self.lock().charged.push(charged);
    }

    /// What this call cost; `None` while it is under way, and when nothing was billed.
    pub fn of(&self, number: u32) -> Option<Charged> {
        self.lock().charged.iter().find(|charged| charged.number == number).copied()
    }

    /// What all calls that are over cost together; `None` when one of them has no known price.
    pub fn total(&self) -> Option<NanoUsd> {
        self.lock().charged.iter().map(|charged| charged.cost).sum()
    }

    fn lock(&self) -> MutexGuard<'_, Lines> {
        // Nothing under this lock can panic half-way through a change.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bill_adds_up_and_an_unknown_price_makes_the_sum_unknown() {
        let bill = Bill::default();
        assert_eq!((bill.next_number(), bill.next_number(), bill.total()), (1, 2, Some(NanoUsd::ZERO)));
        let line = |number, cost| Charged { number, usage: Usage::default(), cost };
        bill.clone().add(line(2, Some(NanoUsd::new(5))));
        bill.add(line(1, Some(NanoUsd::new(7))));
        assert_eq!(
            (bill.total(), bill.of(2).and_then(|two| two.cost)),
            (Some(NanoUsd::new(12)), Some(NanoUsd::new(5)))
        );
        bill.add(line(3, None));
        assert_eq!((bill.total(), bill.of(4)), (None, None));
    }
}
