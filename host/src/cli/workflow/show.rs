//! `jackfield workflow show NAME`: a workflow's inputs, its graph, and its steps in the order in which they can run.

use std::fmt::Write;

use clap::Args;

use jackfield_core::config::{Period, StepOutput, Workflow};

use super::graph::{Point, draw};
use crate::cli::{ConfigArg, Failed, Outcome, out};

#[derive(Args)]
pub(crate) struct ShowArgs {
    /// The workflow
    name: String,
    #[command(flatten)]
    config: ConfigArg,
    /// Print it as JSON
    #[arg(long)]
    json: bool,
}

pub(in crate::cli) fn run(args: &ShowArgs) -> Outcome {
    let config = args.config.load()?;
    out::note(&format!("configuration: {}", config.source()));
    let Some(workflow) = config.workflows().get(&args.name) else {
        let known: Vec<&str> = config.workflows().keys().map(String::as_str).collect();
        let hint = match known.is_empty() {
            true => "none is declared under `workflows`".to_owned(),
            false => format!("workflows: {}", known.join(", ")),
        };
        return Err(Failed(format!("error: there is no workflow `{}`\n  hint: {hint}", args.name)));
    };
    if args.json {
        return out::line(&format!("{:#}", workflow.describe()));
    }
    out::line(&head(workflow).trim_end())?;
    out::line(&format!("\n{}\n", drawn(workflow)))?;
    let mut table = out::table(&["wave", "step", "asks", "needs", "runs", "gives"]);
    for (wave, steps) in workflow.waves().iter().enumerate() {
        for index in steps {
            table.add_row(row(workflow, wave, *index));
        }
    }
    out::line(&table)
}

/// The graph, each step with its wave: those of one can run side by side.
fn drawn(workflow: &Workflow) -> String {
    let waves = workflow.waves();
    let order: Vec<(usize, usize)> = waves
        .iter()
        .enumerate()
        .flat_map(|(wave, steps)| steps.iter().map(move |step| (wave, *step)))
        .collect();
    let place = |step: usize| order.iter().position(|(_, other)| *other == step);
    let points = order.iter().filter_map(|(wave, index)| {
        let step = workflow.steps.get(*index)?;
        let needs = step.needs.iter().filter_map(|need| place(*need)).collect();
        Some(Point { label: format!("{}  {}", wave + 1, step.name), needs })
    });
    draw(&points.collect::<Vec<_>>())
}

fn head(workflow: &Workflow) -> String {
    let mut text = workflow.name.clone();
    // Writing into a string cannot fail.
    if let Some(description) = &workflow.description {
        let _ = write!(text, ": {description}");
    }
    let _ = writeln!(text);
    match workflow.inputs.is_empty() {
        true => drop(writeln!(text, "input: any JSON, or a text")),
        false => {
            for (name, input) in &workflow.inputs {
                let must = if input.required { ", required" } else { "" };
                let description = input.description.as_deref().map(|d| format!(": {d}")).unwrap_or_default();
                let _ = writeln!(text, "input {name} ({}{must}){description}", input.kind.name());
            }
        }
    }
    let budget = workflow.budget.map(|budget| format!("at most {budget} USD, ")).unwrap_or_default();
    let _ = writeln!(
        text,
        "a run: {budget}{}, {} calls at a time",
        Period::from(workflow.timeout),
        workflow.max_parallel
    );
    text
}

fn row(workflow: &Workflow, wave: usize, index: usize) -> [String; 6] {
    let Some(step) = workflow.steps.get(index) else { return Default::default() };
    let needs: Vec<&str> =
        step.needs.iter().filter_map(|need| workflow.steps.get(*need)).map(|step| &*step.name).collect();
    let gives = match &step.output {
        _ if step.nested().is_some() => "what it gives",
        StepOutput::Text => "text",
        StepOutput::Json { schema: Some(_) } => "json, by a schema",
        StepOutput::Json { schema: None } => "json",
    };
    let gives = if step.foreach.is_some() { format!("list of: {gives}") } else { gives.to_owned() };
    [
        (wave + 1).to_string(),
        step.name.to_string(),
        step.call.describe(),
        needs.join(", "),
        step.manner(),
        gives,
    ]
}
