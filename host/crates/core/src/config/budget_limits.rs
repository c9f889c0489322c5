//! One block of limits in `orchestrator.budgets`: amounts of dollars or tokens in windows of the calendar.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::base::NanoUsd;

use super::findings::Located;
use super::pointer::Pointer;
use super::units::{Count, Dollars};

/// The name that stands for every project, user, key or model without limits of its own.
pub(crate) const ANY: &str = "*";

/// The limits of one project, user, key or model.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(rename = "BudgetLimits")]
pub(crate) struct RawBudgetLimits {
    /// US dollars from one full hour to the next.
    pub(crate) hourly_limit_usd: Option<Dollars>,
    /// US dollars from midnight to midnight.
    pub(crate) daily_limit_usd: Option<Dollars>,
    /// US dollars from Monday to Monday.
    pub(crate) weekly_limit_usd: Option<Dollars>,
    /// US dollars from the first of a month to the next.
    pub(crate) monthly_limit_usd: Option<Dollars>,
    /// Tokens of prompts and answers from one full hour to the next.
    pub(crate) hourly_limit_tokens: Option<Count>,
    /// Tokens of prompts and answers from midnight to midnight: `20M`.
    pub(crate) daily_limit_tokens: Option<Count>,
    /// Tokens of prompts and answers from Monday to Monday.
    pub(crate) weekly_limit_tokens: Option<Count>,
    /// Tokens of prompts and answers from the first of a month to the next.
    pub(crate) monthly_limit_tokens: Option<Count>,
}

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

    /// The limits as they took effect.
    pub(crate) fn show(&self) -> Map<String, Value> {
        let mut shown = Map::new();
        for window in Window::ALL {
            if let Some(usd) = self.usd[window.index()] {
                shown.insert(format!("{}_limit_usd", window.name()), show_usd(usd));
            }
        }
        for window in Window::ALL {
            if let Some(tokens) = self.tokens[window.index()] {
                shown.insert(format!("{}_limit_tokens", window.name()), json!(Count::new(tokens)));
            }
        }
        shown
    }
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

    pub(crate) fn show(&self) -> Value {
        self.0.iter().map(|(name, limits)| (name.clone(), Value::Object(limits.show()))).collect()
    }
}

impl RawBudgetLimits {
    pub(crate) fn check(&self, at: &Pointer, found: &mut Located<'_>) -> Limits {
        let mut limits = Limits::default();
        let usd =
            [&self.hourly_limit_usd, &self.daily_limit_usd, &self.weekly_limit_usd, &self.monthly_limit_usd];
        let tokens = [
            self.hourly_limit_tokens,
            self.daily_limit_tokens,
            self.weekly_limit_tokens,
            self.monthly_limit_tokens,
        ];
        for window in Window::ALL {
            let index = window.index();
            let key = at.key(&format!("{}_limit_usd", window.name()));
            limits.usd[index] = usd[index].as_ref().map(|usd| found.dollars(&key, usd));
            limits.tokens[index] = tokens[index].map(Count::get);
        }
        limits
    }
}

/// Dollars so that they are read back to the last digit.
fn show_usd(usd: NanoUsd) -> Value {
    let text = usd.to_string();
    let number = json!(usd.usd());
    if Dollars::read(&number.to_string()) == Ok(usd) { number } else { json!(text) }
}
