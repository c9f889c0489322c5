//! The checked configuration: what every other room works with. It cannot hold nonsense.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use serde_json::{Value, json};

use crate::base::Secret;

use super::base_url::BaseUrl;
use super::document::Document;
use super::environment::{self, Replaced};
use super::families::{FAMILIES, Home, family_of};
use super::fault::Fault;
use super::findings::{Findings, Located};
use super::keys::Keys;
use super::models::ResolvedModel;
use super::names::{Known, Names};
use super::orchestrator::Orchestrator;
use super::plugins::Plugins;
use super::pointer::Pointer;
use super::prompt_files;
use super::providers::Provider;
use super::raw::RawConfig;
use super::report::Report;
use super::server::{OpenListen, Server};
use super::shared_state::SharedState;
use super::source::Source;
use super::state::State;
use super::telemetry::Telemetry;
use super::text::Text;
use super::workflows::{self, Workflow, Workflows};
use super::{secrets, shape, suggest, task};

/// The sections in the order people read them.
const SECTIONS: &[&str] = &[
    "server",
    "state",
    "shared_state",
    "providers",
    "models",
    "keys",
    "orchestrator",
    "plugins",
    "workflows",
    "telemetry",
];

/// One configuration file, checked as a whole. Immutable: a reload makes a new one.
#[derive(Clone, Debug)]
pub struct Config {
    source: Source,
    server: Server,
    state: State,
    providers: BTreeMap<String, Provider>,
    /// Declared and referred to, by name.
    models: BTreeMap<String, Arc<ResolvedModel>>,
    declared: BTreeSet<String>,
    keys: Keys,
    orchestrator: Orchestrator,
    plugins: Plugins,
    workflows: Workflows,
    telemetry: Telemetry,
    warnings: Vec<Fault>,
    /// The files that prompts are read from.
    files: Vec<PathBuf>,
    /// SHA-256 of the text and of those files'.
    fingerprint: [u8; 32],
    /// Values of plugins' own settings that came from the environment: not to be shown.
    hidden: BTreeSet<Pointer>,
}

impl Config {
    /// Checks a text. `name` is what faults call it; `environment` answers for `${NAME}`.
    pub fn from_text(
        name: &str,
        text: &str,
        environment: &dyn Fn(&str) -> Option<String>,
    ) -> Result<Self, Report> {
        Self::check(Source::Text(name.to_owned()), text, environment)
    }

    /// Checks a text from this source.
    pub(crate) fn check(
        source: Source,
        text: &str,
        environment: &dyn Fn(&str) -> Option<String>,
    ) -> Result<Self, Report> {
        let text = Arc::new(Text::new(&source.to_string(), text));
        let mut found = Findings::new(Arc::clone(&text));
        let Some(mut document) = Document::parse(&text, &mut found) else {
            return Err(found.into_report());
        };
        text.hide(secrets::in_document(&document, &text));
        let mut located = Located::new(&mut found, &document.places);
        let replaced = environment::replace(&mut document.value, environment, &mut located);
        let files = prompt_files::take_in(&mut document.value, &source, &mut located);
        let known = Known::of(&document.value);
        let raw = shape::read(&mut document, &replaced.unusable, &mut found);
        let mut located = Located::new(&mut found, &document.places);
        let written = &document.value["workflows"];
        let mut config = Self::assemble(source, &raw, written, &known, &replaced, environment, &mut located);
        config.warnings = found.finish().map_err(|report| report.reading(files.paths.clone()))?;
        config.files.clone_from(&files.paths);
        config.fingerprint = files.fingerprint(text.raw());
        Ok(config)
    }

