//! `orchestrator:` which model answers which task. The block of the seed documents loads as it is.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::contract::{Overrides, ReasoningLevel, Target};

use super::dynamic_router::{DynamicRouter, RawDynamicRouter};
use super::fallback::{self, Fallback, ModelFallback};
use super::findings::Located;
use super::names::Names;
use super::pointer::Pointer;
use super::units::Count;

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
    /// What to try when the model fails, in order: models, which keep this route's settings, and other tasks as
    /// `task/NAME`, which bring their own model, settings and fallback. `orchestrator.fallback` comes after.
    #[serde(default)]
    fallback: Vec<String>,
}

/// Which model answers which task, checked.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Orchestrator {
    default_model: Option<String>,
    routers: Option<Vec<String>>,
    routes: Vec<Route>,
    router: Option<DynamicRouter>,
    fallback: ModelFallback,
    hedge: bool,
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
}

impl Orchestrator {
    /// Checks the section; references to models go through `names`.
    pub(crate) fn check(raw: &RawOrchestrator, names: &mut Names<'_>, found: &mut Located<'_>) -> Self {
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
            routes.push(Route { task: route.task.clone(), target: route.target(&at, found), fallback });
        }
        fallback::check_tasks(&routes, &all, found);
        let router = raw.router.as_ref();
        let router = router.map(|router| DynamicRouter::check(router, &at.key("router"), names, found));
        let fallback = ModelFallback::check(&raw.fallback, &at.key("fallback"), names, found);
        let (default_model, routers) = (raw.default_model.clone(), raw.routers.clone());
        Self { default_model, routers, routes, router, fallback, hedge: raw.hedge }
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
        Value::Object(shown)
    }
}

impl RawRoute {
    fn target(&self, at: &Pointer, found: &mut Located<'_>) -> Target {
        let at = at.key("max_tokens");
        let max_output_tokens = self.max_tokens.map(|count| {
            found.count(&at, count);
            u32::try_from(count.get()).unwrap_or_else(|_| {
                found.fault(
                    &at,
                    format!("{count} tokens are more than any model gives"),
                    "leave it out for no limit",
                );
                u32::MAX
            })
        });
        let overrides = Overrides {
            temperature: self.temperature,
            max_output_tokens,
            reasoning: self.reasoning,
            ..Overrides::default()
        };
        Target { model: self.model.clone(), overrides }
    }
}

impl Route {
    fn show(&self) -> Value {
        let Overrides { temperature, max_output_tokens, reasoning, .. } = self.target.overrides;
        let mut shown = json!({ "task": self.task, "model": self.target.model });
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
