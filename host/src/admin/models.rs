//! `GET /models`: every model that the configuration names, what is known about it, and whether the configuration or the
//! built-in catalogue says so.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::{Response, StatusCode};
use serde_json::{Value, json};

use super::Admin;
use crate::http::respond;

/// Every model, by name.
pub(super) async fn list(State(admin): State<Arc<Admin>>) -> Response<Body> {
    let world = admin.world.load_full();
    let models: Vec<Value> = world.config().models().map(|model| model.describe()).collect();
    respond::json(StatusCode::OK, json!({ "models": models }).to_string())
}
