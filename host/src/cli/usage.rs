//! `jackfield usage`: what was spent, by whom and on what, from the file that a gateway writes down, also while it runs.

use std::fmt;
use std::str::FromStr;
use std::time::SystemTime;

use clap::Args;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use serde_json::{Map, Value, json};

use jackfield_core::config::Period;
use jackfield_store::{By, Store, TimeZone, UsageRow, moment_named, show_time, usage};

use super::{ConfigArg, Failed, Outcome, out};

#[derive(Args)]
pub(super) struct UsageArgs {
    #[command(flatten)]
    config: ConfigArg,
    /// What to sum for, in this order
    #[arg(long, value_parser = by(), value_delimiter = ',', default_value = "project,model")]
    by: Vec<By>,
    /// How far to look back (7d, 12h), or from when on: a date in the budgets' time zone (2026-11-01), or a time with its offset
    #[arg(long, default_value = "7d", value_name = "TIME")]
    since: Since,
    /// Print the sums as JSON
    #[arg(long)]
    json: bool,
}

/// From when on charges count.
#[derive(Clone, Debug)]
enum Since {
    /// So long ago.
    Ago(Period),
    /// A date or a time, as it was written.
    Moment(String),
}

impl FromStr for Since {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.parse() {
            Ok(period) => Ok(Self::Ago(period)),
            // In any zone there is such a date; which one holds, the configuration says.
            Err(_) if moment_named(text, &TimeZone::UTC).is_some() => Ok(Self::Moment(text.to_owned())),
            Err(_) => Err("write how far to look back, as in `7d` or `12h`, or a date, as in `2026-11-01`"),
        }
    }
}

impl fmt::Display for Since {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ago(period) => write!(f, "in the last {period}"),
            Self::Moment(text) => write!(f, "since {text}"),
        }
    }
}

/// The words that sums may be asked for by.
fn by() -> impl TypedValueParser<Value = By> {
    let known = PossibleValuesParser::new(By::ALL.map(By::name));
    known.try_map(|word| By::ALL.into_iter().find(|by| by.name() == word).ok_or("no such word"))
}

pub(super) fn run(args: &UsageArgs) -> Outcome {
    let config = args.config.load()?;
    let Some((path, _)) = Store::file(&config) else {
        let hint = "nothing is written down: add `state: sqlite:jackfield.db`, a budget or a workflow";
        return Err(Failed(format!("error: {}: {hint}", config.source())));
    };
    let budgets = config.orchestrator().budgets().cloned().unwrap_or_default();
    let since = match &args.since {
        Since::Ago(period) => SystemTime::now().checked_sub(period.get()),
        Since::Moment(text) => moment_named(text, &budgets.timezone),
    };
    let since = since.unwrap_or(SystemTime::UNIX_EPOCH);
    let rows = usage(&path, &args.by, since, &budgets.timezone)?;
    match args.json {
        true => out::line(&format!("{:#}", as_json(&rows, &args.by, since))),
        false => show(&rows, &args.by, &args.since),
    }
}

fn as_json(rows: &[UsageRow], by: &[By], since: SystemTime) -> Value {
    let rows: Vec<Value> = rows
        .iter()
        .map(|row| {
            let of = by.iter().zip(&row.of).map(|(by, of)| (by.name().to_owned(), json!(of)));
            let mut shown: Map<String, Value> = of.collect();
            for (name, count) in [
                ("calls", row.calls),
                ("open", row.open),
                ("simulated", row.simulated),
                ("estimated", row.estimated),
                ("unpriced", row.unpriced),
                ("input_tokens", row.input_tokens),
                ("cached_input_tokens", row.cached_input_tokens),
                ("output_tokens", row.output_tokens),
                ("cost_nanousd", row.cost.nanos()),
            ] {
                shown.insert(name.to_owned(), json!(count));
            }
            shown.insert("cost_usd".to_owned(), json!(row.cost.usd()));
            Value::Object(shown)
        })
        .collect();
    json!({ "since": show_time(since), "usage": rows })
}

fn show(rows: &[UsageRow], by: &[By], since: &Since) -> Outcome {
    if rows.is_empty() {
        return out::line(&format!("no call {since}"));
    }
    let mut header: Vec<&str> = by.iter().map(|by| by.name()).collect();
    header.extend(["calls", "input tokens", "output tokens", "USD", "notes"]);
    let mut table = out::table(&header);
    let mut whole = UsageRow::default();
    for row in rows {
        let mut cells: Vec<String> =
            row.of.iter().map(|of| of.clone().unwrap_or_else(|| "-".into())).collect();
        cells.extend(figures(row));
        table.add_row(cells);
        whole.calls += row.calls;
        whole.input_tokens = whole.input_tokens.saturating_add(row.input_tokens);
        whole.output_tokens = whole.output_tokens.saturating_add(row.output_tokens);
        whole.cost = whole.cost.plus(row.cost);
    }
    if rows.len() > 1 && !by.is_empty() {
        let mut cells = vec![String::new(); by.len()];
        cells[0] = "all".to_owned();
        cells.extend(figures(&whole));
        table.add_row(cells);
    }
    out::line(&table)
}

fn figures(row: &UsageRow) -> [String; 5] {
    let notes = [
        (row.simulated, "simulated"),
        (row.estimated, "estimated"),
        (row.open, "under way"),
        (row.unpriced, "without a known price"),
    ];
    let notes: Vec<String> =
        notes.iter().filter(|(count, _)| *count > 0).map(|(count, what)| format!("{count} {what}")).collect();
    [
        row.calls.to_string(),
        row.input_tokens.to_string(),
        row.output_tokens.to_string(),
        row.cost.to_string(),
        notes.join(", "),
    ]
}
