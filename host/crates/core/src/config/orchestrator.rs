//! `orchestrator:` which model answers which task. The block of the seed documents loads as it is.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::contract::{Overrides, ReasoningLevel, Target};

use super::budgets::{Budgets, RawBudgets};
use super::cache::{Cache, RawCache};
use super::dynamic_router::{DynamicRouter, RawDynamicRouter};
use super::fallback::{self, Fallback, ModelFallback};
use super::findings::Located;
use super::keys::Keys;
use super::names::Names;
use super::pointer::Pointer;
use super::prompt_files;
use super::task::{self, RawResult, RawSchema};
use super::units::Count;
use super::validators::{self, RawValidator, ValidatorRule};
use super::workflows::Workflows;

/// Which model answers which task.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Orchestrator")]
pub(crate) struct RawOrchestrator {
    /// The model for requests that no rule decides.
    default_model: Option<String>,
    /// The plugins to ask for a route, in this order. Left out: all of them, by name.
    routers: Option<Vec<String>>,
    /// Which model answers which task.
    #[serde(default)]
    routes: Vec<RawRoute>,
    /// A model that rates how complex a prompt is, and which model answers by its rating.
    router: Option<RawDynamicRouter>,
    /// What to try when a model fails, by model: `{ claude-3-opus: [gpt-4], "*": [fast-model] }`. `*` is for
    /// models without a list of their own. Lists do not chain.
    #[serde(default)]
    fallback: BTreeMap<String, Vec<String>>,
    /// Whether a call that is slow to begin gets a second one beside it, for every model that does not say.
    #[serde(default)]
    hedge: bool,
    /// The checks that every answer must pass, in this order: plugins by name, `not_empty`, `{ max_length: 4000 }`,
    /// `{ regex: "^\\\\{" }` or `{ json_schema: {..} }`.
    #[serde(default)]
    validators: Vec<RawValidator>,
    /// How often one request may ask a model to mend its answer, as a validator told: 0 to 5, 1 if nothing else is said.
    max_repairs: Option<Count>,
    /// What may be spent.
    budgets: Option<RawBudgets>,
    /// Answers that are kept, for identical requests. Left out: none.
    #[serde(default)]
    cache: RawCache,
}

/// One task and the model that answers it.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Route")]
struct RawRoute {
    /// The task's name, as clients give it.
    task: String,
    /// The model that answers it: declared under `models`, or well known.
    model: String,
    /// How much the model should think.
    reasoning: Option<ReasoningLevel>,
    /// The sampling temperature, 0 to 2.
    #[schemars(range(min = 0.0, max = 2.0))]
    temperature: Option<f64>,
    /// The longest answer, in tokens.
    max_tokens: Option<Count>,
    /// What the request's last user message becomes, with `${input}` where its text goes; `$${` is a literal `${`.
    /// Left out: it stays as it is.
    #[serde(default)]
    #[schemars(schema_with = "prompt_files::schema")]
    template: Option<String>,
    /// What is made of an answer: `text` if nothing else is said.
    result: Option<RawResult>,
    /// What an answer must be with `result: json`. Left out: any JSON.
    schema: Option<RawSchema>,
    /// What to try when the model fails, in order: models, which keep all that this route says, and other tasks as
    /// `task/NAME`, which bring their own. `orchestrator.fallback` comes after.
    #[serde(default)]
    fallback: Vec<String>,
    /// The checks that an answer of this row must pass besides those for every answer. JSON is taken out first.
    #[serde(default)]
    validators: Vec<RawValidator>,
}

/// Which model answers which task, checked.
#[derive(Clone, Debug, PartialEq)]
pub struct Orchestrator {
    default_model: Option<String>,
    routers: Option<Vec<String>>,
    routes: Vec<Route>,
    router: Option<DynamicRouter>,
    fallback: ModelFallback,
    hedge: bool,
    validators: Vec<ValidatorRule>,
    /// What the steps of workflows are put through besides: each list with the places of its entries.
    of_steps: Vec<Vec<(ValidatorRule, Pointer)>>,
    max_repairs: u32,
    budgets: Option<Budgets>,
    cache: Cache,
}

/// One task and where it goes.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Route {
    /// The task's name: 1 to 64 of letters, digits, `_`, `.` and `-`; unique.
    pub task: String,
    /// The model and what the route changes of the request.
    pub target: Target,
    /// What to try when that fails, in order. Tasks in it exist and lead to no circle.
    pub fallback: Vec<Fallback>,
    /// What its answers must pass besides what every answer must, in order.
    pub validators: Vec<ValidatorRule>,
}

