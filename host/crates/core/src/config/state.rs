//! `state:` where the ledger, and the runs of workflows, are written down.

use std::path::PathBuf;

use super::findings::Located;
use super::pointer::Pointer;

/// How a file is named.
const SQLITE: &str = "sqlite:";
/// What shares counters between hosts.
const REDIS: [&str; 2] = ["redis:", "rediss:"];
/// Nothing is written down.
const MEMORY: &str = ":memory:";
/// What is written where a budget or a workflow needs it and nothing is said.
pub const DEFAULT_STATE: &str = "jackfield.db";

/// Where state is kept.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum State {
    /// Nothing is said: `jackfield.db` where a budget or a workflow needs one, else nothing is written.
    #[default]
    Unset,
    /// In memory: it does not outlive the process.
    Memory,
    /// In this SQLite file. A relative path starts at the directory the gateway runs in.
    Sqlite(PathBuf),
}

impl State {
    pub(crate) fn check(raw: Option<&str>, found: &mut Located<'_>) -> Self {
        let Some(raw) = raw else { return Self::Unset };
        let at = Pointer::root().key("state");
        if raw == MEMORY {
            return Self::Memory;
        }
        if REDIS.iter().any(|redis| raw.starts_with(redis)) {
            let hint = "write `sqlite:jackfield.db` for a state of this host's own";
            found.fault(&at, "a state that hosts share is not in this version yet", hint);
            return Self::Unset;
        }
        match raw.strip_prefix(SQLITE) {
            Some(path) if !path.trim().is_empty() && !path.contains(['\0', '?']) => {
                Self::Sqlite(PathBuf::from(path))
            }
            _ => {
                let hint = "write `sqlite:PATH`, as in `sqlite:jackfield.db`, or `:memory:`";
                found.fault(&at, "`state` names no place", hint);
                Self::Unset
            }
        }
    }

    /// The place as it is written.
    pub(crate) fn show(&self) -> Option<String> {
        match self {
            Self::Unset => None,
            Self::Memory => Some(MEMORY.to_owned()),
            Self::Sqlite(path) => Some(format!("{SQLITE}{}", path.display())),
        }
    }
}
