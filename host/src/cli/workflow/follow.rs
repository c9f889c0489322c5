//! A run as it goes: a line a step on a terminal, growing; plain lines elsewhere, both on standard error. Its output goes to
//! standard output.

use std::collections::BTreeMap;
use std::io::IsTerminal;
use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use serde_json::Value;

use crate::cli::client::Client;
use crate::cli::{Failed, Outcome, out};

/// How often what is under way moves.
const TICK: Duration = Duration::from_millis(120);

/// Sends a request whose answer is a run's events, and tells them.
pub(super) async fn follow(client: &Client, path: &str, body: &Value, json: bool) -> Outcome {
    let mut telling = Telling::new();
    let (mut begun, mut end) = (None, None);
    let followed = client.follow(path, body, |event| {
        if matches!(event["type"].as_str(), Some("run.finished" | "run.failed")) {
            end = Some(event);
            return;
        }
        if event["type"] == "run.started" {
            begun = event["id"].as_str().map(str::to_owned);
        }
        telling.tell(&event);
    });
    // Whoever interrupts is told what becomes of the run; without anybody who listens for it, the process would just end.
    let followed = tokio::select! {
        followed = followed => followed,
        Ok(()) = tokio::signal::ctrl_c() => Err(Failed("error: interrupted".to_owned())),
    };
    telling.clear();
    match followed {
        Ok(None) => {}
        Ok(Some(answer)) => return Err(fault(&answer.json())),
        Err(failed) => return Err(left(failed, begun.as_deref())),
    }
    let Some(record) = end else {
        return Err(left(
            Failed("error: the run's events ended before the run did".to_owned()),
            begun.as_deref(),
        ));
    };
    if json {
        out::line(&format!("{record:#}"))?;
    }
    if record["type"] == "run.failed" {
        let Failed(why) = fault(&record);
        let id = record["id"].as_str().unwrap_or_default();
        return Err(Failed(format!(
            "{why}\n  hint: `jackfield workflow resume {id}` goes on where it broke off"
        )));
    }
    out::note(&summary(&record));
    if json {
        return Ok(());
    }
    match &record["output"] {
        Value::String(text) => out::line(text),
        Value::Null => Ok(()),
        output => out::line(&format!("{output:#}")),
    }
}

/// The run goes on without us, or does not: how to find out, and what to do then.
fn left(Failed(why): Failed, begun: Option<&str>) -> Failed {
    let Some(id) = begun else { return Failed(why) };
    Failed(format!(
        "{why}\n  hint: `jackfield workflow runs {id}` tells how the run stands; `jackfield workflow resume {id}` goes on where it broke off"
    ))
}

/// What a gateway answers instead of what was asked for.
pub(super) fn fault(body: &Value) -> Failed {
    let message = body["error"]["message"].as_str().unwrap_or("the gateway gave no reason");
    Failed(format!("error: {message}"))
}

pub(super) fn summary(record: &Value) -> String {
    let text = |field: &str| record[field].as_str().unwrap_or_default().to_owned();
    let again = match record["resumed_calls"].as_u64() {
        Some(calls) if calls > 0 => format!(" ({calls} from before)"),
        _ => String::new(),
    };
    format!(
        "{}: {} in {} · {} calls{again} · {} tokens in, {} out · ${}",
        text("id"),
        text("status"),
        seconds(&record["took_ms"]),
        record["calls"],
        record["input_tokens"],
        record["output_tokens"],
        text("cost_usd")
    )
}

fn seconds(millis: &Value) -> String {
    format!("{:.1} s", millis.as_f64().unwrap_or_default() / 1_000.0)
}

/// Where steps are told.
struct Telling {
    /// On a terminal: a line for each step under way.
    terminal: Option<(MultiProgress, BTreeMap<String, ProgressBar>)>,
}

impl Telling {
    fn new() -> Self {
        let terminal = std::io::stderr().is_terminal().then(|| (MultiProgress::new(), BTreeMap::new()));
        Self { terminal }
    }

    fn tell(&mut self, event: &Value) {
        let text = |field: &str| event[field].as_str().unwrap_or_default();
        match (text("type"), &mut self.terminal) {
            ("step.started", Some((all, lines))) => {
                let line = all.add(ProgressBar::new_spinner());
                let line = match ProgressStyle::with_template("{spinner} {msg} {elapsed}") {
                    Ok(style) => line.with_style(style),
                    Err(_) => line,
                };
                line.set_message(text("step").to_owned());
                line.enable_steady_tick(TICK);
                lines.insert(text("step").to_owned(), line);
            }
            ("step.progress", Some((_, lines))) => {
                if let Some(line) = lines.get(text("step")) {
                    line.set_message(format!("{} {}/{}", text("step"), event["done"], event["of"]));
                }
            }
            ("step.finished", Some((all, lines))) => {
                if let Some(line) = lines.remove(text("name")) {
                    line.finish_and_clear();
                }
                let _ = all.println(finished(event));
            }
            ("run.started", None) => out::note(&format!("{}: {}", text("id"), text("workflow"))),
            ("run.started", Some((all, _))) => {
                let _ = all.println(format!("{}: {}", text("id"), text("workflow")));
            }
            ("step.started", None) => out::note(&format!("{}: started", text("step"))),
            ("step.finished", None) => out::note(&finished(event)),
            _ => {}
        }
    }

    fn clear(&mut self) {
        if let Some((_, lines)) = &mut self.terminal {
            std::mem::take(lines).into_values().for_each(|line| line.finish_and_clear());
        }
    }
}

pub(super) fn finished(event: &Value) -> String {
    let (name, status) =
        (event["name"].as_str().unwrap_or_default(), event["status"].as_str().unwrap_or_default());
    let mut line = format!("{name}: {status}");
    if !event["took_ms"].is_null() {
        line.push_str(&format!(" in {}", seconds(&event["took_ms"])));
    }
    if event["calls"].as_u64().is_some_and(|calls| calls > 0) {
        line.push_str(&format!(
            " · {} calls · ${}",
            event["calls"],
            event["cost_usd"].as_str().unwrap_or_default()
        ));
    }
    if let Some(message) = event["error"]["message"].as_str() {
        line.push_str(&format!(": {message}"));
    }
    line
}
