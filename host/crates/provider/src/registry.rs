//! Every provider of a configuration, by name. Building one starts nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use jackfield_core::config::{ApiKind, Config, ModelTimeouts, ProviderKind};
use jackfield_core::contract::{Answer, BoxFuture, Call, Fault, FaultKind, Provider};

use crate::api::Api;
use crate::simulated::Simulated;
use crate::{anthropic, azure, bedrock, gemini, openai};

/// A provider could not be set up.
#[derive(Debug)]
pub struct RegistryError {
    provider: String,
    why: String,
}

impl RegistryError {
    pub(crate) fn new(provider: &str, why: impl std::fmt::Display) -> Self {
        Self { provider: provider.to_owned(), why: why.to_string() }
    }
}

impl std::fmt::Display for RegistryError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "set up the provider `{}`: {}", self.provider, self.why)
    }
}

impl std::error::Error for RegistryError {}

/// All providers of one configuration.
#[derive(Default)]
pub struct Registry {
    providers: BTreeMap<String, Arc<dyn Provider>>,
}

impl Registry {
    /// Sets up every provider the configuration names. Nothing connects yet.
    pub fn build(config: &Config) -> Result<Self, RegistryError> {
        let mut providers: BTreeMap<String, Arc<dyn Provider>> = BTreeMap::new();
        for (name, provider) in config.providers() {
            let built: Arc<dyn Provider> = match (provider.disabled(), provider.kind()) {
                (Some(why), _) => Arc::new(Disabled { name: name.to_owned(), why: why.to_owned() }),
                (None, ProviderKind::Api(settings)) => {
                    let kind = match settings.kind {
                        ApiKind::Anthropic => anthropic::kind(),
                        ApiKind::Azure => azure::kind(settings.api_version.is_some()),
                        ApiKind::Bedrock => bedrock::kind(settings),
                        ApiKind::Gemini => gemini::kind(),
                        ApiKind::OpenAi => openai::kind(),
                    };
                    Arc::new(Api::build(name, kind, settings, connect_deadlines(config, name).into_iter())?)
                }
                (None, ProviderKind::Simulated(settings)) => Arc::new(Simulated::new(name, settings.clone())),
            };
            providers.insert(name.to_owned(), built);
        }
        Ok(Self { providers })
    }

    /// The provider of this name.
    pub fn get(&self, name: &str) -> Option<Arc<dyn Provider>> {
        self.providers.get(name).cloned()
    }
}

/// The connect deadlines of a provider's models, and the default's for models nobody declared.
fn connect_deadlines(config: &Config, provider: &str) -> BTreeSet<Duration> {
    let declared = config.models().filter(|m| m.provider == provider).map(|m| m.timeouts.connect);
    declared.chain([ModelTimeouts::default().connect]).collect()
}

/// A provider without its key: an error when it is used, not before.
struct Disabled {
    name: String,
    why: String,
}

impl Provider for Disabled {
    fn name(&self) -> &str {
        &self.name
    }

    fn call(&self, _call: Call) -> BoxFuture<'_, Result<Answer, Fault>> {
        let message = format!("the provider `{}` is disabled: {}", self.name, self.why);
        Box::pin(std::future::ready(Err(Fault::new(FaultKind::ProviderDisabled, message))))
    }
}
