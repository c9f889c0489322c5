//! Whether a component is of use here, and for what.

use std::collections::BTreeSet;

use jackfield_core::config::Grant;

use crate::convert;
use crate::inspect::{self, Difference, InspectError, ROLES};

/// The differences told of one component; the rest is counted.
const MAX_TOLD: usize = 4;
/// The longest text about one component, in bytes: its names are its author's.
const MAX_TEXT: usize = 4 << 10;

/// What a component can be used for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Kind {
    /// It routes.
    pub router: bool,
    /// It judges whole answers.
    pub validator: bool,
    /// It judges answers while they stream.
    pub stream_validator: bool,
    /// It checks its own settings.
    pub lifecycle: bool,
}

impl Kind {
    /// What it can be used for, in the contract's words.
    pub fn roles(self) -> Vec<&'static str> {
        let roles = [
            (self.router, "router"),
            (self.validator, "validator"),
            (self.stream_validator, "stream-validator"),
        ];
        roles.into_iter().filter(|(can, _)| *can).map(|(_, name)| name).collect()
    }
}

/// Why a component is of no use here.
#[derive(Debug, thiserror::Error)]
pub enum Unfit {
    /// It wants what this host does not offer, or gives what this host cannot call.
    #[error("does not fit this host's contract {}: {}", inspect::version(), told(.0))]
    Differs(Vec<Difference>),
    /// It exports nothing that this host calls.
    #[error(
        "exports nothing that this host calls: expected one of {expected} of jackfield:plugin@{version}, found {0}",
        expected = ROLES.map(|role| format!("`{role}`")).join(", "),
        version = inspect::version()
    )]
    NoRole(String),
    /// It cannot be held against the contract.
    #[error(transparent)]
    Inspect(#[from] InspectError),
}

/// Reads what a valid component imports and exports: what it can be used for, and what it must be granted for that.
pub(crate) fn classify(component: &[u8]) -> Result<(Kind, BTreeSet<Grant>), Unfit> {
    let seen = inspect::inspect_valid(component)?;
    let wants = seen.grants();
    let [router, validator, stream_validator] = ROLES.map(|role| seen.calls(role));
    let kind = Kind { router, validator, stream_validator, lifecycle: seen.calls("lifecycle") };
    if !seen.differences.is_empty() {
        return Err(Unfit::Differs(seen.differences));
    }
    if !(router || validator || stream_validator) {
        let exports: Vec<String> = seen.exports.into_iter().map(|face| face.name).collect();
        let found = if exports.is_empty() { "nothing".to_owned() } else { exports.join(", ") };
        return Err(Unfit::NoRole(convert::tame(&found, 512)));
    }
    Ok((kind, wants))
}

fn told(differences: &[Difference]) -> String {
    let mut texts: Vec<String> = differences.iter().take(MAX_TOLD).map(ToString::to_string).collect();
    if differences.len() > MAX_TOLD {
        texts.push(format!("and {} more differences", differences.len() - MAX_TOLD));
    }
    convert::tame(&texts.join(" · "), MAX_TEXT)
}
