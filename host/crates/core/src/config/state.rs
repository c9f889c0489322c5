//! `state:` where the ledger, and the runs of workflows, are written down.

use std::path::PathBuf;

use super::findings::Located;
use super::pointer::Pointer;

/// How a file is named.
const SQLITE: &str = "sqlite:";
/// What says when something is safe.
const QUESTION: &str = "?synchronous=";
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
    /// In this SQLite file. A relative path starts at the folder of the configuration file, and where there is none at the
    /// directory the gateway runs in.
    Sqlite(PathBuf, Synchronous),
}

/// When something that is written down is safe.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Synchronous {
    /// It survives the end of the process at any moment; when the machine loses power, the last moments may be lost, and what is
    /// older is whole.
    #[default]
    Normal,
    /// It survives the loss of power too: every commit waits for the disk.
    Full,
}

impl Synchronous {
    /// `normal` or `full`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Normal => "normal",
            Self::Full => "full",
        }
    }
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
        let read = |text: &str| {
            let (path, asked) = text.split_once(QUESTION).unwrap_or((text, ""));
            let synchronous = match asked {
                "" | "normal" => Synchronous::Normal,
                "full" => Synchronous::Full,
                _ => return None,
            };
            let fits = !path.trim().is_empty() && !path.contains(['\0', '?']);
            fits.then(|| Self::Sqlite(PathBuf::from(path), synchronous))
        };
        match raw.strip_prefix(SQLITE).and_then(read) {
            Some(state) => state,
            None => {
                let hint = "write `sqlite:PATH`, as in `sqlite:jackfield.db`, with `?synchronous=full` behind it where it is \
                            to survive the loss of power, or `:memory:`";
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
            Self::Sqlite(path, Synchronous::Normal) => Some(format!("{SQLITE}{}", path.display())),
            Self::Sqlite(path, Synchronous::Full) => {
                Some(format!("{SQLITE}{}{QUESTION}full", path.display()))
            }
        }
    }
}
