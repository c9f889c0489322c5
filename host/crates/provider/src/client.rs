//! Connections and their deadlines.
//!
//! Four deadlines bound a call: connecting, the first byte, the gap between two pieces, and the whole.
//! The first is a property of the connection pool, so there is one pool for each setting of it.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use reqwest::redirect::Policy;
use reqwest::{Client, Request, Response};

use jackfield_core::contract::{Fault, FaultKind, Timeouts};

use crate::classify::transport_fault;

/// Idle connections are kept this long: below the 60 s after which common load balancers cut them.
const POOL_IDLE: Duration = Duration::from_secs(55);
/// The largest whole answer taken, in bytes.
const MAX_REPLY: usize = 32 << 20;
/// What is read of an error's body, in bytes.
const MAX_ERROR: usize = 64 << 10;

/// Connection pools to one provider.
#[derive(Debug)]
pub(crate) struct Clients {
    provider: String,
    by_connect: BTreeMap<Duration, Client>,
}

impl Clients {
    /// Pools for these connect deadlines. Nothing connects yet.
    pub(crate) fn build(
        provider: &str,
        connect: impl Iterator<Item = Duration>,
    ) -> Result<Self, reqwest::Error> {
        let mut by_connect = BTreeMap::new();
        for deadline in connect {
            let client = Client::builder()
                .connect_timeout(deadline)
                .pool_idle_timeout(POOL_IDLE)
                .tcp_nodelay(true)
                // A redirect would carry the key and the prompt to a place nobody configured.
                .redirect(Policy::none())
                .user_agent(concat!("jackfield/", env!("CARGO_PKG_VERSION")))
                .build()?;
            by_connect.insert(deadline, client);
        }
        Ok(Self { provider: provider.to_owned(), by_connect })
    }

    /// The pool for these deadlines.
    pub(crate) fn get(&self, timeouts: &Timeouts) -> Result<&Client, Fault> {
        self.by_connect.get(&timeouts.connect).ok_or_else(|| {
            let message = format!("no connections to `{}` with this connect deadline", self.provider);
            Fault::new(FaultKind::Internal, message)
        })
    }

    /// Sends a request and waits for the answer's head.
    pub(crate) async fn send(
        &self,
        client: &Client,
        request: Request,
        timeouts: &Timeouts,
        deadline: Instant,
    ) -> Result<Response, Fault> {
        let until = earlier(timeouts.first_byte, deadline);
        match tokio::time::timeout_at(until.into(), client.execute(request)).await {
            Ok(Ok(response)) => Ok(response),
            Ok(Err(error)) => Err(transport_fault(&self.provider, error)),
            Err(_) => Err(self.slow("begin its answer", timeouts.first_byte, deadline)),
        }
    }

    /// Reads a whole answer, bounded in size and time.
    pub(crate) async fn read(
        &self,
        response: &mut Response,
        timeouts: &Timeouts,
        deadline: Instant,
    ) -> Result<Bytes, Fault> {
        let mut first: Option<Bytes> = None;
        let mut all: Option<BytesMut> = None;
        while let Some(piece) = self.next(response, timeouts, deadline).await? {
            match (&first, &mut all) {
                (None, _) => first = Some(piece),
                (Some(_), Some(all)) => all.extend_from_slice(&piece),
                (Some(one), None) => {
                    let mut joined = BytesMut::from(&one[..]);
                    joined.extend_from_slice(&piece);
                    all = Some(joined);
                }
            }
            if all.as_ref().map_or(0, BytesMut::len) > MAX_REPLY {
                let message = format!("`{}` sent an answer of more than {MAX_REPLY} bytes", self.provider);
                return Err(Fault::new(FaultKind::UpstreamBroken, message));
            }
        }
        Ok(all.map(BytesMut::freeze).or(first).unwrap_or_default())
    }

    /// Reads the beginning of an error's body; what cannot be read is left out.
    pub(crate) async fn read_error(
        &self,
        response: &mut Response,
        timeouts: &Timeouts,
        deadline: Instant,
    ) -> Bytes {
        let mut body = BytesMut::new();
        while let Ok(Some(piece)) = self.next(response, timeouts, deadline).await {
            body.extend_from_slice(&piece);
            if body.len() > MAX_ERROR {
                body.truncate(MAX_ERROR);
                break;
            }
        }
        body.freeze()
    }

    /// The next piece of an answer.
    pub(crate) async fn next(
        &self,
        response: &mut Response,
        timeouts: &Timeouts,
        deadline: Instant,
    ) -> Result<Option<Bytes>, Fault> {
        let until = earlier(timeouts.idle, deadline);
        match tokio::time::timeout_at(until.into(), response.chunk()).await {
            Ok(Ok(piece)) => Ok(piece),
            Ok(Err(error)) => Err(transport_fault(&self.provider, error)),
            Err(_) => Err(self.slow("go on with its answer", timeouts.idle, deadline)),
        }
    }

    fn slow(&self, what: &str, wait: Duration, deadline: Instant) -> Fault {
        let provider = &self.provider;
        let message = if Instant::now() >= deadline {
            format!("`{provider}` did not {what} before the request's total deadline")
        } else {
            format!("`{provider}` did not {what} within {wait:?}")
        };
        Fault::new(FaultKind::UpstreamTimeout, message)
    }
}

fn earlier(wait: Duration, deadline: Instant) -> Instant {
    Instant::now().checked_add(wait).map_or(deadline, |until| until.min(deadline))
}
