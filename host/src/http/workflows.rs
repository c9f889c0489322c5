//! `/v1/workflows`: which there are, and runs of them: begun, asked after, resumed. The answer is a run's record, whole or as
//! server-sent events while it grows.
//!
//! A run's client is the connection: when that goes, `on_disconnect` decides. Bounded like every request.

use std::convert::Infallible;
use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, RawQuery, Request, State};
use axum::http::{HeaderMap, Response, StatusCode};
use futures_util::stream::{self, Stream};
use serde_json::{Map, Value, json};
use tokio::sync::watch;

use jackfield_core::base::excerpt;
use jackfield_core::config::Workflow;
use jackfield_core::contract::{Dialect, Fault, FaultKind};
use jackfield_dialect::client;
use jackfield_gateway::workflow::{
    self, Event, Listening, MAX_LISTED, Resumed, RunAsk, RunRecord, Started, named,
};
use jackfield_gateway::world::{LoadGuard, World};

use super::{Api, auth, body, query, refuse, respond};

/// Runs in a list when nobody says how many.
const LISTED: usize = 20;

/// The name and the run's id that a path has; one that is not UTF-8 names nothing.
type Named<T> = Result<Path<T>, PathRejection>;

/// What is asked for.
struct Wanted {
    world: Arc<World>,
    ask: RunAsk,
    input: Value,
    stream: bool,
    place: LoadGuard,
}

/// `GET /v1/workflows`: those that the caller may run.
pub(super) async fn list(State(api): State<Arc<Api>>, headers: HeaderMap) -> Response<Body> {
    let world = api.world.load_full();
    let caller = match auth::caller(world.config().keys(), &headers) {
        Ok(caller) => caller,
        Err(fault) => return refused(&api, fault),
    };
    let all = world.config().workflows().values();
    let data: Vec<Value> = all
        .filter(|workflow| named::may_name(&caller, &workflow.name))
        .map(|workflow| shown(workflow))
        .collect();
    respond::json(StatusCode::OK, json!({ "object": "list", "data": data }).to_string())
}

/// `POST /v1/workflows/{name}/runs`.
pub(super) async fn begin(
    State(api): State<Arc<Api>>,
    name: Named<String>,
    request: Request,
) -> Response<Body> {
    let name = name.map_or_else(|_| "?".to_owned(), |Path(name)| name);
    let begun = async {
        let Wanted { world, ask, input, stream, place } = receive(&api, request, true).await?;
        named::may_run(&ask.caller, &name)?;
        let workflow = named::workflow(&world, &name)?;
        let input = workflow::checked(&workflow, input)?;
        let runs = Arc::clone(world.runs());
        Ok((runs.start(world, &workflow, input, ask).await?, stream, place))
    };
    match begun.await {
        Ok((started, stream, place)) => answer(&api, started, stream, place).await,
        Err(fault) => refused(&api, fault),
    }
}

/// `POST /v1/workflows/{name}/runs/{id}/resume`: goes on with a run that broke off.
pub(super) async fn resume(
    State(api): State<Arc<Api>>,
    path: Named<(String, String)>,
    request: Request,
) -> Response<Body> {
    let (name, id) = path.map_or_else(|_| ("?".to_owned(), "?".to_owned()), |Path(path)| path);
    let resumed = async {
        let Wanted { world, ask, stream, place, .. } = receive(&api, request, false).await?;
        named::may_run(&ask.caller, &name)?;
        let workflow = named::workflow(&world, &name)?;
        let runs = Arc::clone(world.runs());
        Ok((runs.resume(world, &workflow, &id, ask).await?, stream, place))
    };
    match resumed.await {
        Ok((Resumed::Started(started), stream, place)) => answer(&api, started, stream, place).await,
        Ok((Resumed::Whole(record), true, _)) => {
            respond::events(Body::from(frame(&Event::RunFinished(record))))
        }
        Ok((Resumed::Whole(record), false, _)) => told(&record, None),
        Err(fault) => refused(&api, fault),
    }
}

/// `GET /v1/workflows/{name}/runs/{id}`.
pub(super) async fn one(
    State(api): State<Arc<Api>>,
    path: Named<(String, String)>,
    headers: HeaderMap,
) -> Response<Body> {
    let (name, id) = path.map_or_else(|_| ("?".to_owned(), "?".to_owned()), |Path(path)| path);
    find(&api, Some(&name), &id, &headers).await
}

