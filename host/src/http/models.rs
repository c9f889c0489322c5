//! `GET /v1/models` and `GET /v1/models/{id}`: what a client may name.

use std::sync::Arc;
use std::time::UNIX_EPOCH;

use axum::body::Body;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, Response, StatusCode};
use serde::Serialize;

use jackfield_core::base::excerpt;
use jackfield_core::contract::{Caller, Fault, FaultKind};
use jackfield_gateway::world::{Model, World};

use super::{Api, auth, refuse, respond};

#[derive(Serialize)]
struct List<'a> {
    object: &'static str,
    data: Vec<Entry<'a>>,
}

#[derive(Serialize)]
struct Entry<'a> {
    id: &'a str,
    object: &'static str,
    created: u64,
    owned_by: &'a str,
}

/// Lists the models that this caller may name.
pub(super) async fn list(State(api): State<Arc<Api>>, headers: HeaderMap) -> Response<Body> {
    let world = api.world.load_full();
    let caller = match auth::caller(world.config().keys(), &headers) {
        Ok(caller) => caller,
        Err(fault) => return refuse(&api, fault),
    };
    let data = world.models().iter().filter(|m| may_name(&caller, m)).map(|m| entry(&api, m)).collect();
    respond::json(StatusCode::OK, serde_json::to_vec(&List { object: "list", data }).unwrap_or_default())
}

/// One model.
pub(super) async fn one(
    State(api): State<Arc<Api>>,
    id: Result<Path<String>, PathRejection>,
    headers: HeaderMap,
) -> Response<Body> {
    let world: Arc<World> = api.world.load_full();
    let caller = match auth::caller(world.config().keys(), &headers) {
        Ok(caller) => caller,
        Err(fault) => return refuse(&api, fault),
    };
    // A path that is not UTF-8 names no model.
    let id = id.map_or_else(|_| "?".to_owned(), |Path(id)| id);
    match world.models().get(&id).filter(|model| may_name(&caller, model)) {
        Some(model) => {
            respond::json(StatusCode::OK, serde_json::to_vec(&entry(&api, &model)).unwrap_or_default())
        }
        None => {
            let shown = excerpt(&id, 128);
            let message = format!("the model '{shown}' does not exist here (GET /v1/models lists all)");
            refuse(&api, Fault::new(FaultKind::UnknownModel, message).with_param("model"))
        }
    }
}

fn may_name(caller: &Caller, model: &Model) -> bool {
    caller.models.as_deref().is_none_or(|allowed| allowed.contains(&model.spec().name))
}

fn entry<'a>(api: &Api, model: &'a Model) -> Entry<'a> {
    let created = api.since.duration_since(UNIX_EPOCH).map_or(0, |d| d.as_secs());
    Entry { id: &model.spec().name, object: "model", created, owned_by: &model.spec().provider }
}
