//! `fallback:` what is tried when a model fails: for each model under `orchestrator.fallback`, for one task in
//! its route. A route may also name other tasks: each brings its own model and its own fallback.
//!
//! Checked: every model and task is there, no task leads back to itself, no list is longer than is ever tried.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::findings::Located;
use super::names::Names;
use super::orchestrator::Route;
use super::pointer::Pointer;
use super::suggest;

/// What marks a task among models.
const TASK_PREFIX: &str = "task/";
/// The key for models that have no list of their own.
const THE_REST: &str = "*";

/// Candidates of one request, the first included. What a list has beyond is never tried, so it is refused.
pub const MAX_CANDIDATES: usize = 16;

/// Something to try instead.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fallback {
    /// This model.
    Model(String),
    /// What this task's route would try: its model, then its own fallback.
    Task(String),
}

/// What each model falls back to.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct ModelFallback(BTreeMap<String, Vec<String>>);

impl Fallback {
    pub(crate) fn parse(text: &str) -> Self {
        match text.strip_prefix(TASK_PREFIX) {
            Some(task) => Self::Task(task.to_owned()),
            None => Self::Model(text.to_owned()),
        }
    }

    /// The entry as it is written.
    pub fn show(&self) -> String {
        match self {
            Self::Model(model) => model.clone(),
            Self::Task(task) => format!("{TASK_PREFIX}{task}"),
        }
    }
}

impl ModelFallback {
    /// Checks `orchestrator.fallback`.
    pub(crate) fn check(
        raw: &BTreeMap<String, Vec<String>>,
        at: &Pointer,
        names: &mut Names<'_>,
        found: &mut Located<'_>,
    ) -> Self {
        for (model, list) in raw {
            let at = at.key(model);
            if model != THE_REST {
                names.refer(model, &at, found);
            }
            check_length(list.len(), &at, found);
            for (index, entry) in list.iter().enumerate() {
                let at = at.index(index);
                match Fallback::parse(entry) {
                    Fallback::Model(model) => names.refer(&model, &at, found),
                    Fallback::Task(task) => found.fault(
                        &at,
                        format!("a model cannot fall back to the task `{task}`"),
                        "name a model here; a route's own `fallback` may name tasks",
                    ),
                }
            }
        }
        Self(raw.clone())
    }

    /// What this model falls back to: its own list, else the list for the rest.
    pub(crate) fn of(&self, model: &str) -> &[String] {
        self.0.get(model).or_else(|| self.0.get(THE_REST)).map_or(&[], Vec::as_slice)
    }

    /// The section as it took effect; `None` when there is nothing in it.
    pub(crate) fn show(&self) -> Option<Value> {
        (!self.0.is_empty()).then(|| json!(self.0))
    }
}

/// Checks the models of one route's list. Its tasks are checked when all routes are known.
pub(crate) fn check_route(
    raw: &[String],
    at: &Pointer,
    names: &mut Names<'_>,
    found: &mut Located<'_>,
) -> Vec<Fallback> {
    check_length(raw.len(), at, found);
    let parsed: Vec<Fallback> = raw.iter().map(|entry| Fallback::parse(entry)).collect();
    for (index, entry) in parsed.iter().enumerate() {
        if let Fallback::Model(model) = entry {
            names.refer(model, &at.index(index), found);
        }
    }
    parsed
}

/// Checks that the tasks which routes fall back to exist, and that none leads back to itself.
pub(crate) fn check_tasks(routes: &[Route], all: &Pointer, found: &mut Located<'_>) {
    let mut by_task: BTreeMap<&str, usize> = BTreeMap::new();
    for (index, route) in routes.iter().enumerate() {
        by_task.entry(&route.task).or_insert(index);
    }
    let mut leads_to: Vec<Vec<(usize, Pointer)>> = Vec::with_capacity(routes.len());
    for (index, route) in routes.iter().enumerate() {
        let at = all.index(index).key("fallback");
        let mut next = Vec::new();
        for (place, entry) in route.fallback.iter().enumerate() {
            let Fallback::Task(task) = entry else { continue };
            let at = at.index(place);
            match by_task.get(&**task) {
                Some(to) => next.push((*to, at)),
                None => {
                    let known = by_task.keys().copied();
                    let hint = match found.is_full() {
                        true => String::new(),
                        false => suggest::undeclared(task, "orchestrator.routes", known),
                    };
                    found.fault(&at, format!("there is no task `{task}`"), hint);
                }
            }
        }
        leads_to.push(next);
    }
    check_circles(routes, &leads_to, found);
}

/// Walks the tasks depth first, with a stack of its own: a file can hold more tasks than a thread's stack frames.
fn check_circles(routes: &[Route], leads_to: &[Vec<(usize, Pointer)>], found: &mut Located<'_>) {
    let mut done: BTreeSet<usize> = BTreeSet::new();
    for start in 0..routes.len() {
        let mut path: Vec<(usize, usize)> = vec![(start, 0)];
        let mut on_path: BTreeSet<usize> = BTreeSet::from([start]);
        while let Some((task, place)) = path.last_mut() {
            let (here, step) = (*task, leads_to.get(*task).and_then(|next| next.get(*place)));
            *place += 1;
            match step {
                _ if done.contains(&here) => drop(leave(&mut path, &mut on_path)),
                None => {
                    done.insert(here);
                    leave(&mut path, &mut on_path);
                }
                Some((to, at)) if on_path.contains(to) => {
                    let from = path.iter().position(|(task, _)| task == to).unwrap_or(0);
                    let names = path.get(from..).unwrap_or_default().iter().map(|(task, _)| *task);
                    let circle: Vec<&str> = names.chain([*to]).map(|task| &*routes[task].task).collect();
                    found.fault(
                        at,
                        format!("tasks fall back to each other in a circle: {}", shown(&circle)),
                        "take one of them out of the other's `fallback`",
                    );
                }
                Some((to, _)) => {
                    on_path.insert(*to);
                    path.push((*to, 0));
                }
            }
        }
    }
}

fn leave(path: &mut Vec<(usize, usize)>, on_path: &mut BTreeSet<usize>) -> Option<usize> {
    let (task, _) = path.pop()?;
    on_path.remove(&task);
    Some(task)
}

fn shown(circle: &[&str]) -> String {
    match circle {
        [first, .., last] if circle.len() > 8 => {
            format!("{first} → … → {last}, over {} tasks", circle.len() - 1)
        }
        _ => circle.join(" → "),
    }
}

fn check_length(length: usize, at: &Pointer, found: &mut Located<'_>) {
    if length >= MAX_CANDIDATES {
        let most = MAX_CANDIDATES - 1;
        let message = format!(
            "{length} are more than are ever tried: a request has at most {MAX_CANDIDATES} candidates"
        );
        found.fault(at, message, format!("keep the best {most} or fewer"));
    }
}
