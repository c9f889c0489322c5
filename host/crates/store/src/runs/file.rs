//! Runs in the file, by the writer that all of it shares: what is said to be kept is committed.

use rusqlite::{Connection, OptionalExtension as _, Row, params};

use super::{Listing, MAX_ENDED, Standing, StoredCall, StoredRun};
use crate::database::{Job, Module};

/// The tables of runs.
pub(crate) const TABLES: Module = Module {
    name: "runs",
    steps: &["
CREATE TABLE runs (
    id          TEXT    NOT NULL PRIMARY KEY,
    workflow    TEXT    NOT NULL,
    -- SHA-256 of the definition that it was begun with.
    digest      BLOB    NOT NULL,
    project     TEXT,
    user        TEXT,
    started_ms  INTEGER NOT NULL,
    input       TEXT    NOT NULL,
    -- open: under way, or its process died; broken: it can go on; whole: it is over.
    standing    TEXT    NOT NULL CHECK (standing IN ('open', 'broken', 'whole')),
    record      TEXT
) STRICT, WITHOUT ROWID;
CREATE INDEX runs_by_standing ON runs (standing, started_ms);
CREATE TABLE run_calls (
    run     TEXT NOT NULL,
    call    TEXT NOT NULL,
    answer  TEXT NOT NULL,
    PRIMARY KEY (run, call)
) STRICT, WITHOUT ROWID;
"],
};

impl Standing {
    fn name(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Broken => "broken",
            Self::Whole => "whole",
        }
    }
}

pub(super) fn begin(run: StoredRun) -> Job {
    Job::one(move |connection| {
        let sql = "INSERT INTO runs VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9) \
                   ON CONFLICT (id) DO UPDATE SET standing = excluded.standing, record = excluded.record";
        let started = i64::try_from(run.started_ms).unwrap_or(i64::MAX);
        let values = params![
            run.id,
            run.workflow,
            run.digest.as_slice(),
            run.project,
            run.user,
            started,
            run.input,
            run.standing.name(),
            run.record
        ];
        connection.prepare_cached(sql)?.execute(values).map(drop)
    })
}

pub(super) fn keep(run: &str, call: StoredCall) -> Job {
    let run = run.to_owned();
    Job::one(move |connection| {
        let sql = "INSERT OR REPLACE INTO run_calls SELECT id, ?2, ?3 FROM runs WHERE id = ?1 AND standing = 'open'";
        connection.prepare_cached(sql)?.execute(params![run, call.call, call.answer]).map(drop)
    })
}

pub(super) fn end(run: &str, standing: Standing, record: String) -> Job {
    let run = run.to_owned();
    Job::several(move |connection| {
        let sql = "UPDATE runs SET standing = ?2, record = ?3 WHERE id = ?1 AND standing = 'open'";
        let ended = connection.prepare_cached(sql)?.execute(params![run, standing.name(), record])?;
        if ended > 0 && standing == Standing::Whole {
            connection.execute("DELETE FROM run_calls WHERE run = ?1", [&run])?;
        }
        // What was open when its process died is kept as what broke off is; the oldest go first.
        let old = "id IN (SELECT id FROM runs ORDER BY started_ms DESC, id DESC LIMIT -1 OFFSET ?1)";
        let most = i64::try_from(MAX_ENDED).unwrap_or(i64::MAX);
        let gone = connection
            .prepare_cached(&format!("DELETE FROM runs WHERE {old} AND id <> ?2"))?
            .execute(params![most, run])?;
        if gone > 0 {
            connection.execute("DELETE FROM run_calls WHERE run NOT IN (SELECT id FROM runs)", ())?;
        }
        Ok(())
    })
}

pub(super) fn find(
    run: &str,
) -> impl FnOnce(&Connection) -> rusqlite::Result<Option<(StoredRun, Vec<StoredCall>)>> + Send + 'static {
    let run = run.to_owned();
    move |connection| {
        let found = connection.query_row("SELECT * FROM runs WHERE id = ?1", [&run], read).optional()?;
        let Some(found) = found else { return Ok(None) };
        let mut calls =
            connection.prepare("SELECT call, answer FROM run_calls WHERE run = ?1 ORDER BY call")?;
        let calls =
            calls.query_map([&run], |row| Ok(StoredCall { call: row.get(0)?, answer: row.get(1)? }))?;
        Ok(Some((found, calls.collect::<Result<_, _>>()?)))
    }
}

pub(super) fn list<T: 'static>(
    listing: Listing,
    make: fn(StoredRun) -> T,
) -> impl FnOnce(&Connection) -> rusqlite::Result<Vec<T>> + Send + 'static {
    move |connection| {
        // Ids are in the order of time, and no more than `MAX_ENDED` and those under way are there.
        let sql = "SELECT * FROM runs WHERE project IS ?1 AND (?2 IS NULL OR workflow = ?2) \
                   AND (?3 IS NULL OR id < ?3) ORDER BY id DESC LIMIT ?4";
        let Listing { project, workflow, before, limit } = listing;
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let mut runs = connection.prepare(sql)?;
        let runs = runs.query_map(params![project, workflow, before, limit], |row| read(row).map(make))?;
        runs.collect()
    }
}

fn read(row: &Row<'_>) -> rusqlite::Result<StoredRun> {
    let standing: String = row.get("standing")?;
    let digest: Vec<u8> = row.get("digest")?;
    Ok(StoredRun {
        id: row.get("id")?,
        workflow: row.get("workflow")?,
        // One of another length fits no definition.
        digest: digest.try_into().unwrap_or_default(),
        project: row.get("project")?,
        user: row.get("user")?,
        started_ms: u64::try_from(row.get::<_, i64>("started_ms")?).unwrap_or(0),
        input: row.get("input")?,
        standing: match standing.as_str() {
            "whole" => Standing::Whole,
            "broken" => Standing::Broken,
            _ => Standing::Open,
        },
        record: row.get("record")?,
    })
}
