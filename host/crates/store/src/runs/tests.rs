//! Runs in memory and in a file do the same; those in a file are there when it is opened again.

use std::path::Path;

use jackfield_core::config::Synchronous;

use super::*;
use crate::database::Opening;

fn run(id: &str) -> StoredRun {
    StoredRun {
        id: id.to_owned(),
        workflow: "w".to_owned(),
        digest: [7; 32],
        project: Some("search".to_owned()),
        user: None,
        started_ms: 1,
        input: "{}".to_owned(),
        standing: Standing::Open,
        record: None,
    }
}

fn call(call: &str, answer: &str) -> StoredCall {
    StoredCall { call: call.to_owned(), answer: answer.to_owned() }
}

fn file(path: &Path) -> Runs {
    let runs = Runs::default();
    runs.write_down(Opening::open(path, Synchronous::Normal, &[TABLES]).unwrap().start().unwrap());
    runs
}

#[tokio::test]
async fn a_broken_run_keeps_its_calls_and_a_whole_one_its_record_alone() {
    let folder = tempfile::tempdir().unwrap();
    for runs in [Runs::default(), file(&folder.path().join("state.db"))] {
        runs.begin(run("a")).await.unwrap();
        runs.keep("a", call("plan", "1")).await.unwrap();
        runs.keep("a", call("plan", "2")).await.unwrap();
        runs.keep("nobody", call("plan", "1")).await.unwrap();
        assert_eq!(runs.find("a").await.unwrap(), Some((run("a"), vec![call("plan", "2")])));
        assert_eq!(runs.find("nobody").await.unwrap(), None);
        runs.end("a", Standing::Broken, "broken".to_owned()).await.unwrap();
        // It goes on with what it had.
        runs.begin(run("a")).await.unwrap();
        runs.keep("a", call("then", "3")).await.unwrap();
        assert_eq!(runs.find("a").await.unwrap().unwrap().1, [call("plan", "2"), call("then", "3")]);
        runs.end("a", Standing::Whole, "whole".to_owned()).await.unwrap();
        // What comes late of a run that is over is not taken.
        runs.keep("a", call("late", "4")).await.unwrap();
        runs.end("a", Standing::Broken, "late".to_owned()).await.unwrap();
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
        runs.begin(StoredRun { project: None, ..run("nobody's") }).await.unwrap();
        runs.end("c", Standing::Whole, "whole".to_owned()).await.unwrap();
        let project = Some("search".to_owned());
        let all = Listing { project, limit: 2, ..Listing::default() };
        let of = |workflow: &str| Listing { workflow: Some(workflow.to_owned()), ..all.clone() };
        let before = |id: &str| Listing { before: Some(id.to_owned()), ..all.clone() };
        for (listing, want) in [
            (all.clone(), vec!["d", "c"]),
            (before("c"), vec!["b", "a"]),
            (before("a"), vec![]),
            (of("v"), vec!["b"]),
            (of("none"), vec![]),
            (Listing { project: None, ..all.clone() }, vec!["nobody's"]),
        ] {
            let shown = format!("{listing:?}");
            assert_eq!(runs.list(listing, |run| run.id).await.unwrap(), want, "{shown}");
        }
    }
}

#[tokio::test]
async fn the_oldest_go_first_by_number() {
    let folder = tempfile::tempdir().unwrap();
    for runs in [Runs::default(), file(&folder.path().join("state.db"))] {
        for id in 0..MAX_ENDED + 5 {
            let id = format!("{id:05}");
            runs.begin(run(&id)).await.unwrap();
            runs.keep(&id, call("plan", "1")).await.unwrap();
            runs.end(&id, Standing::Broken, String::new()).await.unwrap();
        }
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
        runs.end(id, Standing::Whole, " ".repeat(MAX_BYTES / 2 - (1 << 10))).await.unwrap();
    }
    for (id, there) in [("x", false), ("y", true), ("open", true)] {
        assert_eq!(runs.find(id).await.unwrap().is_some(), there, "{id}");
    }
    let memory = &runs.memory;
    assert!(lock(memory).total() <= MAX_BYTES);
}
