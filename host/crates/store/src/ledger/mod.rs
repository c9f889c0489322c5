//! What calls cost, and what may be spent: reserved before a call, settled after it, on every path.
//!
//! All counting is in memory, under one lock, in short sections without I/O; what is written down is what counting is built
//! from again after a restart.

mod accounts;
mod across;
mod alert;
mod amount;
mod calendar;
mod entry;
mod exceeded;
mod learned;
mod reservation;
mod restored;
mod rows;
mod standing;
mod usage;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use jackfield_core::base::{NanoUsd, RequestId};
use jackfield_core::catalogue::Price;
use jackfield_core::config::Budgets;
use jackfield_core::contract::{BudgetScope, Caller, Headroom, RunScope};
use jiff::Timestamp;

use accounts::{Accounts, Wish};
pub use across::Unreserved;
pub use alert::Alert;
use alert::Alerts;
pub(crate) use amount::Amount;
use amount::Tariff;
pub use exceeded::{Exceeded, LimitScope, LimitUnit, Refused};
pub use reservation::Reservation;
pub(crate) use restored::Restored;
use rows::Charge;
pub(crate) use rows::TABLES;
pub use standing::{LimitStatus, Standing};
pub use usage::{By, UsageRow, moment_named, usage};

use crate::StateError;
use crate::database::Database;
use crate::shared::Leases;

/// The ledger of one gateway.
#[derive(Debug)]
pub struct Ledger {
    shared: Arc<Shared>,
    idle: AtomicBool,
    /// Limits were counted in memory.
    counted: AtomicBool,
    /// Limits are asked for at the server that hosts share.
    across: AtomicBool,
}

/// What a ledger and its reservations share.
#[derive(Debug)]
struct Shared {
    accounts: Mutex<Accounts>,
    /// Empty while nothing is written down. A file may come while the gateway serves; it never goes.
    database: OnceLock<Database>,
    alerts: Alerts,
    /// Where limits are shared with other hosts.
    leases: Option<Arc<Leases>>,
}

/// A call that is to be made.
#[derive(Clone, Copy, Debug)]
pub struct Ask<'a> {
    /// The request it is made for.
    pub request: RequestId,
    /// Counts the request's charges from 1: retries, hedges, repairs, each its own. With the request, it names the charge.
    pub attempt: u32,
    /// Who asks.
    pub caller: &'a Caller,
    /// The run it is a step of.
    pub run: Option<&'a Arc<RunScope>>,
    /// The task in whose row the model stands.
    pub task: Option<&'a str>,
    /// The model, by the name people use.
    pub model: &'a str,
    /// Who serves it.
    pub provider: &'a str,
    /// Whether nobody is called really: it costs nothing unless the model has a price.
    pub simulated: bool,
    /// What it costs; `None`: not known.
    pub price: Option<Price>,
    /// Tokens of the prompt, estimated, rounded up.
    pub input_tokens: u64,
    /// The longest answer, in tokens, as the client, the rule or the model bounds it; `None`: nobody says. 0 for embeddings.
    pub most_output: Option<u64>,
    /// Whether the answer can be stopped while it grows ([`Reservation::grow`]). One that cannot is held in full.
    pub streamed: bool,
    /// Whether the model may think at length before it shows anything: such a stream is held as a whole answer is.
    pub hidden: bool,
}

impl Default for Ledger {
    /// In memory, and nothing is limited.
    fn default() -> Self {
        let accounts = Mutex::new(Accounts::new(now()));
        Self {
            shared: Arc::new(Shared {
                accounts,
                database: OnceLock::new(),
                alerts: Alerts::default(),
                leases: None,
            }),
            idle: AtomicBool::new(true),
            counted: AtomicBool::new(false),
            across: AtomicBool::new(false),
        }
    }
}

impl Ledger {
    /// One that is written down, and goes on where it ended.
    pub(crate) fn written_down(database: Database, restored: Restored) -> Self {
        let ledger = Self::default();
        ledger.write_down(database, restored);
        ledger.idle.store(false, Ordering::Relaxed);
        ledger
    }

    /// From now on it is written down, and goes on where the file ended: for a ledger that was idle and so has counted nothing.
    pub(crate) fn write_down(&self, database: Database, restored: Restored) {
        *self.shared.accounts() = restored.accounts;
        for alert in restored.untold {
            self.shared.alerts.put(alert);
        }
        // Whoever opens a file looks first whether there is one.
        let _ = self.shared.database.set(database);
    }

