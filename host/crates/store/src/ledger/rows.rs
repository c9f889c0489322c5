//! What is written down of each charge: one row, named by request and attempt, written when it is reserved, again as it grows,
//! and when it is settled; what follows before the one before had its turn is written once (`entry.rs`).
//!
//! A row is open while its call is under way and holds what is reserved; settled, what was consumed. Released charges leave
//! no row. Whoever looks at the file with SQL finds amounts in nano-dollars, times in milliseconds since 1970.

use std::sync::Arc;

use jackfield_core::base::NanoUsd;
use jackfield_core::config::Window;
use jackfield_core::contract::Usage;
use rusqlite::{Connection, Row, params};

use super::amount::Amount;
use crate::database::Module;

/// The ledger's tables.
pub(crate) const TABLES: Module = Module {
    name: "ledger",
    steps: &[
        "
CREATE TABLE charges (
    request              TEXT    NOT NULL,
    attempt              INTEGER NOT NULL,
    time                 INTEGER NOT NULL,
    -- open: the call is under way; settled: it is over; recovered: it was open when the process ended.
    state                TEXT    NOT NULL CHECK (state IN ('open', 'settled', 'recovered')),
    model                TEXT    NOT NULL,
    provider             TEXT    NOT NULL,
    project              TEXT,
    user                 TEXT,
    key                  TEXT,
    task                 TEXT,
    run                  TEXT,
    workflow             TEXT,
    simulated            INTEGER NOT NULL,
    -- 0: nobody knows what the model costs, and the amounts are 0.
    priced               INTEGER NOT NULL,
    reserved_nanousd     INTEGER NOT NULL,
    settled_nanousd      INTEGER,
    -- While it is open, these are what is expected.
    input_tokens         INTEGER NOT NULL,
    output_tokens        INTEGER NOT NULL,
    cached_input_tokens  INTEGER NOT NULL,
    reasoning_tokens     INTEGER NOT NULL,
    -- 1: the provider did not say, and the tokens were counted here.
    estimated            INTEGER NOT NULL,
    PRIMARY KEY (request, attempt)
) STRICT, WITHOUT ROWID;
CREATE INDEX charges_by_time ON charges (time);
CREATE INDEX charges_open ON charges (state) WHERE state = 'open';
CREATE INDEX charges_by_run ON charges (run) WHERE run IS NOT NULL;
",
        "
CREATE TABLE alerts (
    scope      TEXT    NOT NULL,
    name       TEXT    NOT NULL,
    window     TEXT    NOT NULL,
    unit       TEXT    NOT NULL,
    start      INTEGER NOT NULL,
    threshold  INTEGER NOT NULL,
    \"end\"      INTEGER NOT NULL,
    limited    INTEGER NOT NULL,
    spent      INTEGER NOT NULL,
    told       INTEGER NOT NULL,
    PRIMARY KEY (scope, name, window, unit, start, threshold)
) STRICT, WITHOUT ROWID;
",
    ],
};

/// What never changes about a charge.
#[derive(Debug)]
pub(super) struct Charge {
    pub(super) request: String,
    pub(super) attempt: u32,
    pub(super) time: i64,
    pub(super) model: Box<str>,
    pub(super) provider: Box<str>,
    pub(super) project: Option<String>,
    pub(super) user: Option<String>,
    pub(super) key: Option<Arc<str>>,
    pub(super) task: Option<Box<str>>,
    pub(super) run: Option<(String, String)>,
    pub(super) simulated: bool,
    pub(super) priced: bool,
}

/// Writes what is reserved now.
pub(super) fn open(
    connection: &Connection,
    charge: &Charge,
    reserved: NanoUsd,
    expected: Usage,
) -> rusqlite::Result<()> {
    put(connection, charge, "open", reserved, None, expected)
}

/// Writes what was consumed; a row that was settled stays.
pub(super) fn settle(
    connection: &Connection,
    charge: &Charge,
    reserved: NanoUsd,
    settled: NanoUsd,
    usage: Usage,
) -> rusqlite::Result<()> {
    put(connection, charge, "settled", reserved, Some(settled), usage)
}

/// Takes the row away; one that was settled stays.
pub(super) fn release(connection: &Connection, charge: &Charge) -> rusqlite::Result<()> {
    let sql = "DELETE FROM charges WHERE request = ?1 AND attempt = ?2 AND state = 'open'";
    connection.prepare_cached(sql)?.execute(params![charge.request, charge.attempt]).map(drop)
}

