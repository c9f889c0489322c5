//! `jackfield workflow run NAME`: one run through a running gateway, its steps told as they go.

use std::io::Read;
use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::{Value, json};

use super::follow::follow;
use super::gateway::GatewayArgs;
use crate::cli::{Failed, Outcome, runtime};

/// The largest input read, in bytes. The gateway has its own bound for what it is sent.
const MAX_INPUT: u64 = 64 << 20;

#[derive(Args)]
pub(crate) struct RunArgs {
    /// The workflow
    name: String,
    /// The input: a file of JSON or of text; - reads it from standard input
    #[arg(long, value_name = "FILE")]
    input: Option<PathBuf>,
    /// Print the run's record as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    gateway: GatewayArgs,
}

pub(in crate::cli) fn run(args: &RunArgs) -> Outcome {
    let client = args.gateway.client()?;
    let input = args.input.as_deref().map(read).transpose()?.unwrap_or_default();
    let body = json!({ "input": input, "stream": true });
    let path = format!("/v1/workflows/{}/runs", args.name);
    runtime(false)?.block_on(follow(&client, &path, &body, args.json))
}

/// JSON where it is some, else a text.
fn read(path: &Path) -> Result<Value, Failed> {
    let mut text = String::new();
    let read = match path.as_os_str() == "-" {
        true => std::io::stdin().take(MAX_INPUT + 1).read_to_string(&mut text),
        false => {
            std::fs::File::open(path).and_then(|file| file.take(MAX_INPUT + 1).read_to_string(&mut text))
        }
    };
    read.map_err(|error| Failed(format!("error: read the input {}: {error}", path.display())))?;
    if text.len() as u64 > MAX_INPUT {
        return Err(Failed(format!(
            "error: the input {} is larger than {} MiB",
            path.display(),
            MAX_INPUT >> 20
        )));
    }
    Ok(serde_json::from_str(&text).unwrap_or(Value::String(text)))
}
