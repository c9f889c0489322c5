//! Limits that are nearly used up, each told once in its window: from the moment a threshold is passed until somebody says
//! that it was told.
//!
//! At most `MOST` wait in memory, the oldest go first; where there is a file, all wait in it, and what was not told when the
//! process ended is told by the next one.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use jackfield_core::config::Window;
use rusqlite::{Connection, params};
use tokio::sync::Notify;

use super::exceeded::{LimitScope, LimitUnit, moment};
use super::{Ledger, Shared};
use crate::database::Job;

/// Alerts that wait to be told.
const MOST: usize = 1_024;

/// A threshold that was passed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Alert {
    /// Whose limit.
    pub scope: LimitScope,
    /// In which window.
    pub window: Window,
    /// What is counted.
    pub unit: LimitUnit,
    /// The share of the limit, in parts of a million.
    pub threshold: u32,
    /// The limit: nano-dollars or tokens.
    pub limit: u64,
    /// What was spent of it then.
    pub spent: u64,
    /// When the window began, in milliseconds since 1970.
    pub(super) start: i64,
    pub(super) end: i64,
}

impl Alert {
    /// When the window ends.
    pub fn resets_at(&self) -> SystemTime {
        moment(self.end)
    }
}

impl fmt::Display for Alert {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (window, limit, spent) =
            (self.window.name(), self.unit.show(self.limit), self.unit.show(self.spent));
        write!(f, "the {window} limit of {limit}")?;
        if self.scope != LimitScope::Everyone {
            write!(f, " of the {}", self.scope)?;
        }
        let share = f64::from(self.threshold) / 10_000.0;
        write!(f, " has reached {share}%: {spent} spent")
    }
}

/// What waits to be told.
#[derive(Debug, Default)]
pub(super) struct Alerts {
    waiting: Mutex<VecDeque<Alert>>,
    more: Notify,
}

impl Alerts {
    pub(super) fn put(&self, alert: Alert) {
        let mut waiting = self.waiting();
        if waiting.len() == MOST {
            waiting.pop_front();
        }
        waiting.push_back(alert);
        drop(waiting);
        self.more.notify_one();
    }

    #[cfg(test)]
    pub(super) fn is_empty(&self) -> bool {
        self.waiting().is_empty()
    }

    fn waiting(&self) -> MutexGuard<'_, VecDeque<Alert>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Ledger {
    /// The next alert; waits until there is one. For one task that tells them.
    pub async fn next_alert(&self) -> Alert {
        loop {
            let alert = self.shared.alerts.waiting().pop_front();
            if let Some(alert) = alert {
                return alert;
            }
            self.shared.alerts.more.notified().await;
        }
    }

    /// This alert was told: it is not told again, by the next process either.
    pub fn told(&self, alert: &Alert) {
        if let Some(database) = self.shared.database.get() {
            let _ = database.write_owed(put(alert, true));
        }
    }
}

impl Shared {
    /// Writes down what is to be told, and tells whoever waits for it.
    pub(super) fn alert(self: &Arc<Self>, alerts: Vec<Alert>) {
        for alert in alerts {
            if let Some(database) = self.database.get() {
                let _ = database.write_owed(put(&alert, false));
            }
            self.alerts.put(alert);
        }
    }
}

fn put(alert: &Alert, told: bool) -> Job {
    let alert = alert.clone();
    Job::one(move |connection| {
        let sql = "INSERT INTO alerts VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)
            ON CONFLICT (scope, name, window, unit, start, threshold) DO UPDATE SET told = max(told, excluded.told)";
        let kept = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
        connection
            .prepare_cached(sql)?
            .execute(params![
                alert.scope.kind(),
                alert.scope.name().unwrap_or_default(),
                alert.window.name(),
                alert.unit.name(),
                alert.start,
                alert.threshold,
                alert.end,
                kept(alert.limit),
                kept(alert.spent),
                told,
            ])
            .map(drop)
    })
}

/// The alerts of windows that are not over, and whether each was told. Those of earlier windows are forgotten.
pub(super) fn read(connection: &Connection, now: i64) -> rusqlite::Result<Vec<(Alert, bool)>> {
    connection.execute("DELETE FROM alerts WHERE \"end\" <= ?1", [now])?;
    let sql = "SELECT scope, name, window, unit, start, threshold, \"end\", limited, spent, told FROM alerts";
    let mut statement = connection.prepare(sql)?;
    let rows = statement.query_map((), |row| {
        let (kind, name, window, unit): (String, String, String, String) =
            (row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?);
        let amount = |at| row.get(at).map(|number: i64| u64::try_from(number).unwrap_or(0));
        let Some(scope) = LimitScope::read(&kind, &name) else { return Ok(None) };
        let Some(window) = Window::ALL.into_iter().find(|w| w.name() == window) else { return Ok(None) };
        let unit = if unit == LimitUnit::Usd.name() { LimitUnit::Usd } else { LimitUnit::Tokens };
        let (start, threshold, end) = (row.get(4)?, row.get(5)?, row.get(6)?);
        let (limit, spent) = (amount(7)?, amount(8)?);
        Ok(Some((Alert { scope, window, unit, threshold, limit, spent, start, end }, row.get(9)?)))
    })?;
    rows.filter_map(Result::transpose).collect()
}
