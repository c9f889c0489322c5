//! The connections of a scripted provider: hyper for everything that is HTTP, the bare socket for
//! everything that is not.
//!
//! One task per connection, all in the listener's set, so that its end is theirs. Breaking a
//! connection off means taking the socket out of hyper's hands after what was said is flushed.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{HeaderMap, Request, Response, StatusCode};
use http_body_util::BodyExt;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::record::{OpenAnswer, Outcome, Received, Record};
use super::script::{Answer, Script, Shape, Step};

/// What all connections of one provider share.
#[derive(Clone, Debug)]
pub(super) struct Shared {
    pub(super) record: Arc<Record>,
    pub(super) script: Arc<Mutex<Script>>,
}

/// The rest of an answer, to be played on the socket itself.
struct Takeover {
    steps: VecDeque<Step>,
    answer: OpenAnswer,
}

/// Takes connections until it is dropped, and all of them with it.
pub(super) async fn listen(listener: TcpListener, shared: Shared) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                if let Ok((socket, _)) = accepted {
                    connections.spawn(connection(socket, shared.clone()));
                }
            }
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn connection(socket: TcpStream, shared: Shared) {
    let number = shared.record.connected();
    let _ = socket.set_nodelay(true);
    let (take, mut taken) = mpsc::unbounded_channel();
    let service = service_fn(|request| answer(request, number, shared.clone(), take.clone()));
    let mut http = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(socket), service);
    let takeover = tokio::select! {
        // Hyper first: what was said before the break is flushed before the break is noticed.
        biased;
        _ = &mut http => None,
        takeover = taken.recv() => takeover,
    };
    if let Some(Takeover { steps, answer }) = takeover {
        let socket = http.into_parts().io.into_inner();
        on_the_wire(socket, steps, answer).await;
    }
}

/// Answers one request as the script says.
async fn answer(
    request: Request<Incoming>,
    connection: usize,
    shared: Shared,
    take: mpsc::UnboundedSender<Takeover>,
) -> Result<Response<ScriptedBody>, hyper::Error> {
    let (head, body) = request.into_parts();
    let body = body.collect().await?.to_bytes();
    let path = head.uri.path_and_query().map_or_else(|| head.uri.path(), |p| p.as_str()).to_owned();
    let next = shared.script.lock().expect("the script").next(&path, &body);
    let mut open = shared.record.received(Received {
        method: head.method,
        path,
        headers: head.headers,
        body,
        connection,
        outcome: Outcome::Open,
        sent: 0,
    });
    let Some(Answer { shape, before }) = next else {
        shared.record.unscripted();
        open.ended(Outcome::Broken);
        return Ok(unscripted());
    };
    if let Some(gate) = before {
        shared.record.pass(&gate).await;
    }
    match shape {
        Shape::Http { status, headers, steps, streamed } => {
            Ok(response(status, headers, ScriptedBody::new(steps, streamed, open, take)))
        }
        Shape::Wire { steps } => {
            // The receiver outlives this future: both belong to `connection`.
            let _ = take.send(Takeover { steps, answer: open });
            std::future::pending().await
        }
    }
}

/// What is said to a request nobody wrote an answer for.
fn unscripted() -> Response<ScriptedBody> {
    let text = Bytes::from_static(b"the test wrote no answer for this request");
    response(StatusCode::NOT_IMPLEMENTED, HeaderMap::new(), ScriptedBody::plain(text))
}

fn response(status: StatusCode, headers: HeaderMap, body: ScriptedBody) -> Response<ScriptedBody> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    response
}

