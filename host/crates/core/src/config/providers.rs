//! `providers:` who answers for models: an API on the network, or the built-in simulation.
//! What only Amazon Bedrock has is in `bedrock.rs`.

use std::collections::{BTreeMap, BTreeSet};

use http::{HeaderName, HeaderValue};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::base::Secret;
use crate::catalogue::Vendor;

use super::azure::RawAzure;
use super::base_url::BaseUrl;
use super::bedrock::{AwsSigning, RawBedrock};
use super::environment::Keyless;
use super::findings::Located;
use super::pointer::Pointer;
use super::simulated::{self, ScriptedReply, SimulatedProvider};
use super::units::{Count, Period};

/// Headers that the adapter sets itself, or that belong to one connection.
const RESERVED_HEADERS: &[&str] = &[
    "connection",
    "content-length",
    "content-type",
    "host",
    "keep-alive",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// Where Google serves Gemini.
pub(super) const GEMINI_BASE_URL: &str = "https://generativelanguage.googleapis.com/v1beta";

/// Each may be tried for one request.
const MAX_KEYS: usize = 16;

/// One provider.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "lowercase", deny_unknown_fields)]
#[schemars(transform = super::schema::by_kind)]
#[schemars(rename = "Provider")]
pub(crate) enum RawProvider {
    /// An API that speaks Anthropic's Messages.
    Anthropic(RawApi),
    /// Azure OpenAI.
    Azure(RawAzure),
    /// Amazon Bedrock.
    Bedrock(RawBedrock),
    /// Google's Gemini.
    Gemini(RawApi),
    /// An API that speaks OpenAI's chat completions.
    OpenAi(RawApi),
    /// A provider inside the gateway that costs nothing: for trying out, tests and demonstrations.
    Simulated {
        /// How long it takes to begin an answer.
        #[serde(default = "default_latency")]
        latency: Period,
        /// How long it takes between two pieces of a streamed answer.
        #[serde(default = "default_chunk_latency")]
        chunk_latency: Period,
        /// The same seed gives the same answers.
        #[serde(default = "default_seed")]
        seed: Count,
        /// The share of calls that fail, 0 to 1.
        #[serde(default)]
        #[schemars(range(min = 0.0, max = 1.0))]
        failure_rate: f64,
        /// What is answered instead of an echo: the first that fits. For trying out what is made of an answer, such as the
        /// steps of a workflow.
        #[serde(default)]
        replies: Vec<ScriptedReply>,
    },
}

/// An API on the network.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawApi {
    /// Where the API is, up to the version: `https://api.openai.com/v1`. By default where its maker serves it.
    pub(super) base_url: Option<String>,
    /// The key, best as `${VARIABLE}`. If that variable is not set, the provider is disabled.
    pub(super) api_key: Option<String>,
    /// More keys. The first in order is used; when it is refused or told to slow down, the next takes over. One
    /// whose variable is not set is left out.
    #[serde(default)]
    pub(super) api_keys: Vec<String>,
    /// Headers to send with every call.
    #[serde(default)]
    pub(super) headers: BTreeMap<String, String>,
    /// Whose models these are: what the built-in catalogue knows about them then holds here. Left out: told by the
    /// host of `base_url`, so this is for a proxy in front of a vendor's API.
    pub(super) catalogue: Option<Vendor>,
}

fn default_latency() -> Period {
    Period::from_millis(20)
}

fn default_chunk_latency() -> Period {
    Period::from_millis(5)
}

fn default_seed() -> Count {
    Count::new(7)
}

/// One provider, checked.
#[derive(Clone, Debug)]
pub struct Provider {
    name: String,
    kind: ProviderKind,
    disabled: Option<String>,
}

/// What a provider is.
#[derive(Clone, Debug)]
pub enum ProviderKind {
    /// An API on the network.
    Api(ApiProvider),
    /// The built-in simulation.
    Simulated(SimulatedProvider),
}

