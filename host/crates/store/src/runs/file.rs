//! Runs in the file, by the writer that all of it shares: what is said to be kept is committed.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rusqlite::{Connection, OptionalExtension as _, Row, params};

use super::{Ended, Listing, MAX_ENDED, Standing, StoredCall, StoredRun, StoredSummary};
use crate::database::{Job, Module};

/// The tables of runs.
pub(crate) const TABLES: Module = Module {
    name: "runs",
    steps: &[
        "
CREATE TABLE runs (
    id          TEXT    NOT NULL PRIMARY KEY,
    workflow    TEXT    NOT NULL,
    -- SHA-256 of the definition that it was begun with.
    digest      BLOB    NOT NULL,
    project     TEXT,
    user        TEXT,
    started_ms  INTEGER NOT NULL,
    input       TEXT    NOT NULL,
    -- open: under way; broken: it can go on; whole: it is over.
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
",
        "
-- What the key was called that began it: whose it is where it has no project.
ALTER TABLE runs ADD COLUMN key TEXT;
-- What a list tells of it, as JSON, so that no list reads records.
ALTER TABLE runs ADD COLUMN summary TEXT;
UPDATE runs SET summary = json_remove(record, '$.input', '$.output', '$.steps') WHERE json_valid(record);
",
    ],
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

/// What was open when its process died has broken off. For a file that was just opened.
pub(crate) fn break_off(connection: &Connection) -> rusqlite::Result<()> {
    connection.execute("UPDATE runs SET standing = 'broken' WHERE standing = 'open'", ()).map(drop)
}

pub(super) fn begin(run: StoredRun) -> Job {
    Job::one(move |connection| {
        let sql = "INSERT INTO runs (id, workflow, digest, project, user, started_ms, input, standing, record, key) \
                   VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10) \
                   ON CONFLICT (id) DO UPDATE SET standing = excluded.standing, record = excluded.record, summary = NULL";
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
            run.record,
            run.key
        ];
        connection.prepare_cached(sql)?.execute(values).map(drop)
    })
}

/// Also tells, once it is written, whether the run was under way.
pub(super) fn keep(run: &str, call: StoredCall) -> (Job, Arc<AtomicBool>) {
    let (run, hit) = (run.to_owned(), Arc::new(AtomicBool::new(false)));
    let told = Arc::clone(&hit);
    let job = Job::one(move |connection| {
        let sql = "INSERT OR REPLACE INTO run_calls SELECT id, ?2, ?3 FROM runs WHERE id = ?1 AND standing = 'open'";
        let kept = connection.prepare_cached(sql)?.execute(params![run, call.call, call.answer])?;
        told.store(kept > 0, Ordering::Relaxed);
        Ok(())
    });
    (job, hit)
}

/// Also tells, once it is written, whether the run was under way.
pub(super) fn end(run: &str, ended: Ended) -> (Job, Arc<AtomicBool>) {
    let (run, hit) = (run.to_owned(), Arc::new(AtomicBool::new(false)));
    let told = Arc::clone(&hit);
    let job = Job::several(move |connection| {
        let Ended { standing, record, summary } = ended;
        let sql =
            "UPDATE runs SET standing = ?2, record = ?3, summary = ?4 WHERE id = ?1 AND standing = 'open'";
        let ended =
            connection.prepare_cached(sql)?.execute(params![run, standing.name(), record, summary])?;
        told.store(ended > 0, Ordering::Relaxed);
        if ended > 0 && standing == Standing::Whole {
            connection.execute("DELETE FROM run_calls WHERE run = ?1", [&run])?;
        }
        // The oldest go first, and none that is under way.
        let old = "id IN (SELECT id FROM runs WHERE standing <> 'open' ORDER BY started_ms DESC, id DESC LIMIT -1 OFFSET ?1)";
        let most = i64::try_from(MAX_ENDED).unwrap_or(i64::MAX);
        let gone = connection
            .prepare_cached(&format!("DELETE FROM runs WHERE {old} AND id <> ?2"))?
            .execute(params![most, run])?;
        if gone > 0 {
            connection.execute("DELETE FROM run_calls WHERE run NOT IN (SELECT id FROM runs)", ())?;
        }
        Ok(())
    });
    (job, hit)
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

pub(super) fn list(
    listing: Listing,
) -> impl FnOnce(&Connection) -> rusqlite::Result<Vec<StoredSummary>> + Send + 'static {
    move |connection| {
        // Ids are in the order of time, and no more than `MAX_ENDED` and those under way are there.
        let sql = "SELECT id, workflow, started_ms, summary FROM runs \
                   WHERE project IS ?1 AND (?1 IS NOT NULL OR key IS ?2) \
                   AND (?3 IS NULL OR workflow IN (SELECT value FROM json_each(?3))) \
                   AND (?4 IS NULL OR id < ?4) ORDER BY id DESC LIMIT ?5";
        let Listing { owner, workflows, before, limit } = listing;
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let workflows = workflows.map(|workflows| serde_json::Value::from(workflows).to_string());
        let mut runs = connection.prepare(sql)?;
        let runs = runs.query_map(params![owner.project, owner.key, workflows, before, limit], |row| {
            Ok(StoredSummary {
                id: row.get("id")?,
                workflow: row.get("workflow")?,
                started_ms: started(row)?,
                summary: row.get("summary")?,
            })
        })?;
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
        key: row.get("key")?,
        started_ms: started(row)?,
        input: row.get("input")?,
        standing: match standing.as_str() {
            "whole" => Standing::Whole,
            "broken" => Standing::Broken,
            _ => Standing::Open,
        },
        record: row.get("record")?,
    })
}

fn started(row: &Row<'_>) -> rusqlite::Result<u64> {
    Ok(u64::try_from(row.get::<_, i64>("started_ms")?).unwrap_or(0))
}
