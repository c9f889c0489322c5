//! What became of the cases: a line for each, what was expected and what came for each that failed; or JSON.

use std::io::IsTerminal as _;

use serde_json::{Value, json};

use super::call::Outcome;
use crate::cli::{self, out};

/// What is shown of an outcome on a line, in characters.
const WIDTH: usize = 80;

pub(super) fn show(plugin: &str, results: &[Outcome]) -> cli::Outcome {
    let word = |result: &Outcome| if result.passed() { "ok" } else { "FAILED" };
    if std::io::stdout().is_terminal() {
        let mut table = out::table(&["", "case", "said", "ms"]);
        for result in results {
            table.add_row([word(result).to_owned(), result.name.clone(), said(result), millis(result)]);
        }
        out::line(&table)?;
    } else {
        for result in results {
            out::line(&format!("{:<6}  {}: {}", word(result), result.name, said(result)))?;
        }
    }
    for result in results.iter().filter(|result| !result.passed()) {
        out::line(&format!("\n{}", result.name))?;
        for difference in &result.differences {
            out::line(&format!("  {}", difference.of))?;
            out::line(&format!("    expected  {}", difference.expected))?;
            out::line(&format!("    got       {}", difference.got))?;
        }
    }
    let failed = results.iter().filter(|result| !result.passed()).count();
    out::line(&format!("{plugin}: {} passed, {failed} failed", results.len() - failed))
}

fn said(result: &Outcome) -> String {
    let line = result.seen.to_string();
    match line.char_indices().nth(WIDTH) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line,
    }
}

fn millis(result: &Outcome) -> String {
    format!("{:.1}", result.took.as_secs_f64() * 1e3)
}

pub(super) fn to_json(plugin: &str, results: &[Outcome]) -> Value {
    let cases: Vec<Value> = results
        .iter()
        .map(|result| {
            let differences: Vec<Value> = result
                .differences
                .iter()
                .map(|one| json!({ "of": one.of, "expected": one.expected, "got": one.got }))
                .collect();
            json!({
                "name": result.name,
                "passed": result.passed(),
                "said": result.seen.to_json(),
                "differences": differences,
                "latency_us": result.took.as_secs_f64() * 1e6,
            })
        })
        .collect();
    let failed = results.iter().filter(|result| !result.passed()).count();
    json!({ "plugin": plugin, "passed": results.len() - failed, "failed": failed, "cases": cases })
}
