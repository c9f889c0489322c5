//! `jackfield workflow resume ID`: goes on with a run that broke off; what it has paid for is not paid for again.

use clap::Args;
use serde_json::json;

use super::follow::{fault, follow};
use super::gateway::GatewayArgs;
use crate::cli::{Outcome, runtime};

#[derive(Args)]
pub(crate) struct ResumeArgs {
    /// The run's id: `run_…`
    id: String,
    /// Print the run's record as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    gateway: GatewayArgs,
}

pub(in crate::cli) fn run(args: &ResumeArgs) -> Outcome {
    let client = args.gateway.client()?;
    runtime(false)?.block_on(async {
        let found = client.send(&format!("/v1/runs/{}", args.id), None).await?;
        if !found.status.is_success() {
            return Err(fault(&found.json()));
        }
        let record = found.json();
        let workflow = record["workflow"].as_str().unwrap_or_default();
        let path = format!("/v1/workflows/{workflow}/runs/{}/resume", args.id);
        follow(&client, &path, &json!({ "stream": true }), args.json).await
    })
}
