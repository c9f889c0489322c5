//! Who may answer after those that were decided on: the fallback of tasks and models, flattened when the world is
//! built. What would be asked and judged alike stands once, and no request has more than `MAX_CANDIDATES`.

use std::collections::{BTreeMap, BTreeSet};

use jackfield_core::config::{Config, Fallback, MAX_CANDIDATES, Route};
use jackfield_core::contract::Target;

/// What each task tries: its own model first, then its fallback, other tasks' unfolded.
pub(super) fn of_tasks(config: &Config) -> BTreeMap<String, Vec<Target>> {
    let routes = config.orchestrator().routes();
    routes.iter().rev().map(|route| (route.task.clone(), of_route(config, route))).collect()
}

/// The targets, and behind them what `orchestrator.fallback` has for the `decided` ones among them.
pub(super) fn with_fallback(config: &Config, decided: usize, mut targets: Vec<Target>) -> Vec<Target> {
    let more: Vec<Target> = targets
        .iter()
        .take(decided)
        .flat_map(|target| {
            let models = config.orchestrator().fallback_of(&target.model);
            models.iter().map(|model| Target { model: model.clone(), ..target.clone() })
        })
        .collect();
    let all = targets.drain(..).chain(more);
    let mut once = Vec::new();
    all.for_each(|target| add(config, &mut once, target));
    once
}

/// With a stack of its own: tasks may lead to tasks deeper than a thread's stack is.
fn of_route(config: &Config, route: &Route) -> Vec<Target> {
    let mut candidates = Vec::new();
    let mut unfolded: BTreeSet<&str> = BTreeSet::new();
    let first = Fallback::Task(route.task.clone());
    // Each with the row that it stands in.
    let mut next: Vec<(&Fallback, &Target)> = vec![(&first, &route.target)];
    while let Some((fallback, row)) = next.pop() {
        if candidates.len() == MAX_CANDIDATES {
            break;
        }
        match fallback {
            Fallback::Model(model) => {
                add(config, &mut candidates, Target { model: model.clone(), ..row.clone() });
            }
            Fallback::Task(task) => {
                let Some(route) = config.orchestrator().route(task) else { continue };
                if unfolded.insert(&route.task) {
                    add(config, &mut candidates, route.target.clone());
                    next.extend(route.fallback.iter().rev().map(|entry| (entry, &route.target)));
                }
            }
        }
    }
    candidates
}

fn add(config: &Config, candidates: &mut Vec<Target>, target: Target) {
    if candidates.len() < MAX_CANDIDATES && !candidates.iter().any(|there| alike(config, there, &target)) {
        candidates.push(target);
    }
}

/// Whether two would be asked the same, and their answers judged alike.
fn alike(config: &Config, one: &Target, other: &Target) -> bool {
    let checks = |target: &Target| {
        let route = target.task.as_deref().and_then(|task| config.orchestrator().route(task));
        route.map_or(&[][..], |route| &route.validators)
    };
    one.model == other.model && one.overrides == other.overrides && checks(one) == checks(other)
}

#[cfg(test)]
mod tests {
    use jackfield_core::contract::Overrides;

    use super::*;

    fn config(orchestrator: &str) -> Config {
        let models: String = (0..40).map(|n| format!("m{n}: {{ provider: sim }}, ")).collect();
        let text = format!(
            "providers: {{ sim: {{ kind: simulated }} }}\nmodels: {{ {models} }}\norchestrator:\n{orchestrator}"
        );
        Config::from_text("test", &text, &|_| None).unwrap_or_else(|report| panic!("{report}"))
    }

    fn names(targets: &[Target]) -> Vec<String> {
        let heat =
            |target: &Target| target.overrides.temperature.map(|t| format!("@{t}")).unwrap_or_default();
        targets.iter().map(|target| format!("{}{}", target.model, heat(target))).collect()
    }

    #[test]
    fn tasks_unfold_in_turn_and_nothing_stands_twice() {
        let config = config(
            "  routes:
    - { task: a, model: m0, temperature: 0.5, fallback: [task/b, m1, task/c, m0] }
    - { task: b, model: m2, fallback: [m3, task/c] }
    - { task: c, model: m2, temperature: 1, fallback: [m3] }
",
        );
        let tasks = of_tasks(&config);
        // The models of a route keep its settings; a task brings its own.
        assert_eq!(names(&tasks["a"]), ["m0@0.5", "m2", "m3", "m2@1", "m3@1", "m1@0.5"]);
        assert_eq!(names(&tasks["b"]), ["m2", "m3", "m2@1", "m3@1"]);
    }

    #[test]
    fn rows_that_ask_alike_and_judge_alike_are_one_and_others_are_not() {
        let config = config(
            "  routes:
    - { task: a, model: m0, validators: [not_empty], fallback: [task/b, task/c, task/d, task/e] }
    - { task: b, model: m0 }
    - { task: c, model: m0 }
    - { task: d, model: m0, result: json }
    - { task: e, model: m0, template: \"<${input}>\" }
",
        );
        let rows: Vec<_> = of_tasks(&config)["a"].iter().filter_map(|target| target.task.clone()).collect();
        assert_eq!(rows, ["a", "b", "d", "e"].map(std::sync::Arc::from));
    }

    #[test]
    fn models_fall_back_to_their_own_list_or_to_the_one_for_the_rest_and_lists_do_not_chain() {
        let config = config("  fallback: { m0: [m1], m1: [m2], m9: [], \"*\": [m5, m0] }\n");
        let of = |decided: &[&str]| {
            let targets: Vec<Target> = decided.iter().map(|model| Target::model(*model)).collect();
            names(&with_fallback(&config, targets.len(), targets))
        };
        assert_eq!(of(&["m0"]), ["m0", "m1"]);
        assert_eq!(of(&["m1"]), ["m1", "m2"]);
        assert_eq!(of(&["m9"]), ["m9"]);
        assert_eq!(of(&["m7"]), ["m7", "m5", "m0"]);
        assert_eq!(of(&["m0", "m7"]), ["m0", "m7", "m1", "m5"]);
        let warm = Target {
            overrides: Overrides { temperature: Some(0.5), ..Overrides::default() },
            ..Target::model("m0")
        };
        assert_eq!(
            names(&with_fallback(&config, 1, vec![warm, Target::model("m1")])),
            ["m0@0.5", "m1", "m1@0.5"]
        );
    }

    #[test]
    fn no_more_candidates_than_the_bound_however_tasks_multiply() {
        let routes: String = (0..40)
            .map(|n| {
                format!(
                    "    - {{ task: t{n}, model: m{n}, fallback: [{}] }}\n",
                    if n < 39 { format!("task/t{}", n + 1) } else { String::new() }
                )
            })
            .collect();
        let config = config(&format!("  routes:\n{routes}"));
        assert_eq!(of_tasks(&config)["t0"].len(), MAX_CANDIDATES);
        assert_eq!(names(&of_tasks(&config)["t38"]), ["m38", "m39"]);
    }
}
