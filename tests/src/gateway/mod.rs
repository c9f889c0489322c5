//! The gateway under test: the real one, from YAML text, on a port the system picks.
//!
//! Each gateway runs on a runtime of its own. So it cannot be held up by the test's thread, its end
//! is complete, and its log is its own although many gateways share the process: every thread of
//! that runtime reports to one `Log`. (Threads that the gateway starts outside of tokio are not
//! heard.)
//!
//! Reading order: `Gateway` is started, asked and stopped; `Reply` and `Streamed` are what
//! comes back, to the byte; `Log` is what it said; `RawClient` asks what no HTTP client would.

mod log;
mod raw;
mod reply;

pub use log::{Line, Log};
pub use raw::{RawClient, RawReply};
pub use reply::{Ending, ErrorBody, Reply, Stream, Streamed};

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use jackfield::app::{App, Requests, Stopped};
use jackfield_core::config::Config;
use serde_json::Value;
use tokio::runtime::Runtime;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::{PATIENCE, soon};

/// Where chat completions are asked for.
pub const CHAT: &str = "/v1/chat/completions";

/// A running gateway. Dropped without [`Gateway::stop`], it is gone at once.
#[derive(Debug)]
pub struct Gateway {
    address: SocketAddr,
    admin: Option<SocketAddr>,
    log: Log,
    requests: Arc<Requests>,
    client: reqwest::Client,
    stop: Option<oneshot::Sender<()>>,
    served: Option<JoinHandle<Stopped>>,
    runtime: Option<Runtime>,
}

/// What a gateway is to be started from.
#[derive(Debug, Default)]
pub struct Setup {
    yaml: String,
    environment: BTreeMap<String, String>,
    file: Option<PathBuf>,
    quiet: bool,
}

impl Setup {
    /// This configuration. Without a `server:` section, it gets one with a port the system picks;
    /// with one, that section must say `listen: 127.0.0.1:0` itself.
    pub fn yaml(text: &str) -> Self {
        Self { yaml: text.to_owned(), environment: BTreeMap::new(), file: None, quiet: false }
    }

    /// The configuration in this file, which the gateway watches. It must say `listen: 127.0.0.1:0`.
    pub fn file(path: &Path) -> Self {
        Self { file: Some(path.to_owned()), ..Self::yaml("server: { listen: 127.0.0.1:0 }") }
    }

    /// Keeps only what is logged at WARN and above.
    #[must_use]
    pub fn quiet(mut self) -> Self {
        self.quiet = true;
        self
    }

    /// Sets a variable that `${NAME}` in the configuration sees. The process's own are never seen.
    #[must_use]
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.environment.insert(name.to_owned(), value.to_owned());
        self
    }

    /// Starts the gateway, or says why it does not start.
    pub async fn try_start(self) -> Result<Gateway, String> {
        let Self { mut yaml, environment, file, quiet } = self;
        if !yaml.lines().any(|line| line.starts_with("server:")) {
            yaml.push_str("\nserver: { listen: 127.0.0.1:0 }\n");
        }
        if file.is_none() && !yaml.lines().any(|line| line.starts_with("state:")) {
            // Many gateways share this directory.
            yaml.push_str("\nstate: \":memory:\"\n");
        }
        assert!(yaml.contains("127.0.0.1:0"), "a test listens on a port the system picks:\n{yaml}");
        let log = if quiet { Log::quiet() } else { Log::default() };
        let runtime = log.runtime();
        let started = runtime.spawn(async move {
            let environment = |name: &str| environment.get(name).cloned();
            let config = match &file {
                Some(path) => Config::load(Some(path)),
                None => Config::from_text("test.yaml", &yaml, &environment),
            };
            let config = config.map_err(|report| format!("{report:?}"))?;
            // Plugins are compiled here: that may take its time on a thread of its own.
            let app = tokio::task::spawn_blocking(move || App::build(config).map_err(|e| e.to_string()));
            let app = app.await.map_err(|e| e.to_string())??;
            app.bind().await.map_err(|e| e.to_string())
        });
        let bound = match started.await.map_err(|e| e.to_string()).and_then(|result| result) {
            Ok(bound) => bound,
            Err(why) => {
                runtime.shutdown_background();
                return Err(why);
            }
        };
        let (address, admin, requests) = (bound.addr(), bound.admin_addr(), bound.requests());
        let (stop, stopped) = oneshot::channel::<()>();
        let served = runtime.spawn(bound.serve(async move {
            let _ = stopped.await;
        }));
        // Connections are the subject of some tests, so none is kept for another request.
        let client = reqwest::Client::builder().no_proxy().pool_max_idle_per_host(0).build();
        Ok(Gateway {
            address,
            admin,
            log,
            requests,
            client: client.expect("a client"),
            stop: Some(stop),
            served: Some(served),
            runtime: Some(runtime),
        })
    }
}

