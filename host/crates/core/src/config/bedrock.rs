//! `kind: bedrock`: Amazon Bedrock, which is in a region and is asked with an API key, or with requests that are signed
//! with an AWS access key. One pair of those is taken: whoever has temporary ones puts new ones into the environment
//! and reloads.

use std::collections::BTreeMap;

use http::HeaderValue;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::base::Secret;

use super::findings::Located;
use super::pointer::Pointer;
use super::providers::{ApiKind, ApiProvider, RawApi};

/// Headers of these beginnings belong to the signature.
const SIGNED_HEADERS: &[&str] = &["x-amz-", "authorization"];
/// The longest region's name, as Bedrock's ARNs bound it.
const MAX_REGION: usize = 20;

/// Amazon Bedrock's Converse API.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawBedrock {
    /// The AWS region, for example `us-east-1`. May be left out with `base_url` and `api_key`.
    region: Option<String>,
    /// Where the API is. By default `https://bedrock-runtime.REGION.amazonaws.com`.
    base_url: Option<String>,
    /// The id of an access key, best as `${AWS_ACCESS_KEY_ID}`. If that variable is not set, the provider is disabled.
    access_key_id: Option<String>,
    /// Its secret, best as `${AWS_SECRET_ACCESS_KEY}`.
    secret_access_key: Option<String>,
    /// The token that belongs to temporary credentials, best as `${AWS_SESSION_TOKEN}`.
    session_token: Option<String>,
    /// A Bedrock API key, best as `${AWS_BEARER_TOKEN_BEDROCK}`, instead of an access key.
    api_key: Option<String>,
    /// More API keys. The first in order is used; when it is refused or told to slow down, the next takes over. One
    /// whose variable is not set is left out.
    #[serde(default)]
    api_keys: Vec<String>,
    /// Headers to send with every call.
    #[serde(default)]
    headers: BTreeMap<String, String>,
}

/// What requests to AWS are signed with.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct AwsSigning {
    /// The region that signatures are for.
    pub region: String,
    /// The access key's id. Shown in every request, and no secret; kept like one all the same.
    pub access_key_id: Secret,
    /// The access key's secret. Never sent.
    pub secret_access_key: Secret,
    /// What temporary credentials need besides.
    pub session_token: Option<Secret>,
}

impl AwsSigning {
    /// Everything that must not be repeated to anybody.
    pub fn secrets(&self) -> impl Iterator<Item = &Secret> {
        [&self.access_key_id, &self.secret_access_key].into_iter().chain(&self.session_token)
    }

    /// Adds what took effect, secrets as stars.
    pub(super) fn show(&self, shown: &mut Value) {
        shown["region"] = json!(self.region);
        shown["access_key_id"] = json!("***");
        shown["secret_access_key"] = json!("***");
        if self.session_token.is_some() {
            shown["session_token"] = json!("***");
        }
    }
}

impl RawBedrock {
    pub(super) fn check(&self, at: &Pointer, found: &mut Located<'_>) -> ApiProvider {
        let region = self.region.as_deref().filter(|region| check_region(region, &at.key("region"), found));
        let home = region.map(|region| format!("https://bedrock-runtime.{region}.amazonaws.com"));
        let raw = RawApi {
            base_url: self.base_url.clone().or(home),
            api_key: self.api_key.clone(),
            api_keys: self.api_keys.clone(),
            headers: self.headers.clone(),
            catalogue: None,
        };
        let mut api = raw.check(ApiKind::Bedrock, at, found);
        let signs = self.access_key_id.is_some() || self.secret_access_key.is_some();
        let shows = self.api_key.is_some() || !self.api_keys.is_empty();
        if self.region.is_none() && (self.base_url.is_none() || signs) {
            let message = "`region` is missing: it says where Bedrock is and what signatures are for";
            found.fault(at, message, "add the region of your models, for example `region: us-east-1`");
        }
        match (signs, shows) {
            (true, true) => {
                let place = if self.api_key.is_some() { "api_key" } else { "api_keys" };
                let message = "`access_key_id` and `api_key` exclude each other";
                found.key_fault(&at.key(place), message, "keep the access key or the Bedrock API key");
            }
            (false, false) => {
                let message = "Bedrock answers nobody without credentials";
                let hint = "add `access_key_id` and `secret_access_key`, or a Bedrock `api_key`";
                found.fault(at, message, hint);
            }
            (true, false) => {
                api.aws = self.signing(region, at, found);
                self.check_headers(&at.key("headers"), found);
            }
            (false, true) => {}
        }
        if !signs && self.session_token.is_some() {
            let message = "`session_token` belongs to an access key";
            found.key_fault(&at.key("session_token"), message, "add `access_key_id` and `secret_access_key`");
        }
        api
    }

    /// What to sign with; nothing when a variable is not set, which the caller tells.
    fn signing(&self, region: Option<&str>, at: &Pointer, found: &mut Located<'_>) -> Option<AwsSigning> {
        let mut credential = |name: &str, value: &Option<String>| -> Option<Secret> {
            let value = value.as_ref().filter(|value| !value.is_empty())?;
            if HeaderValue::from_str(value).is_err() {
                let hint = "check the variable it comes from";
                let message = format!("`{name}` is not one line of printable characters");
                found.fault(&at.key(name), message, hint);
            }
            Some(Secret::new(value.clone()))
        };
        let id = credential("access_key_id", &self.access_key_id);
        let secret = credential("secret_access_key", &self.secret_access_key);
        let session_token = credential("session_token", &self.session_token);
        let halves = [("access_key_id", &self.access_key_id), ("secret_access_key", &self.secret_access_key)];
        if let Some((name, _)) = halves.into_iter().find(|(_, value)| value.is_none()) {
            let message = format!("`{name}` is missing: an access key is its id and its secret");
            found.fault(at, message, format!("add `{name}`"));
        }
        let region = region.unwrap_or_default().to_owned();
        Some(AwsSigning { region, access_key_id: id?, secret_access_key: secret?, session_token })
    }

    fn check_headers(&self, at: &Pointer, found: &mut Located<'_>) {
        for name in self.headers.keys() {
            let lower = name.to_ascii_lowercase();
            if SIGNED_HEADERS.iter().any(|beginning| lower.starts_with(beginning)) {
                let message =
                    format!("the header `{name}` belongs to the signature, which the gateway makes");
                found.key_fault(&at.key(name), message, "remove it");
            }
        }
    }
}

fn check_region(region: &str, at: &Pointer, found: &mut Located<'_>) -> bool {
    let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    let good = !region.is_empty() && region.len() <= MAX_REGION && region.chars().all(fits);
    if !good {
        let message = format!("`{}` is not a region", region.escape_debug());
        found.fault(at, message, "write it as AWS does, for example `us-east-1`");
    }
    good
}