/// What an API on the network speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ApiKind {
    /// Anthropic's Messages.
    Anthropic,
    /// OpenAI's chat completions, at the addresses of Azure.
    Azure,
    /// Amazon Bedrock's Converse.
    Bedrock,
    /// Google's Gemini.
    Gemini,
    /// OpenAI's chat completions.
    OpenAi,
}

impl ApiKind {
    /// The kind's name in configuration.
    pub fn name(self) -> &'static str {
        match self {
            Self::Anthropic => "anthropic",
            Self::Azure => "azure",
            Self::Bedrock => "bedrock",
            Self::Gemini => "gemini",
            Self::OpenAi => "openai",
        }
    }

    /// Where its maker serves it, up to the version, as its maker documents it. Azure has an address for every resource,
    /// and Bedrock one in each region: these are what they look like.
    pub(super) fn base_url(self) -> &'static str {
        match self {
            Self::Anthropic => "https://api.anthropic.com/v1",
            Self::Azure => "https://RESOURCE.openai.azure.com",
            Self::Bedrock => "https://bedrock-runtime.us-east-1.amazonaws.com",
            Self::Gemini => GEMINI_BASE_URL,
            Self::OpenAi => "https://api.openai.com/v1",
        }
    }

    /// Whose models it serves, wherever it is.
    fn vendor(self) -> Option<Vendor> {
        match self {
            Self::Anthropic => Some(Vendor::Anthropic),
            Self::Azure => Some(Vendor::Azure),
            Self::Bedrock => Some(Vendor::Bedrock),
            Self::Gemini => Some(Vendor::Gemini),
            Self::OpenAi => None,
        }
    }

    /// The header a key goes into: nobody else may set it.
    fn key_header(self) -> &'static str {
        match self {
            Self::Anthropic => "x-api-key",
            Self::Azure => "api-key",
            Self::Gemini => "x-goog-api-key",
            Self::Bedrock | Self::OpenAi => "authorization",
        }
    }
}

/// Where and how to call an API.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ApiProvider {
    /// What it speaks.
    pub kind: ApiKind,
    /// Where the API is.
    pub base_url: BaseUrl,
    /// The keys in order of preference: `api_key`, then `api_keys`. Empty: none is sent.
    pub api_keys: Vec<Secret>,
    /// What requests are signed with instead of showing a key.
    pub aws: Option<AwsSigning>,
    /// The version that every call names in its query, where the API has such.
    pub api_version: Option<String>,
    /// Headers to send with every call; their values are marked sensitive.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// Whose models these are; `None`: nobody's that the catalogue knows.
    pub vendor: Option<Vendor>,
}

impl ProviderKind {
    /// Whether nobody is answered there without a key.
    fn needs_key(&self) -> bool {
        matches!(self, Self::Api(ApiProvider { kind: ApiKind::Bedrock, .. }))
    }
}

impl ApiProvider {
    /// Whether there is anything to prove with who asks.
    fn has_key(&self) -> bool {
        !self.api_keys.is_empty() || self.aws.is_some()
    }
}

impl Provider {
    /// Checks all declared providers. Those in `keyless` name a variable that is not set.
    pub(crate) fn check_all(
        raw: &BTreeMap<String, RawProvider>,
        keyless: &[Keyless],
        found: &mut Located<'_>,
    ) -> BTreeMap<String, Self> {
        let all = Pointer::root().key("providers");
        let mut checked = BTreeMap::new();
        let mut by_provider: BTreeMap<&str, Vec<&Keyless>> = BTreeMap::new();
        for missing in keyless {
            by_provider.entry(&missing.provider).or_default().push(missing);
        }
        for (name, raw) in raw {
            let at = all.key(name);
            found.name(&at, "provider", name);
            let kind = raw.check(&at, found);
            let has_key = matches!(&kind, ProviderKind::Api(api) if api.has_key());
            let missing = by_provider.remove(name.as_str()).unwrap_or_default();
            for Keyless { variable, at, .. } in &missing {
                let message = match has_key {
                    true => format!("a key of the provider `{name}` is left out: `{variable}` is not set"),
                    false => format!("the provider `{name}` is disabled: `{variable}` is not set"),
                };
                found.warn(at, message, format!("set {variable} in the environment to use it"));
            }
            let mut disabled = missing.first().filter(|_| !has_key).map(|missing| no_key(&missing.variable));
            if !has_key && missing.is_empty() && kind.needs_key() {
                let message = format!("the provider `{name}` is disabled: its credentials are empty");
                found.warn(&at, message, "check where they come from");
                disabled = Some("its credentials are empty".to_owned());
            }
            checked.insert(name.clone(), Self { name: name.clone(), kind, disabled });
        }
        checked
    }

