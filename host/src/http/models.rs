//! `GET /v1/models` and `GET /v1/models/{id}`: what a client may name, in the shape of the API it speaks.

use std::sync::Arc;
use std::time::UNIX_EPOCH;

use axum::body::Body;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, Response, StatusCode};
use serde::Serialize;

use jackfield_core::base::excerpt;
use jackfield_core::contract::{Caller, Dialect, Fault, FaultKind};
use jackfield_gateway::world::{Model, World};

use super::{Api, auth, dialect_by, refuse, respond};

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

/// All models on one page, as Anthropic's clients read them.
#[derive(Serialize)]
struct Page<'a> {
    data: Vec<Info<'a>>,
    has_more: bool,
    first_id: Option<&'a str>,
    last_id: Option<&'a str>,
}

#[derive(Serialize)]
struct Info<'a> {
    r#type: &'static str,
    id: &'a str,
    display_name: &'a str,
    created_at: &'static str,
    lifecycle: &'static str,
    max_input_tokens: Option<u64>,
    max_tokens: Option<u64>,
}

impl<'a> Info<'a> {
    fn of(model: &'a Model) -> Self {
        let spec = model.spec();
        Self {
            r#type: "model",
            id: &spec.name,
            display_name: &spec.name,
            // What the API says of a day that is not known.
            created_at: "1970-01-01T00:00:00Z",
            lifecycle: "active",
            max_input_tokens: spec.context,
            max_tokens: spec.max_output,
        }
    }
}

/// Lists the models that this caller may name.
pub(super) async fn list(State(api): State<Arc<Api>>, headers: HeaderMap) -> Response<Body> {
    let world = api.world.load_full();
    let caller = match auth::caller(world.config().keys(), &headers) {
        Ok(caller) => caller,
        Err(fault) => return refuse(&api, dialect_by(&headers), fault),
    };
    let models: Vec<&Model> = world.models().iter().filter(|m| may_name(&caller, m)).collect();
    if dialect_by(&headers) == Dialect::AnthropicMessages {
        let data: Vec<Info<'_>> = models.iter().map(|model| Info::of(model)).collect();
        let (first_id, last_id) = (data.first().map(|info| info.id), data.last().map(|info| info.id));
        let page = Page { first_id, last_id, has_more: false, data };
        return respond::json(StatusCode::OK, serde_json::to_vec(&page).unwrap_or_default());
    }
    let data = models.iter().map(|model| entry(&api, model)).collect();
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
        Err(fault) => return refuse(&api, dialect_by(&headers), fault),
    };
    // A path that is not UTF-8 names no model.
    let id = id.map_or_else(|_| "?".to_owned(), |Path(id)| id);
    match world.models().get(&id).filter(|model| may_name(&caller, model)) {
        Some(model) if dialect_by(&headers) == Dialect::AnthropicMessages => {
            respond::json(StatusCode::OK, serde_json::to_vec(&Info::of(&model)).unwrap_or_default())
        }
        Some(model) => {
            respond::json(StatusCode::OK, serde_json::to_vec(&entry(&api, &model)).unwrap_or_default())
        }
        None => {
            let shown = excerpt(&id, 128);
            let message = format!("the model '{shown}' does not exist here (GET /v1/models lists all)");
            refuse(
                &api,
                dialect_by(&headers),
                Fault::new(FaultKind::UnknownModel, message).with_param("model"),
            )
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
