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
use jackfield_gateway::workflow::named::{self, WORKFLOW_PREFIX};
use jackfield_gateway::world::{Model, World};

use super::{Api, auth, dialect_by, refuse, respond};

/// Who stands in the provider's place of a workflow.
const WORKFLOW_OWNER: &str = "workflow";

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
        Self::named(&spec.name, spec.context, spec.max_output)
    }

    fn named(id: &'a str, max_input_tokens: Option<u64>, max_tokens: Option<u64>) -> Self {
        Self {
            r#type: "model",
            id,
            display_name: id,
            // What the API says of a day that is not known.
            created_at: "1970-01-01T00:00:00Z",
            lifecycle: "active",
            max_input_tokens,
            max_tokens,
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
    let workflows = world.config().workflows().keys().filter(|name| named::may_name(&caller, name));
    let workflows: Vec<String> = workflows.map(|name| format!("{WORKFLOW_PREFIX}{name}")).collect();
    if dialect_by(&headers) == Dialect::AnthropicMessages {
        let workflows = workflows.iter().map(|id| Info::named(id, None, None));
        let data: Vec<Info<'_>> = models.iter().map(|model| Info::of(model)).chain(workflows).collect();
        let (first_id, last_id) = (data.first().map(|info| info.id), data.last().map(|info| info.id));
        let page = Page { first_id, last_id, has_more: false, data };
        return respond::json(StatusCode::OK, serde_json::to_vec(&page).unwrap_or_default());
    }
    let workflows = workflows.iter().map(|id| entry_named(&api, id, WORKFLOW_OWNER));
    let data = models.iter().map(|model| entry(&api, model)).chain(workflows).collect();
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
    let workflow = id
        .strip_prefix(WORKFLOW_PREFIX)
        .filter(|name| world.config().workflows().contains_key(*name) && named::may_name(&caller, name));
    if workflow.is_some() {
        let told = match dialect_by(&headers) {
            Dialect::AnthropicMessages => serde_json::to_vec(&Info::named(&id, None, None)),
            _ => serde_json::to_vec(&entry_named(&api, &id, WORKFLOW_OWNER)),
        };
        return respond::json(StatusCode::OK, told.unwrap_or_default());
    }
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
    entry_named(api, &model.spec().name, &model.spec().provider)
}

fn entry_named<'a>(api: &Api, id: &'a str, owned_by: &'a str) -> Entry<'a> {
    let created = api.since.duration_since(UNIX_EPOCH).map_or(0, |d| d.as_secs());
    Entry { id, object: "model", created, owned_by }
}
