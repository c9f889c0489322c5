//! `foreach` of a step: the list, the variable for its items, and how they are gone through.

use crate::expression::{Gives, is_identifier};

use super::super::findings::Located;
use super::super::task::RawResult;
use super::check::bounded;
use super::check_step::Checking;
use super::step::{Foreach, MAX_BATCH};
use super::{LOCALS, MAX_NAME, MAX_PARALLEL};

/// The variable of `foreach` when nothing is said.
const ITEM: &str = "item";

impl Checking<'_> {
    pub(super) fn foreach(&mut self, found: &mut Located<'_>) -> Option<Foreach> {
        let Some(over) = &self.raw.foreach else {
            let keys = [
                ("as", self.raw.variable.is_some()),
                ("max_parallel", self.raw.max_parallel.is_some()),
                ("batch", self.raw.batch.is_some()),
                ("sequential", self.raw.sequential),
            ];
            for (key, _) in keys.iter().filter(|(_, is_there)| *is_there) {
                let message = format!("`{key}` is for a step that goes through a list");
                found.key_fault(&self.at.key(key), message, "add `foreach: ${…}`, or remove it");
            }
            return None;
        };
        let variable = self.raw.variable.as_deref().unwrap_or(ITEM);
        self.variable(variable, found);
        let batch = self.raw.batch.map(|count| bounded(count, 2, MAX_BATCH, &self.at.key("batch"), found));
        if batch.is_some() && self.raw.output != Some(RawResult::Json) {
            let message = "a call for several items answers with a JSON list";
            found.key_fault(
                &self.at.key("batch"),
                message,
                "add `output: json`; `schema` is that of one item's output",
            );
        }
        for (key, is_there) in [("repeat", self.raw.repeat.is_some()), ("refine", self.raw.refine.is_some())]
        {
            if batch.is_some() && is_there {
                let message = format!("`{key}` is for one answer, and `batch` asks for several at once");
                found.key_fault(&self.at.key(key), message, "put it into a step of its own");
            }
        }
        let parallel = self.raw.max_parallel;
        let at = self.at.key("max_parallel");
        let max_parallel =
            parallel.map_or(self.max_parallel, |count| bounded(count, 1, MAX_PARALLEL, &at, found));
        if self.raw.sequential && parallel.is_some_and(|count| count.get() > 1) {
            let message = "one item after the other is not several at the same time";
            found.key_fault(&at, message, "remove `max_parallel`, or `sequential`");
        }
        let over = self.reader.reading(&[], &mut self.needs, found).expression_of(
            Gives::List,
            over,
            &self.at.key("foreach"),
        )?;
        let max_parallel = if self.raw.sequential { 1 } else { max_parallel };
        Some(Foreach {
            over,
            variable: variable.into(),
            max_parallel,
            batch,
            sequential: self.raw.sequential,
        })
    }

    fn variable(&self, name: &str, found: &mut Located<'_>) {
        let said = self.raw.variable.is_some();
        let at = self.at.key(if said { "as" } else { "foreach" });
        let shown = crate::base::excerpt(name, MAX_NAME);
        if !is_identifier(name) || name.len() > MAX_NAME || (said && LOCALS.contains(&name)) {
            let hint = format!(
                "use letters, digits and `_`, none of CEL's own words, and none of {}",
                LOCALS.join(", ")
            );
            found.fault(&at, format!("`{shown}` cannot be a variable"), hint);
        } else if self.reader.steps.contains(&name) {
            let message = format!("the variable `{shown}` is also the name of a step");
            found.fault(&at, message, "give the variable another name with `as`");
        }
    }
}