    /// The provider behind a family of well-known models, when nobody declared it.
    pub(crate) fn implied(
        name: &str,
        kind: ApiKind,
        base_url: BaseUrl,
        variable: &str,
        key: Option<Secret>,
    ) -> Self {
        let disabled = key.is_none().then(|| no_key(variable));
        let api_keys = key.into_iter().collect();
        let vendor = kind.vendor().or_else(|| Vendor::of_host(base_url.host()));
        let kind = ProviderKind::Api(ApiProvider {
            kind,
            base_url,
            api_keys,
            aws: None,
            api_version: None,
            headers: Vec::new(),
            vendor,
        });
        Self { name: name.to_owned(), kind, disabled }
    }

    /// The provider's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What it is.
    pub fn kind(&self) -> &ProviderKind {
        &self.kind
    }

    /// Why it cannot be called, if it cannot: its key's variable is not set.
    pub fn disabled(&self) -> Option<&str> {
        self.disabled.as_deref()
    }

    /// Whether this is the built-in simulation.
    pub fn is_simulated(&self) -> bool {
        matches!(self.kind, ProviderKind::Simulated(_))
    }

    /// Whose models it serves, as far as the catalogue knows them.
    pub fn vendor(&self) -> Option<Vendor> {
        match &self.kind {
            ProviderKind::Api(api) => api.vendor,
            ProviderKind::Simulated(_) => None,
        }
    }

    /// The provider as it took effect, secrets as stars.
    pub(crate) fn show(&self) -> Value {
        match &self.kind {
            ProviderKind::Api(api) => {
                let mut shown = json!({ "kind": api.kind.name(), "base_url": api.base_url.as_str() });
                if let Some(version) = &api.api_version {
                    shown["api_version"] = json!(version);
                }
                match api.api_keys.len() {
                    // So that what is shown loads again, as disabled as it is.
                    0 if self.kind.needs_key() && !api.has_key() => shown["api_key"] = json!(""),
                    0 => {}
                    1 => shown["api_key"] = json!("***"),
                    count => shown["api_keys"] = json!(vec!["***"; count]),
                }
                if let Some(aws) = &api.aws {
                    aws.show(&mut shown);
                }
                let headers: BTreeMap<&str, &str> =
                    api.headers.iter().map(|(n, _)| (n.as_str(), "***")).collect();
                if !headers.is_empty() {
                    shown["headers"] = json!(headers);
                }
                if let Some(vendor) = api.vendor.filter(|_| api.vendor != api.kind.vendor()) {
                    shown["catalogue"] = json!(vendor);
                }
                shown
            }
            ProviderKind::Simulated(sim) => json!({
                "kind": "simulated",
                "latency": Period::from(sim.latency),
                "chunk_latency": Period::from(sim.chunk_latency),
                "seed": sim.seed,
                "failure_rate": sim.failure_rate,
                "replies": sim.replies,
            }),
        }
    }
}

fn no_key(variable: &str) -> String {
    format!("its key's environment variable `{variable}` is not set")
}

impl RawProvider {
    fn check(&self, at: &Pointer, found: &mut Located<'_>) -> ProviderKind {
        match self {
            Self::Anthropic(raw) => ProviderKind::Api(raw.check(ApiKind::Anthropic, at, found)),
            Self::Azure(raw) => ProviderKind::Api(raw.check(at, found)),
            Self::Bedrock(raw) => ProviderKind::Api(raw.check(at, found)),
            Self::Gemini(raw) => ProviderKind::Api(raw.check(ApiKind::Gemini, at, found)),
            Self::OpenAi(raw) => ProviderKind::Api(raw.check(ApiKind::OpenAi, at, found)),
            Self::Simulated { latency, chunk_latency, seed, failure_rate, replies } => {
                ProviderKind::Simulated(SimulatedProvider {
                    latency: latency.get(),
                    chunk_latency: chunk_latency.get(),
                    seed: seed.get(),
                    failure_rate: *failure_rate,
                    replies: simulated::check(replies, &at.key("replies"), found),
                })
            }
        }
    }
}