/// `GET /v1/runs/{id}`: the same, for whoever knows no more than the id.
pub(super) async fn any(
    State(api): State<Arc<Api>>,
    id: Named<String>,
    headers: HeaderMap,
) -> Response<Body> {
    let id = id.map_or_else(|_| "?".to_owned(), |Path(id)| id);
    find(&api, None, &id, &headers).await
}

/// `GET /v1/workflows/{name}/runs`: runs of a workflow that are kept, the newest first. `limit` says how many, `before` (a run's
/// id) where to go on.
pub(super) async fn runs(
    State(api): State<Arc<Api>>,
    name: Named<String>,
    RawQuery(asked): RawQuery,
    headers: HeaderMap,
) -> Response<Body> {
    let name = name.map_or_else(|_| "?".to_owned(), |Path(name)| name);
    listed(&api, Some(&name), asked.as_deref().unwrap_or_default(), &headers).await
}

/// `GET /v1/runs`: those of every workflow.
pub(super) async fn all_runs(
    State(api): State<Arc<Api>>,
    RawQuery(asked): RawQuery,
    headers: HeaderMap,
) -> Response<Body> {
    listed(&api, None, asked.as_deref().unwrap_or_default(), &headers).await
}

async fn listed(api: &Api, name: Option<&str>, asked: &str, headers: &HeaderMap) -> Response<Body> {
    let world = api.world.load_full();
    let found = async {
        let caller = auth::caller(world.config().keys(), headers)?;
        let _place = enter(api, &world)?;
        let limit = query::limit(asked, LISTED, MAX_LISTED)?;
        if let Some(name) = name {
            named::may_run(&caller, name)?;
        }
        let before = query::value(asked, "before");
        let list = world.runs().list(&world, &caller, name, before, limit).await?;
        // One that is no more configured may have runs that are kept.
        if let Some(name) = name.filter(|_| list.data.is_empty() && before.is_none()) {
            named::workflow(&world, name)?;
        }
        Ok(list)
    };
    match found.await {
        Ok(list) => {
            let body = json!({ "object": "list", "data": list.data, "has_more": list.has_more });
            respond::json(StatusCode::OK, body.to_string())
        }
        Err(fault) => refused(api, fault),
    }
}

async fn find(api: &Api, name: Option<&str>, id: &str, headers: &HeaderMap) -> Response<Body> {
    let world = api.world.load_full();
    let found = async {
        let caller = auth::caller(world.config().keys(), headers)?;
        let _place = enter(api, &world)?;
        let record = world.runs().find(&world, id, &caller).await?;
        match name.is_none_or(|name| name == record.workflow) {
            true => Ok(record),
            false => {
                let message = format!("no run '{}' of this workflow is kept", excerpt(id, 64));
                Err(Fault::new(FaultKind::UnknownRun, message))
            }
        }
    };
    match found.await {
        Ok(record) => told(&record, None),
        Err(fault) => refused(api, fault),
    }
}

/// A place among the requests under way.
fn enter(api: &Api, world: &World) -> Result<LoadGuard, Fault> {
    let most = world.config().server().limits().in_flight;
    api.load.enter(most).ok_or_else(|| {
        let message = format!("{most} requests are under way already (server.limits.in_flight)");
        Fault::new(FaultKind::Overloaded, message)
    })
}

/// Everything between the wire and the run. Whoever goes on with a run need not say anything.
async fn receive(api: &Api, request: Request, begins: bool) -> Result<Wanted, Fault> {
    let world = api.world.load_full();
    let limits = world.config().server().limits();
    let (parts, sent) = request.into_parts();
    let caller = auth::caller(world.config().keys(), &parts.headers)?;
    if begins {
        body::check_type(&parts.headers)?;
    }
    let place = enter(api, &world)?;
    let bytes = body::read(&parts.headers, sent, limits.body, limits.body_timeout).await?;
    if !begins && !bytes.is_empty() {
        body::check_type(&parts.headers)?;
    }
    let (input, stream) = parse(&bytes, begins)?;
    let listening = Listening { steps: stream, deltas: stream };
    let headers = auth::without_credentials(parts.headers);
    let ask = RunAsk { caller, headers, listening, guard: api.drain.guard() };
    Ok(Wanted { world, ask, input, stream, place })
}

