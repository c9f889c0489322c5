//! What is told as committed is there, and what cannot be used is refused with its remedy.

use super::queue::MOST_WAITING;
use super::*;

const TABLE: &str = "CREATE TABLE notes (text TEXT UNIQUE)";
const NOTES: &[Module] = &[Module { name: "notes", steps: &[TABLE] }];
const NEXT: &[Module] = &[Module {
    name: "notes",
    steps: &[TABLE, "ALTER TABLE notes ADD COLUMN at INTEGER", "INSERT INTO notes VALUES ('x', 1)"],
}];

fn open(path: &Path, modules: &[Module]) -> Result<Database, StateError> {
    Opening::open(path, Synchronous::Normal, modules)?.start()
}

fn note(text: &str) -> Job {
    let text = text.to_owned();
    Job::one(move |connection| connection.execute("INSERT INTO notes VALUES (?1)", [text]).map(drop))
}

fn notes(database: &Database) -> Vec<String> {
    let all = |connection: &Connection| {
        let mut statement = connection.prepare("SELECT text FROM notes ORDER BY text")?;
        let rows = statement.query_map((), |row| row.get(0))?;
        rows.collect()
    };
    database.read_now(all).unwrap()
}

#[tokio::test]
async fn what_is_committed_is_there_and_a_failed_write_fails_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state.db");
    let database = open(&path, NOTES).unwrap();
    let tickets: Vec<Ticket> =
        ["a", "b", "a", "c"].into_iter().map(|text| database.write(note(text))).collect();
    let mut told = Vec::new();
    for ticket in &tickets {
        told.push(ticket.committed().await.is_ok());
    }
    assert_eq!(told, [true, true, false, true]);
    assert_eq!(notes(&database), ["a", "b", "c"]);
    let read = database.read(|connection| connection.execute("DELETE FROM notes", ())).await;
    assert!(matches!(read, Err(StateError::Read { .. })), "a reader writes: {read:?}");
}

#[test]
fn what_waits_is_written_before_the_file_is_closed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state.db");
    let database = open(&path, NOTES).unwrap();
    for n in 0..3_000 {
        let _ = database.write(note(&n.to_string()));
    }
    drop(database);
    let database = open(&path, NOTES).unwrap();
    assert_eq!(notes(&database).len(), 3_000);
    // The log of the file was put into it: there is one file to copy.
    drop(database);
    assert!(!path.with_extension("db-wal").exists());
}

#[test]
fn only_so_many_writes_wait_but_what_is_owed_is_taken() {
    let folder = tempfile::tempdir().unwrap();
    let database = open(&folder.path().join("state.db"), NOTES).unwrap();
    let (go, wait) = std::sync::mpsc::channel::<()>();
    let (begin, began) = std::sync::mpsc::channel::<()>();
    let _ = database.write(Job::one(move |_| {
        begin.send(()).unwrap();
        let _ = wait.recv();
        Ok(())
    }));
    began.recv().unwrap();
    let mut refused = 0;
    for n in 0..MOST_WAITING + 2 {
        let ticket = database.write(note(&n.to_string()));
        refused += usize::from(matches!(ticket.told(), Some(Err(StateError::Busy { .. }))));
    }
    assert_eq!(refused, 2);
    let owed = database.write_owed(note("owed"));
    assert!(owed.told().is_none());
    drop(go);
    drop(database);
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    assert_eq!(runtime.block_on(owed.committed()), Ok(()));
}

#[test]
fn a_file_is_readable_for_its_owner_alone() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state.db");
    let database = open(&path, NOTES).unwrap();
    for name in ["state.db", "state.db-wal", "state.db.lock"] {
        let mode = std::fs::metadata(folder.path().join(name)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{name}");
    }
    drop(database);
}

#[test]
fn steps_run_once_each_and_what_is_newer_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state.db");
    drop(open(&path, NOTES).unwrap());
    let next = NEXT;
    drop(open(&path, next).unwrap());
    assert_eq!(notes(&open(&path, next).unwrap()), ["x"]);
    let refused = open(&path, NOTES).unwrap_err().to_string();
    assert!(refused.contains("notes was written by a newer version; use that version"), "{refused}");
    Connection::open(&path).unwrap().pragma_update(None, "user_version", LAYOUT + 1).unwrap();
    let refused = open(&path, next).unwrap_err().to_string();
    assert!(refused.contains("it was written by a newer version"), "{refused}");
}

