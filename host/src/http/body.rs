//! Reading a request's body, bounded in size and time.

use std::time::Duration;

use axum::body::{Body, Bytes, HttpBody};
use axum::http::HeaderMap;
use axum::http::header::{CONTENT_TYPE, EXPECT};
use http_body_util::BodyExt;
use tokio::time::{Instant, timeout_at};

use jackfield_core::contract::{Fault, FaultKind};

/// How much of a refused body is still read and thrown away, so that the client gets to read the
/// refusal instead of seeing its connection reset while it sends.
const DISCARD: u64 = 64 << 20;

/// How long a client that is being refused may pause before it is told without further reading.
const DISCARD_PAUSE: Duration = Duration::from_millis(500);

/// The whole body, of at most `max` bytes, within `wait`.
pub(super) async fn read(
    headers: &HeaderMap,
    body: Body,
    max: usize,
    wait: Duration,
) -> Result<Bytes, Fault> {
    let deadline = Instant::now() + wait;
    if body.size_hint().lower() > max as u64 {
        // Who asks first (`expect: 100-continue`) has sent nothing yet, and reading would invite it to.
        if !headers.contains_key(EXPECT) {
            discard(body, deadline).await;
        }
        return Err(too_large(max));
    }
    let mut body = body;
    let mut first: Option<Bytes> = None;
    let mut all: Vec<u8> = Vec::new();
    loop {
        let frame = match timeout_at(deadline, body.frame()).await {
            Err(_) => {
                let message = format!("the request body did not arrive within {wait:?}");
                return Err(Fault::new(FaultKind::BodyTimeout, message));
            }
            Ok(None) => break,
            Ok(Some(Err(error))) => {
                let message = format!("the request body could not be read: {error}");
                return Err(Fault::new(FaultKind::MalformedBody, message));
            }
            Ok(Some(Ok(frame))) => frame,
        };
        let Ok(piece) = frame.into_data() else { continue };
        if all.is_empty() && first.is_none() {
            first = Some(piece);
            continue;
        }
        if let Some(one) = first.take() {
            all.reserve(one.len() + piece.len());
            all.extend_from_slice(&one);
        }
        all.extend_from_slice(&piece);
        if all.len() > max {
            discard(body, deadline).await;
            return Err(too_large(max));
        }
    }
    let whole = first.unwrap_or_else(|| all.into());
    if whole.len() > max { Err(too_large(max)) } else { Ok(whole) }
}

/// Refuses a body that is not announced as JSON. A web page cannot send that type to another origin without
/// the browser asking first, and nobody here says yes: so no page drives a gateway on its reader's machine.
pub(super) fn check_type(headers: &HeaderMap) -> Result<(), Fault> {
    let Some(value) = headers.get(CONTENT_TYPE) else {
        let message = "no content-type: send 'content-type: application/json'";
        return Err(Fault::new(FaultKind::UnsupportedMediaType, message));
    };
    let text = value.to_str().unwrap_or("").trim_start();
    let essence = text.split(';').next().unwrap_or("").trim_end();
    if essence.eq_ignore_ascii_case("application/json") {
        return Ok(());
    }
    let shown: String = text.chars().take(64).collect();
    let message = format!("unsupported content-type '{shown}': send 'application/json'");
    Err(Fault::new(FaultKind::UnsupportedMediaType, message))
}

async fn discard(mut body: Body, deadline: Instant) {
    let mut left = DISCARD;
    let patience = || deadline.min(Instant::now() + DISCARD_PAUSE);
    while let Ok(Some(Ok(frame))) = timeout_at(patience(), body.frame()).await {
        let size = frame.data_ref().map_or(0, |piece| piece.len() as u64);
        match left.checked_sub(size) {
            Some(rest) => left = rest,
            None => return,
        }
    }
}

fn too_large(max: usize) -> Fault {
    let message = format!("the request body is larger than {max} bytes (server.limits.body)");
    Fault::new(FaultKind::BodyTooLarge, message)
}
