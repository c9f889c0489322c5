//! What was spent, summed from the file: for people. Read-only, also while a gateway writes it.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::SystemTime;

use jackfield_core::base::NanoUsd;
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;

use crate::StateError;
use crate::database;

/// A quarter of an hour in milliseconds: every time zone's days begin at a multiple of it.
const QUARTER: i64 = 900_000;

/// What sums are for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum By {
    /// Each project.
    Project,
    /// Each user.
    User,
    /// Each key, by its name.
    Key,
    /// Each model.
    Model,
    /// Each provider.
    Provider,
    /// Each task.
    Task,
    /// Each workflow.
    Workflow,
    /// Each day, in the budgets' time zone.
    Day,
}

/// One sum.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UsageRow {
    /// What it is the sum of, as was asked; `None` where charges have no such thing.
    pub of: Vec<Option<String>>,
    /// Calls of models.
    pub calls: u64,
    /// Those of them that are under way, counted at what is reserved.
    pub open: u64,
    /// Those of them that are simulated.
    pub simulated: u64,
    /// Those of them whose tokens were estimated.
    pub estimated: u64,
    /// Those of them whose model has no known price: they cost nothing here.
    pub unpriced: u64,
    /// Tokens of prompts.
    pub input_tokens: u64,
    /// Those of them that were read from the provider's cache.
    pub cached_input_tokens: u64,
    /// Tokens of answers.
    pub output_tokens: u64,
    /// What they cost.
    pub cost: NanoUsd,
}

impl By {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::Project,
        Self::User,
        Self::Key,
        Self::Model,
        Self::Provider,
        Self::Task,
        Self::Workflow,
        Self::Day,
    ];

    /// Its word on the command line and in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::Project => "project",
            Self::User => "user",
            Self::Key => "key",
            Self::Model => "model",
            Self::Provider => "provider",
            Self::Task => "task",
            Self::Workflow => "workflow",
            Self::Day => "day",
        }
    }

    fn column(self) -> &'static str {
        match self {
            Self::Day => "CAST(time / 900000 AS TEXT)",
            by => by.name(),
        }
    }
}

/// The moment that a date (`2026-11-01`, which begins in this zone) or a time with its offset (`2026-11-01T09:30:00Z`) names.
pub fn moment_named(text: &str, zone: &TimeZone) -> Option<SystemTime> {
    if text.contains(['T', 't', ' ']) {
        return text.parse::<Timestamp>().ok().map(SystemTime::from);
    }
    let date = text.parse::<Date>().ok()?;
    Some(date.to_zoned(zone.clone()).ok()?.timestamp().into())
}

/// Sums what was charged since then, dearest first, or day by day where days are asked for.
pub fn usage(
    path: &Path,
    by: &[By],
    since: SystemTime,
    zone: &TimeZone,
) -> Result<Vec<UsageRow>, StateError> {
    let connection = database::look(path)?;
    let since = Timestamp::try_from(since).map_or(0, Timestamp::as_millisecond);
    let columns: String = by.iter().map(|by| format!("{}, ", by.column())).collect();
    let groups: Vec<String> = (1..=by.len()).map(|n| n.to_string()).collect();
    let group = if by.is_empty() { String::new() } else { format!("GROUP BY {}", groups.join(", ")) };
    let sql = format!(
        "SELECT {columns} count(*), coalesce(sum(state = 'open'), 0), coalesce(sum(simulated), 0),
            coalesce(sum(estimated), 0), coalesce(sum(priced = 0), 0), coalesce(sum(input_tokens), 0),
            coalesce(sum(cached_input_tokens), 0), coalesce(sum(output_tokens), 0),
            coalesce(sum(coalesce(settled_nanousd, reserved_nanousd)), 0)
        FROM charges WHERE time >= ?1 {group}"
    );
    let read = || -> rusqlite::Result<Vec<UsageRow>> {
        let mut statement = connection.prepare(&sql)?;
        let rows = statement.query_map([since], |row| {
            let number = |at: usize| row.get(by.len() + at).map(|n: i64| u64::try_from(n).unwrap_or(0));
            let of = (0..by.len()).map(|at| row.get::<_, Option<String>>(at)).collect::<Result<_, _>>()?;
            Ok(UsageRow {
                of,
                calls: number(0)?,
                open: number(1)?,
                simulated: number(2)?,
                estimated: number(3)?,
                unpriced: number(4)?,
                input_tokens: number(5)?,
                cached_input_tokens: number(6)?,
                output_tokens: number(7)?,
                cost: NanoUsd::new(number(8)?),
            })
        })?;
        rows.collect()
    };
    let rows = read().map_err(|error| StateError::Read {
        path: path.display().to_string().into(),
        reason: error.to_string().into(),
    })?;
    Ok(arrange(rows, by, zone))
}

/// Puts quarters of hours together into days, and rows in order.
fn arrange(rows: Vec<UsageRow>, by: &[By], zone: &TimeZone) -> Vec<UsageRow> {
    let mut sums: BTreeMap<Vec<Option<String>>, UsageRow> = BTreeMap::new();
    for mut row in rows {
        for (of, by) in row.of.iter_mut().zip(by) {
            if *by == By::Day {
                *of = of.take().and_then(|quarter| day(quarter.parse().ok()?, zone));
            }
        }
        let sum = sums.entry(row.of.clone()).or_default();
        sum.of = row.of;
        sum.calls += row.calls;
        sum.open += row.open;
        sum.simulated += row.simulated;
        sum.estimated += row.estimated;
        sum.unpriced += row.unpriced;
        sum.input_tokens = sum.input_tokens.saturating_add(row.input_tokens);
        sum.cached_input_tokens = sum.cached_input_tokens.saturating_add(row.cached_input_tokens);
        sum.output_tokens = sum.output_tokens.saturating_add(row.output_tokens);
        sum.cost = sum.cost.plus(row.cost);
    }
    let mut rows: Vec<UsageRow> = sums.into_values().filter(|row| row.calls > 0).collect();
    if !by.contains(&By::Day) {
        rows.sort_by_key(|row| std::cmp::Reverse(row.cost));
    }
    rows
}

fn day(quarter: i64, zone: &TimeZone) -> Option<String> {
    let at = Timestamp::from_millisecond(quarter.checked_mul(QUARTER)?).ok()?;
    Some(at.to_zoned(zone.clone()).date().to_string())
}
