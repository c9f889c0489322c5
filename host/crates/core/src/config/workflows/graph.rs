//! Which step waits for which, and that none waits for itself.

use std::collections::BTreeSet;

use super::super::findings::Located;
use super::reader::Needs;
use super::step::Step;

/// A circle longer than this is shown by its ends.
const SHOWN: usize = 8;

/// Tells every circle once, at the reference that closes it. Steps are few, and each is looked at once.
pub(super) fn check(steps: &[Step], needs: &[Needs], found: &mut Located<'_>) {
    let mut done: BTreeSet<usize> = BTreeSet::new();
    for start in 0..steps.len() {
        let mut path: Vec<(usize, Vec<usize>)> = vec![(start, next(start, needs))];
        while let Some((here, open)) = path.last_mut() {
            let here = *here;
            let Some(to) = open.pop().filter(|_| !done.contains(&here)) else {
                done.insert(here);
                path.pop();
                continue;
            };
            let Some(from) = path.iter().position(|(step, _)| *step == to) else {
                let further = next(to, needs);
                path.push((to, further));
                continue;
            };
            let Some(range) = needs.get(here).and_then(|needs| needs.get(&to)) else { continue };
            let circle: Vec<usize> =
                path.get(from..).unwrap_or_default().iter().map(|(step, _)| *step).collect();
            let (message, hint) = told(&circle, to, steps);
            found.fault_at(range.clone(), message, hint);
        }
    }
}

/// The last is looked at first: the order of the file is kept by turning it round.
fn next(step: usize, needs: &[Needs]) -> Vec<usize> {
    needs.get(step).map(|needs| needs.keys().rev().copied().collect()).unwrap_or_default()
}

fn told(circle: &[usize], to: usize, steps: &[Step]) -> (String, &'static str) {
    let name = |step: &usize| steps.get(*step).map_or("?", |step| &*step.name);
    if let [only] = circle {
        let hint =
            "a step has no output before it is over; in `repeat` and `refine`, `output` is the answer so far";
        return (format!("the step `{}` waits for itself", name(only)), hint);
    }
    let names: Vec<&str> = circle.iter().chain([&to]).map(name).collect();
    let shown = match &names[..] {
        [first, .., last] if circle.len() > SHOWN => {
            format!("{first} → … → {last}, over {} steps", circle.len())
        }
        names => names.join(" → "),
    };
    (format!("steps wait for each other in a circle: {shown}"), "take one of these references away")
}
