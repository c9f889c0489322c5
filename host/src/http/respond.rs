//! Answers as HTTP. The one place where a fault becomes a status.

use axum::body::Body;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER};
use axum::http::{HeaderName, HeaderValue, Response, StatusCode};

use jackfield_core::base::RequestId;
use jackfield_core::contract::{Dialect, Fault, FaultKind};
use jackfield_dialect::client;
use jackfield_gateway::pipeline::Head;

/// Our name for the request's id, and where OpenAI's and Anthropic's packages look for it: it is what they show people who
/// ask what became of a request.
const REQUEST_IDS: [HeaderName; 3] = [
    HeaderName::from_static("x-jackfield-request-id"),
    HeaderName::from_static("x-request-id"),
    HeaderName::from_static("request-id"),
];
const MODEL: HeaderName = HeaderName::from_static("x-jackfield-model");
const ROUTE: HeaderName = HeaderName::from_static("x-jackfield-route");
const REASON: HeaderName = HeaderName::from_static("x-jackfield-reason");
const ATTEMPTS: HeaderName = HeaderName::from_static("x-jackfield-attempts");
const SCORE: HeaderName = HeaderName::from_static("x-jackfield-score");
const CACHE: HeaderName = HeaderName::from_static("x-jackfield-cache");
/// Of whole answers: what a stream costs is known at its end.
const COST: HeaderName = HeaderName::from_static("x-jackfield-cost-usd");
const OVERHEAD: HeaderName = HeaderName::from_static("x-jackfield-overhead-us");

/// The longest text put into a header, in bytes.
const MAX_HEADER_TEXT: usize = 256;

/// The status with which a provider says that it is overloaded: Anthropic's own.
const OVERLOADED: u16 = 529;

/// The status of a fault.
pub(super) fn status(kind: FaultKind) -> StatusCode {
    use FaultKind as K;
    match kind {
        K::MalformedBody
        | K::InvalidRequest
        | K::UnknownTask
        | K::Unsupported
        | K::RejectedInvalid
        | K::UpstreamRefused
        | K::ContextLength => StatusCode::BAD_REQUEST,
        K::Unauthenticated | K::InvalidToken => StatusCode::UNAUTHORIZED,
        // Asking again changes nothing about either.
        K::BudgetExceeded | K::PriceUnknown => StatusCode::PAYMENT_REQUIRED,
        K::ModelNotAllowed | K::RejectedForbidden | K::HostNotAllowed => StatusCode::FORBIDDEN,
        K::UnknownPath
        | K::UnknownModel
        | K::UnknownPlugin
        | K::UnknownRequest
        | K::UnknownWorkflow
        | K::UnknownRun => StatusCode::NOT_FOUND,
        K::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
        K::NothingToRollBack | K::NothingToPromote | K::RunConflict | K::RunEnded => StatusCode::CONFLICT,
        K::BodyTimeout => StatusCode::REQUEST_TIMEOUT,
        K::BodyTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
        K::UnsupportedMediaType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
        K::RejectedRateLimited | K::UpstreamRateLimited => StatusCode::TOO_MANY_REQUESTS,
        K::RejectedUnavailable | K::StateUnavailable | K::Overloaded | K::Stopping => {
            StatusCode::SERVICE_UNAVAILABLE
        }
        // Our key or our provider's trouble is never the client's 401.
        K::UpstreamAuth
        | K::UpstreamFailed
        | K::UpstreamUnreachable
        | K::UpstreamBroken
        | K::AnswerRejected
        | K::ProviderDisabled => StatusCode::BAD_GATEWAY,
        // The request is well-formed, and what it leads to cannot be done.
        K::StepFailed => StatusCode::UNPROCESSABLE_ENTITY,
        K::UpstreamTimeout | K::WorkflowTimeout => StatusCode::GATEWAY_TIMEOUT,
        K::PluginFailed | K::Internal => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

/// The status of a fault for a client of this API. A provider that is overloaded has a status of its own in Anthropic's, by
/// which its packages know to wait and ask again; elsewhere that is a service that is not available.
fn status_for(dialect: Dialect, fault: &Fault) -> StatusCode {
    if fault.kind != FaultKind::UpstreamFailed || fault.status != Some(OVERLOADED) {
        return status(fault.kind);
    }
    match dialect {
        Dialect::AnthropicMessages | Dialect::AnthropicCountTokens => {
            StatusCode::from_u16(OVERLOADED).unwrap_or(StatusCode::SERVICE_UNAVAILABLE)
        }
        Dialect::OpenAiChat | Dialect::OpenAiEmbeddings | Dialect::OpenAiResponses => {
            StatusCode::SERVICE_UNAVAILABLE
        }
    }
}

/// JSON with a status.
pub(crate) fn json(status: StatusCode, body: impl Into<Body>) -> Response<Body> {
    let mut response = Response::new(body.into());
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

/// A stream of server-sent events.
pub(super) fn events(body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    response
}

/// A fault in the client's dialect. A provider's own refusal in that dialect is passed on as it came.
pub(crate) fn fault(dialect: Dialect, id: RequestId, fault: &Fault) -> Response<Body> {
    let mut response = match &fault.upstream {
        Some(answer) => {
            let status = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::BAD_GATEWAY);
            let mut response = json(status, answer.body.clone());
            if let Some(content_type) =
                answer.content_type.as_deref().and_then(|t| HeaderValue::from_str(t).ok())
            {
                response.headers_mut().insert(CONTENT_TYPE, content_type);
            }
            response
        }
        None => json(status_for(dialect, fault), client(dialect).error(fault)),
    };
    if let Some(wait) = fault.retry_after {
        let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
        response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds));
    }
    put_id(&mut response, id);
    response
}

/// Says in headers who answered, who decided and what it took. `streams`: the answer has only begun.
pub(super) fn tell(response: &mut Response<Body>, head: &Head, streams: bool) {
    put_id(response, head.request_id);
    for (name, text) in [(MODEL, &head.model), (ROUTE, &head.route), (REASON, &head.reason)] {
        if let Some(text) = text {
            put(response, name, text);
        }
    }
    put(response, ATTEMPTS, &head.attempts.to_string());
    if let Some(score) = head.score {
        put(response, SCORE, &score.to_string());
    }
    if let Some(cache) = head.cache {
        put(response, CACHE, cache.name());
    }
    if let Some(cost) = head.cost.filter(|_| !streams) {
        put(response, COST, &cost.to_string());
    }
    put(response, OVERHEAD, &head.overhead.as_micros().to_string());
}

fn put_id(response: &mut Response<Body>, id: RequestId) {
    let id = id.to_string();
    for name in REQUEST_IDS {
        put(response, name, &id);
    }
}

/// Only visible ASCII goes into a header; anything else becomes `?`.
fn put(response: &mut Response<Body>, name: HeaderName, text: &str) {
    let visible = |c: char| (' '..='~').contains(&c);
    let value = if text.len() <= MAX_HEADER_TEXT && text.chars().all(visible) {
        HeaderValue::from_str(text)
    } else {
        let shown = text.chars().take(MAX_HEADER_TEXT).map(|c| if visible(c) { c } else { '?' });
        HeaderValue::from_str(&shown.collect::<String>())
    };
    if let Ok(value) = value {
        response.headers_mut().insert(name, value);
    }
}
