//! The task table: which model answers which task, what it is asked, what its answer must be, and what comes after it.

use comfy_table::Table;

use jackfield_core::config::Orchestrator;
use jackfield_core::contract::{AnswerFormat, Target};

use super::{out, plan};

/// The routes of a configuration, a row each. Nothing where there are none.
pub(super) fn table(orchestrator: &Orchestrator) -> Option<Table> {
    if orchestrator.routes().is_empty() {
        return None;
    }
    let mut table = out::table(&["task", "model", "changes", "answer", "fallback"]);
    for route in orchestrator.routes() {
        let fallback: Vec<String> = route.fallback.iter().map(|entry| entry.show()).collect();
        let (changes, answer) =
            (plan::overrides(&route.target.overrides), answer(orchestrator, &route.target));
        table.add_row([&route.task, &route.target.model, &changes, &answer, &fallback.join(", ")]);
    }
    Some(table)
}

/// What a target's answer must be, as `JSON by schema; not_empty, tone`; empty when it may be anything.
pub(super) fn answer(orchestrator: &Orchestrator, target: &Target) -> String {
    let result = match &target.overrides.answer_format {
        None => "",
        Some(AnswerFormat::Json) => "JSON",
        Some(AnswerFormat::Schema(_)) => "JSON by schema",
    };
    let row = target.task.as_deref().and_then(|task| orchestrator.route(task));
    let every = orchestrator.validators();
    let more = row.map_or(&[][..], |route| &route.validators).iter().filter(|rule| !every.contains(rule));
    let names: Vec<&str> = every.iter().chain(more).map(|rule| rule.name()).collect();
    [result.to_owned(), names.join(", ")]
        .into_iter()
        .filter(|part| !part.is_empty())
        .collect::<Vec<_>>()
        .join("; ")
}
