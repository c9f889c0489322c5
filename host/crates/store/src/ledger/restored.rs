//! The counters as they were when the process before this one ended.

use jackfield_core::config::Budgets;

use super::accounts::Accounts;
use super::alert::{self, Alert};
use super::rows::{self, UnderWay};
use crate::StateError;
use crate::database::Opening;

/// What a ledger goes on from.
pub(crate) struct Restored {
    pub(super) accounts: Accounts,
    /// What was to be told and was not.
    pub(super) untold: Vec<Alert>,
    /// What was under way: for those who share the limits.
    pub(crate) under_way: Vec<UnderWay>,
}

impl Restored {
    /// Settles what was under way at what was reserved, and counts what the open windows have seen.
    pub(crate) fn read(opening: &mut Opening, budgets: &Budgets) -> Result<Self, StateError> {
        let mut accounts = Accounts::new(super::now());
        accounts.configure(budgets, super::now());
        let starts = accounts.starts();
        let now = accounts.now();
        let (under_way, recovered, spent, alerts) = opening.with(|connection| {
            let under_way = rows::under_way(connection)?;
            let recovered = rows::recover(connection)?;
            Ok((under_way, recovered, rows::spent(connection, starts)?, alert::read(connection, now)?))
        })?;
        if recovered > 0 {
            tracing::warn!(
                target: "jackfield::store", charges = recovered,
                "calls were under way when the process ended; they are charged at what was reserved"
            );
        }
        for spent in &spent {
            accounts.restore(spent);
        }
        for (alert, _) in &alerts {
            accounts.restore_told(alert);
        }
        let untold = alerts.into_iter().filter(|(_, told)| !told).map(|(alert, _)| alert).collect();
        Ok(Self { accounts, untold, under_way })
    }
}
