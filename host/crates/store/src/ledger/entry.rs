//! One charge on its way to the file: what its row is to say, and the write that is under way to say it.
//!
//! A write takes what the row is to say when its turn comes, not when it was queued. So a reservation that is still waiting
//! when its call is settled is never written: the one write says what was consumed, and one that was released writes nothing.
//! At most one write of each charge waits.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jackfield_core::base::NanoUsd;
use jackfield_core::contract::Usage;
use rusqlite::Connection;

use super::rows::{self, Charge};
use crate::database::{Database, Job, Ticket};

/// A charge that is written down.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) charge: Charge,
    row: Mutex<Row>,
}

/// What the row of a charge is to say.
#[derive(Clone, Copy, Debug)]
pub(super) enum Standing {
    /// The call is under way: what is reserved, and what it is expected to use.
    Open(NanoUsd, Usage),
    /// It is over: what was reserved, what it cost, and what it used.
    Settled(NanoUsd, NanoUsd, Usage),
    /// Nothing was billed: there is no row.
    Released,
}

#[derive(Debug)]
struct Row {
    standing: Standing,
    /// The write that waits for its turn.
    waits: Option<Ticket>,
    /// Whether a write had its turn: there may be a row.
    begun: bool,
}

impl Entry {
    pub(super) fn new(charge: Charge) -> Self {
        Self { charge, row: Mutex::new(Row { standing: Standing::Released, waits: None, begun: false }) }
    }

    /// Has its row say this; `None`: there is nothing to write. What ends a charge is owed: it is taken however many writes
    /// wait.
    pub(super) fn put(self: &Arc<Self>, standing: Standing, database: &Database) -> Option<Ticket> {
        let mut row = self.row();
        row.standing = standing;
        // One that was told of and never had its turn was dropped with its batch, and will have none.
        row.waits.take_if(|waits| waits.told().is_some());
        if let Some(waits) = &row.waits {
            return Some(waits.clone());
        }
        if matches!(standing, Standing::Released) && !row.begun {
            return None;
        }
        let entry = Arc::clone(self);
        let job = Job::one(move |connection| entry.write(connection));
        let ticket = match standing {
            Standing::Open(..) => database.write(job),
            Standing::Settled(..) | Standing::Released => database.write_owed(job),
        };
        row.waits = (!ticket.is_refused()).then(|| ticket.clone());
        Some(ticket)
    }

    /// Its turn has come.
    fn write(&self, connection: &Connection) -> rusqlite::Result<()> {
        let mut row = self.row();
        row.waits = None;
        let (standing, begun) = (row.standing, std::mem::replace(&mut row.begun, true));
        drop(row);
        match standing {
            Standing::Open(reserved, usage) => rows::open(connection, &self.charge, reserved, usage),
            Standing::Settled(reserved, spent, usage) => {
                rows::settle(connection, &self.charge, reserved, spent, usage)
            }
            Standing::Released if begun => rows::release(connection, &self.charge),
            Standing::Released => Ok(()),
        }
    }

    fn row(&self) -> MutexGuard<'_, Row> {
        self.row.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
