//! A small HTTP client for talking to a gateway on this machine: plain HTTP/1.1, bounded, no key kept.

use std::net::SocketAddr;
use std::time::Duration;

use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Bytes;
use hyper::header::{AUTHORIZATION, CONTENT_TYPE};
use hyper::{Request, StatusCode};
use hyper_util::client::legacy::Client as Legacy;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::Value;

use super::Failed;

/// The largest answer read, in bytes.
const MAX_ANSWER: usize = 16 << 20;
/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// Talks to one gateway.
pub(super) struct Client {
    /// `http://HOST:PORT`, perhaps with the beginning of a path.
    base: String,
    http: Legacy<HttpConnector, Full<Bytes>>,
    /// In whose name.
    key: Option<String>,
}

/// A whole answer.
pub(super) struct Answer {
    pub status: StatusCode,
    headers: hyper::HeaderMap,
    pub body: Bytes,
}

impl Client {
    pub(super) fn new(at: SocketAddr) -> Self {
        Self::at(&format!("http://{at}"))
    }

    /// The same by a URL without a slash at its end.
    pub(super) fn at(base: &str) -> Self {
        Self { base: base.to_owned(), http: Legacy::builder(TokioExecutor::new()).build_http(), key: None }
    }

    /// The same in the name of whose key this is.
    pub(super) fn with_key(self, key: Option<String>) -> Self {
        Self { key, ..self }
    }

    /// Sends a request and reads its whole answer; a stream is read to its end.
    pub(super) async fn send(&self, path: &str, body: Option<&Value>) -> Result<Answer, Failed> {
        let uri = format!("{}{path}", self.base);
        let failed = |what: &str, why: &dyn std::fmt::Display| failed(what, &uri, why);
        let request = self.request(&uri, body)?;
        let exchange = async {
            let response = self.http.request(request).await.map_err(|e| failed("reach", &e))?;
            let (parts, body) = response.into_parts();
            let body = Limited::new(body, MAX_ANSWER).collect().await.map_err(|e| failed("read", &e))?;
            Ok(Answer { status: parts.status, headers: parts.headers, body: body.to_bytes() })
        };
        match tokio::time::timeout(PATIENCE, exchange).await {
            Ok(answer) => answer,
            Err(_) => Err(failed("wait for", &format!("no answer within {PATIENCE:?}"))),
        }
    }

    /// Sends a request and tells each event of its answer as it comes, for as long as they come. An answer that is no stream of
    /// events is returned.
    pub(super) async fn follow(
        &self,
        path: &str,
        body: &Value,
        mut told: impl FnMut(Value),
    ) -> Result<Option<Answer>, Failed> {
        let uri = format!("{}{path}", self.base);
        let response = self
            .http
            .request(self.request(&uri, Some(body))?)
            .await
            .map_err(|e| failed("reach", &uri, &e))?;
        let (parts, mut body) = response.into_parts();
        let events = parts.headers.get(CONTENT_TYPE).is_some_and(|kind| kind == "text/event-stream");
        if !events {
            let body =
                Limited::new(body, MAX_ANSWER).collect().await.map_err(|e| failed("read", &uri, &e))?;
            return Ok(Some(Answer { status: parts.status, headers: parts.headers, body: body.to_bytes() }));
        }
        let mut line = Vec::new();
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|e| failed("read", &uri, &e))?;
            for byte in frame.data_ref().into_iter().flatten() {
                if *byte != b'\n' {
                    if line.len() >= MAX_ANSWER {
                        return Err(failed(
                            "read",
                            &uri,
                            &format!("an event is larger than {MAX_ANSWER} bytes"),
                        ));
                    }
                    line.push(*byte);
                    continue;
                }
                let data = line.strip_prefix(b"data: ").and_then(|data| serde_json::from_slice(data).ok());
                line.clear();
                data.into_iter().for_each(&mut told);
            }
        }
        Ok(None)
    }

    fn request(&self, uri: &str, body: Option<&Value>) -> Result<Request<Full<Bytes>>, Failed> {
        let mut request = Request::builder().uri(uri);
        if let Some(key) = &self.key {
            request = request.header(AUTHORIZATION, format!("Bearer {key}"));
        }
        let request = match body {
            None => request.body(Full::default()),
            Some(json) => request
                .method("POST")
                .header(CONTENT_TYPE, "application/json")
                .body(Full::from(json.to_string())),
        };
        request.map_err(|e| failed("ask", uri, &e))
    }
}

fn failed(what: &str, uri: &str, why: &dyn std::fmt::Display) -> Failed {
    Failed(format!("error: {what} {uri}: {why}"))
}

impl Answer {
    /// A header's text; empty when it is not there.
    pub(super) fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|v| v.to_str().ok()).unwrap_or("")
    }

    /// The body as JSON; null when it is none.
    pub(super) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or(Value::Null)
    }

    /// The data of each event of a stream, the end marker left out.
    pub(super) fn events(&self) -> Vec<Value> {
        String::from_utf8_lossy(&self.body)
            .lines()
            .filter_map(|line| line.strip_prefix("data: "))
            .filter_map(|data| serde_json::from_str(data).ok())
            .collect()
    }
}
