//! The conditions under which routers are asked: `plugins.settings.NAME.when`, over what is known of a request.
//!
//! Evaluated before a permit, an instance or the plugin's clock is taken. Bounded as every expression is. A condition that comes
//! to nothing (a header that is not there) is a failure of its router: `on_error` decides.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use jackfield_core::config::{Config, REQUEST};
use jackfield_core::contract::{Facts, PluginFault, PluginFaultKind};
use jackfield_core::expression::{Expression, Scope};

/// Every router's condition, by its name.
#[derive(Debug, Default)]
pub(super) struct Conditions(BTreeMap<String, Expression>);

/// What conditions see of one request; made when the first is asked.
#[derive(Default)]
pub(super) struct Seen(Option<Scope>);

impl Conditions {
    pub(super) fn new(config: &Config) -> Self {
        let named = config.plugins().named();
        Self(named.filter_map(|(name, settings)| Some((name.to_owned(), settings.when.clone()?))).collect())
    }

    /// Why this router is not to be asked, if it is not.
    ///
    /// # Errors
    /// Nobody can tell.
    pub(super) fn unmet(
        &self,
        router: &str,
        facts: &Facts,
        seen: &mut Seen,
    ) -> Result<Option<String>, PluginFault> {
        let Some(when) = self.0.get(router) else { return Ok(None) };
        let scope = seen.0.get_or_insert_with(|| scope(facts));
        let unclear = |message| PluginFault { kind: PluginFaultKind::Condition, message };
        match when.evaluate(scope) {
            Ok(Value::Bool(true)) => Ok(None),
            Ok(Value::Bool(false)) => Ok(Some(format!("its condition does not hold: {}", when.as_str()))),
            Ok(_) => Err(unclear(format!("its condition is neither true nor false: {}", when.as_str()))),
            Err(error) => Err(unclear(format!("its condition cannot be evaluated: {error}"))),
        }
    }
}

/// The names are those that the configuration is checked against.
fn scope(facts: &Facts) -> Scope {
    let Facts { request, caller, .. } = facts;
    let headers = facts
        .headers
        .iter()
        .filter_map(|(name, value)| Some((name.as_str().to_owned(), Value::from(value.to_str().ok()?))));
    let known = json!({
        "headers": headers.collect::<Map<String, Value>>(),
        "input_tokens": request.estimated_input_tokens(),
        "messages": request.messages.len(),
        "model": request.model,
        "project": caller.project,
        "prompt": request.last_user_text(),
        "step": facts.step.as_ref().map(|step| &step.step),
        "stream": request.stream,
        "task": facts.task,
        "tools": request.has_tools,
        "user": caller.user,
        "workflow": facts.step.as_ref().map(|step| &step.workflow),
    });
    let mut scope = Scope::new();
    scope.insert(REQUEST, known);
    scope
}
