//! `jackfield workflow list`: the workflows of the configuration.

use clap::Args;
use serde_json::{Value, json};

use jackfield_core::config::Workflow;

use crate::cli::{ConfigArg, Outcome, out};

#[derive(Args)]
pub(crate) struct ListArgs {
    #[command(flatten)]
    config: ConfigArg,
    /// Print the list as JSON
    #[arg(long)]
    json: bool,
}

pub(in crate::cli) fn run(args: &ListArgs) -> Outcome {
    let config = args.config.load()?;
    out::note(&format!("configuration: {}", config.source()));
    let workflows = config.workflows();
    if args.json {
        let described: Vec<Value> = workflows.values().map(|workflow| workflow.describe()).collect();
        return out::line(&format!("{:#}", json!({ "workflows": described })));
    }
    if workflows.is_empty() {
        return out::line(&"no workflow is declared; see `workflows:` in the configuration");
    }
    let mut table = out::table(&["name", "steps", "inputs", "USD a run", "description"]);
    for workflow in workflows.values() {
        table.add_row(row(workflow));
    }
    out::line(&table)
}

fn row(workflow: &Workflow) -> [String; 5] {
    let names: Vec<&str> = workflow.inputs.keys().map(String::as_str).collect();
    [
        workflow.name.clone(),
        workflow.steps.len().to_string(),
        if names.is_empty() { "any".to_owned() } else { names.join(", ") },
        workflow.budget.map_or_else(|| "-".to_owned(), |budget| budget.to_string()),
        workflow.description.clone().unwrap_or_default(),
    ]
}
