//! Tells a webhook: one POST of JSON, bounded in time. Whoever tells decides what, how often, and when to give up.

use std::time::Duration;

use bytes::Bytes;
use reqwest::Client;
use reqwest::header::CONTENT_TYPE;
use reqwest::redirect::Policy;

/// How long connecting may take.
const CONNECT: Duration = Duration::from_secs(5);
/// How long one telling may take, answer included.
const WHOLE: Duration = Duration::from_secs(10);

/// A client for webhooks.
#[derive(Clone, Debug)]
pub struct WebhookClient(Client);

impl WebhookClient {
    /// A client; nothing connects yet. Fails where the system has no randomness or no certificates.
    pub fn build() -> Result<Self, String> {
        let client = Client::builder()
            .connect_timeout(CONNECT)
            .timeout(WHOLE)
            // What is told stays with whom it was meant for.
            .redirect(Policy::none())
            .user_agent(concat!("jackfield/", env!("CARGO_PKG_VERSION")))
            .build();
        client.map(Self).map_err(|error| error.to_string())
    }

    /// Sends it once. The error has no word of the address, which may hold a secret.
    pub async fn post(&self, address: &str, json: Bytes) -> Result<(), String> {
        let sent = self.0.post(address).header(CONTENT_TYPE, "application/json").body(json).send().await;
        match sent {
            Ok(answer) if answer.status().is_success() => Ok(()),
            Ok(answer) => Err(format!("it answered {}", answer.status())),
            Err(error) if error.is_timeout() => Err(format!("it did not answer within {WHOLE:?}")),
            Err(error) if error.is_connect() => Err("it cannot be reached".to_owned()),
            Err(error) => Err(error.without_url().to_string()),
        }
    }
}
