//! Which validators an answer is put through: those for every answer, those of the row it was tried for, and those the client
//! asks for.
//! A validator that is named and not loaded stands here as one that fails, so that its `on_error` decides.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use jackfield_core::base::{CompiledSchema, excerpt};
use jackfield_core::config::{Config, StreamMode, ValidatorOnError, ValidatorRule};
use jackfield_core::contract::{Ask, Completer, Exchange, Facts, Fault, PluginFault, PluginFaultKind};
use jackfield_core::telemetry::metrics::PluginSeries;

use super::Breaker;
use super::builtin::Builtin;
use super::check::Check;
use crate::world::World;

/// Names validators that an answer must pass besides those that are configured, separated by commas.
const HEADER: &str = "x-jackfield-validators";
/// Names taken from it.
const MAX_ADDED: usize = 16;

/// The name under which the schema of a request's own `response_format` is enforced.
pub(crate) const RESPONSE_FORMAT: &str = "response_format";

/// A validator and what to do when it fails.
#[derive(Clone)]
pub struct ValidatorSlot {
    /// The check.
    pub check: Check,
    /// What it does with an answer that comes as a stream. `Window` only where the check knows streams.
    pub mode: StreamMode,
    /// What becomes of an answer when the check itself fails.
    pub on_error: ValidatorOnError,
    /// Leaves it alone for a while when it keeps failing. None for what cannot come back by itself.
    pub breaker: Option<Arc<Breaker>>,
    /// Told when the breaker opens.
    pub opened: Arc<dyn Fn() + Send + Sync>,
    /// What is counted of a plugin that may ask models (the grant `llm`); `None` for one that may not.
    pub consults: Option<Arc<PluginSeries>>,
    /// Who asks models for it about the request at hand; `None` between requests.
    pub completer: Option<Arc<dyn Completer>>,
    /// What makes it this check and no other of its name: its bytes and settings, or its parameters.
    pub identity: Arc<str>,
}

/// The validators of one configuration.
pub(super) struct Validators {
    every: Vec<ValidatorSlot>,
    /// By task: what every answer must pass included.
    by_task: BTreeMap<String, Vec<ValidatorSlot>>,
    /// What a client may add, by name.
    by_name: BTreeMap<String, ValidatorSlot>,
}

impl ValidatorSlot {
    /// A check of the gateway's own, which never fails.
    fn builtin(builtin: Builtin) -> Self {
        let identity = builtin.identity().into();
        Self {
            check: Check::Whole(Arc::new(builtin)),
            mode: StreamMode::Hold,
            on_error: ValidatorOnError::Reject,
            breaker: None,
            opened: Arc::new(|| {}),
            consults: None,
            completer: None,
            identity,
        }
    }

    /// The check of a request's own `response_format`.
    pub(crate) fn response_format(schema: CompiledSchema) -> Self {
        Self::builtin(Builtin::new(RESPONSE_FORMAT, ValidatorRule::JsonSchema(Arc::new(schema))))
    }

    /// The check's name.
    pub(crate) fn name(&self) -> &str {
        self.check.name()
    }

    /// Lets it ask models about this request, if it may.
    pub(crate) fn equip(&mut self, world: &World, exchange: &Exchange) {
        let completer = |series| world.completer(exchange, self.check.name(), Some(series));
        self.completer = self.consults.as_ref().map(completer);
    }

    /// The question as it is put to this one.
    pub(crate) fn ask(&self, ask: &Ask) -> Ask {
        Ask { completer: self.completer.clone(), ..ask.clone() }
    }

    /// Whether it may be asked now, or is being left alone.
    pub(crate) fn allows(&self) -> Result<(), PluginFault> {
        match &self.breaker {
            Some(breaker) if !breaker.allows(Instant::now()) => {
                let message = "it failed too often of late and is left alone for a while".to_owned();
                Err(PluginFault { kind: PluginFaultKind::BreakerOpen, message })
            }
            _ => Ok(()),
        }
    }

    /// How it did on one answer: told once, when it is done with it or failed.
    pub(crate) fn did(&self, fault: Option<&PluginFault>) {
        let Some(breaker) = &self.breaker else { return };
        match fault.map(|fault| fault.kind) {
            None => breaker.succeeded(),
            // That the host is busy is not the check's failure, nor is being left alone.
            Some(PluginFaultKind::Overloaded | PluginFaultKind::BreakerOpen) => {}
            Some(_) => {
                if breaker.failed(Instant::now()) {
                    (self.opened)();
                }
            }
        }
    }
}

