//! The admin port: what serves, what it counted, the last requests, and the way back or on. For whoever runs the gateway, so everything asks
//! for the token (`guard`) and nothing here is reachable from the API's port.
//!
//! It changes nothing itself: what is to change is asked of the one task that makes worlds (`command`). It goes on
//! answering while the API drains.

mod budgets;
mod command;
mod guard;
mod metrics;
mod models;
mod plugins;
mod requests;
mod roster;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use axum::Router;
use axum::extract::Request;
use axum::middleware;
use axum::response::Response;
use axum::routing::{get, post};
use tokio::sync::mpsc;

use jackfield_core::base::{RequestId, excerpt};
use jackfield_core::contract::{Dialect, Fault, FaultKind};
use jackfield_core::telemetry::metrics::Metrics;
use jackfield_gateway::world::{Load, Requests, World};
use jackfield_plugin_host::PluginEngine;

use crate::http::{ServerOptions, respond};

pub use command::{Act, Command, NotDone};
pub use roster::{LoadedCanary, LoadedGeneration, PluginStatus, RefusedFile, Roster, Standing};

/// What bounds the port's connections. A person and a scraper or two need few.
pub const OPTIONS: ServerOptions = ServerOptions {
    connections: 32,
    head_bytes: 16 << 10,
    head_timeout: Duration::from_secs(10),
    idle: Duration::from_secs(60),
};

/// What every handler works with.
pub struct Admin {
    /// The current world: its configuration has the token, so that a reload may change it.
    pub world: Arc<ArcSwap<World>>,
    /// The plugin folder as it was last looked at.
    pub roster: Arc<ArcSwap<Roster>>,
    /// What is counted.
    pub metrics: Arc<Metrics>,
    /// Requests under way.
    pub load: Arc<Load>,
    /// Plugin calls under way.
    pub engine: PluginEngine,
    /// The way to the task that makes worlds.
    pub commands: mpsc::Sender<Command>,
    /// The address that is listened on.
    pub address: IpAddr,
}

impl Admin {
    /// The last requests.
    fn requests(&self) -> Arc<Requests> {
        Arc::clone(self.world.load().requests())
    }
}

/// The port's paths, all behind the guard.
pub fn routes(admin: Arc<Admin>) -> Router {
    Router::new()
        .route("/plugins", get(plugins::list))
        .route("/plugins/{name}", get(plugins::one))
        .route("/plugins/{name}/rollback", post(plugins::roll_back))
        .route("/plugins/{name}/promote", post(plugins::promote))
        .route("/budgets", get(budgets::list))
        .route("/models", get(models::list))
        .route("/requests", get(requests::list))
        .route("/requests/{id}", get(requests::one))
        .route("/metrics", get(metrics::text))
        .method_not_allowed_fallback(wrong_method)
        .fallback(unknown_path)
        .layer(middleware::from_fn_with_state(Arc::clone(&admin), guard::check))
        .with_state(admin)
}

async fn unknown_path(request: Request) -> Response {
    let shown = excerpt(request.uri().path(), 128);
    let message = format!(
        "unknown path {} {shown}; the admin port serves GET /plugins, GET /plugins/NAME, POST /plugins/NAME/rollback, \
         POST /plugins/NAME/promote, GET /budgets, GET /models, GET /requests, GET /requests/ID and GET /metrics",
        request.method()
    );
    refuse(Fault::new(FaultKind::UnknownPath, message))
}

async fn wrong_method(request: Request) -> Response {
    let shown = excerpt(request.uri().path(), 128);
    let message = format!("the method {} is not allowed for {shown}", request.method());
    refuse(Fault::new(FaultKind::MethodNotAllowed, message))
}

/// Answers a request that is refused, and logs it. These are no requests of clients: they are not counted as such.
fn refuse(fault: Fault) -> Response {
    let id = RequestId::generate();
    tracing::info!(
        target: "jackfield::admin", request_id = %id, reason = fault.kind.reason(), "refused: {}", fault.message
    );
    respond::fault(Dialect::OpenAiChat, id, &fault)
}
