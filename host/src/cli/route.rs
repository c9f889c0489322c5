//! `jackfield route`: explains a decision without calling a provider.
//!
//! The world is the one `serve` would begin with, and the routers are really asked; only the attempt is left out, and
//! the model that would rate the prompt: what each of its ratings leads to is shown instead.

use std::path::PathBuf;

use clap::Args;
use comfy_table::{Cell, Table};
use serde_json::{Map, Value, json};

use jackfield_core::contract::{Fault, Overrides, Step, Target};
use jackfield_gateway::pipeline::{Explained, explain, fitted};
use jackfield_gateway::policy::Plan;
use jackfield_gateway::world::World;

use super::{ConfigArg, Failed, Outcome, engine, out, plan, request, runtime, tasks};
use crate::app;

#[derive(Args)]
#[command(group(clap::ArgGroup::new("request").required(true).multiple(true).args(["task", "file", "prompt"])))]
pub(super) struct RouteArgs {
    #[command(flatten)]
    config: ConfigArg,
    /// The task, as the header x-jackfield-task would name it
    #[arg(long)]
    task: Option<String>,
    /// A chat request as a client would send it, in JSON
    #[arg(long, value_name = "FILE", conflicts_with = "prompt")]
    file: Option<PathBuf>,
    /// The text of a single user message that names no model
    prompt: Option<String>,
    /// Print the decision as JSON
    #[arg(long)]
    json: bool,
}

/// A model that would be tried, and whether it can be.
struct Candidate {
    /// With the changes that are made for this model.
    target: Target,
    /// What its answer must be.
    answer: String,
    provider: String,
    disabled: Option<String>,
}

/// A rating that a prompt may get, what would be tried then, or why nothing would.
type Rating<'a> = (&'static str, Vec<Candidate>, Option<&'a Fault>);

pub(super) fn run(args: &RouteArgs) -> Outcome {
    let config = args.config.load()?;
    let source = config.source().to_string();
    let (from, body) = match &args.file {
        Some(path) => (path.display().to_string(), request::of_file(path, config.server().limits().body)?),
        // A task alone decides whatever the text is.
        None => ("the prompt".to_owned(), request::of_prompt(args.prompt.as_deref().unwrap_or_default())),
    };
    let incoming = request::incoming(&from, body, args.task.clone())?;
    runtime(false)?.block_on(async {
        let engine = engine::start(&config)?;
        let (world, plugins) =
            Box::pin(engine::watched(&engine, app::first_world(config, engine.clone()))).await?;
        for (file, reason) in &plugins.refused {
            out::note(&format!("warning: plugin {file}: {reason}"));
        }
        let explained = explain(&world, incoming).await;
        let candidates = candidates_of(&world, &explained.plan);
        let ratings: Vec<Rating<'_>> = explained
            .ratings
            .iter()
            .map(|(rating, plan)| (rating.name(), candidates_of(&world, plan), plan.as_ref().err()))
            .collect();
        match args.json {
            true => out::line(&format!("{:#}", to_json(&explained, &candidates, &ratings)))?,
            false => {
                out::note(&format!("configuration: {source}"));
                show(&explained, &candidates, &ratings)?;
            }
        }
        match explained.plan {
            Ok(_) => Ok(()),
            Err(fault) => {
                Err(Failed(format!("error: no model would be called: {fault} ({})", fault.kind.reason())))
            }
        }
    })
}

fn candidates_of(world: &World, plan: &Result<Plan, Fault>) -> Vec<Candidate> {
    match plan {
        Ok(Plan::Candidates(targets)) => targets.iter().map(|target| candidate(world, target)).collect(),
        _ => Vec::new(),
    }
}

fn candidate(world: &World, target: &Target) -> Candidate {
    let (mut target, answer) = (target.clone(), tasks::answer(world.config().orchestrator(), target));
    let Some(model) = world.models().get(&target.model) else {
        let disabled = Some("there is no such model".to_owned());
        return Candidate { target, answer, provider: String::new(), disabled };
    };
    // A result is enforced where it is not asked for.
    let answer_format = target.overrides.answer_format.take();
    target.overrides = Overrides { answer_format, ..fitted(&target.overrides, model.spec()) };
    let provider = model.spec().provider.clone();
    let disabled = world.config().providers().get(&provider).and_then(|p| p.disabled()).map(str::to_owned);
    Candidate { target, answer, provider, disabled }
}