#[test]
fn what_cannot_be_used_is_refused_with_file_and_remedy() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state.db");
    let refused = |path: &Path| match open(path, NOTES) {
        Ok(_) => panic!("{} is opened", path.display()),
        Err(error) => error.to_string(),
    };
    let held = open(&path, NOTES).unwrap();
    let second = refused(&path);
    assert!(
        second.contains("another process has it open; stop that one") && second.contains("state.db"),
        "{second}"
    );
    drop(held);
    drop(open(&path, NOTES).unwrap());
    let nowhere = refused(&folder.path().join("none/state.db"));
    assert!(nowhere.contains("make its folder"), "{nowhere}");
    let text = folder.path().join("text.db");
    std::fs::write(
        &text,
        "this is no database at all, but a text that is long enough to be looked at".repeat(20),
    )
    .unwrap();
    assert!(refused(&text).contains("file is not a database; put a good copy"), "{}", refused(&text));
    let other = folder.path().join("other.db");
    Connection::open(&other).unwrap().execute_batch("CREATE TABLE theirs (a)").unwrap();
    assert!(refused(&other).contains("the database of another program"), "{}", refused(&other));
    let missing = look(&folder.path().join("missing.db")).unwrap_err().to_string();
    assert!(missing.contains("there is no such file"), "{missing}");
}

/// Keeps the writer busy until what is returned is dropped.
fn occupied(database: &Database) -> std::sync::mpsc::Sender<()> {
    let (go, wait) = std::sync::mpsc::channel::<()>();
    let (begin, began) = std::sync::mpsc::channel::<()>();
    let _ = database.write(Job::one(move |_| {
        begin.send(()).unwrap();
        let _ = wait.recv();
        Ok(())
    }));
    began.recv().unwrap();
    go
}

#[tokio::test]
async fn everybody_who_waits_is_told_whoever_is_woken_first_and_goes_away() {
    let folder = tempfile::tempdir().unwrap();
    let database = open(&folder.path().join("state.db"), NOTES).unwrap();
    for gone in [0, 1, 7, 49] {
        let go = occupied(&database);
        let mut waiting: Vec<_> = (0..50)
            .map(|n| {
                let ticket = database.write(note(&format!("{gone} {n}")));
                tokio::spawn(async move { ticket.committed().await })
            })
            .collect();
        // All wait now, in this order.
        tokio::task::yield_now().await;
        let last = waiting.pop().unwrap();
        drop(go);
        // This thread runs no task meanwhile: the first is woken, and goes away before it can wake the others.
        while notes(&database).len() < 50 {
            std::thread::yield_now();
        }
        waiting[..gone].iter().for_each(tokio::task::JoinHandle::abort);
        assert_eq!(last.await.unwrap(), Ok(()));
        for (n, told) in waiting.into_iter().enumerate() {
            let told = told.await;
            assert!(n < gone || told.unwrap().is_ok(), "the {n}th of those of whom {gone} went away");
        }
        let _ = database.write(Job::one(|c| c.execute("DELETE FROM notes", ()).map(drop))).committed().await;
    }
}

#[tokio::test]
async fn several_statements_fail_together_and_leave_the_others_alone() {
    let folder = tempfile::tempdir().unwrap();
    let database = open(&folder.path().join("state.db"), NOTES).unwrap();
    let go = occupied(&database);
    let tickets = [
        database.write(note("a")),
        database.write(Job::several(|connection| {
            connection.execute("INSERT INTO notes VALUES ('half')", ())?;
            connection.execute("INSERT INTO notes VALUES ('a')", ()).map(drop)
        })),
        database.write(note("b")),
    ];
    drop(go);
    let mut told = Vec::new();
    for ticket in &tickets {
        told.push(ticket.committed().await.is_ok());
    }
    assert_eq!(told, [true, false, true]);
    assert_eq!(notes(&database), ["a", "b"]);
}

#[tokio::test]
async fn a_writer_that_is_gone_is_told_of() {
    let folder = tempfile::tempdir().unwrap();
    let database = open(&folder.path().join("state.db"), NOTES).unwrap();
    let go = occupied(&database);
    let broken = database.write(Job::one(|_| panic!("a job that panics")));
    let behind = database.write(note("behind"));
    drop(go);
    for ticket in [broken, behind, database.write_owed(note("after"))] {
        let told = ticket.committed().await.unwrap_err().to_string();
        assert!(told.contains("the writer is gone"), "{told}");
    }
}

#[tokio::test]
async fn the_log_is_put_into_the_file_when_it_is_long() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state.db");
    let database = open(&path, NOTES).unwrap();
    let long = "x".repeat(100_000);
    for n in 0..400 {
        database.write(note(&format!("{n} {long}"))).committed().await.unwrap();
    }
    // 80 MB were written; the log began again after each 16 MiB.
    let log = std::fs::metadata(path.with_extension("db-wal")).unwrap().len();
    assert!(log < 18 << 20, "the log has {log} bytes");
    assert!(log > 15 << 20, "the log is put into the file more often than that: {log} bytes");
}
