//! A provider that answers what the test wrote down, and remembers what it was asked.
//!
//! A real HTTP/1.1 server on a port the system picks. Reading order: `Answer` and `Step` are what
//! it can say, `Match` is to whom, `Received` is what it heard and `Outcome` how that ended;
//! `openai`, `anthropic` and `bedrock` have answers ready. It and all its connections end when it is dropped.

/// Answers in Anthropic's own shape.
pub mod anthropic;
/// Answers in Bedrock's own shape.
pub mod bedrock;
/// Answers in OpenAI's own shape.
pub mod openai;
mod record;
mod script;
mod serve;

pub use record::{Outcome, Received};
pub use script::{Answer, Match, Step};

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use tokio::net::{TcpListener, TcpSocket};
use tokio::task::JoinHandle;

use record::Record;
use serve::Shared;

/// A scripted provider.
#[derive(Debug)]
pub struct Upstream {
    address: SocketAddr,
    shared: Shared,
    port: Mutex<Option<Port>>,
}

/// How the provider holds its port.
#[derive(Debug)]
enum Port {
    /// Taking connections.
    Open(JoinHandle<()>),
    /// Bound and not listening: the system refuses connections and gives the port to nobody else.
    Closed(TcpSocket),
}

impl Upstream {
    /// Starts a provider with an empty script.
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("a bound address");
        let shared = Shared { record: Arc::new(Record::new()), script: Arc::default() };
        let port = Mutex::new(Some(Port::Open(tokio::spawn(serve::listen(listener, shared.clone())))));
        Self { address, shared, port }
    }

    /// Its address.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its base URL as an OpenAI client or a `base_url` in configuration wants it: with `/v1`.
    pub fn base_url(&self) -> String {
        format!("http://{}/v1", self.address)
    }

    /// Gives the next request for which no rule has an answer this one.
    pub fn push(&self, answer: Answer) {
        self.script().push(None, answer);
    }

    /// Gives this answer to every request for which nothing else is written down.
    pub fn always(&self, answer: Answer) {
        self.script().set_default(None, answer);
    }

    /// Gives the next request that fits this answer.
    pub fn push_for(&self, rule: &Match, answer: Answer) {
        self.script().push(Some(rule), answer);
    }

    /// Gives this answer to every request that fits and for which nothing else is written down.
    pub fn always_for(&self, rule: &Match, answer: Answer) {
        self.script().set_default(Some(rule), answer);
    }

    /// Opens a gate, for those who wait at it and for all who come later.
    pub fn open(&self, gate: &str) {
        self.shared.record.open_gate(gate);
    }

    /// Waits until an answer stands at a closed gate: all before it has been handed to the connection.
    pub async fn at_gate(&self, gate: &str) {
        self.shared.record.at_gate(gate, 1).await;
    }

    /// Waits until `count` answers stand at a closed gate.
    pub async fn all_at_gate(&self, gate: &str, count: usize) {
        self.shared.record.at_gate(gate, count).await;
    }

    /// The requests that have come so far, bodies included, in order of arrival.
    pub fn requests(&self) -> Vec<Received> {
        self.shared.record.all()
    }

    /// Waits until `count` requests have come, and returns all there are.
    ///
    /// # Panics
    /// When they do not come within [`crate::PATIENCE`], with what came instead.
    pub async fn wait_for_requests(&self, count: usize) -> Vec<Received> {
        self.shared.record.wait_for(count).await
    }

    /// The one request that has come.
    ///
    /// # Panics
    /// When there is none or more than one.
    pub fn only_request(&self) -> Received {
        let mut all = self.requests();
        assert_eq!(all.len(), 1, "exactly one request was expected, these came: {all:#?}");
        all.remove(0)
    }

    /// Waits until the answer to a request, the first being 0, is over, and returns how it ended.
    ///
    /// `Finished` means that all of it was handed to the system, not that the client has read it.
    pub async fn outcome(&self, index: usize) -> Outcome {
        self.shared.record.outcome(index).await
    }

    /// Waits until the client of a request, the first being 0, has gone before the answer's end.
    ///
    /// # Panics
    /// When the answer ended in another way.
    pub async fn disconnected(&self, index: usize) {
        assert_eq!(self.outcome(index).await, Outcome::Disconnected, "how answer {index} ended");
    }

    /// How many connections were made so far.
    pub fn connections(&self) -> usize {
        self.shared.record.connections()
    }

    /// How many requests came that nobody wrote an answer for.
    pub fn unscripted(&self) -> usize {
        self.shared.record.unscripted_count()
    }

    /// Breaks every connection off and refuses new ones, keeping the port.
    pub async fn refuse_connections(&self) {
        let Some(Port::Open(task)) = self.take_port() else { panic!("connections are refused already") };
        task.abort();
        let _ = task.await;
        let socket = TcpSocket::new_v4().expect("a socket");
        socket.set_reuseaddr(true).expect("reuse of the port");
        socket.bind(self.address).expect("the port once more");
        self.put_port(Port::Closed(socket));
    }

    /// Takes connections again after [`Upstream::refuse_connections`].
    pub fn accept_connections(&self) {
        let Some(Port::Closed(socket)) = self.take_port() else { panic!("connections are accepted already") };
        let listener = socket.listen(128).expect("listening once more");
        self.put_port(Port::Open(tokio::spawn(serve::listen(listener, self.shared.clone()))));
    }

    fn script(&self) -> std::sync::MutexGuard<'_, script::Script> {
        self.shared.script.lock().expect("the script")
    }

    fn take_port(&self) -> Option<Port> {
        self.port.lock().expect("the port").take()
    }

    fn put_port(&self, port: Port) {
        *self.port.lock().expect("the port") = Some(port);
    }
}

impl Drop for Upstream {
    fn drop(&mut self) {
        if let Some(Port::Open(task)) = self.take_port() {
            task.abort();
        }
    }
}

#[cfg(test)]
mod tests;