impl RawApi {
    pub(super) fn check(&self, kind: ApiKind, at: &Pointer, found: &mut Located<'_>) -> ApiProvider {
        let Self { base_url, api_key, api_keys, headers, catalogue } = self;
        let base_url = BaseUrl::parse(base_url.as_deref().unwrap_or(kind.base_url())).unwrap_or_else(|e| {
            found.fault(
                &at.key("base_url"),
                format!("`base_url` {e}"),
                format!("write it like {}", kind.base_url()),
            );
            BaseUrl::unusable()
        });
        let api_keys = check_keys(api_key.as_deref(), api_keys, at, found);
        if !api_keys.is_empty() && base_url.is_exposed() {
            let hint = "use https, or an address of this machine";
            found.warn(&at.key("base_url"), "the key goes over the network unencrypted", hint);
        }
        let key_header = (!api_keys.is_empty()).then_some(kind.key_header());
        let headers = check_headers(headers, key_header, &at.key("headers"), found);
        let vendor = catalogue.or(kind.vendor()).or_else(|| Vendor::of_host(base_url.host()));
        ApiProvider { kind, base_url, api_keys, aws: None, api_version: None, headers, vendor }
    }
}

/// The keys in order of preference, without the empty ones: their variables are not set.
fn check_keys(first: Option<&str>, more: &[String], at: &Pointer, found: &mut Located<'_>) -> Vec<Secret> {
    let list = at.key("api_keys");
    let first = first.map(|key| (key, at.key("api_key")));
    let more = more.iter().enumerate().map(|(index, key)| (key.as_str(), list.index(index)));
    let mut keys = Vec::new();
    for (key, at) in first.into_iter().chain(more).filter(|(key, _)| !key.is_empty()) {
        if HeaderValue::from_str(key).is_err() {
            let hint = "a key is one line of printable characters; check the variable it comes from";
            found.fault(&at, "the key cannot be sent in a header", hint);
        }
        if keys.len() == MAX_KEYS {
            found.fault(&at, format!("a provider has at most {MAX_KEYS} keys"), "remove the rest");
            break;
        }
        keys.push(Secret::new(key.to_owned()));
    }
    keys
}

fn check_headers(
    raw: &BTreeMap<String, String>,
    key_header: Option<&str>,
    at: &Pointer,
    found: &mut Located<'_>,
) -> Vec<(HeaderName, HeaderValue)> {
    let mut headers = Vec::new();
    let mut seen = BTreeSet::new();
    for (name, value) in raw {
        let at = at.key(name);
        let lower = name.to_ascii_lowercase();
        if RESERVED_HEADERS.contains(&&*lower) || key_header == Some(&*lower) {
            found.key_fault(&at, format!("the gateway sets the header `{name}` itself"), "remove it");
            continue;
        }
        if !seen.insert(lower) {
            found.key_fault(
                &at,
                format!("the header `{name}` is there twice, in different cases"),
                "keep one of them",
            );
            continue;
        }
        match (HeaderName::from_bytes(name.as_bytes()), HeaderValue::from_str(value)) {
            (Ok(name), Ok(mut value)) => {
                value.set_sensitive(true);
                headers.push((name, value));
            }
            (Err(_), _) => found.key_fault(
                &at,
                format!("`{name}` is not a header's name"),
                "use letters, digits and `-`",
            ),
            (_, Err(_)) => {
                found.fault(
                    &at,
                    format!("the header `{name}` has a value that cannot be sent"),
                    "use one line of visible ASCII",
                );
            }
        }
    }
    headers
}
