//! `state:` where the ledger, and the runs of workflows, are written down, and whether hosts share limits and answers.

use std::path::PathBuf;

use super::budgets::Budgets;
use super::findings::Located;
use super::pointer::Pointer;
use super::shared_state::{RawSharedState, SharedState};

/// How a file is named.
const SQLITE: &str = "sqlite:";
/// What says when something is safe.
const QUESTION: &str = "?synchronous=";
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
    /// Limits and answers in a Redis or Valkey that hosts share; the rest in a file of this host's own.
    Shared(Box<SharedState>),
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
    pub(crate) fn check(
        raw: Option<&str>,
        shared: Option<&RawSharedState>,
        budgets: Option<&Budgets>,
        found: &mut Located<'_>,
    ) -> Self {
        let at = Pointer::root().key("state");
        if let Some(url) = raw.filter(|raw| SharedState::is_meant(raw)) {
            let checked =
                SharedState::check(url, shared.unwrap_or(&RawSharedState::default()), budgets, found);
            return checked.map_or(Self::Unset, |shared| Self::Shared(Box::new(shared)));
        }
        if shared.is_some() {
            let hint = "write `state: redis://HOST`, or remove the section";
            found.key_fault(&Pointer::root().key("shared_state"), "nothing is shared", hint);
        }
        let Some(raw) = raw else { return Self::Unset };
        match Self::place(raw) {
            Some(state) => state,
            None => {
                let hint = "write `sqlite:PATH`, as in `sqlite:jackfield.db`, with `?synchronous=full` behind it where it is \
                            to survive the loss of power, or `:memory:`, or `redis://HOST` where hosts share limits";
                found.fault(&at, "`state` names no place", hint);
                Self::Unset
            }
        }
    }

    /// A place of this host's own: a file, or memory.
    pub(super) fn place(raw: &str) -> Option<Self> {
        if raw == MEMORY {
            return Some(Self::Memory);
        }
        let (path, asked) =
            raw.strip_prefix(SQLITE)?.split_once(QUESTION).unwrap_or((&raw[SQLITE.len()..], ""));
        let synchronous = match asked {
            "" | "normal" => Synchronous::Normal,
            "full" => Synchronous::Full,
            _ => return None,
        };
        let fits = !path.trim().is_empty() && !path.contains(['\0', '?']);
        fits.then(|| Self::Sqlite(PathBuf::from(path), synchronous))
    }

    /// What hosts share, if they share anything.
    pub fn shared(&self) -> Option<&SharedState> {
        match self {
            Self::Shared(shared) => Some(shared),
            Self::Unset | Self::Memory | Self::Sqlite(..) => None,
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
            Self::Shared(shared) => Some(shared.server().to_owned()),
        }
    }
}
