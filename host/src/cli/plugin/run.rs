//! `jackfield plugin run FILE`: one request through one router, in the gateway's own sandbox and limits; one answer
//! through a validator is in `judge`.
//!
//! Every call is measured as the gateway makes it: a fresh instance, one after another. The first one, with cold
//! caches, counts like the rest.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use clap::Args;
use serde_json::{Value, json};

use jackfield_core::config::PluginLimits;
use jackfield_core::contract::{Ask, PluginFault, Routing};
use jackfield_gateway::pipeline::first_ask;
use jackfield_plugin_host::{CallCost, ComponentRouter, Plugin};

use super::file::{self, FileArgs};
use super::judge;
use crate::app;
use crate::cli::{Failed, Outcome, engine, out, plan, request, runtime};

/// What is asked when no request is given.
const PROMPT: &str = "This is urgent: what is 2 + 2?";

#[derive(Args, Clone, Debug)]
pub(crate) struct RunArgs {
    #[command(flatten)]
    file: FileArgs,
    /// A chat request as a client would send it, in JSON [default: a short question]
    #[arg(long, value_name = "FILE")]
    request: Option<PathBuf>,
    /// The answer that a validator is asked about, as text
    #[arg(long, value_name = "TEXT", conflicts_with = "repeat")]
    response: Option<String>,
    /// How often to ask
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=10_000_000))]
    repeat: u32,
    /// Print what happened as JSON
    #[arg(long)]
    json: bool,
}

/// All calls together.
struct Measured {
    first: Routing,
    /// Of every call, sorted.
    latencies: Vec<Duration>,
    /// The most of any call; of tokens, all calls together.
    cost: CallCost,
}

/// A call that failed; the ones before it did not.
struct FailedCall {
    number: u32,
    fault: PluginFault,
}

pub(in crate::cli) fn run(args: &RunArgs) -> Outcome {
    let path = args.file.file.display().to_string();
    let name = args.file.name()?;
    let config = args.file.load_config()?;
    let (settings, _) = args.file.settings(&config, name);
    let limits = settings.limits;
    let (from, body) = match &args.request {
        Some(file) => (file.display().to_string(), request::of_file(file, config.server().limits().body)?),
        None => ("the built-in request".to_owned(), request::of_prompt(PROMPT)),
    };
    let incoming = request::incoming(&from, body, None)?;
    let engine = engine::start(&config)?;
    let ask = first_ask(&app::world_without_plugins(config)?, incoming, name);
    let (plugin, runtime) = {
        let runtime = runtime(false)?;
        let loading = Plugin::load(&engine, name, &args.file.file, settings);
        let plugin = runtime.block_on(engine::watched(&engine, loading));
        (plugin.map_err(|reason| Failed(format!("error: load {path}: {reason}")))?, runtime)
    };
    if let Some(text) = &args.response {
        let validator = plugin.component_validator();
        let validator = validator.ok_or_else(|| {
            Failed(format!("error: run {path}: it is no validator; leave out --response to ask a router"))
        })?;
        return match runtime.block_on(judge::judge(validator, ask, text)) {
            Ok(judged) if args.json => out::line(&format!("{:#}", judge::to_json(&path, &judged))),
            Ok(judged) => judge::show(&path, &judged, &limits),
            Err(fault) => Err(Failed(format!("error: run {path}: it failed: {fault}"))),
        };
    }
    let router = plugin.component_router().ok_or_else(|| {
        let what = match plugin.kind().validator {
            true => "it is a validator; give the answer it is to judge, as in --response TEXT",
            false => "it is no router",
        };
        Failed(format!("error: run {path}: {what}"))
    })?;
    let measured = runtime.block_on(measure(router, &ask, args.repeat));
    match measured {
        Ok(measured) if args.json => out::line(&format!("{:#}", to_json(&path, &measured))),
        Ok(measured) => show(&path, &from, &measured, &limits),
        Err(FailedCall { number, fault }) => {
            if args.json {
                let told = json!({ "kind": fault.kind.reason(), "message": fault.message, "call": number });
                out::line(&format!("{:#}", json!({ "file": path, "fault": told })))?;
            }
            Err(Failed(format!("error: run {path}: call {number} of {} failed: {fault}", args.repeat)))
        }
    }
}