fn put(
    connection: &Connection,
    charge: &Charge,
    state: &'static str,
    reserved: NanoUsd,
    settled: Option<NanoUsd>,
    usage: Usage,
) -> rusqlite::Result<()> {
    let (run, workflow) = match &charge.run {
        Some((run, workflow)) => (Some(run), Some(workflow)),
        None => (None, None),
    };
    let sql = "INSERT INTO charges VALUES (
        ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20, ?21)
        ON CONFLICT (request, attempt) DO UPDATE SET state = excluded.state,
        reserved_nanousd = excluded.reserved_nanousd, settled_nanousd = excluded.settled_nanousd,
        input_tokens = excluded.input_tokens, output_tokens = excluded.output_tokens,
        cached_input_tokens = excluded.cached_input_tokens, reasoning_tokens = excluded.reasoning_tokens,
        estimated = excluded.estimated WHERE state = 'open'";
    connection
        .prepare_cached(sql)?
        .execute(params![
            charge.request,
            charge.attempt,
            charge.time,
            state,
            charge.model,
            charge.provider,
            charge.project,
            charge.user,
            charge.key,
            charge.task,
            run,
            workflow,
            charge.simulated,
            charge.priced,
            kept(reserved.nanos()),
            settled.map(|settled| kept(settled.nanos())),
            kept(usage.input_tokens),
            kept(usage.output_tokens),
            kept(usage.cached_input_tokens),
            kept(usage.reasoning_tokens),
            usage.estimated,
        ])
        .map(drop)
}

/// The largest number that is kept: SQLite's sums end at 2⁶³ - 1, and thousands of these still add up. As an amount, a
/// million dollars for one call.
const MOST: u64 = 1 << 50;

fn kept(number: u64) -> i64 {
    i64::try_from(number.min(MOST)).unwrap_or(i64::MAX)
}

fn read(number: i64) -> u64 {
    u64::try_from(number).unwrap_or(0)
}

/// A call that was under way when the process ended.
#[derive(Debug)]
pub(crate) struct UnderWay {
    pub(super) request: String,
    pub(super) attempt: u32,
    pub(super) time: i64,
    pub(super) model: String,
    pub(super) project: Option<String>,
    pub(super) user: Option<String>,
    pub(super) key: Option<String>,
    /// What it is settled at.
    pub(super) reserved: Amount,
}

/// What was under way when the process ended: to be read before [`recover`].
pub(super) fn under_way(connection: &Connection) -> rusqlite::Result<Vec<UnderWay>> {
    let sql = "SELECT request, attempt, time, model, project, user, key, reserved_nanousd, input_tokens + output_tokens
        FROM charges WHERE state = 'open'";
    let mut statement = connection.prepare(sql)?;
    let rows = statement.query_map((), |row: &Row<'_>| {
        let reserved = Amount { usd: NanoUsd::new(read(row.get(7)?)), tokens: read(row.get(8)?) };
        Ok(UnderWay {
            request: row.get(0)?,
            attempt: row.get(1)?,
            time: row.get(2)?,
            model: row.get(3)?,
            project: row.get(4)?,
            user: row.get(5)?,
            key: row.get(6)?,
            reserved,
        })
    })?;
    rows.collect()
}

/// Settles what was under way when the process ended, at what was reserved. Says how many there were.
pub(super) fn recover(connection: &Connection) -> rusqlite::Result<usize> {
    let sql = "UPDATE charges SET state = 'recovered', settled_nanousd = reserved_nanousd, estimated = 1
        WHERE state = 'open'";
    connection.execute(sql, ())
}

/// What one project, user, key and model spent together, by window.
pub(super) struct Spent {
    pub(super) project: Option<String>,
    pub(super) user: Option<String>,
    pub(super) key: Option<String>,
    pub(super) model: String,
    pub(super) windows: [Amount; 4],
}

/// What was spent since each window's start.
pub(super) fn spent(connection: &Connection, starts: [i64; 4]) -> rusqlite::Result<Vec<Spent>> {
    let sums = (1..=4).map(|n| {
        format!(
            "coalesce(sum(settled_nanousd) FILTER (WHERE time >= ?{n}), 0),
            coalesce(sum(input_tokens + output_tokens) FILTER (WHERE time >= ?{n}), 0)"
        )
    });
    let sql = format!(
        "SELECT project, user, key, model, {} FROM charges WHERE time >= ?5 AND state <> 'open' GROUP BY 1, 2, 3, 4",
        sums.collect::<Vec<_>>().join(", ")
    );
    let [a, b, c, d] = starts;
    let first = starts.into_iter().min().unwrap_or(0);
    let mut statement = connection.prepare(&sql)?;
    let rows = statement.query_map(params![a, b, c, d, first], |row: &Row<'_>| {
        let mut windows = [Amount::default(); 4];
        for window in Window::ALL {
            let at = 4 + 2 * window.index();
            windows[window.index()] =
                Amount { usd: NanoUsd::new(read(row.get(at)?)), tokens: read(row.get(at + 1)?) };
        }
        Ok(Spent { project: row.get(0)?, user: row.get(1)?, key: row.get(2)?, model: row.get(3)?, windows })
    })?;
    rows.collect()
}

/// What a run spent.
pub(super) fn spent_by_run(connection: &Connection, run: &str) -> rusqlite::Result<NanoUsd> {
    let sql = "SELECT coalesce(sum(settled_nanousd), 0) FROM charges WHERE run = ?1 AND state <> 'open'";
    connection.query_row(sql, [run], |row| row.get(0)).map(|nanos| NanoUsd::new(read(nanos)))
}
