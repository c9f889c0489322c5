//! `GET /requests` and `GET /requests/{id}`: the last requests as they are kept, with every step. Bounded by what is
//! kept, and by `limit`. Holds no text of anybody's.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, RawQuery, State};
use axum::http::{Response, StatusCode};
use serde_json::json;

use jackfield_core::base::excerpt;
use jackfield_core::contract::{Fault, FaultKind};

use super::{Admin, refuse};
use crate::http::{query, respond};

/// How many are told when nobody says how many, and at most.
const LIMIT: usize = 50;
const MAX_LIMIT: usize = 1_000;

/// The last requests, the newest first.
pub(super) async fn list(State(admin): State<Arc<Admin>>, RawQuery(asked): RawQuery) -> Response<Body> {
    let limit = match query::limit(asked.as_deref().unwrap_or_default(), LIMIT, MAX_LIMIT) {
        Ok(limit) => limit,
        Err(fault) => return refuse(fault),
    };
    let mut requests = admin.requests().recent();
    requests.truncate(limit);
    let requests: Vec<_> = requests.iter().map(|request| &**request).collect();
    respond::json(StatusCode::OK, json!({ "requests": requests }).to_string())
}

/// One request.
pub(super) async fn one(
    State(admin): State<Arc<Admin>>,
    id: Result<Path<String>, PathRejection>,
) -> Response<Body> {
    let id = id.map_or_else(|_| "?".to_owned(), |Path(id)| id);
    match admin.requests().get(&id) {
        Some(request) => respond::json(StatusCode::OK, json!(&*request).to_string()),
        None => {
            let shown = excerpt(&id, 128);
            let message = format!(
                "no request '{shown}' is kept: it has not ended, or it is forgotten, or it never was \
                 (GET /requests lists the last ones)"
            );
            refuse(Fault::new(FaultKind::UnknownRequest, message))
        }
    }
}
