//! Runs in memory and in a file do the same; those in a file are there when it is opened again.

use std::path::Path;

use jackfield_core::config::Synchronous;

use super::*;
use crate::database::{Module, Opening};

fn run(id: &str) -> StoredRun {
    StoredRun {
        id: id.to_owned(),
        workflow: "w".to_owned(),
        digest: [7; 32],
        project: Some("search".to_owned()),
        user: None,
        key: Some("k".to_owned()),
        started_ms: 1,
        input: "{}".to_owned(),
        standing: Standing::Open,
        record: None,
    }
}

fn ended(standing: Standing, record: &str) -> Ended {
    Ended { standing, record: record.to_owned(), summary: format!("{record}, in short") }
}

/// Those of the project `search`.
fn searches() -> Owner {
    Owner { project: Some("search".to_owned()), key: None }
}

fn call(call: &str, answer: &str) -> StoredCall {
    StoredCall { call: call.to_owned(), answer: answer.to_owned() }
}

fn file(path: &Path) -> Runs {
    let runs = Runs::default();
    let opened =
        runs.write_down(Opening::open(path, Synchronous::Normal, &[TABLES]).unwrap().start().unwrap());
    assert!(opened);
    runs
}

#[tokio::test]
async fn a_broken_run_keeps_its_calls_and_a_whole_one_its_record_alone() {
    let folder = tempfile::tempdir().unwrap();
    for runs in [Runs::default(), file(&folder.path().join("state.db"))] {
        runs.begin(run("a")).await.unwrap();
        runs.keep("a", call("plan", "1")).await.unwrap();
        runs.keep("a", call("plan", "2")).await.unwrap();
        let unknown = runs.keep("nobody", call("plan", "1")).await.unwrap_err().to_string();
        assert!(unknown.contains("the run nobody: it is over, or not kept any more"), "{unknown}");
        assert_eq!(runs.find("a").await.unwrap(), Some((run("a"), vec![call("plan", "2")])));
        assert_eq!(runs.find("nobody").await.unwrap(), None);
        runs.end("a", ended(Standing::Broken, "broken")).await.unwrap();
        // It goes on with what it had.
        runs.begin(run("a")).await.unwrap();
        runs.keep("a", call("then", "3")).await.unwrap();
        assert_eq!(runs.find("a").await.unwrap().unwrap().1, [call("plan", "2"), call("then", "3")]);
        runs.end("a", ended(Standing::Whole, "whole")).await.unwrap();
        // What comes late of a run that is over is not taken, and whoever sends it is told.
        let late = StateError::NoRun { run: "a".into() };
        assert_eq!(runs.keep("a", call("late", "4")).await, Err(late.clone()));
        assert_eq!(runs.end("a", ended(Standing::Broken, "late")).await, Err(late));
        let (ended, calls) = runs.find("a").await.unwrap().unwrap();
        assert_eq!(
            (ended.standing, ended.record.as_deref(), calls.len()),
            (Standing::Whole, Some("whole"), 0)
        );
    }
}

#[tokio::test]
async fn what_was_kept_is_there_when_the_file_is_opened_again() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state.db");
    let runs = file(&path);
    runs.begin(run("a")).await.unwrap();
    runs.keep("a", call("plan", "1")).await.unwrap();
    drop(runs);
    assert_eq!(file(&path).find("a").await.unwrap(), Some((run("a"), vec![call("plan", "1")])));
    // Whoever opens a file to serve from it knows that what is open there has nobody.
    let mut opening = Opening::open(&path, Synchronous::Normal, &[TABLES]).unwrap();
    opening.with(break_off).unwrap();
    let runs = Runs::default();
    assert!(runs.write_down(opening.start().unwrap()));
    assert_eq!(runs.find("a").await.unwrap().unwrap().0.standing, Standing::Broken);
}

