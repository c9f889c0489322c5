//! `orchestrator.budgets`: what may be spent, by whom, in which time.
//!
//! A limit is an amount of dollars or of tokens in a window of the calendar. All limits that apply to a call must hold.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::tz::TimeZone;

use crate::base::NanoUsd;

/// The name that stands for every project, user, key or model without limits of its own.
const ANY: &str = "*";

/// A window of the calendar, in the budgets' time zone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Window {
    /// From a full hour to the next.
    Hour,
    /// From midnight to midnight.
    Day,
    /// From Monday to Monday.
    Week,
    /// From the first to the next first.
    Month,
}

impl Window {
    /// All, the shortest first.
    pub const ALL: [Self; 4] = [Self::Hour, Self::Day, Self::Week, Self::Month];

    /// `hourly`, as in the keys of limits.
    pub fn name(self) -> &'static str {
        match self {
            Self::Hour => "hourly",
            Self::Day => "daily",
            Self::Week => "weekly",
            Self::Month => "monthly",
        }
    }

    /// Its place in [`Self::ALL`].
    pub fn index(self) -> usize {
        self as usize
    }
}

/// The limits of one project, user, key or model, or of everybody together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// Dollars, by [`Window::index`].
    pub usd: [Option<NanoUsd>; 4],
    /// Tokens of prompts and answers together, by [`Window::index`].
    pub tokens: [Option<u64>; 4],
}

impl Limits {
    /// Whether nothing is limited.
    pub fn is_empty(&self) -> bool {
        self.usd.iter().all(Option::is_none) && self.tokens.iter().all(Option::is_none)
    }

    /// Whether dollars are limited.
    pub fn limits_usd(&self) -> bool {
        self.usd.iter().any(Option::is_some)
    }
}

/// What becomes of a request that a budget has not enough for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum OnExceeded {
    /// It is refused.
    #[default]
    Reject,
    /// This model is asked instead.
    Downgrade(Arc<str>),
}

/// Limits by name; `*` has those of every name that is not there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NamedLimits(pub(crate) BTreeMap<String, Limits>);

impl NamedLimits {
    /// The limits that hold for this name: its own, else those for every other.
    pub fn of(&self, name: &str) -> Option<&Limits> {
        self.0.get(name).or_else(|| self.0.get(ANY))
    }

    /// Every name that has limits, `*` among them.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Limits)> {
        self.0.iter().map(|(name, limits)| (name.as_str(), limits))
    }
}

/// What may be spent, checked.
#[derive(Clone, Debug, PartialEq)]
pub struct Budgets {
    /// The time zone whose calendar has the windows.
    pub timezone: TimeZone,
    /// For everybody together.
    pub everyone: Limits,
    /// For each project.
    pub projects: NamedLimits,
    /// For each user.
    pub users: NamedLimits,
    /// For each key.
    pub keys: NamedLimits,
    /// For each model.
    pub models: NamedLimits,
    /// What happens when one of them is used up.
    pub on_exceeded: OnExceeded,
}

impl Default for Budgets {
    /// No limits, in UTC.
    fn default() -> Self {
        Self {
            timezone: TimeZone::UTC,
            everyone: Limits::default(),
            projects: NamedLimits::default(),
            users: NamedLimits::default(),
            keys: NamedLimits::default(),
            models: NamedLimits::default(),
            on_exceeded: OnExceeded::Reject,
        }
    }
}

impl Budgets {
    /// Whether nothing is limited.
    pub fn is_empty(&self) -> bool {
        let named = [&self.projects, &self.users, &self.keys, &self.models];
        self.everyone.is_empty() && named.iter().all(|named| named.0.values().all(Limits::is_empty))
    }

    /// The same with these limits for everybody together: for tests of other rooms.
    #[must_use]
    pub fn with_everyone(mut self, limits: Limits) -> Self {
        self.everyone = limits;
        self
    }

    /// The same with these limits for a project, or for each that has none of its own (`*`): for tests of other rooms.
    #[must_use]
    pub fn with_project(mut self, name: &str, limits: Limits) -> Self {
        self.projects.0.insert(name.to_owned(), limits);
        self
    }
}