/// Plays steps on the socket itself, then ends the connection.
async fn on_the_wire(mut socket: TcpStream, steps: VecDeque<Step>, mut answer: OpenAnswer) {
    let (mut read, mut write) = socket.split();
    let played = async {
        for step in steps {
            match step {
                Step::Bytes(bytes) => write.write_all(&bytes).await?,
                Step::Gate(name) => answer.record().pass(&name).await,
                Step::Cut | Step::Close => return Ok(Some(step)),
            }
        }
        Ok::<_, std::io::Error>(None)
    };
    let end = tokio::select! {
        biased;
        end = played => end,
        () = gone(&mut read) => return,
    };
    match end {
        Ok(Some(Step::Cut)) => {
            answer.ended(Outcome::Broken);
            // Closing with data unsent or unread, and no patience for it: the peer gets a reset.
            let _ = socket.set_zero_linger();
        }
        Ok(step) => {
            answer.ended(if step.is_some() { Outcome::Broken } else { Outcome::Finished });
            let _ = socket.shutdown().await;
            gone(&mut socket).await;
        }
        // The client left: dropping the answer says so.
        Err(_) => {}
    }
}

/// Waits until the peer has closed its side; whatever it says until then is thrown away.
async fn gone(read: &mut (impl AsyncRead + Unpin)) {
    let mut buffer = [0; 1024];
    while matches!(read.read(&mut buffer).await, Ok(n) if n > 0) {}
}

/// A body that plays its steps as hyper asks for them.
struct ScriptedBody {
    steps: VecDeque<Step>,
    /// The body's length, when it is to be announced.
    length: Option<u64>,
    gate: Option<Pin<Box<dyn Future<Output = ()> + Send>>>,
    /// Whose answer this is, until it is handed over; `None` for the answer to unscripted requests.
    play: Option<(OpenAnswer, mpsc::UnboundedSender<Takeover>)>,
    /// Set when the connection is about to be broken off: hyper must not see an end.
    broken: bool,
}

impl ScriptedBody {
    fn new(
        steps: VecDeque<Step>,
        streamed: bool,
        answer: OpenAnswer,
        take: mpsc::UnboundedSender<Takeover>,
    ) -> Self {
        let whole = steps.iter().try_fold(0, |length, step| match step {
            Step::Bytes(bytes) => Some(length + bytes.len() as u64),
            _ => None,
        });
        let length = whole.filter(|_| !streamed);
        let mut body = Self { steps, length, gate: None, play: Some((answer, take)), broken: false };
        body.note_end();
        body
    }

    fn plain(text: Bytes) -> Self {
        let length = Some(text.len() as u64);
        Self { steps: [Step::Bytes(text)].into(), length, gate: None, play: None, broken: false }
    }

    /// Hyper may stop asking after the last announced byte, so the last byte is the end.
    fn note_end(&mut self) {
        if self.steps.is_empty()
            && let Some((answer, _)) = &mut self.play
        {
            answer.ended(Outcome::Finished);
        }
    }
}

impl Body for ScriptedBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        loop {
            if let Some(gate) = &mut self.gate {
                std::task::ready!(gate.as_mut().poll(cx));
                self.gate = None;
                self.note_end();
            }
            match self.steps.pop_front() {
                Some(Step::Bytes(bytes)) => {
                    if let Some((answer, _)) = &self.play {
                        answer.sent(bytes.len());
                    }
                    self.note_end();
                    return Poll::Ready(Some(Ok(Frame::data(bytes))));
                }
                Some(Step::Gate(name)) => {
                    if let Some((answer, _)) = &self.play {
                        let record = answer.record().clone();
                        self.gate = Some(Box::pin(async move { record.pass(&name).await }));
                    }
                }
                Some(step @ (Step::Cut | Step::Close)) => {
                    if let Some((answer, take)) = self.play.take() {
                        let _ = take.send(Takeover { steps: [step].into(), answer });
                    }
                    // `connection` wakes up and takes the socket away.
                    self.broken = true;
                    return Poll::Pending;
                }
                None if self.broken => return Poll::Pending,
                None => return Poll::Ready(None),
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.steps.is_empty() && self.gate.is_none() && !self.broken
    }

    fn size_hint(&self) -> SizeHint {
        self.length.map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}