#[tokio::test]
async fn the_newest_of_a_project_are_listed_page_by_page() {
    let folder = tempfile::tempdir().unwrap();
    for runs in [Runs::default(), file(&folder.path().join("state.db"))] {
        for id in ["a", "b", "c", "d"] {
            runs.begin(StoredRun { workflow: if id == "b" { "v" } else { "w" }.to_owned(), ..run(id) })
                .await
                .unwrap();
        }
        runs.begin(StoredRun { project: None, key: None, ..run("nobody's") }).await.unwrap();
        runs.begin(StoredRun { project: None, ..run("key's") }).await.unwrap();
        runs.end("c", ended(Standing::Whole, "whole")).await.unwrap();
        let all = Listing { owner: searches(), limit: 2, ..Listing::default() };
        let of = |workflow: &str| Listing { workflows: Some(vec![workflow.to_owned()]), ..all.clone() };
        let by = |key: Option<&str>| Listing {
            owner: Owner { project: None, key: key.map(str::to_owned) },
            ..all.clone()
        };
        let before = |id: &str| Listing { before: Some(id.to_owned()), ..all.clone() };
        for (listing, want) in [
            (all.clone(), vec!["d", "c"]),
            (before("c"), vec!["b", "a"]),
            (before("a"), vec![]),
            (of("v"), vec!["b"]),
            (of("none"), vec![]),
            (Listing { workflows: Some(vec![]), ..all.clone() }, vec![]),
            (by(None), vec!["nobody's"]),
            (by(Some("k")), vec!["key's"]),
            (by(Some("another")), vec![]),
        ] {
            let shown = format!("{listing:?}");
            let listed = runs.list(listing).await.unwrap();
            assert_eq!(listed.iter().map(|run| &*run.id).collect::<Vec<_>>(), want, "{shown}");
        }
        let told = runs.list(Listing { limit: 9, ..all.clone() }).await.unwrap();
        let told: Vec<_> = told.iter().map(|run| run.summary.as_deref()).collect();
        assert_eq!(told, [None, Some("whole, in short"), None, None]);
    }
}

#[tokio::test]
async fn the_oldest_go_first_by_number() {
    let folder = tempfile::tempdir().unwrap();
    for runs in [Runs::default(), file(&folder.path().join("state.db"))] {
        // However old, one that is under way stays.
        runs.begin(run("00000-open")).await.unwrap();
        for id in 0..MAX_ENDED + 5 {
            let id = format!("{id:05}");
            runs.begin(run(&id)).await.unwrap();
            runs.keep(&id, call("plan", "1")).await.unwrap();
            runs.end(&id, ended(Standing::Broken, "")).await.unwrap();
        }
        runs.keep("00000-open", call("plan", "1")).await.unwrap();
        assert!(runs.find("00004").await.unwrap().is_none());
        assert_eq!(runs.find("00005").await.unwrap().unwrap().1.len(), 1);
    }
}

#[tokio::test]
async fn the_oldest_go_first_by_size_and_what_is_open_stays() {
    let runs = Runs::default();
    runs.begin(run("open")).await.unwrap();
    for id in ["x", "y", "z"] {
        runs.begin(run(id)).await.unwrap();
        runs.end(
            id,
            Ended {
                summary: String::new(),
                ..ended(Standing::Whole, &" ".repeat(MAX_BYTES / 2 - (1 << 10)))
            },
        )
        .await
        .unwrap();
    }
    for (id, there) in [("x", false), ("y", true), ("open", true)] {
        assert_eq!(runs.find(id).await.unwrap().is_some(), there, "{id}");
    }
    let memory = &runs.memory;
    assert!(lock(memory).total() <= MAX_BYTES);
}

#[tokio::test]
async fn what_was_begun_in_memory_stays_there() {
    let folder = tempfile::tempdir().unwrap();
    let runs = Runs::default();
    runs.begin(run("a")).await.unwrap();
    let path = folder.path().join("state.db");
    let database = Opening::open(&path, Synchronous::Normal, &[TABLES]).unwrap().start().unwrap();
    assert!(!runs.write_down(database));
    runs.end("a", ended(Standing::Whole, "whole")).await.unwrap();
    assert!(runs.find("a").await.unwrap().is_some());
}

#[tokio::test]
async fn runs_of_a_file_from_before_there_were_summaries_are_listed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state.db");
    let before = Module { name: TABLES.name, steps: &TABLES.steps[..1] };
    let mut opening = Opening::open(&path, Synchronous::Normal, &[before]).unwrap();
    let sql = r#"INSERT INTO runs VALUES ('a', 'w', x'07', 'search', NULL, 1, '{}', 'whole', '{"id":"a","output":"long","calls":2}')"#;
    opening.with(|connection| connection.execute(sql, ())).unwrap();
    drop(opening);
    let listed =
        file(&path).list(Listing { owner: searches(), limit: 2, ..Listing::default() }).await.unwrap();
    assert_eq!(listed[0].summary.as_deref(), Some(r#"{"id":"a","calls":2}"#));
}