fn show(explained: &Explained, candidates: &[Candidate], ratings: &[Rating<'_>]) -> Outcome {
    let facts = &explained.facts;
    out::line(&format!(
        "request: task {}, model {}, {} message(s), about {} input tokens\n",
        facts.task.as_deref().unwrap_or("none"),
        facts.request.model.as_deref().unwrap_or("auto"),
        facts.request.messages.len(),
        facts.request.estimated_input_tokens(),
    ))?;
    let mut asked = out::table(&["asked", "said", "why", "took"]);
    for step in explained.trail.steps() {
        match step {
            Step::Router { name, said, reason, micros, .. } => {
                asked.add_row([name.as_str(), said, reason, &format!("{micros} µs")]);
            }
            Step::RouterFault { name, fault, then } => {
                let why = format!("{}; on_error: {then}", fault.message);
                asked.add_row([name.as_str(), fault.kind.reason(), &why, ""]);
            }
            Step::Rated { model, .. } => {
                asked.add_row([model.as_str(), "not asked", "it would rate the prompt", ""]);
            }
            // Told below; the rest belongs to calls of models, and none is made.
            _ => {}
        }
    }
    match asked.row_count() {
        0 => out::line(&"no plugin router was asked")?,
        _ => out::line(&asked)?,
    }
    if let Some((by, why)) = explained.trail.decision() {
        out::line(&format!("\ndecided by {by}: {why}"))?;
    }
    match &explained.plan {
        Ok(Plan::Respond { router, text }) => out::line(&format!("{router} answers itself: {text:?}")),
        // What holds without a rating is one of the two.
        Ok(Plan::Candidates(_)) if !ratings.is_empty() => {
            for (rating, candidates, fault) in ratings {
                out::line(&format!("\nwhen rated {rating}:"))?;
                match fault {
                    None => out::line(&table(candidates))?,
                    Some(fault) => {
                        out::line(&format!("no model would be called: {fault} ({})", fault.kind.reason()))?;
                    }
                }
            }
            Ok(())
        }
        Ok(Plan::Candidates(_)) => out::line(&table(candidates)),
        Err(_) => Ok(()),
    }
}

fn table(candidates: &[Candidate]) -> Table {
    let mut table = out::table(&["candidate", "task", "changes", "answer", "provider", "enabled"]);
    for one in candidates {
        table.add_row(vec![
            Cell::new(&one.target.model),
            Cell::new(one.target.task.as_deref().unwrap_or_default()),
            Cell::new(plan::overrides(&one.target.overrides)),
            Cell::new(&one.answer),
            Cell::new(&one.provider),
            Cell::new(match &one.disabled {
                None => "yes".to_owned(),
                Some(why) => format!("no: {why}"),
            }),
        ]);
    }
    table
}

fn to_json(explained: &Explained, candidates: &[Candidate], ratings: &[Rating<'_>]) -> Value {
    let facts = &explained.facts;
    let steps: Vec<Value> = explained.trail.steps().iter().filter_map(step_json).collect();
    let ratings: Map<String, Value> = ratings
        .iter()
        .map(|(rating, candidates, fault)| {
            let shown = json!({ "candidates": candidates_json(candidates), "fault": fault.map(fault_json) });
            ((*rating).to_owned(), shown)
        })
        .collect();
    json!({
        "request": {
            "task": facts.task,
            "model": facts.request.model,
            "messages": facts.request.messages.len(),
            "estimated_input_tokens": facts.request.estimated_input_tokens(),
        },
        "steps": steps,
        "decision": explained.trail.decision().map(|(by, why)| json!({ "by": by, "why": why })),
        "candidates": candidates_json(candidates),
        "ratings": (!ratings.is_empty()).then_some(ratings),
        "answer": match &explained.plan {
            Ok(Plan::Respond { text, .. }) => Some(text),
            _ => None,
        },
        "fault": explained.plan.as_ref().err().map(fault_json),
    })
}

fn candidates_json(candidates: &[Candidate]) -> Vec<Value> {
    candidates
        .iter()
        .map(|one| {
            let mut shown = plan::target_json(&one.target);
            shown.insert("provider".into(), json!(one.provider));
            shown.insert("enabled".into(), json!(one.disabled.is_none()));
            shown.insert("disabled".into(), json!(one.disabled));
            Value::Object(shown)
        })
        .collect()
}

fn fault_json(fault: &Fault) -> Value {
    json!({ "reason": fault.kind.reason(), "message": fault.message })
}

fn step_json(step: &Step) -> Option<Value> {
    match step {
        Step::Router { name, said, reason, micros, .. } => {
            Some(json!({ "router": name, "said": said, "why": reason, "micros": micros }))
        }
        Step::Rated { model, why, .. } => Some(json!({ "rating_model": model, "why": why })),
        Step::RouterFault { name, fault, then } => Some(json!({
            "router": name, "fault": fault.kind.reason(), "message": fault.message, "on_error": then,
        })),
        _ => None,
    }
}
