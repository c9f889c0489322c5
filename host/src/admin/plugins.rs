//! `GET /plugins`, `GET /plugins/{name}`, `POST /plugins/{name}/rollback` and `POST /plugins/{name}/promote`.

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
use jackfield_gateway::policy::ShadowCounts;
use jackfield_plugin_host::Plugin;

use super::{
    Act, Admin, Command, LoadedCanary, LoadedGeneration, NotDone, PluginStatus, Roster, Standing, refuse,
};
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
    order(&admin, Act::RollBack, name_in(name)).await
}

/// Has the canary serve, and answers with the plugin as it is then.
pub(super) async fn promote(
    State(admin): State<Arc<Admin>>,
    name: Result<Path<String>, PathRejection>,
) -> Response<Body> {
    order(&admin, Act::Promote, name_in(name)).await
}

/// Has something done by the task that makes worlds.
async fn order(admin: &Admin, act: Act, name: String) -> Response<Body> {
    let (answer, answered) = oneshot::channel();
    match admin.commands.try_send(Command { act, name: name.clone(), answer }) {
        Ok(()) => {}
        Err(TrySendError::Full(_)) => {
            let message = "too many commands wait already: try again in a moment";
            return refuse(Fault::new(FaultKind::Overloaded, message));
        }
        Err(TrySendError::Closed(_)) => return refuse(stopping()),
    }
    match timeout(PATIENCE, answered).await {
        Ok(Ok(Ok(()))) => found(&admin.roster.load(), &name),
        Ok(Ok(Err(NotDone::Unknown))) => refuse(unknown(&name)),
        Ok(Ok(Err(NotDone::Nothing(why)))) => {
            let kind = match act {
                Act::RollBack => FaultKind::NothingToRollBack,
                Act::Promote => FaultKind::NothingToPromote,
            };
            refuse(Fault::new(kind, why))
        }
        // Dropped without an answer: the one who answers is gone.
        Ok(Err(_)) => refuse(stopping()),
        Err(_) => {
            let message = format!("a reload is under way for more than {PATIENCE:?}: nothing was done");
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
    let refused = plugin.refused.as_ref();
    let of_refused = || refused.and_then(|refused| refused.digest.as_deref());
    let refusal = refused.map(|refused| {
        json!({
            "reason": refused.reason,
            "digest": of_refused().map(digest),
            "earlier_generation_serves": plugin.loaded.is_some(),
        })
    });
    let loaded = plugin.loaded.as_ref();
    let about = loaded.map(|loaded| &loaded.plugin);
    json!({
        "name": plugin.name,
        "state": plugin.state(),
        "generation": loaded.map(|loaded| loaded.number),
        // In seconds since 1970.
        "since": loaded.map(seconds),
        "digest": about.map(Plugin::digest).or_else(of_refused).map(digest),
        "size": about.map(Plugin::size),
        "kinds": about.map(|about| about.kind().roles()),
        "version": about.and_then(version),
        "on_error": plugin.on_error.name(),
        "instances": plugin.instances.name(),
        // What the loaded generation wants, and what the configuration grants.
        "wants": about.map(Plugin::wants),
        "grants": plugin.grants,
        "limits": plugin.limits.show(),
        "refusal": refusal,
        "canary": plugin.canary.as_ref().map(canary_to_json),
        "shadow": shadow_to_json(&plugin.standing),
        "calls": loaded.map(|loaded| loaded.stats.calls()),
        "faults": loaded.map(faults),
        "latency_us": loaded.and_then(latency),
        "peak_memory_bytes": about.map(Plugin::peak_memory),
    })
}

fn canary_to_json(LoadedCanary { share, loaded }: &LoadedCanary) -> Value {
    json!({
        "share": share,
        "generation": loaded.number,
        "since": seconds(loaded),
        "digest": digest(loaded.plugin.digest()),
        "version": version(&loaded.plugin),
        "calls": loaded.stats.calls(),
        "faults": faults(loaded),
        "latency_us": latency(loaded),
        "peak_memory_bytes": loaded.plugin.peak_memory(),
    })
}

/// What came of asking a shadow; nothing for what is no shadow.
fn shadow_to_json(standing: &Standing) -> Option<Value> {
    let Standing::Shadow(tally) = standing else { return None };
    let ShadowCounts { agreed, disagreed, abstained, failed, skipped } = tally.counts();
    Some(json!({
        "agreed": agreed,
        "disagreed": disagreed,
        "abstained": abstained,
        "failed": failed,
        "skipped": skipped,
    }))
}

fn digest(hex: &str) -> String {
    format!("sha256:{hex}")
}

fn version(plugin: &Plugin) -> Option<&str> {
    plugin.about().map(|(_, version)| version)
}

fn seconds(loaded: &LoadedGeneration) -> u64 {
    loaded.since.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

fn faults(loaded: &LoadedGeneration) -> BTreeMap<&'static str, u64> {
    loaded.stats.faults().map(|(kind, count)| (kind.reason(), count)).collect()
}

fn latency(loaded: &LoadedGeneration) -> Option<Value> {
    let [p50, p95, p99] = loaded.stats.latencies().quantiles([0.5, 0.95, 0.99])?;
    Some(json!({ "p50": p50, "p95": p95, "p99": p99 }))
}