    /// Takes new limits. Counters stay; a new time zone takes effect window by window, as each ends.
    pub fn configure(&self, budgets: &Budgets) {
        let in_memory = self.shared.database.get().is_none();
        self.counted.fetch_or(in_memory && !budgets.is_empty(), Ordering::Relaxed);
        let across = self.shared.leases.is_some() && !budgets.is_empty();
        self.across.store(across, Ordering::Relaxed);
        let idle = budgets.is_empty() && in_memory;
        if !idle {
            // Before the limits are there to be seen: whoever sees one is held to it.
            self.idle.store(false, Ordering::Release);
        }
        self.shared.accounts().configure(budgets, now());
        self.idle.store(idle, Ordering::Release);
    }

    /// Whether it ever counted what limits apply to without writing it down.
    pub(crate) fn in_memory(&self) -> bool {
        self.counted.load(Ordering::Relaxed)
    }

    /// Whether nothing is limited and nothing is written down: then callers need not reserve, but for the calls of a run
    /// that has a budget of its own.
    pub fn is_idle(&self) -> bool {
        self.idle.load(Ordering::Acquire)
    }

    /// Holds what a call is expected to cost, of all limits that apply or of none. Never blocks.
    pub fn reserve(&self, ask: Ask<'_>) -> Result<Reservation, Exceeded> {
        let (tariff, wish) = ask.wish();
        let mut accounts = self.shared.accounts();
        let (granted, time) = (accounts.reserve(&wish)?, accounts.now());
        drop(accounts);
        let charge = ask.charge(time);
        let shared = Arc::clone(&self.shared);
        Ok(Reservation::new(shared, granted, charge, ask.price, tariff, ask.input_tokens))
    }

    /// Counts what a run spent before this process began, from what is written down: before a broken run goes on. Says how
    /// much that is. Whoever was counted already stays as it is.
    pub async fn recall_run(&self, run: &Arc<RunScope>) -> Result<NanoUsd, StateError> {
        let known = self.shared.accounts().adopt_run(run);
        if let Some(database) = self.shared.database.get()
            && !known
        {
            let id = run.id.clone();
            let spent = database.read(move |connection| rows::spent_by_run(connection, &id)).await?;
            self.shared.accounts().restore_run(run, spent);
        }
        Ok(self.run_spent(&run.id))
    }

    /// Counts what a workflow nested in a run spent before this process began, as its caller knows it. What was counted
    /// already stays as it is.
    pub fn recall_nested(&self, nested: &Arc<RunScope>, spent: NanoUsd) {
        let mut accounts = self.shared.accounts();
        if !accounts.adopt_run(nested) && spent > NanoUsd::ZERO {
            accounts.restore_run(nested, spent);
        }
    }

    /// What a caller may still spend, in dollars, in the tightest window; `None` where no limit is set.
    pub fn headroom(&self, caller: &Caller, scope: BudgetScope) -> Option<Headroom> {
        self.shared.accounts().headroom(caller, scope)
    }

    /// What a run has spent so far.
    pub fn run_spent(&self, id: &str) -> NanoUsd {
        self.shared.accounts().run_spent(id).unwrap_or(NanoUsd::ZERO)
    }
}

impl<'a> Ask<'a> {
    /// What it may cost, and what is wanted.
    fn wish(&self) -> (Tariff, Wish<'a>) {
        let tariff = Tariff::new(self.input_tokens, self.price.as_ref());
        let wish = Wish {
            caller: self.caller,
            run: self.run,
            task: self.task,
            model: self.model,
            priced: self.price.is_some() || self.simulated,
            tariff,
            most_output: self.most_output,
            streamed: self.streamed,
            hidden: self.hidden,
        };
        (tariff, wish)
    }

    /// What is written down of it.
    fn charge(&self, time: i64) -> Charge {
        Charge {
            request: self.request.to_string(),
            attempt: self.attempt,
            time,
            model: self.model.into(),
            provider: self.provider.into(),
            project: self.caller.project.clone(),
            user: self.caller.user.clone(),
            key: self.caller.key.clone(),
            task: self.task.map(Box::from),
            run: self.run.map(|run| (run.id.clone(), run.workflow.clone())),
            simulated: self.simulated,
            priced: self.price.is_some() || self.simulated,
        }
    }
}

impl Shared {
    /// The counters, in the windows that are open now.
    fn accounts(&self) -> MutexGuard<'_, Accounts> {
        // Nothing under this lock can panic half-way through a change.
        let mut accounts = self.accounts.lock().unwrap_or_else(PoisonError::into_inner);
        accounts.turn(now());
        accounts
    }
}

/// Milliseconds since 1970.
fn now() -> i64 {
    Timestamp::now().as_millisecond()
}

#[cfg(test)]
mod tests;
