//! How a new generation of a plugin comes in, and goes again: all at once, with a share of the requests first, or
//! with no say at all; for how long failures are held against it, and how many of them it takes.

use std::time::Duration;

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

use super::findings::Located;
use super::pointer::Pointer;
use super::units::{Count, Period, Share};

/// How many failures it takes.
#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(rename = "Rollback")]
pub(crate) struct RawRollback {
    /// So many failures with no good answer between them: 1 to 1000, 5 if nothing else is said.
    faults: Option<Count>,
    /// Within this time: 10s if nothing else is said.
    within: Option<Period>,
}

/// How many failures open a plugin's breaker; after a swap they also undo it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rollback {
    /// So many with no good answer between them: 1 to 1000.
    pub faults: usize,
    /// Within this time; above zero.
    pub within: Duration,
}

/// How a new generation of a plugin comes in, and goes again.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct Rollout {
    /// The share of the requests that a new generation gets first; `None` means all of them at once.
    pub canary: Option<Share>,
    /// Whether the plugin is only asked, and its answers compared. Never together with a canary.
    pub shadow: bool,
    /// For how long after a swap failures are held against it, and how long a canary is one. Zero: never, and then
    /// there is no canary.
    pub probation: Duration,
    /// How many failures it takes.
    pub rollback: Rollback,
}

const MOST_FAULTS: u64 = 1_000;

impl Default for Rollback {
    fn default() -> Self {
        Self { faults: 5, within: Duration::from_secs(10) }
    }
}

impl Rollback {
    /// The threshold as it took effect.
    pub(crate) fn show(&self) -> Value {
        json!({ "faults": self.faults, "within": Period::from(self.within) })
    }
}

impl Default for Rollout {
    fn default() -> Self {
        Self {
            canary: None,
            shadow: false,
            probation: Duration::from_secs(600),
            rollback: Rollback::default(),
        }
    }
}

impl Rollout {
    /// What holds for every plugin that does not say otherwise.
    pub(crate) fn of_defaults(
        probation: Option<Period>,
        rollback: RawRollback,
        at: &Pointer,
        found: &mut Located<'_>,
    ) -> Self {
        let base = Self::default();
        Self {
            probation: probation.map_or(base.probation, Period::get),
            rollback: rollback.over(base.rollback, &at.key("rollback"), found),
            ..base
        }
    }

    /// One plugin's, if what it says at this place makes sense together.
    pub(crate) fn checked(self, at: &Pointer, found: &mut Located<'_>) -> Self {
        let (canary, shadow) = (at.key("canary"), at.key("shadow"));
        if self.shadow && self.canary.is_some() {
            let message = "a shadow decides nothing, so it has no share of the requests".to_owned();
            found.clash(&canary, &shadow, "a shadow here", message, "remove one of the two");
        }
        if self.canary.is_some() && self.probation.is_zero() {
            found.fault(
                &canary,
                "a canary needs a probation that it can live through, and `probation` is 0",
                "write how long it is tried, as in `probation: 10m`, or remove `canary`",
            );
        }
        self
    }
}

impl RawRollback {
    /// This threshold over another that fills the gaps.
    pub(crate) fn over(&self, base: Rollback, at: &Pointer, found: &mut Located<'_>) -> Rollback {
        let faults = self.faults.map_or(base.faults, |faults| {
            if !(1..=MOST_FAULTS).contains(&faults.get()) {
                let at = at.key("faults");
                found.fault(
                    &at,
                    format!("`{}` is {faults}", found.path(&at)),
                    format!("use 1 to {MOST_FAULTS}"),
                );
            }
            faults.as_usize()
        });
        let within = self.within.map_or(base.within, |within| found.period(&at.key("within"), within));
        Rollback { faults, within }
    }
}