fn parse(bytes: &Bytes, begins: bool) -> Result<(Value, bool), Fault> {
    if bytes.is_empty() && !begins {
        return Ok((Value::Null, false));
    }
    let mut body: Map<String, Value> = serde_json::from_slice(bytes).map_err(|error| {
        Fault::new(FaultKind::MalformedBody, format!("the request body is not a JSON object: {error}"))
    })?;
    let input = if begins { body.remove("input").unwrap_or_default() } else { Value::Null };
    let stream = match body.remove("stream") {
        None | Some(Value::Null) => false,
        Some(Value::Bool(stream)) => stream,
        Some(_) => return Err(Fault::invalid("stream", "'stream' must be a boolean")),
    };
    if let Some(unknown) = body.keys().next() {
        let (shown, takes) = (excerpt(unknown, 64), if begins { "'input' and 'stream'" } else { "'stream'" });
        return Err(Fault::invalid(
            shown.clone(),
            format!("unknown parameter '{shown}': a run takes {takes}"),
        ));
    }
    Ok((input, stream))
}

async fn answer(api: &Api, started: Started, stream: bool, place: LoadGuard) -> Response<Body> {
    if stream {
        return respond::events(Body::from_stream(frames(started, api.cut.clone(), place)));
    }
    match started.end().await {
        (Some(record), fault) => told(&record, fault.as_ref()),
        (None, fault) => {
            refused(api, fault.unwrap_or_else(|| Fault::new(FaultKind::Internal, "the run has no end")))
        }
    }
}

/// A run's record. One that did not come to its end has the status of what went wrong, and the error in its usual shape.
fn told(record: &RunRecord, fault: Option<&Fault>) -> Response<Body> {
    let mut value = serde_json::to_value(record).unwrap_or_default();
    if let Some(fault) = fault {
        value["error"] = error(fault);
    }
    respond::json(fault.map_or(StatusCode::OK, |fault| respond::status(fault.kind)), value.to_string())
}

/// An error as every other answer has it.
fn error(fault: &Fault) -> Value {
    let body: Value = serde_json::from_slice(&client(Dialect::OpenAiChat).error(fault)).unwrap_or_default();
    body["error"].clone()
}

fn refused(api: &Api, fault: Fault) -> Response<Body> {
    refuse(api, Dialect::OpenAiChat, fault)
}

/// A workflow as a client may know it.
fn shown(workflow: &Workflow) -> Value {
    let inputs: Map<String, Value> = workflow
        .inputs
        .iter()
        .map(|(name, input)| {
            let told = json!({
                "type": input.kind.name(), "required": input.required, "default": input.default,
                "description": input.description,
            });
            (name.clone(), told)
        })
        .collect();
    let steps: Vec<&str> = workflow.steps.iter().map(|step| &*step.name).collect();
    json!({
        "name": workflow.name, "object": "workflow", "description": workflow.description, "inputs": inputs,
        "steps": steps, "budget_usd": workflow.budget.map(|budget| budget.to_string()),
    })
}

/// A run's events on their way out.
struct Sending {
    started: Started,
    cut: watch::Receiver<bool>,
    _place: LoadGuard,
}

/// One frame an event. When the gateway stops and can wait no longer, the last one says so.
fn frames(
    started: Started,
    cut: watch::Receiver<bool>,
    place: LoadGuard,
) -> impl Stream<Item = Result<Bytes, Infallible>> {
    let sending = Sending { started, cut, _place: place };
    stream::unfold(Some(sending), |sending| async move {
        let mut sending = sending?;
        let event = tokio::select! {
            biased;
            event = sending.started.next() => event,
            _ = sending.cut.wait_for(|cut| *cut) => None,
        };
        match event {
            Some(event @ (Event::RunFinished(_) | Event::RunFailed { .. })) => {
                Some((Ok(frame(&event)), None))
            }
            Some(event) => Some((Ok(frame(&event)), Some(sending))),
            None => {
                let message = "the gateway is stopping and could wait no longer; the run can be resumed";
                let fault = Fault::new(FaultKind::Stopping, message);
                let data = json!({
                    "type": "run.failed", "id": sending.started.id(), "status": "interrupted", "error": error(&fault),
                });
                Some((Ok(Bytes::from(format!("event: run.failed\ndata: {data}\n\n"))), None))
            }
        }
    })
}

fn frame(event: &Event) -> Bytes {
    let mut data = serde_json::to_value(event).unwrap_or_default();
    if let Event::RunFailed { fault, .. } = event {
        data["error"] = error(fault);
    }
    let name = data["type"].as_str().unwrap_or_default();
    Bytes::from(format!("event: {name}\ndata: {data}\n\n"))
}