impl Validators {
    /// Puts the lists together. `plugins` are those that are loaded, by name.
    pub(super) fn new(plugins: &BTreeMap<String, ValidatorSlot>, config: &Config) -> Self {
        let slot = |rule: &ValidatorRule| slot_of(rule, plugins, config);
        let orchestrator = config.orchestrator();
        let every = orchestrator.validators();
        let mut by_name = BTreeMap::from([("not_empty".to_owned(), slot(&ValidatorRule::NotEmpty))]);
        let mut by_task = BTreeMap::new();
        for route in orchestrator.routes() {
            let more = route.validators.iter().filter(|rule| !every.contains(rule));
            by_task.insert(route.task.clone(), every.iter().chain(more).map(&slot).collect());
        }
        let rules = every.iter().chain(orchestrator.routes().iter().flat_map(|route| &route.validators));
        for rule in rules.filter(|rule| matches!(rule, ValidatorRule::Plugin(_))) {
            by_name.entry(rule.name().to_owned()).or_insert_with(|| slot(rule));
        }
        Self { every: every.iter().map(&slot).collect(), by_task, by_name }
    }

    /// What an answer must pass that was tried for this task's row, in order.
    pub(super) fn of_row(&self, task: Option<&str>) -> &[ValidatorSlot] {
        task.and_then(|task| self.by_task.get(task)).unwrap_or(&self.every)
    }

    /// What the client adds to that.
    pub(super) fn added(&self, facts: &Facts) -> Result<Vec<ValidatorSlot>, Fault> {
        if !facts.request.dialect.converses() && !added(&facts.headers)?.is_empty() {
            // There are no words to judge; who asks for it all the same is told.
            let message = format!("validators judge answers in words; leave the header '{HEADER}' out here");
            return Err(Fault::invalid(HEADER, message));
        }
        let mut slots: Vec<ValidatorSlot> = Vec::new();
        let names = added(&facts.headers)?;
        if !names.is_empty() && !facts.request.dialect.converses() {
            let message = format!("validators judge answers in words; leave the header '{HEADER}' out here");
            return Err(Fault::invalid(HEADER, message));
        }
        for name in names {
            let Some(slot) = self.by_name.get(name) else {
                let known: Vec<&str> = self.by_name.keys().map(String::as_str).collect();
                let shown = excerpt(name, 64);
                let message =
                    format!("there is no validator '{shown}' to add; there are: {}", known.join(", "));
                return Err(Fault::invalid(HEADER, message));
            };
            if !slots.iter().any(|there| there.name() == slot.name()) {
                slots.push(slot.clone());
            }
        }
        Ok(slots)
    }
}

/// What a rule asks.
pub(super) fn slot_of(
    rule: &ValidatorRule,
    plugins: &BTreeMap<String, ValidatorSlot>,
    config: &Config,
) -> ValidatorSlot {
    match rule {
        ValidatorRule::Plugin(name) => {
            let settings = config.plugins().settings(name);
            let missing = || missing(name, settings.validator_on_error, settings.stream);
            plugins.get(name).cloned().unwrap_or_else(missing)
        }
        rule => ValidatorSlot::builtin(Builtin::of(rule)),
    }
}

/// The names in the header.
fn added(headers: &http::HeaderMap) -> Result<Vec<&str>, Fault> {
    let mut names = Vec::new();
    for value in headers.get_all(HEADER) {
        let text = value
            .to_str()
            .map_err(|_| Fault::invalid(HEADER, format!("the header '{HEADER}' is not visible ASCII")))?;
        names.extend(text.split(',').map(str::trim).filter(|name| !name.is_empty()));
    }
    if names.len() > MAX_ADDED {
        let message = format!("the header '{HEADER}' names {} validators; at most {MAX_ADDED}", names.len());
        return Err(Fault::invalid(HEADER, message));
    }
    Ok(names)
}

/// A validator that is named and not loaded.
fn missing(name: &str, on_error: Option<ValidatorOnError>, mode: StreamMode) -> ValidatorSlot {
    // The configuration's check asks for a word; without one, nothing unchecked goes out.
    let on_error = on_error.unwrap_or(ValidatorOnError::Reject);
    ValidatorSlot {
        check: Check::missing(name, mode),
        mode,
        on_error,
        breaker: None,
        opened: Arc::new(|| {}),
        consults: None,
        completer: None,
        identity: "not loaded".into(),
    }
}
