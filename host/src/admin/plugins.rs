//! `GET /plugins`, `GET /plugins/{name}` and `POST /plugins/{name}/rollback`.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use axum::body::Body;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::http::{Response, StatusCode};
use serde_json::{Value, json};
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::oneshot;
use tokio::time::timeout;

use jackfield_core::base::excerpt;
use jackfield_core::contract::{Fault, FaultKind};
use jackfield_plugin_host::{CallLimits, Plugin};

use super::{Admin, Command, LoadedGeneration, NotRolledBack, PluginStatus, Roster, refuse};
use crate::http::respond;

/// How long to wait for a reload that is under way: a compiler may be at work.
const PATIENCE: Duration = Duration::from_secs(30);

/// Every plugin of the folder.
pub(super) async fn list(State(admin): State<Arc<Admin>>) -> Response<Body> {
    let plugins: Vec<Value> = admin.roster.load().plugins.iter().map(to_json).collect();
    let world = admin.world.load().generation();
    respond::json(StatusCode::OK, json!({ "world": world, "plugins": plugins }).to_string())
}

/// One plugin.
pub(super) async fn one(
    State(admin): State<Arc<Admin>>,
    name: Result<Path<String>, PathRejection>,
) -> Response<Body> {
    found(&admin.roster.load(), &name_in(name))
}

/// Has the generation before this one serve again, and answers with the plugin as it is then.
pub(super) async fn roll_back(
    State(admin): State<Arc<Admin>>,
    name: Result<Path<String>, PathRejection>,
) -> Response<Body> {
    let name = name_in(name);
    let (answer, answered) = oneshot::channel();
    match admin.commands.try_send(Command::RollBack { name: name.clone(), answer }) {
        Ok(()) => {}
        Err(TrySendError::Full(_)) => {
            let message = "too many commands wait already: try again in a moment";
            return refuse(Fault::new(FaultKind::Overloaded, message));
        }
        Err(TrySendError::Closed(_)) => return refuse(stopping()),
    }
    match timeout(PATIENCE, answered).await {
        Ok(Ok(Ok(_))) => found(&admin.roster.load(), &name),
        Ok(Ok(Err(NotRolledBack::Unknown))) => refuse(unknown(&name)),
        Ok(Ok(Err(NotRolledBack::Nothing(why)))) => refuse(Fault::new(FaultKind::NothingToRollBack, why)),
        // Dropped without an answer: the one who answers is gone.
        Ok(Err(_)) => refuse(stopping()),
        Err(_) => {
            let message =
                format!("a reload is under way for more than {PATIENCE:?}: nothing was rolled back");
            refuse(Fault::new(FaultKind::Overloaded, message))
        }
    }
}

fn found(roster: &Roster, name: &str) -> Response<Body> {
    match roster.get(name) {
        Some(plugin) => respond::json(StatusCode::OK, to_json(plugin).to_string()),
        None => refuse(unknown(name)),
    }
}

/// A path that is not UTF-8 names no plugin.
fn name_in(path: Result<Path<String>, PathRejection>) -> String {
    path.map_or_else(|_| "?".to_owned(), |Path(name)| name)
}

fn unknown(name: &str) -> Fault {
    let shown = excerpt(name, 128);
    Fault::new(FaultKind::UnknownPlugin, format!("there is no plugin '{shown}' (GET /plugins lists all)"))
}

fn stopping() -> Fault {
    Fault::new(FaultKind::Stopping, "the gateway is stopping; nothing is changed any more")
}

fn to_json(plugin: &PluginStatus) -> Value {
    let digest = |hex: &str| format!("sha256:{hex}");
    let refused = plugin.refused.as_ref();
    let refusal = refused.map(|refused| {
        json!({
            "reason": refused.reason,
            "digest": refused.digest.as_deref().map(digest),
            "earlier_generation_serves": plugin.loaded.is_some(),
        })
    });
    let loaded = plugin.loaded.as_ref();
    let about = loaded.map(|loaded| &loaded.plugin);
    let stats = loaded.map(|loaded| &loaded.stats);
    let of_loaded = about.map(|about| about.digest());
    let of_refused = || refused.and_then(|refused| refused.digest.as_deref());
    let since = loaded.map(|l| l.since.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs()));
    let faults = stats.map(|s| s.faults().map(|(kind, n)| (kind.reason(), n)).collect::<BTreeMap<_, _>>());
    let latency = stats.and_then(|stats| stats.latencies().quantiles([0.5, 0.95, 0.99]));
    json!({
        "name": plugin.name,
        "state": plugin.state(),
        "generation": loaded.map(|loaded| loaded.number),
        // In seconds since 1970.
        "since": since,
        "digest": of_loaded.or_else(of_refused).map(digest),
        "size": about.map(Plugin::size),
        "kinds": about.map(kinds),
        "version": about.and_then(|about| about.about().map(|(_, version)| version)),
        "on_error": plugin.on_error.name(),
        "instances": plugin.instances.name(),
        "limits": limits_json(&plugin.limits),
        "refusal": refusal,
        "calls": stats.map(|stats| stats.calls()),
        "faults": faults,
        "latency_us": latency.map(|[p50, p95, p99]| json!({ "p50": p50, "p95": p95, "p99": p99 })),
        "peak_memory_bytes": loaded.map(LoadedGeneration::peak_memory),
    })
}

fn kinds(plugin: &Plugin) -> Vec<&'static str> {
    let kind = plugin.kind();
    let all = [("router", kind.router), ("lifecycle", kind.lifecycle)];
    all.into_iter().filter_map(|(name, is)| is.then_some(name)).collect()
}

/// Limits under the names that scripts know.
pub(crate) fn limits_json(limits: &CallLimits) -> Value {
    json!({
        "cpu_ms": limits.cpu.as_secs_f64() * 1_000.0,
        "wall_ms": limits.wall.as_secs_f64() * 1_000.0,
        "memory_bytes": limits.memory,
        "host_calls": limits.host_calls,
    })
}
