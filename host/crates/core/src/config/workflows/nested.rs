//! Workflows in workflows: all are there, none is inside itself, and there is a bottom.

use std::collections::BTreeMap;

use super::super::findings::Located;
use super::super::pointer::Pointer;
use super::super::suggest;
use super::MAX_NESTED;
use super::types::Workflow;

/// Checks every step that runs a workflow.
pub(super) fn check(all: &BTreeMap<String, Workflow>, at: &Pointer, found: &mut Located<'_>) {
    for (name, workflow) in all {
        for (index, step) in workflow.steps.iter().enumerate() {
            let Some(nested) = step.nested() else { continue };
            let at = at.key(name).key("steps").index(index).key("workflow");
            if !all.contains_key(nested) {
                let hint = suggest::undeclared(nested, "workflows", all.keys().map(String::as_str));
                found.fault(&at, format!("there is no workflow `{nested}`"), hint);
                continue;
            }
            match descend(nested, vec![name], all) {
                Found::Bottom => {}
                Found::Circle(names) => found.fault(
                    &at,
                    format!("workflows are inside each other in a circle: {}", names.join(" → ")),
                    "take one of them out of the other",
                ),
                Found::TooDeep => found.fault(
                    &at,
                    format!("workflows are nested more than {MAX_NESTED} deep"),
                    "put steps of the innermost into the one around it",
                ),
            }
        }
    }
}

enum Found<'a> {
    Bottom,
    Circle(Vec<&'a str>),
    TooDeep,
}

/// Goes down from `name`. No deeper than the bound, so its own recursion has one too.
fn descend<'a>(name: &'a str, mut path: Vec<&'a str>, all: &'a BTreeMap<String, Workflow>) -> Found<'a> {
    let closes = path.first() == Some(&name);
    let known = path.contains(&name);
    path.push(name);
    if known {
        // A circle further down is told where it begins.
        return if closes { Found::Circle(path) } else { Found::Bottom };
    }
    if path.len() > MAX_NESTED {
        return Found::TooDeep;
    }
    let mut seen: Vec<&str> = Vec::new();
    for nested in
        all.get(name).into_iter().flat_map(|workflow| workflow.steps.iter().filter_map(|step| step.nested()))
    {
        if seen.contains(&nested) {
            continue;
        }
        seen.push(nested);
        match descend(nested, path.clone(), all) {
            Found::Bottom => {}
            other => return other,
        }
    }
    Found::Bottom
}
