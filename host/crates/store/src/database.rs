//! The file: one SQLite database, one process, one thread that writes.
//!
//! Writes are queued (`queue.rs`) and committed together, as many as gathered while the ones before were (`writer.rs`); each
//! has a ticket that resolves when its transaction is on its way to the disk. Reads have a connection of their own and see
//! what is committed. Every module brings a list of steps that make its tables. Bounded: so many writes may wait; those that
//! end something that was accepted may go beyond, so that nothing accepted is lost, and are as few as what is open. The
//! thread ends when the last handle is dropped, after writing what waits.

mod queue;
mod writer;

use std::fmt;
use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use jackfield_core::config::Synchronous;
use rusqlite::{Connection, OpenFlags, OptionalExtension as _};
use rustix::fs::Access;

use crate::StateError;
use queue::Queue;
pub(crate) use queue::{Job, Ticket};

/// How the file is laid out. A newer one is not touched.
const LAYOUT: i64 = 1;
/// Says in the file's head whose it is: `JKFD`.
const APPLICATION: i64 = 0x4a4b_4644;
/// How long another program may hold the file, such as a backup.
const BUSY: Duration = if cfg!(test) { Duration::from_millis(250) } else { Duration::from_secs(5) };

/// The tables of one module: each step is SQL that runs once, in order. Steps that were published never change.
pub(crate) struct Module {
    /// Its name in the file.
    pub(crate) name: &'static str,
    /// What makes its tables, one step a version.
    pub(crate) steps: &'static [&'static str],
}

/// A file that is open, and nobody writes yet.
pub(crate) struct Opening {
    connection: Connection,
    path: PathBuf,
    lock: File,
}

/// An open file. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Database(Arc<Inner>);

struct Inner {
    path: Arc<str>,
    queue: Arc<Queue>,
    reader: Mutex<Connection>,
    writer: Option<JoinHandle<()>>,
    /// Held for as long as the file is open.
    _lock: File,
}

impl Opening {
    /// Opens the file, or makes it, readable for its owner alone; takes its lock, and brings its tables up to date.
    pub(crate) fn open(
        path: &Path,
        synchronous: Synchronous,
        modules: &[Module],
    ) -> Result<Self, StateError> {
        let lock = lock(path)?;
        let mut making = OpenOptions::new();
        let made = making.create(true).append(true).mode(0o600).open(path);
        made.map_err(|error| no_file(path, &error))?;
        let connection = connect(path, OpenFlags::SQLITE_OPEN_READ_WRITE).map_err(|e| unusable(path, &e))?;
        prepare(&connection, path, synchronous, modules)?;
        Ok(Self { connection, path: path.to_owned(), lock })
    }

    /// Reads and changes before anybody else does.
    pub(crate) fn with<T>(
        &mut self,
        work: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> Result<T, StateError> {
        let whole = |connection: &mut Connection| {
            let transaction = connection.transaction()?;
            let worked = work(&transaction)?;
            transaction.commit()?;
            Ok(worked)
        };
        whole(&mut self.connection).map_err(|error| unusable(&self.path, &error))
    }

    /// Lets the writer begin.
    pub(crate) fn start(self) -> Result<Database, StateError> {
        let Self { connection, path, lock } = self;
        let reader = connect(&path, OpenFlags::SQLITE_OPEN_READ_WRITE)
            .and_then(|reader| reader.pragma_update(None, "query_only", true).map(|()| reader))
            .map_err(|error| unusable(&path, &error))?;
        let shown: Arc<str> = path.display().to_string().into();
        let queue = Arc::new(Queue::default());
        let (taken, path) = (Arc::clone(&queue), Arc::clone(&shown));
        let thread = std::thread::Builder::new().name("state-writer".into());
        let writer = thread.spawn(move || writer::run(&connection, &taken, &path));
        let writer = writer.map_err(|error| {
            StateError::open(Path::new(&*shown), error, "the system gives no more threads: raise its limit")
        })?;
        let (reader, writer) = (Mutex::new(reader), Some(writer));
        Ok(Database(Arc::new(Inner { path: shown, queue, reader, writer, _lock: lock })))
    }
}

impl Database {
    /// The file, as messages have it.
    pub(crate) fn path(&self) -> &Arc<str> {
        &self.0.path
    }

    /// Queues a write. Never blocks; refused when too many wait.
    pub(crate) fn write(&self, job: Job) -> Ticket {
        self.0.queue.put(job, false, &self.0.path)
    }

    /// Queues a write that ends something that was accepted before: taken however many wait.
    pub(crate) fn write_owed(&self, job: Job) -> Ticket {
        self.0.queue.put(job, true, &self.0.path)
    }

    /// Reads, on a thread that may block.
    pub(crate) async fn read<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, StateError> {
        let this = self.clone();
        let read = tokio::task::spawn_blocking(move || this.read_now(work)).await;
        let stopped = |_| StateError::Read { path: Arc::clone(self.path()), reason: "the host stops".into() };
        read.map_err(stopped)?
    }

    /// Reads, and blocks until that is done.
    pub(crate) fn read_now<T>(
        &self,
        work: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> Result<T, StateError> {
        let reader = self.0.reader.lock().unwrap_or_else(PoisonError::into_inner);
        let reason = |error: rusqlite::Error| error.to_string().into();
        let path = Arc::clone(self.path());
        work(&reader).map_err(|error| StateError::Read { path, reason: reason(error) })
    }
}

impl fmt::Debug for Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Database").field(&self.0.path).finish()
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.queue.close();
        if let Some(writer) = self.writer.take() {
            // It writes what waits; it cannot panic, and if it did, nobody is left to be told.
            let _ = writer.join();
        }
    }
}

