//! A gateway whose configuration and state are files in a folder of its own, in front of a scripted provider.

use std::path::PathBuf;

use jackfield_tests::gateway::{Gateway, Setup};
use jackfield_tests::soon;
use jackfield_tests::upstream::Upstream;
use serde_json::Value;
use tempfile::TempDir;

use super::YAML;
use crate::admin::ask;

pub(super) struct Home {
    pub(super) dir: TempDir,
    pub(super) upstream: Upstream,
}

impl Home {
    /// A folder whose configuration has these lines, and those of `orchestrator`.
    pub(super) async fn new(lines: &str, orchestrator: &str) -> Self {
        let home = Self { dir: tempfile::tempdir().unwrap(), upstream: Upstream::start().await };
        home.write(lines, orchestrator);
        home
    }

    /// Writes another configuration.
    pub(super) fn write(&self, lines: &str, orchestrator: &str) {
        let yaml = YAML.replace("state: \":memory:\"\n", "");
        let yaml = format!(
            "{yaml}{lines}\norchestrator:\n  default_model: dear\n{orchestrator}\n\
             providers: {{ up: {{ kind: openai, base_url: \"{}\", api_key: sk-provider-4f0c1d9e7a52 }} }}\n\
             plugins: {{ dir: /nonexistent }}\n",
            self.upstream.base_url()
        );
        std::fs::write(self.dir.path().join("jackfield.yaml"), yaml).unwrap();
    }

    /// Starts it. One that was stopped just before lets go of the state's file when the last of its tasks is gone.
    pub(super) async fn start(&self) -> Gateway {
        let starting = async {
            loop {
                match Setup::file(&self.dir.path().join("jackfield.yaml")).try_start().await {
                    Ok(gateway) => return gateway,
                    Err(why) => assert!(why.contains("another process has it open"), "{why}"),
                }
            }
        };
        soon("the gateway to start", starting).await
    }

    /// The state's file, where nothing is said of it.
    pub(super) fn state(&self) -> PathBuf {
        self.dir.path().join("jackfield.db")
    }
}

/// What `GET /budgets` says.
pub(super) async fn budgets(gateway: &Gateway) -> Value {
    let reply = ask(gateway, "GET", "/budgets").await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    reply.json()
}

/// Waits until the one limit for everybody is this, and gives it as it stands.
pub(super) async fn until_limit(gateway: &Gateway, usd: f64) -> Value {
    let taken = async {
        loop {
            let all = budgets(gateway).await;
            let one = all["budgets"].as_array().unwrap().iter().find(|one| one["scope"] == "global").cloned();
            if let Some(one) = one.filter(|one| one["limit"].as_f64() == Some(usd)) {
                return one;
            }
        }
    };
    soon("the limit to be taken", taken).await
}