    fn assemble(
        source: Source,
        raw: &RawConfig,
        written: &Value,
        known: &Known,
        replaced: &Replaced,
        environment: &dyn Fn(&str) -> Option<String>,
        found: &mut Located<'_>,
    ) -> Self {
        let mut names = Names::new(known);
        let mut providers = Provider::check_all(&raw.providers, &replaced.keyless, found);
        let declared = ResolvedModel::check_all(&raw.models, known, &providers, found);
        let keys = Keys::check(&raw.keys, &mut names, found);
        let mut orchestrator = Orchestrator::check(&raw.orchestrator, &keys, &mut names, found);
        let workflows = workflows::check_all(&raw.workflows, written, &orchestrator, &mut names, found);
        orchestrator.add_steps(&workflows);
        let server = Server::check(&raw.server, !raw.keys.is_empty(), found);
        let state =
            State::check(raw.state.as_deref(), raw.shared_state.as_ref(), orchestrator.budgets(), found);
        task::check_abilities(orchestrator.routes(), &declared, found);
        let plugins = Plugins::check(&raw.plugins, &orchestrator, environment, found);
        imply_providers(&mut providers, &names, known, environment, found);
        let mut models: BTreeMap<String, Arc<ResolvedModel>> =
            declared.into_iter().map(|(name, model)| (name, Arc::new(model))).collect();
        let declared = models.keys().cloned().collect();
        for (name, home, _) in names.well_known() {
            let Some(provider) = providers.get(home.provider) else { continue };
            models.insert(name.to_owned(), Arc::new(ResolvedModel::well_known(name, provider)));
        }
        if let Some(budgets) = orchestrator.budgets() {
            let place = |name: &str| match names.place(name) {
                Some(at) => at.clone(),
                None => Pointer::root().key("models").key(name),
            };
            let simulated =
                |model: &ResolvedModel| providers.get(&model.provider).is_none_or(Provider::is_simulated);
            let real = models.values().filter(|model| !simulated(model));
            budgets.warn_of_prices(real.map(|model| (&**model, place(&model.name))), found);
        }
        let of_plugins = |at: &&Pointer| at.as_str().starts_with("/plugins/settings/");
        let hidden = replaced.from_environment.iter().filter(of_plugins).cloned().collect();
        let (telemetry, warnings) = (raw.telemetry, Vec::new());
        Self {
            source,
            server,
            state,
            providers,
            models,
            declared,
            keys,
            orchestrator,
            plugins,
            workflows,
            telemetry,
            warnings,
            files: Vec::new(),
            fingerprint: [0; 32],
            hidden,
        }
    }

    /// The files that prompts were read from: a change of one is a change of the configuration.
    pub fn files(&self) -> &[PathBuf] {
        &self.files
    }

    /// A digest of the text it was read from: equal for the same text, and no secret can be read from it.
    pub fn fingerprint(&self) -> &[u8; 32] {
        &self.fingerprint
    }

    /// Where it came from.
    pub fn source(&self) -> &Source {
        &self.source
    }

    /// Where the gateway listens, and what one client may cost it.
    pub fn server(&self) -> &Server {
        &self.server
    }

    /// Where state is kept.
    pub fn state(&self) -> &State {
        &self.state
    }

    /// All providers by name: the declared ones, and those implied by well-known models.
    pub fn providers(&self) -> &BTreeMap<String, Provider> {
        &self.providers
    }

    /// Who may ask. Empty: everybody who reaches the address.
    pub fn keys(&self) -> &Keys {
        &self.keys
    }

    /// Which model answers which task.
    pub fn orchestrator(&self) -> &Orchestrator {
        &self.orchestrator
    }

    /// The plugin folder and its rules.
    pub fn plugins(&self) -> &Plugins {
        &self.plugins
    }

    /// Graphs of steps, by name.
    pub fn workflows(&self) -> &BTreeMap<String, Arc<Workflow>> {
        &self.workflows
    }

    /// How the gateway logs.
    pub fn telemetry(&self) -> Telemetry {
        self.telemetry
    }

    /// What is worth saying but stands in nobody's way.
    pub fn warnings(&self) -> &[Fault] {
        &self.warnings
    }

    /// The models declared or referred to, by name.
    pub fn models(&self) -> impl Iterator<Item = &Arc<ResolvedModel>> {
        self.models.values()
    }