fn connect(path: &Path, flags: OpenFlags) -> rusqlite::Result<Connection> {
    let connection = Connection::open_with_flags(path, flags | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    connection.busy_timeout(BUSY)?;
    Ok(connection)
}

/// A connection for looking at a file, also while a gateway writes it.
pub(crate) fn look(path: &Path) -> Result<Connection, StateError> {
    if !path.is_file() {
        let remedy = "nothing was written down yet, or `state` in the configuration names another file";
        return Err(StateError::open(path, "there is no such file", remedy));
    }
    let connection = connect(path, OpenFlags::SQLITE_OPEN_READ_ONLY).map_err(|e| unusable(path, &e))?;
    check_layout(&connection, path)?;
    Ok(connection)
}

fn prepare(
    connection: &Connection,
    path: &Path,
    synchronous: Synchronous,
    modules: &[Module],
) -> Result<(), StateError> {
    check_layout(connection, path)?;
    let journal: String = connection
        .query_row("PRAGMA journal_mode = WAL", (), |row| row.get(0))
        .map_err(|e| unusable(path, &e))?;
    if journal != "wal" {
        let reason = format!("its journal is `{journal}`, not a write-ahead log");
        return Err(StateError::open(path, reason, "put it on a local disk"));
    }
    let migrate = || -> rusqlite::Result<Option<&'static str>> {
        connection.pragma_update(None, "synchronous", synchronous.name())?;
        connection.execute_batch("BEGIN IMMEDIATE")?;
        connection.pragma_update(None, "application_id", APPLICATION)?;
        connection.pragma_update(None, "user_version", LAYOUT)?;
        connection.execute_batch(
            "CREATE TABLE IF NOT EXISTS modules (name TEXT PRIMARY KEY, version INTEGER NOT NULL) STRICT",
        )?;
        for module in modules {
            let has = "SELECT version FROM modules WHERE name = ?1";
            let has: Option<i64> = connection.query_row(has, [module.name], |row| row.get(0)).optional()?;
            let has = usize::try_from(has.unwrap_or(0)).unwrap_or(0);
            if has > module.steps.len() {
                return Ok(Some(module.name));
            }
            for step in &module.steps[has..] {
                connection.execute_batch(step)?;
            }
            connection.execute(
                "INSERT INTO modules VALUES (?1, ?2) ON CONFLICT (name) DO UPDATE SET version = excluded.version",
                (module.name, i64::try_from(module.steps.len()).unwrap_or(i64::MAX)),
            )?;
        }
        connection.execute_batch("COMMIT")?;
        Ok(None)
    };
    let migrated = migrate();
    if !matches!(migrated, Ok(None)) {
        let _ = connection.execute_batch("ROLLBACK");
    }
    match migrated {
        Ok(None) => Ok(()),
        Ok(Some(module)) => Err(newer(path, &format!("its {module} was written by a newer version"))),
        Err(error) => Err(unusable(path, &error)),
    }
}

/// Refuses what is not ours, and what is newer.
fn check_layout(connection: &Connection, path: &Path) -> Result<(), StateError> {
    let read = || -> rusqlite::Result<(i64, i64, i64)> {
        let number = |sql: &str| connection.query_row(sql, (), |row| row.get(0));
        Ok((
            number("PRAGMA application_id")?,
            number("PRAGMA user_version")?,
            number("SELECT count(*) FROM sqlite_schema")?,
        ))
    };
    let (application, layout, tables) = read().map_err(|error| unusable(path, &error))?;
    if application != APPLICATION && tables > 0 {
        let remedy = "name another file in `state: sqlite:PATH`";
        return Err(StateError::open(path, "it is the database of another program", remedy));
    }
    if layout > LAYOUT {
        return Err(newer(path, "it was written by a newer version"));
    }
    Ok(())
}

fn lock(path: &Path) -> Result<File, StateError> {
    let mut beside = path.as_os_str().to_owned();
    beside.push(".lock");
    let beside = PathBuf::from(beside);
    let file = OpenOptions::new().create(true).append(true).mode(0o600).open(&beside);
    let file = file.map_err(|error| no_file(path, &error))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(StateError::open(
            path,
            "another process has it open",
            "stop that one, or give this one a file of its own with `state: sqlite:PATH`",
        )),
        Err(TryLockError::Error(error)) => Err(no_file(path, &error)),
    }
}

/// Whether a file can be opened or made here, without doing either.
pub(crate) fn writable(path: &Path) -> Result<(), StateError> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    // SQLite makes files beside it.
    let may = |path: &Path, how| rustix::fs::access(path, how).map_err(io::Error::from);
    let folder = may(folder, Access::WRITE_OK | Access::EXEC_OK);
    let looked = folder.and_then(|()| match path.exists() {
        true => may(path, Access::READ_OK | Access::WRITE_OK),
        false => Ok(()),
    });
    looked.map_err(|error| no_file(path, &error))
}

fn no_file(path: &Path, error: &io::Error) -> StateError {
    let remedy = match error.kind() {
        io::ErrorKind::NotFound => "make its folder, or name another file in `state: sqlite:PATH`",
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
            "let this user write there, or name another file in `state: sqlite:PATH`"
        }
        _ => "name another file in `state: sqlite:PATH`",
    };
    StateError::open(path, error, remedy)
}

fn unusable(path: &Path, error: &rusqlite::Error) -> StateError {
    StateError::open(
        path,
        error,
        "put a good copy in its place, or name another file in `state: sqlite:PATH`",
    )
}

fn newer(path: &Path, reason: &str) -> StateError {
    StateError::open(path, reason, "use that version, or name another file in `state: sqlite:PATH`")
}

#[cfg(test)]
mod tests;