impl Gateway {
    /// Starts a gateway from this configuration; see [`Setup::yaml`].
    ///
    /// # Panics
    /// When it does not start, with the reason.
    pub async fn start(yaml: &str) -> Self {
        Setup::yaml(yaml).start().await
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where its admin port is, if it is open.
    pub fn admin_address(&self) -> Option<SocketAddr> {
        self.admin
    }

    /// Asks its admin port with these headers and reads the whole answer.
    ///
    /// # Panics
    /// When the port is closed.
    pub async fn admin(&self, method: &str, path: &str, headers: &[(&str, &str)]) -> Reply {
        let url = format!("http://{}{path}", self.admin.expect("an open admin port"));
        let sent = self.request_to(method, &url, headers, Bytes::new()).send();
        Reply::read(soon("the answer's head", sent).await.expect("an answer")).await
    }

    /// The full URL of a path.
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// What it has logged.
    pub fn log(&self) -> &Log {
        &self.log
    }

    /// The request of this id as it is kept, once it has ended.
    ///
    /// # Panics
    /// When it is not kept within the patience of all tests.
    pub async fn record(&self, id: &str) -> Value {
        let kept = async {
            loop {
                match self.requests.get(id) {
                    Some(record) => return serde_json::to_value(&*record).expect("a record is JSON"),
                    None => tokio::task::yield_now().await,
                }
            }
        };
        soon("the request to be kept", kept).await
    }

    /// The last requests as they are kept, the newest first.
    pub fn records(&self) -> Vec<Value> {
        let record = |record| serde_json::to_value(record).expect("a record is JSON");
        self.requests.recent().iter().map(|kept| record(&**kept)).collect()
    }

    /// Sends any request and reads the whole answer.
    pub async fn send(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: impl Into<Bytes>,
    ) -> Reply {
        let sent = self.request(method, path, headers, body.into()).send();
        Reply::read(soon("the answer's head", sent).await.expect("an answer")).await
    }

    /// Gets a path.
    pub async fn get(&self, path: &str) -> Reply {
        self.send("GET", path, &[], Bytes::new()).await
    }

    /// Posts JSON.
    pub async fn post_json(&self, path: &str, body: &Value) -> Reply {
        self.post_raw(path, body.to_string(), &[]).await
    }

    /// Posts these very bytes, announced as JSON unless the headers say otherwise.
    pub async fn post_raw(&self, path: &str, body: impl Into<Bytes>, headers: &[(&str, &str)]) -> Reply {
        self.send("POST", path, headers, body).await
    }

    /// Asks for a chat completion with these very bytes.
    pub async fn chat(&self, body: impl Into<Bytes>) -> Reply {
        self.post_raw(CHAT, body, &[]).await
    }

    /// Asks for a chat completion with these very bytes and reads its head, not yet its body.
    pub async fn open_stream(&self, body: impl Into<Bytes>) -> Stream {
        self.open_stream_from(CHAT, body).await
    }

    /// Posts these very bytes to any path and reads the head, not yet the body.
    pub async fn open_stream_from(&self, path: &str, body: impl Into<Bytes>) -> Stream {
        let sent = self.request("POST", path, &[], body.into()).send();
        Stream::new(soon("the stream's head", sent).await.expect("an answer"))
    }

    /// Posts these very bytes to any path and reads the frames to the end.
    pub async fn stream_from(&self, path: &str, body: impl Into<Bytes>) -> Streamed {
        self.open_stream_from(path, body).await.collect().await
    }

    /// Asks for a chat completion with these very bytes and reads its frames to the end.
    pub async fn stream(&self, body: impl Into<Bytes>) -> Streamed {
        self.open_stream(body).await.collect().await
    }

    /// A bare connection.
    pub async fn raw(&self) -> RawClient {
        RawClient::connect(self.address).await
    }

    /// A bare connection with a receive buffer of about so many bytes.
    pub async fn narrow(&self, buffer: u32) -> RawClient {
        RawClient::connect_narrow(self.address, buffer).await
    }

    /// Asks the gateway to stop; [`Gateway::stopped`] waits for it.
    pub fn ask_to_stop(&mut self) {
        if let Some(stop) = self.stop.take() {
            let _ = stop.send(());
        }
    }

    /// Waits until the gateway has stopped, and returns what it says about that.
    pub async fn stopped(mut self) -> Stopped {
        let served = self.served.take().expect("a gateway stops once");
        let stopped = soon("the gateway's end", served).await.expect("serving does not panic");
        // Its last tasks hold the state's file, which the next gateway may want.
        if let Some(runtime) = self.runtime.take() {
            let ended = tokio::task::spawn_blocking(move || runtime.shutdown_timeout(PATIENCE));
            soon("the end of the gateway's tasks", ended).await.expect("ending them does not panic");
        }
        stopped
    }

    /// Stops the gateway as SIGTERM would, and returns what it says about that.
    pub async fn stop(mut self) -> Stopped {
        self.ask_to_stop();
        self.stopped().await
    }

    fn request(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: Bytes,
    ) -> reqwest::RequestBuilder {
        self.request_to(method, &self.url(path), headers, body)
    }

    fn request_to(
        &self,
        method: &str,
        url: &str,
        headers: &[(&str, &str)],
        body: Bytes,
    ) -> reqwest::RequestBuilder {
        let method = method.parse().expect("a method");
        let mut request = self.client.request(method, url);
        if !body.is_empty() && !headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("content-type")) {
            request = request.header("content-type", "application/json");
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.body(body)
    }
}

impl Setup {
    /// Starts the gateway.
    ///
    /// # Panics
    /// When it does not start, with the reason.
    pub async fn start(self) -> Gateway {
        self.try_start().await.unwrap_or_else(|why| panic!("the gateway does not start: {why}"))
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            // Waiting is not allowed on the test's own runtime.
            runtime.shutdown_background();
        }
    }
}
