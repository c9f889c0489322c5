//! APIs that speak OpenAI's chat completions: OpenAI itself and every compatible server.

use std::sync::Arc;
use std::time::{Duration, Instant};

use http::header::{AUTHORIZATION, CONTENT_ENCODING, CONTENT_TYPE, HeaderMap, HeaderValue};
use reqwest::{Method, Request, Response, Url};

use jackfield_core::base::{Secret, excerpt};
use jackfield_core::config::OpenAiProvider;
use jackfield_core::contract::{Answer, BoxFuture, Call, Fault, FaultKind, KeyPick, Provider};
use jackfield_dialect::openai::{Rewrite, parse_reply, rewrite_request};

use crate::classify::{scrubbed, status_fault};
use crate::client::Clients;
use crate::keys::Keys;
use crate::registry::RegistryError;
use crate::stream::{self, Events};

/// One API.
pub(crate) struct OpenAi {
    name: Arc<str>,
    url: Url,
    headers: HeaderMap,
    keys: Keys,
    /// What must not be repeated to anybody: the keys, and the values of configured headers.
    secrets: Arc<[Secret]>,
    clients: Arc<Clients>,
}

impl OpenAi {
    pub(crate) fn build(
        name: &str,
        settings: &OpenAiProvider,
        connect: impl Iterator<Item = Duration>,
    ) -> Result<Self, RegistryError> {
        let endpoint = settings.base_url.endpoint("chat/completions");
        let url = Url::parse(&endpoint).map_err(|e| RegistryError::new(name, format!("{endpoint}: {e}")))?;
        let mut headers: HeaderMap = settings.headers.iter().cloned().collect();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        let bearer = |key: &Secret| {
            let mut value = HeaderValue::from_str(&format!("Bearer {}", key.expose()))
                .map_err(|_| RegistryError::new(name, "its api_key has characters no header can carry"))?;
            value.set_sensitive(true);
            Ok(value)
        };
        let keys = settings.api_keys.iter().map(bearer).collect::<Result<_, _>>()?;
        let clients = Clients::build(name, connect).map_err(|e| RegistryError::new(name, e))?;
        Ok(Self {
            name: name.into(),
            url,
            headers,
            keys: Keys::new(keys),
            secrets: secrets_of(settings),
            clients: Arc::new(clients),
        })
    }

    async fn answer(&self, call: Call) -> Result<Answer, Fault> {
        let chat = &call.facts.request;
        let (overrides, appended) = (&call.overrides, &call.appended[..]);
        let rewrite = Rewrite { model_id: &call.model_id, overrides, appended };
        let mut request = Request::new(Method::POST, self.url.clone());
        *request.headers_mut() = self.headers.clone();
        if let Some(key) = self.keys.header(call.key) {
            request.headers_mut().insert(AUTHORIZATION, key.clone());
        }
        *request.body_mut() = Some(rewrite_request(chat, rewrite).into());
        let (timeouts, deadline) = (call.timeouts, call.deadline);
        let client = self.clients.get(&timeouts)?;
        let began = Instant::now();
        let mut response = self.clients.send(client, request, &timeouts, deadline).await?;
        let status = response.status().as_u16();
        if !(200..300).contains(&status) {
            let body = self.clients.read_error(&mut response, &timeouts, deadline).await;
            let fault = status_fault(&self.name, &self.secrets, status, response.headers(), body);
            self.keys.failed(call.key, &call.model_id, &fault, Instant::now());
            return Err(fault);
        }
        self.keys.worked(call.key, &call.model_id);
        self.refuse_encoded(&response)?;
        if chat.stream {
            self.refuse_other_than_events(&response)?;
            let waited = began.elapsed();
            let events = Events {
                clients: Arc::clone(&self.clients),
                provider: Arc::clone(&self.name),
                response,
                timeouts,
                deadline,
                secrets: Arc::clone(&self.secrets),
                hide_usage: !chat.include_usage,
            };
            return Ok(Answer::Stream { chunks: stream::chunks(events), waited });
        }
        let body = self.clients.read(&mut response, &timeouts, deadline).await?;
        let waited = began.elapsed();
        Ok(Answer::Whole {
            reply: parse_reply(body).map_err(|fault| scrubbed(fault, &self.secrets))?,
            waited,
        })
    }

    /// We never ask for compression; an answer that comes so is not readable.
    fn refuse_encoded(&self, response: &Response) -> Result<(), Fault> {
        match response.headers().get(CONTENT_ENCODING) {
            Some(encoding) if encoding != "identity" => {
                let message =
                    format!("`{}` compressed its answer ({encoding:?}) without being asked", self.name);
                Err(Fault::new(FaultKind::UpstreamBroken, message))
            }
            _ => Ok(()),
        }
    }

    fn refuse_other_than_events(&self, response: &Response) -> Result<(), Fault> {
        let content_type = response.headers().get(CONTENT_TYPE).and_then(|v| v.to_str().ok()).unwrap_or("");
        if content_type.trim_start().to_ascii_lowercase().starts_with("text/event-stream") {
            return Ok(());
        }
        let shown = excerpt(content_type, 64);
        let message = format!("`{}` was asked for a stream and answered with `{shown}`", self.name);
        Err(Fault::new(FaultKind::UpstreamBroken, message))
    }
}

/// Values of fewer bytes are no secrets, and would be found everywhere.
const MIN_SECRET: usize = 8;

fn secrets_of(settings: &OpenAiProvider) -> Arc<[Secret]> {
    let headers = settings.headers.iter().filter_map(|(_, value)| value.to_str().ok());
    let headers =
        headers.filter(|value| value.len() >= MIN_SECRET).map(|value| Secret::new(value.to_owned()));
    settings.api_keys.iter().cloned().chain(headers).collect()
}

impl Provider for OpenAi {
    fn name(&self) -> &str {
        &self.name
    }

    fn pick_key(&self, model_id: &str, tried: &[usize]) -> Option<KeyPick> {
        self.keys.pick(model_id, tried, Instant::now())
    }

    fn call(&self, call: Call) -> BoxFuture<'_, Result<Answer, Fault>> {
        Box::pin(self.answer(call))
    }
}
