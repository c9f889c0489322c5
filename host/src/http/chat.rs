//! `POST /v1/chat/completions`.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, Response, StatusCode};
use futures_util::stream::{self, Stream, StreamExt};
use tokio::sync::watch;

use jackfield_core::base::RequestId;
use jackfield_core::contract::{Chunk, Fault, FaultKind};
use jackfield_dialect::openai::{MAX_NAME, parse_request, render_chunk, render_error_frame, render_reply};
use jackfield_gateway::pipeline::{self, Body as Answer, Delivery, Failure, Incoming, ReplyStream};
use jackfield_gateway::world::World;

use super::{Api, auth, body, respond};

/// Names a task without touching the body.
const TASK_HEADER: &str = "x-jackfield-task";

/// Answers one chat completion request.
pub(super) async fn complete(State(api): State<Arc<Api>>, request: Request) -> Response<Body> {
    let started = Instant::now();
    let id = RequestId::generate();
    let world = api.world.load_full();
    let incoming = match receive(&api, &world, id, started, request).await {
        Ok(incoming) => incoming,
        Err(fault) => {
            pipeline::refused(world.metrics(), id, started, &fault);
            return respond::fault(id, &fault);
        }
    };
    let include_usage = incoming.request.include_usage;
    match pipeline::run(world, incoming).await {
        Ok(Delivery { head, body }) => {
            let mut response = match body {
                Answer::Whole(reply) => {
                    let bytes = reply.wire.clone().unwrap_or_else(|| render_reply(&reply));
                    respond::json(StatusCode::OK, bytes)
                }
                Answer::Stream(stream) => {
                    let model = head.model.clone().unwrap_or_default();
                    respond::events(Body::from_stream(frames(
                        *stream,
                        api.cut.clone(),
                        id,
                        model,
                        include_usage,
                    )))
                }
            };
            respond::tell(&mut response, &head);
            response
        }
        Err(Failure { head, fault }) => {
            let mut response = respond::fault(id, &fault);
            respond::tell(&mut response, &head);
            response
        }
    }
}

/// Everything between the wire and the pipeline.
async fn receive(
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
    let request = parse_request(bytes)?;
    let task = task(&parts.headers)?;
    let headers = auth::without_credentials(parts.headers);
    Ok(Incoming { id, request, caller, task, headers, started, place })
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
    cut: watch::Receiver<bool>,
    id: String,
    model: String,
    created: u64,
    include_usage: bool,
    first: bool,
}

/// The frames a client of this dialect gets. A fault, ours or a provider's, becomes the stream's last event.
fn frames(
    stream: ReplyStream,
    cut: watch::Receiver<bool>,
    id: RequestId,
    model: String,
    include_usage: bool,
) -> impl Stream<Item = Result<Bytes, Infallible>> {
    let created = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_secs());
    let id = format!("chatcmpl-{id}");
    let sending = Sending { stream, cut, id, model, created, include_usage, first: true };
    stream::unfold(Some(sending), |sending| async move {
        let mut sending = sending?;
        loop {
            let next = tokio::select! {
                biased;
                next = sending.stream.next() => next?,
                _ = sending.cut.wait_for(|cut| *cut) => {
                    let fault = Fault::new(FaultKind::Stopping, "the gateway is stopping and could wait no longer");
                    sending.stream.cut(&fault);
                    return Some((Ok(render_error_frame(&fault)), None));
                }
            };
            match next {
                Ok(chunk) => {
                    if let Some(frame) = sending.frame(&chunk) {
                        sending.first = false;
                        return Some((Ok(frame), Some(sending)));
                    }
                }
                Err(fault) => return Some((Ok(render_error_frame(&fault)), None)),
            }
        }
    })
}

impl Sending {
    fn frame(&self, chunk: &Chunk) -> Option<Bytes> {
        if let Some(wire) = &chunk.wire {
            return Some(wire.clone());
        }
        let told = chunk.usage.is_some() && self.include_usage;
        let hidden = chunk.deltas.is_empty() && !chunk.done && !told;
        (!hidden).then(|| render_chunk(chunk, &self.id, &self.model, self.created, self.first))
    }
}