async fn measure(router: &ComponentRouter, ask: &Ask, repeat: u32) -> Result<Measured, FailedCall> {
    let call = async |number| {
        let began = Instant::now();
        let answer = router.route_measured(ask.clone()).await;
        let took = began.elapsed();
        let (routing, cost) = answer.map_err(|fault| FailedCall { number, fault })?;
        Ok((routing, cost, took))
    };
    let (first, mut cost, took) = call(1).await?;
    let mut latencies = vec![took];
    for number in 2..=repeat {
        let (_, next, took) = call(number).await?;
        // Linear memory never shrinks: what a call holds at its end is its peak.
        cost.memory = cost.memory.max(next.memory);
        cost.host_calls = cost.host_calls.max(next.host_calls);
        cost.llm_calls = cost.llm_calls.max(next.llm_calls);
        cost.llm_tokens = cost.llm_tokens.saturating_add(next.llm_tokens);
        latencies.push(took);
    }
    latencies.sort_unstable();
    Ok(Measured { first, latencies, cost })
}

/// What is told of the latencies: the nearest-rank quantiles of sorted values.
fn quantiles(sorted: &[Duration]) -> [(&'static str, Duration); 5] {
    let at = |q: f64| {
        let rank = (q * sorted.len() as f64).ceil() as usize;
        sorted.get(rank.max(1) - 1).copied().unwrap_or_default()
    };
    [("min", at(0.0)), ("p50", at(0.50)), ("p95", at(0.95)), ("p99", at(0.99)), ("max", at(1.0))]
}

fn micros(time: Duration) -> f64 {
    time.as_secs_f64() * 1e6
}

fn show(path: &str, from: &str, measured: &Measured, limits: &PluginLimits) -> Outcome {
    let Measured { first, latencies, cost } = measured;
    out::line(&format!("{path}, asked about {from}"))?;
    let row = |name: &str, text: &dyn std::fmt::Display| out::line(&format!("  {name:<10} {text}"));
    row("decision", &plan::decision(&first.decision))?;
    row("reason", &if first.reason.is_empty() { "none" } else { &first.reason })?;
    let labels: Vec<String> = first.labels.iter().map(|(name, value)| format!("{name}={value:?}")).collect();
    row("labels", &if labels.is_empty() { "none".to_owned() } else { labels.join(", ") })?;
    let told = quantiles(latencies).map(|(name, time)| format!("{name} {:.1} µs", micros(time)));
    match latencies.len() {
        1 => row("latency", &format!("{:.1} µs, cold (--repeat 1000 tells more)", micros(latencies[0])))?,
        calls => row("latency", &format!("{} over {calls} calls", told.join(", ")))?,
    }
    row("memory", &format!("{} at its peak, of {}", file::memory(cost.memory), file::memory(limits.memory)))?;
    row("host calls", &format!("{} in a call, of {}", cost.host_calls, limits.host_calls))?;
    llm(cost, limits, &row)
}

/// What it asked of models, if it did.
pub(super) fn llm(
    cost: &CallCost,
    limits: &PluginLimits,
    row: &dyn Fn(&str, &dyn std::fmt::Display) -> Outcome,
) -> Outcome {
    let CallCost { llm_calls, llm_tokens, .. } = cost;
    match llm_calls {
        0 => Ok(()),
        calls => row(
            "llm calls",
            &format!("{calls} in a call, of {}; {llm_tokens} tokens in all", limits.llm_calls),
        ),
    }
}

fn to_json(path: &str, measured: &Measured) -> Value {
    let Measured { first, latencies, cost } = measured;
    let told = quantiles(latencies).map(|(name, time)| (name.to_owned(), json!(micros(time))));
    let labels: Vec<Value> =
        first.labels.iter().map(|(name, value)| json!({ "name": name, "value": value })).collect();
    json!({
        "file": path,
        "decision": plan::decision_json(&first.decision),
        "reason": first.reason,
        "labels": labels,
        "calls": latencies.len(),
        "latency_us": Value::Object(told.into_iter().collect()),
        "memory_bytes": cost.memory,
        "host_calls": cost.host_calls,
        "llm_calls": cost.llm_calls,
        "llm_tokens": cost.llm_tokens,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_nearest_rank() {
        let sorted: Vec<Duration> = (1..=100).map(Duration::from_micros).collect();
        assert_eq!(quantiles(&sorted).map(|(_, time)| time.as_micros()), [1, 50, 95, 99, 100]);
        assert_eq!(quantiles(&sorted[..1]).map(|(_, time)| time.as_micros()), [1; 5]);
    }
}