    /// Names of the models declared or referred to, sorted.
    pub fn model_names(&self) -> impl Iterator<Item = &str> {
        self.models.keys().map(String::as_str)
    }

    /// What a model's name stands for: a model declared or referred to (its provider may be
    /// disabled), or a well-known one whose provider is there and enabled.
    pub fn resolve(&self, name: &str) -> Option<Arc<ResolvedModel>> {
        if let Some(model) = self.models.get(name) {
            return Some(Arc::clone(model));
        }
        let home = family_of(name)?.home.as_ref()?;
        let provider = self.providers.get(home.provider)?;
        let usable = provider.disabled().is_none() && !provider.is_simulated();
        usable.then(|| Arc::new(ResolvedModel::well_known(name, provider)))
    }

    /// The names nearest to one that does not resolve, best first, at most three.
    pub fn nearest(&self, name: &str) -> Vec<&str> {
        suggest::nearest(name, self.model_names())
    }

    /// Listens elsewhere than the file says: for `--listen`. The same rule holds as in the file.
    pub fn listen_on(&mut self, address: SocketAddr) -> Result<(), OpenListen> {
        self.server.may_listen(address, !self.keys.is_empty())?;
        self.server.set_listen(address);
        Ok(())
    }

    /// The configuration as it took effect, defaults included, as YAML. Secrets are stars.
    pub fn show(&self) -> Result<String, serde_yaml::Error> {
        let value = self.to_value();
        let mut ordered = serde_yaml::Mapping::new();
        for section in SECTIONS {
            ordered.insert((*section).into(), serde_yaml::to_value(&value[*section])?);
        }
        serde_yaml::to_string(&ordered)
    }

    /// What [`Self::show`] prints, as a JSON value.
    pub fn to_value(&self) -> Value {
        let models: BTreeMap<&String, Value> = self
            .models
            .iter()
            .filter(|(name, _)| self.declared.contains(*name))
            .map(|(n, m)| (n, m.show()))
            .collect();
        let providers: BTreeMap<&String, Value> = self.providers.iter().map(|(n, p)| (n, p.show())).collect();
        let mut shown = json!({
            "server": self.server.show(),
            "state": self.state.show(),
            "shared_state": self.state.shared().map(SharedState::show),
            "providers": providers,
            "models": models,
            "keys": self.keys.show(),
            "orchestrator": self.orchestrator.show(),
            "plugins": self.plugins.show(),
            "workflows": workflows::show(&self.workflows),
            "telemetry": self.telemetry,
        });
        for pointer in &self.hidden {
            if let Some(value) = shown.pointer_mut(pointer.as_str()) {
                *value = json!("***");
            }
        }
        shown
    }
}

/// Adds the providers of well-known families that nobody declared: those referred to, and those
/// whose key is in the environment.
fn imply_providers(
    providers: &mut BTreeMap<String, Provider>,
    names: &Names<'_>,
    known: &Known,
    environment: &dyn Fn(&str) -> Option<String>,
    found: &mut Located<'_>,
) {
    for home in FAMILIES.iter().filter_map(|family| family.home.as_ref()) {
        if known.providers.contains_key(home.provider) {
            continue;
        }
        let key = environment(home.variable).filter(|key| !key.is_empty());
        let first = names.well_known().find(|(_, at_home, _)| at_home.provider == home.provider);
        if key.is_none() {
            let Some((name, _, at)) = first else { continue };
            let message = format!("`{name}` cannot be called: `{}` is not set", home.variable);
            let hint = format!("set it, or declare the provider `{}` under `providers`", home.provider);
            found.warn(at, message, hint);
        }
        if let Some(provider) = implied(home, key) {
            providers.insert(home.provider.to_owned(), provider);
        }
    }
}

fn implied(home: &Home, key: Option<String>) -> Option<Provider> {
    let url = BaseUrl::parse(home.base_url).ok()?;
    Some(Provider::implied(home.provider, home.kind, url, home.variable, key.map(Secret::new)))
}
