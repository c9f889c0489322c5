//! A provider of kind `azure`: a resource of Azure OpenAI, whose address nobody else can know, and the version of its API.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::catalogue::Vendor;

use super::findings::Located;
use super::pointer::Pointer;
use super::providers::{ApiKind, ApiProvider, RawApi};

/// A resource of Azure OpenAI.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawAzure {
    /// The resource's address, without `/openai`: `https://RESOURCE.openai.azure.com`.
    base_url: String,
    /// A dated version of the API, for example `2024-10-21`: a model's id is then the name of its deployment. Without it,
    /// the v1 API is spoken.
    api_version: Option<String>,
    /// The key, best as `${VARIABLE}`. If that variable is not set, the provider is disabled.
    api_key: Option<String>,
    /// More keys. The first in order is used; when it is refused or told to slow down, the next takes over. One
    /// whose variable is not set is left out.
    #[serde(default)]
    api_keys: Vec<String>,
    /// Headers to send with every call.
    #[serde(default)]
    headers: BTreeMap<String, String>,
    /// Whose models these are, where not Azure's: what the built-in catalogue knows about them then holds here.
    catalogue: Option<Vendor>,
}

impl RawAzure {
    pub(super) fn check(&self, at: &Pointer, found: &mut Located<'_>) -> ApiProvider {
        let Self { base_url, api_version, api_key, api_keys, headers, catalogue } = self.clone();
        if base_url.trim_end_matches('/').split('/').skip(3).any(|segment| segment == "openai") {
            let message = "`base_url` goes on with `/openai`, which the gateway adds itself";
            let hint = format!("write it like {}", ApiKind::Azure.base_url());
            found.fault(&at.key("base_url"), message, hint);
        }
        if api_version.as_deref().is_some_and(|version| !is_dated(version)) {
            let message = "`api_version` is not a dated version of the API";
            let hint = "write it like 2024-10-21 or 2025-04-01-preview, or leave it out for the v1 API";
            found.fault(&at.key("api_version"), message, hint);
        }
        let raw = RawApi { base_url: Some(base_url), api_key, api_keys, headers, catalogue };
        ApiProvider { api_version, ..raw.check(ApiKind::Azure, at, found) }
    }
}

/// `2024-10-21`, with or without something like `-preview`.
fn is_dated(version: &str) -> bool {
    let (date, rest) = version.split_at_checked(10).unwrap_or((version, ""));
    let parts: Vec<&str> = date.split('-').collect();
    let is_date = matches!(parts[..], [year, month, day] if (year.len(), month.len(), day.len()) == (4, 2, 2))
        && parts.concat().bytes().all(|b| b.is_ascii_digit());
    is_date
        && (rest.is_empty()
            || rest.strip_prefix('-').is_some_and(|word| {
                !word.is_empty() && word.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
            }))
}