impl Orchestrator {
    /// Checks the section; references to models go through `names`.
    pub(crate) fn check(
        raw: &RawOrchestrator,
        keys: &Keys,
        names: &mut Names<'_>,
        found: &mut Located<'_>,
    ) -> Self {
        let at = Pointer::root().key("orchestrator");
        if let Some(model) = &raw.default_model {
            names.refer(model, &at.key("default_model"), found);
        }
        check_routers(raw.routers.as_deref().unwrap_or_default(), &at.key("routers"), found);
        let all = at.key("routes");
        let mut first_at: BTreeMap<&str, Pointer> = BTreeMap::new();
        let mut routes = Vec::with_capacity(raw.routes.len());
        for (index, route) in raw.routes.iter().enumerate() {
            let at = all.index(index);
            let task = at.key("task");
            found.name(&task, "task", &route.task);
            if let Some(first) = first_at.get(&*route.task) {
                let message = format!("the task `{}` already has a route", route.task);
                found.clash(
                    &task,
                    first,
                    "first here",
                    message,
                    "one task has one route; remove one of the two",
                );
            } else {
                first_at.insert(&route.task, task);
            }
            names.refer(&route.model, &at.key("model"), found);
            let fallback = fallback::check_route(&route.fallback, &at.key("fallback"), names, found);
            let validators = validators::check(&route.validators, &at.key("validators"), found);
            let (task, target) = (route.task.clone(), route.target(&at, found));
            routes.push(Route { task, target, fallback, validators });
        }
        fallback::check_tasks(&routes, &all, found);
        let router = raw.router.as_ref();
        let router = router.map(|router| DynamicRouter::check(router, &at.key("router"), names, found));
        let fallback = ModelFallback::check(&raw.fallback, &at.key("fallback"), names, found);
        let (default_model, routers) = (raw.default_model.clone(), raw.routers.clone());
        let validators = validators::check(&raw.validators, &at.key("validators"), found);
        let max_repairs = validators::check_repairs(raw.max_repairs, &at.key("max_repairs"), found);
        let budgets = raw.budgets.as_ref();
        let budgets = budgets.map(|raw| Budgets::check(raw, &at.key("budgets"), keys, names, found));
        let cache = Cache::check(&raw.cache, &at.key("cache"), found);
        let hedge = raw.hedge;
        Self {
            default_model,
            routers,
            routes,
            router,
            fallback,
            hedge,
            validators,
            of_steps: Vec::new(),
            max_repairs,
            budgets,
            cache,
        }
    }

    /// Takes in what the steps of workflows are put through: a plugin that is named only there is a validator too.
    pub(crate) fn add_steps(&mut self, workflows: &Workflows) {
        let all = Pointer::root().key("workflows");
        for (name, workflow) in workflows {
            for (index, step) in workflow.steps.iter().enumerate() {
                let at = all.key(name).key("steps").index(index);
                let place = |keys: Vec<String>| keys.iter().fold(at.clone(), |at, key| at.key(key));
                let list = step.all_validators().map(|(rule, keys)| (rule.clone(), place(keys)));
                self.of_steps.push(list.collect());
            }
        }
    }

    /// The model for requests that no rule decides.
    pub fn default_model(&self) -> Option<&str> {
        self.default_model.as_deref()
    }

    /// The plugins to ask for a route, in order; `None` means all of them, by name.
    pub fn routers(&self) -> Option<&[String]> {
        self.routers.as_deref()
    }

    /// Every route, in the order of the file.
    pub fn routes(&self) -> &[Route] {
        &self.routes
    }

    /// Where this task goes.
    pub fn route(&self, task: &str) -> Option<&Route> {
        self.routes.iter().find(|route| route.task == task)
    }

    /// The model that rates prompts, and what its ratings lead to.
    pub fn router(&self) -> Option<&DynamicRouter> {
        self.router.as_ref()
    }

    /// What to try when this model fails, in order: its own list, else the one for the rest.
    pub fn fallback_of(&self, model: &str) -> &[String] {
        self.fallback.of(model)
    }

    /// Whether slow calls get a second one beside them, for models that do not say.
    pub fn hedge(&self) -> bool {
        self.hedge
    }

    /// What every answer must pass, in order.
    pub fn validators(&self) -> &[ValidatorRule] {
        &self.validators
    }

    /// The plugins that are named as validators anywhere, each with the place of its first mention.
    pub(crate) fn validator_plugins(&self) -> BTreeMap<&str, Pointer> {
        let at = Pointer::root().key("orchestrator");
        let mut lists = vec![(&self.validators, at.key("validators"))];
        let routes = self.routes.iter().enumerate();
        lists.extend(
            routes.map(|(n, route)| (&route.validators, at.key("routes").index(n).key("validators"))),
        );
        let mut found = BTreeMap::new();
        for (rules, at) in lists {
            for (index, rule) in rules.iter().enumerate() {
                if let ValidatorRule::Plugin(name) = rule {
                    found.entry(name.as_str()).or_insert_with(|| at.index(index));
                }
            }
        }
        for (rule, at) in self.of_steps.iter().flatten() {
            if let ValidatorRule::Plugin(name) = rule {
                found.entry(name.as_str()).or_insert_with(|| at.clone());
            }
        }
        found
    }

