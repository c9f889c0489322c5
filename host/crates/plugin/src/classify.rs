//! Whether a component is of use here, and for what.

use crate::convert;
use crate::inspect::{self, Difference, InspectError, ROLE};

/// The differences told of one component; the rest is counted.
const MAX_TOLD: usize = 4;
/// The longest text about one component, in bytes: its names are its author's.
const MAX_TEXT: usize = 4 << 10;

/// What a component can be used for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Kind {
    /// It routes.
    pub router: bool,
    /// It checks its own settings.
    pub lifecycle: bool,
}

/// Why a component is of no use here.
#[derive(Debug, thiserror::Error)]
pub enum Unfit {
    /// It wants what this host does not offer, or gives what this host cannot call.
    #[error("does not fit this host's contract {}: {}", inspect::version(), told(.0))]
    Differs(Vec<Difference>),
    /// It exports nothing that this host calls.
    #[error(
        "exports nothing that this host calls: expected `jackfield:plugin/{ROLE}@{version}`, found {0}",
        version = inspect::version()
    )]
    NoRole(String),
    /// It cannot be held against the contract.
    #[error(transparent)]
    Inspect(#[from] InspectError),
}

/// Reads what a valid component imports and exports.
pub(crate) fn classify(component: &[u8]) -> Result<Kind, Unfit> {
    let seen = inspect::inspect_valid(component)?;
    let kind = Kind { router: seen.calls(ROLE), lifecycle: seen.calls("lifecycle") };
    if !seen.differences.is_empty() {
        return Err(Unfit::Differs(seen.differences));
    }
    if !kind.router {
        let kinds = seen.kinds();
        let also = match kinds.is_empty() {
            true => String::new(),
            false => format!(" (a {}, which this host does not run)", kinds.join(" and a ")),
        };
        let exports: Vec<String> = seen.exports.into_iter().map(|face| face.name).collect();
        let found = if exports.is_empty() { "nothing".to_owned() } else { exports.join(", ") };
        return Err(Unfit::NoRole(format!("{}{also}", convert::tame(&found, 512))));
    }
    Ok(kind)
}

fn told(differences: &[Difference]) -> String {
    let mut texts: Vec<String> = differences.iter().take(MAX_TOLD).map(ToString::to_string).collect();
    if differences.len() > MAX_TOLD {
        texts.push(format!("and {} more differences", differences.len() - MAX_TOLD));
    }
    convert::tame(&texts.join(" · "), MAX_TEXT)
}
