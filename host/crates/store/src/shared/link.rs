//! One connection to the server that hosts share: kept up by one task, used by everybody.
//!
//! Bounded: every command has `timeout`, connecting included; while the server is known to be gone, commands fail at once. It
//! is looked for again after a wait that doubles up to `LONGEST_WAIT`, for as long as the task runs. A command whose
//! connection broke is sent once more over the next one: what goes over this must do no harm when it arrives twice.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Client, RedisError};
use tokio::sync::watch;
use tokio::time::{Instant, timeout_at};

use jackfield_core::config::SharedState;

use crate::StateError;

/// The first wait before the server is looked for again, and the longest.
const FIRST_WAIT: Duration = Duration::from_millis(100);
const LONGEST_WAIT: Duration = Duration::from_secs(5);
/// How long connecting may take, the password's exchange included.
const CONNECT: Duration = Duration::from_secs(2);

/// A connection to one server.
pub(crate) struct Link {
    client: Client,
    server: Arc<str>,
    timeout: Duration,
    state: watch::Sender<State>,
    /// Commands that failed for want of the server.
    failures: AtomicU64,
}

#[derive(Clone)]
enum State {
    /// Being connected for the first time, or since it broke.
    Connecting,
    Up {
        connection: MultiplexedConnection,
        /// Which connection it is, counted from 1.
        number: u64,
    },
    /// Not there: it is tried again later.
    Down(Arc<str>),
}

impl Link {
    /// A connection that is not made yet.
    pub(crate) fn new(config: &SharedState) -> Result<Self, StateError> {
        let server: Arc<str> = config.server().into();
        let client = Client::open(config.url.expose()).map_err(|_| StateError::Open {
            path: Arc::clone(&server),
            reason: "its address is refused".into(),
            remedy: "write `redis://[[USER]:PASSWORD@]HOST[:PORT][/DATABASE]`",
        })?;
        let state = watch::Sender::new(State::Connecting);
        Ok(Self { client, server, timeout: config.timeout, state, failures: AtomicU64::new(0) })
    }

    /// Keeps the connection, until it is dropped. To be run by one task; `told` hears of every change.
    pub(crate) async fn keep(&self, mut told: impl FnMut(Result<(), &str>)) {
        let (mut wait, mut number) = (FIRST_WAIT, 0);
        loop {
            let config = AsyncConnectionConfig::new()
                .set_connection_timeout(Some(CONNECT))
                // Each command has its own bound here.
                .set_response_timeout(Some(CONNECT));
            let connected = self.client.get_multiplexed_async_connection_with_config(&config);
            match tokio::time::timeout(2 * CONNECT, connected).await {
                Ok(Ok(connection)) => {
                    (wait, number) = (FIRST_WAIT, number + 1);
                    told(Ok(()));
                    self.state.send_replace(State::Up { connection, number });
                    let mut state = self.state.subscribe();
                    // The sender is this one's own: it does not go away.
                    let _ = state.wait_for(|state| !matches!(state, State::Up { .. })).await;
                    continue;
                }
                Ok(Err(error)) => self.is_down(&reason(&error), &mut told),
                Err(_) => self.is_down("it takes too long to answer", &mut told),
            }
            tokio::time::sleep(wait).await;
            wait = (2 * wait).min(LONGEST_WAIT);
        }
    }

    fn is_down(&self, why: &str, told: &mut impl FnMut(Result<(), &str>)) {
        told(Err(why));
        self.state.send_replace(State::Down(why.into()));
    }

    /// Sends a command and waits for its answer, `timeout` in all. `send` is called again where the connection broke.
    pub(crate) async fn ask<T, F>(
        &self,
        send: impl FnMut(MultiplexedConnection) -> F,
    ) -> Result<T, StateError>
    where
        F: Future<Output = Result<T, RedisError>>,
    {
        self.ask_until(Instant::now() + self.timeout, send).await
    }

    /// The same for one of several commands that have their time together.
    pub(crate) async fn ask_until<T, F>(
        &self,
        until: Instant,
        mut send: impl FnMut(MultiplexedConnection) -> F,
    ) -> Result<T, StateError>
    where
        F: Future<Output = Result<T, RedisError>>,
    {
        let mut again = true;
        loop {
            let (connection, number) = self.connection(until).await?;
            let error = match timeout_at(until, send(connection)).await {
                Ok(Ok(answer)) => return Ok(answer),
                Ok(Err(error)) => error,
                Err(_) => {
                    self.broke(number);
                    return Err(self.late());
                }
            };
            let broken = error.is_io_error() || error.is_unrecoverable_error();
            if broken {
                self.broke(number);
            }
            if !broken || !again {
                return Err(self.fails(&reason(&error)));
            }
            again = false;
        }
    }

    /// Resolves when the server is there.
    pub(crate) async fn up(&self) {
        let mut state = self.state.subscribe();
        let _ = state.wait_for(|state| matches!(state, State::Up { .. })).await;
    }

    /// Whether the server is there, as far as is known.
    pub(crate) fn is_up(&self) -> bool {
        matches!(*self.state.borrow(), State::Up { .. })
    }

    /// How long one answer may take.
    pub(crate) fn timeout(&self) -> Duration {
        self.timeout
    }

    /// The server, as messages have it.
    pub(crate) fn server(&self) -> &Arc<str> {
        &self.server
    }

    /// Commands that failed for want of the server, since the process began.
    pub(crate) fn failures(&self) -> u64 {
        self.failures.load(Ordering::Relaxed)
    }

    /// The connection, as soon as it is known whether there is one.
    async fn connection(&self, until: Instant) -> Result<(MultiplexedConnection, u64), StateError> {
        let mut state = self.state.subscribe();
        let known = state.wait_for(|state| !matches!(state, State::Connecting));
        let Ok(Ok(known)) = timeout_at(until, known).await else { return Err(self.late()) };
        match &*known {
            State::Up { connection, number } => Ok((connection.clone(), *number)),
            State::Down(why) => Err(self.fails(why)),
            State::Connecting => Err(self.late()),
        }
    }

    /// This connection is of no use any more.
    fn broke(&self, broken: u64) {
        self.state.send_if_modified(|state| {
            let is_it = matches!(state, State::Up { number, .. } if *number == broken);
            if is_it {
                *state = State::Connecting;
            }
            is_it
        });
    }

    fn late(&self) -> StateError {
        self.fails(&format!("no answer within {:?}", self.timeout))
    }

    fn fails(&self, reason: &str) -> StateError {
        self.failures.fetch_add(1, Ordering::Relaxed);
        StateError::Shared { server: Arc::clone(&self.server), reason: reason.into() }
    }
}

/// What went wrong, without what the client library repeats of the address.
fn reason(error: &RedisError) -> String {
    match (error.code(), error.detail()) {
        (Some(code), Some(detail)) => format!("{code} {detail}"),
        (Some(code), None) => code.to_owned(),
        _ if error.is_connection_refusal() => "it refuses connections".to_owned(),
        _ if error.is_timeout() => "it takes too long to answer".to_owned(),
        _ => error.category().to_owned(),
    }
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Link").field(&self.server).finish()
    }
}
