//! A request for an answer, in whatever dialect: from its body to the last byte sent.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, Response, StatusCode};
use futures_util::stream::{self, Stream, StreamExt};
use tokio::sync::watch;

use jackfield_core::base::RequestId;
use jackfield_core::contract::{Dialect, Fault, FaultKind};
use jackfield_dialect::openai::MAX_NAME;
use jackfield_dialect::{StreamHead, StreamWriter, client};
use jackfield_gateway::pipeline::{self, Body as Answer, Delivery, Failure, Incoming, ReplyStream};
use jackfield_gateway::workflow::{self, named::WORKFLOW_PREFIX};
use jackfield_gateway::world::World;

use super::{Api, auth, body, respond};

/// Names a task without touching the body.
const TASK_HEADER: &str = "x-jackfield-task";

/// `POST /v1/chat/completions`.
pub(super) async fn completions(State(api): State<Arc<Api>>, request: Request) -> Response<Body> {
    answer(Dialect::OpenAiChat, &api, request).await
}

/// `POST /v1/embeddings`.
pub(super) async fn embeddings(State(api): State<Arc<Api>>, request: Request) -> Response<Body> {
    answer(Dialect::OpenAiEmbeddings, &api, request).await
}

/// `POST /v1/responses`.
pub(super) async fn responses(State(api): State<Arc<Api>>, request: Request) -> Response<Body> {
    answer(Dialect::OpenAiResponses, &api, request).await
}

/// `POST /v1/messages`.
pub(super) async fn messages(State(api): State<Arc<Api>>, request: Request) -> Response<Body> {
    answer(Dialect::AnthropicMessages, &api, request).await
}

/// `POST /v1/messages/count_tokens`.
pub(super) async fn count_tokens(State(api): State<Arc<Api>>, request: Request) -> Response<Body> {
    answer(Dialect::AnthropicCountTokens, &api, request).await
}

/// Answers one request.
async fn answer(dialect: Dialect, api: &Api, request: Request) -> Response<Body> {
    let started = Instant::now();
    let id = RequestId::generate();
    let world = api.world.load_full();
    let incoming = match receive(dialect, api, &world, id, started, request).await {
        Ok(incoming) => incoming,
        Err(fault) => {
            pipeline::refused(world.metrics(), id, started, &fault);
            return respond::fault(dialect, id, &fault);
        }
    };
    let model = incoming.request.model.as_deref();
    let answered = match model.and_then(|model| model.strip_prefix(WORKFLOW_PREFIX)).map(str::to_owned) {
        Some(name) => workflow::answer(world, incoming, name, api.drain.guard()).await,
        None => pipeline::run(world, incoming).await,
    };
    match answered {
        Ok(Delivery { head, body, facts, .. }) => {
            let asked = &facts.request;
            // What is kept or shared has the same bytes for everybody, the id and the time in them included.
            let (answer, created) = match &head.given {
                Some(given) => (given.request.clone(), given.created),
                None => (id.to_string(), unix_now()),
            };
            let streams = matches!(body, Answer::Stream(_));
            let mut response = match body {
                Answer::Whole(mut reply) => {
                    // Some providers give an answer neither an id nor a time.
                    if reply.id.is_empty() {
                        reply.id = answer;
                    }
                    if reply.created == 0 {
                        reply.created = created;
                    }
                    let bytes = reply.wire.clone().unwrap_or_else(|| client(dialect).reply_to(asked, &reply));
                    respond::json(StatusCode::OK, bytes)
                }
                Answer::Stream(stream) => {
                    let head = StreamHead {
                        id: answer,
                        model: head.model.clone().unwrap_or_default(),
                        created,
                        include_usage: asked.include_usage,
                    };
                    let writer = client(dialect).stream_to(asked, head);
                    respond::events(Body::from_stream(frames(*stream, writer, api.cut.clone())))
                }
            };
            respond::tell(&mut response, &head, streams);
            response
        }
        Err(Failure { head, fault }) => {
            let mut response = respond::fault(dialect, id, &fault);
            respond::tell(&mut response, &head, false);
            response
        }
    }
}

/// Seconds since the Unix epoch.
fn unix_now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_secs())
}

/// Everything between the wire and the pipeline.
async fn receive(
    dialect: Dialect,
    api: &Api,
    world: &World,
    id: RequestId,
    started: Instant,
    request: Request,
) -> Result<Incoming, Fault> {
    let limits = world.config().server().limits();
    let (parts, stream) = request.into_parts();
    let caller = auth::caller(world.config().keys(), &parts.headers)?;
    body::check_type(&parts.headers)?;
    let Some(place) = api.load.enter(limits.in_flight) else {
        let message =
            format!("{} requests are under way already (server.limits.in_flight)", limits.in_flight);
        return Err(Fault::new(FaultKind::Overloaded, message));
    };
    let bytes = body::read(&parts.headers, stream, limits.body, limits.body_timeout).await?;
    let request = client(dialect).parse(bytes)?;
    let task = task(&parts.headers)?;
    let headers = auth::without_credentials(parts.headers);
    Ok(Incoming { id, request, caller, task, headers, run: None, step: None, started, place })
}

fn task(headers: &HeaderMap) -> Result<Option<String>, Fault> {
    let Some(value) = headers.get(TASK_HEADER) else { return Ok(None) };
    match value.to_str() {
        Ok(task) if task.len() > MAX_NAME => Err(Fault::invalid(
            TASK_HEADER,
            format!("the header '{TASK_HEADER}' is longer than {MAX_NAME} bytes"),
        )),
        Ok(task) => Ok(Some(task.to_owned())),
        Err(_) => {
            Err(Fault::invalid(TASK_HEADER, format!("the header '{TASK_HEADER}' is not visible ASCII")))
        }
    }
}

/// A stream on its way out.
struct Sending {
    stream: ReplyStream,
    writer: Box<dyn StreamWriter>,
    cut: watch::Receiver<bool>,
}

/// The frames this client gets. A fault, ours or a provider's, becomes the stream's last event.
fn frames(
    stream: ReplyStream,
    writer: Box<dyn StreamWriter>,
    cut: watch::Receiver<bool>,
) -> impl Stream<Item = Result<Bytes, Infallible>> {
    let sending = Sending { stream, writer, cut };
    stream::unfold(Some(sending), |sending| async move {
        let mut sending = sending?;
        loop {
            let next = tokio::select! {
                biased;
                next = sending.stream.next() => next?,
                _ = sending.cut.wait_for(|cut| *cut) => {
                    let fault = Fault::new(FaultKind::Stopping, "the gateway is stopping and could wait no longer");
                    sending.stream.cut(&fault);
                    return Some((Ok(sending.writer.error(&fault)), None));
                }
            };
            match next {
                Ok(chunk) => {
                    let frame = sending.writer.chunk(&chunk);
                    if let Some(fault) = sending.writer.broken() {
                        sending.stream.cut(fault);
                        return frame.map(|frame| (Ok(frame), None));
                    }
                    if let Some(frame) = frame {
                        return Some((Ok(frame), Some(sending)));
                    }
                }
                Err(fault) => return Some((Ok(sending.writer.error(&fault)), None)),
            }
        }
    })
}
