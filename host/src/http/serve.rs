//! Accepting connections, bounding them, and ending them in two stages.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::Request;
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tokio_io_timeout::TimeoutWriter;
use tower_service::Service;

use jackfield_core::base::{Drain, Signal};

use super::activity::{Activity, Verdict, Watched};

/// The smallest head buffer hyper takes.
const MIN_HEAD: usize = 8 << 10;
/// A pause after the system refused to accept (out of file descriptors, mostly), so as not to spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// How long cut streams have to tell their clients.
const FAREWELL: Duration = Duration::from_millis(500);

/// What bounds connections.
#[derive(Clone, Copy, Debug)]
pub struct ServerOptions {
    /// Connections at once; more wait unaccepted.
    pub connections: usize,
    /// Bytes of a request's head.
    pub head_bytes: usize,
    /// How long a head may take.
    pub head_timeout: Duration,
    /// How long a connection may rest, and how long a client may refuse to read.
    pub idle: Duration,
}

/// A listening socket and what serves it.
pub struct Server {
    listener: TcpListener,
    routes: Router,
    options: ServerOptions,
}

impl Server {
    /// Listens. Nothing is accepted yet.
    pub async fn bind(address: SocketAddr, routes: Router, options: ServerOptions) -> std::io::Result<Self> {
        Ok(Self { listener: TcpListener::bind(address).await?, routes, options })
    }

    /// Where it listens.
    pub fn local_addr(&self) -> std::io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Serves until `stop`, then takes nothing new and lets open requests finish for at most `wait`;
    /// what is still open then is dropped. Returns how many connections that were.
    pub async fn serve(
        self,
        stop: impl Future<Output = ()>,
        wait: Duration,
        drain: Drain,
        signal: Signal,
        cut: watch::Sender<bool>,
    ) -> usize {
        let Self { listener, routes, options } = self;
        let mut drain = drain;
        let mut connections = JoinSet::new();
        let permits = Arc::new(Semaphore::new(options.connections.max(1)));
        let mut stop = pin!(stop);
        loop {
            // Finished connections are collected as we go, so that the set does not grow.
            while connections.try_join_next().is_some() {}
            let accepted = tokio::select! {
                biased;
                () = &mut stop => break,
                accepted = accept(&listener, &permits) => accepted,
            };
            match accepted {
                Ok((stream, permit)) => {
                    let (routes, signal) = (routes.clone(), signal.clone());
                    connections.spawn(async move {
                        let _permit = permit;
                        connection(stream, routes, options, signal).await;
                    });
                }
                Err(error) => {
                    tracing::warn!(%error, "could not accept a connection");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
        // From here on, connecting is refused by the system.
        drop(listener);
        // The routes hold a signal too.
        drop((routes, signal));
        let drained = async {
            drain.drained().await;
            while connections.join_next().await.is_some() {}
        };
        let in_time = tokio::time::timeout(wait, drained).await.is_ok();
        if in_time {
            return 0;
        }
        let left = connections.len();
        // Streams get to say why they end; whoever does not read that is not waited for.
        cut.send_replace(true);
        let farewell = async { while connections.join_next().await.is_some() {} };
        let _ = tokio::time::timeout(FAREWELL, farewell).await;
        connections.shutdown().await;
        left
    }
}

async fn accept(
    listener: &TcpListener,
    permits: &Arc<Semaphore>,
) -> std::io::Result<(TcpStream, tokio::sync::OwnedSemaphorePermit)> {
    let permit = Arc::clone(permits).acquire_owned().await.map_err(std::io::Error::other)?;
    let (stream, _) = listener.accept().await?;
    stream.set_nodelay(true)?;
    Ok((stream, permit))
}

async fn connection(stream: TcpStream, routes: Router, options: ServerOptions, mut signal: Signal) {
    let activity = Activity::new();
    let mut stream = TimeoutWriter::new(stream);
    stream.set_timeout(Some(options.idle));
    let io = TokioIo::new(Watched::new(Box::pin(stream), Arc::clone(&activity)));
    let service = {
        let activity = Arc::clone(&activity);
        service_fn(move |request: Request<Incoming>| {
            let open = activity.request();
            let mut routes = routes.clone();
            async move {
                let response = routes.call(request.map(Body::new)).await?;
                // The request is open until its answer's body is gone.
                Ok::<_, Infallible>(response.map(|body| {
                    body.map_frame(move |frame| {
                        let _ = &open;
                        frame
                    })
                }))
            }
        })
    };
    // HTTP/1.1 alone: what clients of a sidecar speak, and what `Activity` can time.
    let mut builder = Builder::new(TokioExecutor::new()).http1_only();
    builder
        .http1()
        .timer(TokioTimer::new())
        // Heads are timed by `Activity`, which knows rest from dripping.
        .header_read_timeout(None)
        .max_buf_size(options.head_bytes.max(MIN_HEAD));
    let mut served = pin!(builder.serve_connection(io, service));
    let mut look = tokio::time::Instant::now() + options.head_timeout.min(options.idle);
    let mut leaving = false;
    loop {
        tokio::select! {
            ended = served.as_mut() => {
                if let Err(error) = ended {
                    tracing::debug!(%error, "a connection ended badly");
                }
                return;
            }
            () = signal.asked(), if !leaving => {
                leaving = true;
                served.as_mut().graceful_shutdown();
            }
            () = tokio::time::sleep_until(look) => match activity.verdict(options.idle, options.head_timeout) {
                Verdict::LookAgain(at) => look = at.into(),
                Verdict::Close => return,
                Verdict::Retire if leaving => return,
                Verdict::Retire => {
                    leaving = true;
                    served.as_mut().graceful_shutdown();
                    look = tokio::time::Instant::now() + options.head_timeout;
                }
            },
        }
    }
}
