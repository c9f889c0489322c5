//! `jackfield workflow runs [NAME | ID]`: the runs that a running gateway keeps, the newest first; or how one of them stands.

use std::time::{Duration, UNIX_EPOCH};

use clap::Args;
use serde_json::Value;

use jackfield_core::base::RunId;
use jackfield_store::show_time;

use super::follow::{fault, finished, summary};
use super::gateway::GatewayArgs;
use crate::cli::{Failed, Outcome, out, runtime};

#[derive(Args)]
pub(crate) struct RunsArgs {
    /// Of this workflow only; or a run's id, `run_…`, for all there is to tell of that one
    #[arg(value_name = "NAME | ID")]
    of: Option<String>,
    /// So many at most: 1 to 100
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u8).range(1..=100))]
    limit: u8,
    /// Those begun before this run
    #[arg(long, value_name = "ID")]
    before: Option<String>,
    /// Print what the gateway says as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    gateway: GatewayArgs,
}

pub(in crate::cli) fn run(args: &RunsArgs) -> Outcome {
    let client = args.gateway.client()?;
    let path = match &args.of {
        Some(id) if RunId::names_one(id) => format!("/v1/runs/{id}"),
        of => {
            let path = of.as_ref().map_or("/v1/runs".to_owned(), |name| format!("/v1/workflows/{name}/runs"));
            let before = args.before.as_ref().map(|id| format!("&before={id}")).unwrap_or_default();
            format!("{path}?limit={}{before}", args.limit)
        }
    };
    let answer = runtime(false)?.block_on(client.send(&path, None))?;
    let told = answer.json();
    if !answer.status.is_success() {
        return Err(fault(&told));
    }
    if args.json {
        return out::line(&format!("{told:#}"));
    }
    match told["data"].as_array() {
        Some(runs) => list(runs, told["has_more"] == true),
        None => one(&told),
    }
}

fn list(runs: &[Value], more: bool) -> Outcome {
    if runs.is_empty() {
        return out::line(&"no run is kept");
    }
    let mut table = out::table(&["run", "workflow", "begun", "status", "took", "calls", "USD", "why"]);
    for run in runs {
        table.add_row(row(run));
    }
    out::line(&table)?;
    if let Some(last) = runs.last().filter(|_| more) {
        out::note(&format!("there are older ones: --before {}", last["id"].as_str().unwrap_or_default()));
    }
    Ok(())
}

fn row(run: &Value) -> [String; 8] {
    let text = |field: &str| run[field].as_str().unwrap_or("-").to_owned();
    let took = run["took_ms"].as_f64().map_or("-".to_owned(), |ms| format!("{:.1} s", ms / 1_000.0));
    let begun = run["started_at_ms"].as_u64().map(|ms| UNIX_EPOCH + Duration::from_millis(ms));
    let calls = run["calls"].as_u64().map_or("-".to_owned(), |calls| calls.to_string());
    let why = run["error"]["code"].as_str().unwrap_or_default().to_owned();
    let begun = begun.map_or("-".to_owned(), show_time);
    [text("id"), text("workflow"), begun, text("status"), took, calls, text("cost_usd"), why]
}

fn one(record: &Value) -> Outcome {
    out::line(&summary(record))?;
    for step in record["steps"].as_array().into_iter().flatten() {
        out::line(&format!("  {}", finished(step)))?;
    }
    let status = record["status"].as_str().unwrap_or_default();
    if let Failed(why) = fault(record)
        && record["error"].is_object()
    {
        out::line(&why)?;
    }
    if !matches!(status, "running" | "succeeded" | "partial") {
        out::note(&format!(
            "`jackfield workflow resume {}` goes on where it broke off",
            record["id"].as_str().unwrap_or_default()
        ));
    }
    Ok(())
}
