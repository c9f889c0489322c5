//! An API on the network: what a `Speech` says is sent there with one of our keys, and what comes back is read by it.
//! What differs between APIs beyond their speech, where it is and how a key is shown, is in the file of its kind.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use bytes::Bytes;
use http::header::{CONTENT_ENCODING, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use reqwest::{Method, Request, Response};

use jackfield_core::base::{Secret, excerpt};
use jackfield_core::config::ApiProvider;
use jackfield_core::contract::{Answer, BoxFuture, Call, Fault, FaultKind, KeyPick, Provider};
use jackfield_dialect::{Asked, Speech, Written, write};

use crate::base::Base;
use crate::bedrock::Signer;
use crate::classify::{ErrorAnswer, scrubbed, status_fault};
use crate::client::Clients;
use crate::keys::Keys;
use crate::registry::RegistryError;
use crate::stream::{self, Reading};

/// What is particular to one kind of API.
pub(crate) struct Kind {
    /// How it is spoken to.
    pub speech: &'static dyn Speech,
    /// Headers of every call besides the configured ones, which win.
    pub headers: &'static [(HeaderName, HeaderValue)],
    /// How it learns who asks.
    pub auth: Auth,
}

/// How an API learns who asks.
pub(crate) enum Auth {
    /// A key is shown: in which header, after which word.
    Key(HeaderName, &'static str),
    /// Each request is signed.
    Signature(Signer),
}

/// One API.
pub(crate) struct Api {
    name: Arc<str>,
    kind: Kind,
    base: Base,
    headers: HeaderMap,
    /// Those of them that are configured: no client's take their place.
    configured: Vec<HeaderName>,
    keys: Keys,
    /// What must not be repeated to anybody: the keys, and the values of configured headers.
    secrets: Arc<[Secret]>,
    clients: Arc<Clients>,
}

impl Api {
    pub(crate) fn build(
        name: &str,
        kind: Kind,
        settings: &ApiProvider,
        connect: impl Iterator<Item = Duration>,
    ) -> Result<Self, RegistryError> {
        let base = Base::of(&settings.base_url, settings.api_version.as_deref())
            .map_err(|e| RegistryError::new(name, format!("{}: {e}", settings.base_url.as_str())))?;
        let mut headers: HeaderMap = kind.headers.iter().cloned().collect();
        headers.extend(settings.headers.iter().map(|(name, value)| (Some(name.clone()), value.clone())));
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        let word = match &kind.auth {
            Auth::Key(_, word) => word,
            Auth::Signature(_) => "",
        };
        let shown = |key: &Secret| {
            let mut value = HeaderValue::from_str(&format!("{word}{}", key.expose()))
                .map_err(|_| RegistryError::new(name, "its api_key has characters no header can carry"))?;
            value.set_sensitive(true);
            Ok(value)
        };
        let keys = settings.api_keys.iter().map(shown).collect::<Result<_, _>>()?;
        let clients = Clients::build(name, connect).map_err(|e| RegistryError::new(name, e))?;
        Ok(Self {
            name: name.into(),
            kind,
            base,
            headers,
            configured: settings.headers.iter().map(|(name, _)| name.clone()).collect(),
            keys: Keys::new(keys),
            secrets: secrets_of(settings),
            clients: Arc::new(clients),
        })
    }

    async fn answer(&self, call: Call) -> Result<Answer, Fault> {
        let chat = &call.facts.request;
        let asked = Asked {
            request: chat,
            model_id: &call.model_id,
            overrides: &call.overrides,
            appended: &call.appended,
            max_output: call.max_output,
        };
        let speech = self.kind.speech;
        let (path, body, dropped) = match write(speech, &asked)? {
            Written::Call { path, body, dropped } => (path, body, dropped),
            Written::Known(reply) => {
                return Ok(Answer::Whole { reply, waited: Duration::ZERO, dropped: Vec::new() });
            }
        };
        let mut request = self.request(&path, body, call.key, SystemTime::now())?;
        self.pass(speech.passes(&asked), &call.facts.headers, request.headers_mut());
        let (timeouts, deadline) = (call.timeouts, call.deadline);
        let client = self.clients.get(&timeouts)?;
        let began = Instant::now();
        let mut response = self.clients.send(client, request, &timeouts, deadline).await?;
        let status = response.status().as_u16();
        if !(200..300).contains(&status) {
            let body = self.clients.read_error(&mut response, &timeouts, deadline).await;
            let header = |name: &str| Some(response.headers().get(name)?.to_str().ok()?.to_owned());
            let error = speech.error_with(&header, &body);
            let told = speech.retry_after(&body);
            let answer = ErrorAnswer { status, headers: response.headers(), body, error, told };
            let mut fault = status_fault(&self.name, &self.secrets, answer);
            if !speech.is_native(chat.dialect) {
                // The client could not read it.
                fault.upstream = None;
            }
            self.keys.failed(call.key, &call.model_id, &fault, Instant::now());
            return Err(fault);
        }
        self.keys.worked(call.key, &call.model_id);
        self.refuse_encoded(&response)?;
        if chat.stream {
            self.refuse_other_than(speech.stream_type(), &response)?;
            let waited = began.elapsed();
            let reading = Reading {
                clients: Arc::clone(&self.clients),
                provider: Arc::clone(&self.name),
                reader: speech.reader(&asked),
                response,
                timeouts,
                deadline,
                secrets: Arc::clone(&self.secrets),
            };
            return Ok(Answer::Stream { chunks: stream::chunks(reading), waited, dropped });
        }
        let body = self.clients.read(&mut response, &timeouts, deadline).await?;
        let waited = began.elapsed();
        let reply = speech.read(&asked, body).map_err(|fault| scrubbed(fault, &self.secrets))?;
        Ok(Answer::Whole { reply, waited, dropped })
    }

    /// The request as it is sent. `now` is what a signature is dated.
    fn request(
        &self,
        path: &str,
        body: Bytes,
        key: Option<usize>,
        now: SystemTime,
    ) -> Result<Request, Fault> {
        let mut request = Request::new(Method::POST, self.base.address(path));
        *request.headers_mut() = self.headers.clone();
        match (&self.kind.auth, self.keys.header(key)) {
            (Auth::Key(name, _), Some(key)) => drop(request.headers_mut().insert(name.clone(), key.clone())),
            (Auth::Key(..), None) => {}
            (Auth::Signature(signer), _) => signer.sign(&mut request, &body, now).map_err(|e| {
                Fault::new(FaultKind::Internal, format!("a request to `{}` was not signed: {e}", self.name))
            })?,
        }
        *request.body_mut() = Some(body.into());
        Ok(request)
    }

    /// Takes a client's headers along that belong to the API itself.
    fn pass(&self, names: &[&'static str], from: &HeaderMap, to: &mut HeaderMap) {
        for name in names.iter().map(|name| HeaderName::from_static(name)) {
            if self.configured.contains(&name) || !from.contains_key(&name) {
                continue;
            }
            to.remove(&name);
            for value in from.get_all(&name) {
                to.append(name.clone(), value.clone());
            }
        }
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

    fn refuse_other_than(&self, wanted: &str, response: &Response) -> Result<(), Fault> {
        let content_type = response.headers().get(CONTENT_TYPE).and_then(|v| v.to_str().ok()).unwrap_or("");
        if content_type.trim_start().to_ascii_lowercase().starts_with(wanted) {
            return Ok(());
        }
        let shown = excerpt(content_type, 64);
        let message = format!("`{}` was asked for a stream and answered with `{shown}`", self.name);
        Err(Fault::new(FaultKind::UpstreamBroken, message))
    }
}

/// Values of fewer bytes are no secrets, and would be found everywhere.
const MIN_SECRET: usize = 8;

fn secrets_of(settings: &ApiProvider) -> Arc<[Secret]> {
    let headers = settings.headers.iter().filter_map(|(_, value)| value.to_str().ok());
    let headers =
        headers.filter(|value| value.len() >= MIN_SECRET).map(|value| Secret::new(value.to_owned()));
    let signing = settings.aws.iter().flat_map(|aws| aws.secrets()).cloned();
    settings.api_keys.iter().cloned().chain(signing).chain(headers).collect()
}

impl Provider for Api {
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
