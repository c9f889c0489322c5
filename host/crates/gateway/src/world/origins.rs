//! What each provider is, as a digest: an answer that is kept must not outlive a change of who gave it. Keys that are
//! rotated change nothing. Made once a world, and only where answers are kept.

use std::collections::BTreeMap;

use jackfield_core::config::{Config, ProviderKind};
use jackfield_store::cache::{CacheKey, KeyBuilder};

/// A digest of each provider's settings, by its name.
#[derive(Debug, Default)]
pub(crate) struct Origins(BTreeMap<String, CacheKey>);

impl Origins {
    pub(super) fn of(config: &Config) -> Self {
        if !config.orchestrator().cache().enabled {
            return Self::default();
        }
        let shown = config.to_value();
        let origin = |(name, provider): (&String, &jackfield_core::config::Provider)| {
            // What is shown hides the values of headers, and these may choose a project or a beta.
            let mut key = KeyBuilder::default().part("shown", shown["providers"][name].to_string());
            if let ProviderKind::Api(api) = provider.kind() {
                for (name, value) in &api.headers {
                    key = key.part(name.as_str(), value);
                }
            }
            (name.clone(), key.finish())
        };
        Self(config.providers().iter().map(origin).collect())
    }

    /// The digest of a provider's settings.
    pub(crate) fn get(&self, provider: &str) -> Option<&CacheKey> {
        self.0.get(provider)
    }
}
