//! The HTTP edge: connections in, bytes out. Nothing is decided here but statuses.

mod activity;
pub(crate) mod auth;
mod body;
mod chat;
mod models;
pub(crate) mod query;
pub(crate) mod respond;
mod serve;
mod workflows;

use std::sync::Arc;
use std::time::SystemTime;

use arc_swap::ArcSwap;
use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use axum::routing::{get, post};
use tokio::sync::watch;

use jackfield_core::base::{RequestId, Signal};
use jackfield_core::contract::{Dialect, Fault, FaultKind};
use jackfield_gateway::pipeline;
use jackfield_gateway::world::{Load, World};

pub use serve::{Server, ServerOptions};

/// What every handler works with.
pub struct Api {
    /// The current world. A request takes one and keeps it.
    pub world: Arc<ArcSwap<World>>,
    /// Requests under way.
    pub load: Arc<Load>,
    /// Says when to stop taking requests.
    pub drain: Signal,
    /// Turns true when the time to finish is up: open streams end with an error event.
    pub cut: watch::Receiver<bool>,
    /// When this process began to serve.
    pub since: SystemTime,
}

/// Where Anthropic's clients ask for answers; what else they ask for is below it.
const MESSAGES: &str = "/v1/messages";

/// What every request of Anthropic's clients says.
const ANTHROPIC_VERSION: &str = "anthropic-version";

/// The API's paths.
pub fn routes(api: Arc<Api>) -> Router {
    Router::new()
        .route("/v1/chat/completions", post(chat::completions))
        .route("/v1/embeddings", post(chat::embeddings))
        .route("/v1/responses", post(chat::responses))
        .route(MESSAGES, post(chat::messages))
        .route("/v1/messages/count_tokens", post(chat::count_tokens))
        .route("/v1/models", get(models::list))
        .route("/v1/models/{*id}", get(models::one))
        .route("/v1/workflows", get(workflows::list))
        .route("/v1/workflows/{name}/runs", get(workflows::runs).post(workflows::begin))
        .route("/v1/workflows/{name}/runs/{id}", get(workflows::one))
        .route("/v1/workflows/{name}/runs/{id}/resume", post(workflows::resume))
        .route("/v1/runs", get(workflows::all_runs))
        .route("/v1/runs/{id}", get(workflows::any))
        .route("/health", get(health))
        .route("/ready", get(ready))
        .method_not_allowed_fallback(wrong_method)
        .fallback(unknown_path)
        .with_state(api)
}

async fn health() -> Response {
    respond::json(StatusCode::OK, br#"{"status":"ok"}"#.to_vec())
}

/// Not ready while draining, so that nobody sends more.
async fn ready(State(api): State<Arc<Api>>) -> Response {
    match api.drain.is_draining() {
        false => respond::json(StatusCode::OK, br#"{"status":"ready"}"#.to_vec()),
        true => respond::json(StatusCode::SERVICE_UNAVAILABLE, br#"{"status":"draining"}"#.to_vec()),
    }
}

async fn unknown_path(State(api): State<Arc<Api>>, request: axum::extract::Request) -> Response {
    let shown: String = request.uri().path().chars().take(128).collect();
    let message = format!(
        "unknown path {} {shown}; this gateway serves POST /v1/chat/completions, POST /v1/responses, POST /v1/embeddings, POST /v1/messages, POST /v1/messages/count_tokens, GET /v1/models, GET /v1/workflows, POST /v1/workflows/{{name}}/runs, GET /health and GET /ready",
        request.method()
    );
    refuse(&api, dialect_of(&request), Fault::new(FaultKind::UnknownPath, message))
}

async fn wrong_method(State(api): State<Arc<Api>>, request: axum::extract::Request) -> Response {
    let message = format!("the method {} is not allowed for {}", request.method(), request.uri().path());
    refuse(&api, dialect_of(&request), Fault::new(FaultKind::MethodNotAllowed, message))
}

/// The dialect of a request that goes nowhere: told by its path, and by what only one API's clients say.
fn dialect_of(request: &axum::extract::Request) -> Dialect {
    let below = request.uri().path().strip_prefix(MESSAGES);
    match below.is_some_and(|rest| rest.is_empty() || rest.starts_with('/')) {
        true => Dialect::AnthropicMessages,
        false => dialect_by(request.headers()),
    }
}

/// The dialect of a request to a path that several APIs have.
fn dialect_by(headers: &HeaderMap) -> Dialect {
    match headers.contains_key(ANTHROPIC_VERSION) {
        true => Dialect::AnthropicMessages,
        false => Dialect::OpenAiChat,
    }
}

/// Answers a request that did not get as far as the pipeline, counts and logs it.
fn refuse(api: &Api, dialect: Dialect, fault: Fault) -> Response {
    let id = RequestId::generate();
    pipeline::refused(api.world.load().metrics(), id, std::time::Instant::now(), &fault);
    respond::fault(dialect, id, &fault)
}
