use super::*;

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

#[test]
fn a_broken_run_keeps_its_calls_and_a_whole_one_its_record_alone() {
    let runs = Runs::default();
    runs.begin(run("a"));
    runs.keep("a", call("plan", "1"));
    runs.keep("a", call("plan", "2"));
    runs.keep("nobody", call("plan", "1"));
    assert_eq!(runs.find("a"), Some((run("a"), vec![call("plan", "2")])));
    runs.end("a", Standing::Broken, "broken".to_owned());
    // It goes on with what it had.
    runs.begin(run("a"));
    runs.keep("a", call("code", "3"));
    assert_eq!(runs.find("a").unwrap().1, [call("plan", "2"), call("code", "3")]);
    runs.end("a", Standing::Whole, "whole".to_owned());
    // What comes late of a run that is over is not taken.
    runs.keep("a", call("late", "4"));
    runs.end("a", Standing::Broken, "late".to_owned());
    let (ended, calls) = runs.find("a").unwrap();
    assert_eq!((ended.standing, ended.record.as_deref(), calls.len()), (Standing::Whole, Some("whole"), 0));
}

#[test]
fn the_oldest_that_are_over_go_first_by_number_and_by_size() {
    let runs = Runs::default();
    runs.begin(run("open"));
    for id in 0..MAX_ENDED + 5 {
        runs.begin(run(&id.to_string()));
        runs.end(&id.to_string(), Standing::Whole, String::new());
    }
    assert!(runs.find("4").is_none() && runs.find("5").is_some() && runs.find("open").is_some());
    for id in ["x", "y", "z"] {
        runs.begin(run(id));
        runs.end(id, Standing::Whole, " ".repeat(MAX_BYTES / 2 - (1 << 10)));
    }
    assert!(runs.find("x").is_none() && runs.find("y").is_some() && runs.find("open").is_some());
    let memory = runs.memory();
    let all: usize = memory.total();
    assert!(all <= MAX_BYTES);
}