    /// The lists that answers are put through: for every request, for each task and for each step.
    pub(crate) fn validator_lists(&self) -> impl Iterator<Item = Vec<&ValidatorRule>> {
        let of_tasks =
            self.routes.iter().map(|route| self.validators.iter().chain(&route.validators).collect());
        let of_steps = self.of_steps.iter();
        let of_steps =
            of_steps.map(|list| self.validators.iter().chain(list.iter().map(|(rule, _)| rule)).collect());
        std::iter::once(self.validators.iter().collect()).chain(of_tasks).chain(of_steps)
    }

    /// The plugins that are named as validators anywhere, by name.
    pub fn validator_names(&self) -> Vec<&str> {
        self.validator_plugins().into_keys().collect()
    }

    /// Whether this plugin is named as a validator anywhere.
    pub fn names_validator(&self, name: &str) -> bool {
        self.validator_plugins().contains_key(name)
    }

    /// How often one request may have an answer mended; 0 to 5.
    pub fn max_repairs(&self) -> u32 {
        self.max_repairs
    }

    /// What may be spent; `None` where nothing is said of it.
    pub fn budgets(&self) -> Option<&Budgets> {
        self.budgets.as_ref()
    }

    /// What is kept of answers.
    pub fn cache(&self) -> &Cache {
        &self.cache
    }

    /// The section as it took effect.
    pub(crate) fn show(&self) -> Value {
        let routes: Vec<Value> = self.routes.iter().map(Route::show).collect();
        let mut shown = Map::new();
        if let Some(model) = &self.default_model {
            shown.insert("default_model".into(), json!(model));
        }
        if let Some(routers) = &self.routers {
            shown.insert("routers".into(), json!(routers));
        }
        shown.insert("routes".into(), json!(routes));
        if let Some(router) = &self.router {
            shown.insert("router".into(), router.show());
        }
        if let Some(fallback) = self.fallback.show() {
            shown.insert("fallback".into(), fallback);
        }
        if self.hedge {
            shown.insert("hedge".into(), json!(true));
        }
        if !self.validators.is_empty() {
            shown.insert("validators".into(), validators::show(&self.validators));
        }
        shown.insert("max_repairs".into(), json!(self.max_repairs));
        if let Some(budgets) = &self.budgets {
            shown.insert("budgets".into(), budgets.show());
        }
        shown.insert("cache".into(), self.cache.show());
        Value::Object(shown)
    }
}

impl RawRoute {
    fn target(&self, route: &Pointer, found: &mut Located<'_>) -> Target {
        let max_output_tokens =
            self.max_tokens.map(|count| task::check_max_tokens(count, &route.key("max_tokens"), found));
        let overrides = Overrides {
            temperature: self.temperature,
            max_output_tokens,
            reasoning: self.reasoning,
            prompt_template: task::check_template(self.template.as_deref(), &route.key("template"), found),
            answer_format: task::check_result(self.result, self.schema.as_ref(), route, found),
        };
        Target { model: self.model.clone(), overrides, task: Some(self.task.as_str().into()) }
    }
}

impl Route {
    fn show(&self) -> Value {
        let Overrides { temperature, max_output_tokens, reasoning, .. } = self.target.overrides;
        let mut shown = json!({ "task": self.task, "model": self.target.model });
        if let Some(shown) = shown.as_object_mut() {
            task::show(&self.target.overrides, shown);
        }
        if let Some(level) = reasoning {
            shown["reasoning"] = json!(level);
        }
        if let Some(temperature) = temperature {
            shown["temperature"] = json!(temperature);
        }
        if let Some(tokens) = max_output_tokens {
            shown["max_tokens"] = json!(tokens);
        }
        if !self.fallback.is_empty() {
            shown["fallback"] = json!(self.fallback.iter().map(Fallback::show).collect::<Vec<_>>());
        }
        if !self.validators.is_empty() {
            shown["validators"] = validators::show(&self.validators);
        }
        shown
    }
}

fn check_routers(routers: &[String], at: &Pointer, found: &mut Located<'_>) {
    let mut first_at: BTreeMap<&str, Pointer> = BTreeMap::new();
    for (index, name) in routers.iter().enumerate() {
        let here = at.index(index);
        found.name(&here, "plugin", name);
        if let Some(first) = first_at.get(&**name) {
            let message = format!("the router `{name}` is already in the list");
            found.clash(&here, first, "first here", message, "a router is asked once; remove one of the two");
        } else {
            first_at.insert(name, here);
        }
    }
}
