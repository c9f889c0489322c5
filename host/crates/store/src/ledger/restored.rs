//! The counters as they were when the process before this one ended.

use jackfield_core::config::Budgets;

use super::accounts::Accounts;
use super::rows;
use crate::StateError;
use crate::database::Opening;

/// What a ledger goes on from.
pub(crate) struct Restored {
    pub(super) accounts: Accounts,
}

impl Restored {
    /// Settles what was under way at what was reserved, and counts what the open windows have seen.
    pub(crate) fn read(opening: &mut Opening, budgets: &Budgets) -> Result<Self, StateError> {
        let mut accounts = Accounts::new(super::now());
        accounts.configure(budgets, super::now());
        let starts = accounts.starts();
        let (recovered, spent) =
            opening.with(|connection| Ok((rows::recover(connection)?, rows::spent(connection, starts)?)))?;
        if recovered > 0 {
            tracing::warn!(
                target: "jackfield::store", charges = recovered,
                "calls were under way when the process ended; they are charged at what was reserved"
            );
        }
        for spent in &spent {
            accounts.restore(spent);
        }
        Ok(Self { accounts })
    }
}
