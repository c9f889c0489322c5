//! The writer's thread: takes what has gathered, commits it, tells who waits for it, and then puts the log into the file.
//!
//! The log (WAL) is put into the file (a checkpoint) only after everybody was told, because that waits for the disk; until
//! then it grows, to `LOG` pages and one batch. Ends when the queue is closed and everything is written.

use std::cell::Cell;
use std::sync::Arc;

use rusqlite::Connection;

use super::queue::{Batch, Gathered, Job, Outcome, Queue, gone};
use crate::StateError;

/// Pages of 4 KiB in the log that are enough for a checkpoint: 16 MiB. SQLite's own measure is a quarter of it, and four times
/// as many waits for the disk.
const LOG: i32 = 4_096;

thread_local! {
    /// Pages in the log after this thread's last commit.
    static PAGES: Cell<i32> = const { Cell::new(0) };
}

/// Tells all who wait, also where the thread ends as it should not.
struct AtEnd<'a>(&'a Queue, &'a Arc<str>);

impl Drop for AtEnd<'_> {
    fn drop(&mut self) {
        self.0.end(self.1);
    }
}

/// Tells those of one batch.
struct Telling<'a>(Arc<Batch>, &'a Arc<str>);

impl Drop for Telling<'_> {
    fn drop(&mut self) {
        // Nothing new where it was told.
        self.0.tell(Err(gone(self.1)));
    }
}

/// Writes until the queue is closed.
pub(super) fn run(connection: &Connection, queue: &Queue, path: &Arc<str>) {
    let _end = AtEnd(queue, path);
    // It also puts SQLite's own checkpoints off.
    connection.wal_hook(Some(|_, pages| {
        PAGES.set(pages);
        Ok(())
    }));
    let mut failing = false;
    while let Some(Gathered { jobs, batch }) = queue.take() {
        let telling = Telling(batch, path);
        let outcome = commit(connection, jobs, path);
        let error = match &outcome {
            Ok(failed) => failed.first().map(|(_, error)| error),
            Err(error) => Some(error),
        };
        match error {
            Some(error) if !failing => {
                tracing::error!(target: "jackfield::store", state = &**path, %error, "the state cannot be written");
            }
            None if failing => {
                tracing::info!(target: "jackfield::store", state = &**path, "the state is written again");
            }
            _ => {}
        }
        failing = error.is_some();
        telling.0.tell(outcome);
        if PAGES.get() >= LOG {
            checkpoint(connection, path);
        }
    }
}

/// Runs all in one transaction. One that fails leaves nothing and does not undo the others.
fn commit(connection: &Connection, jobs: Vec<Job>, path: &Arc<str>) -> Outcome {
    let told = |error: &rusqlite::Error| StateError::Write {
        path: Arc::clone(path),
        reason: error.to_string().into(),
    };
    // Prepared once: these run with every write.
    let run = |sql: &str| connection.prepare_cached(sql)?.execute(()).map(drop);
    run("BEGIN IMMEDIATE").map_err(|error| told(&error))?;
    let mut failed = Vec::new();
    for (place, Job { run: job, several }) in jobs.into_iter().enumerate() {
        let done = if several {
            run("SAVEPOINT one").and_then(|()| job(connection)).and_then(|()| run("RELEASE one"))
        } else {
            job(connection)
        };
        if let Err(error) = done {
            let error = told(&error);
            // A full disk may take the whole transaction with it.
            if connection.is_autocommit() {
                return Err(error);
            }
            if several {
                let _ = connection.execute_batch("ROLLBACK TO one; RELEASE one");
            }
            failed.push((place, error));
        }
    }
    match run("COMMIT") {
        Ok(()) => Ok(failed),
        Err(error) => {
            let _ = connection.execute_batch("ROLLBACK");
            Err(told(&error))
        }
    }
}

/// Puts the log into the file, as far as no reader needs it. What cannot be done now is done after the next batch.
fn checkpoint(connection: &Connection, path: &Arc<str>) {
    PAGES.set(0);
    let done = connection.query_row("PRAGMA wal_checkpoint(PASSIVE)", (), |_| Ok(()));
    if let Err(error) = done {
        tracing::warn!(target: "jackfield::store", state = &**path, %error, "the log cannot be put into the state");
    }
}
