//! The calls: each case's plugin, request and host put together, and the plugin asked.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use hyper::HeaderMap;
use hyper::header::{HeaderName, HeaderValue};

use jackfield_core::config::{Config, Grant};
use jackfield_core::contract::{
    Ask, Caller, Choice, Completer, FinishReason, PluginFault, PluginFaultKind, Review, ToolCall, Usage,
};
use jackfield_gateway::pipeline::first_ask;
use jackfield_gateway::world::World;
use jackfield_plugin_host::{LoadError, Plugin, PluginEngine, PluginSettings};

use super::cases::{Case, Cases, Finish, Response};
use super::outcome::{Difference, Seen};
use super::stage::{ByHeart, Stage};
use super::stream;
use crate::app;
use crate::cli::plugin::judge::{Given, review};
use crate::cli::{Failed, engine, request, runtime};

/// The host's word for settings that a plugin refuses when it is loaded.
const BAD_CONFIG: &str = "bad_config";

/// How long to wait before a case is tried again for which the machine was too busy.
const PAUSES: [Duration; 4] =
    [Duration::from_millis(100), Duration::from_millis(300), Duration::from_secs(1), Duration::from_secs(3)];

/// One case, and what became of it.
#[derive(Debug)]
pub(super) struct Outcome {
    pub(super) name: String,
    pub(super) seen: Seen,
    pub(super) differences: Vec<Difference>,
    pub(super) took: Duration,
}

impl Outcome {
    pub(super) fn passed(&self) -> bool {
        self.differences.is_empty()
    }
}

/// Runs every case in order. An error is no failed case: then nothing more could be run.
pub(super) fn all(config: Config, name: &str, path: &Path, cases: &Cases) -> Result<Vec<Outcome>, Failed> {
    let limits = PluginSettings { sha256: None, ..app::plugin_settings(config.plugins().settings(name)) };
    let engine = engine::start(&config)?;
    let mut room = Room { name, path, engine, limits, loaded: None };
    let world = app::world_without_plugins(config)?;
    runtime(false)?.block_on(async {
        let mut outcomes = Vec::with_capacity(cases.cases.len());
        for case in &cases.cases {
            let (seen, took) = room
                .case(&world, cases, case)
                .await
                .map_err(|Failed(why)| Failed(format!("{why} (case `{}`)", case.name)))?;
            let differences = seen.differences(&case.expect);
            outcomes.push(Outcome { name: case.name.clone(), seen, differences, took });
        }
        Ok(outcomes)
    })
}

/// The plugin as it is loaded now.
struct Room<'a> {
    name: &'a str,
    path: &'a Path,
    engine: PluginEngine,
    limits: PluginSettings,
    loaded: Option<(PluginSettings, Plugin)>,
}

impl Room<'_> {
    /// A case, tried again for a while when the machine was too busy to ask the plugin: that tells nothing of it.
    async fn case(&mut self, world: &World, cases: &Cases, case: &Case) -> Result<(Seen, Duration), Failed> {
        for pause in PAUSES {
            let tried = self.try_case(world, cases, case).await?;
            if !tried.0.is_fault(PluginFaultKind::Overloaded.reason()) {
                return Ok(tried);
            }
            tokio::time::sleep(pause).await;
        }
        self.try_case(world, cases, case).await
    }

    async fn try_case(
        &mut self,
        world: &World,
        cases: &Cases,
        case: &Case,
    ) -> Result<(Seen, Duration), Failed> {
        let llm = case.llm.as_ref().or(cases.llm.as_ref());
        let plugin = match self.plugin(case.config.as_ref().or(cases.config.as_ref()), llm.is_some()).await {
            Ok(plugin) => plugin,
            Err(LoadError::BadConfig(said)) => return Ok((Seen::fault(BAD_CONFIG, &said), Duration::ZERO)),
            Err(error) => return Err(Failed(format!("error: load {}: {error}", self.path.display()))),
        };
        let ask = self.ask(world, cases, case, llm)?;
        let began = Instant::now();
        let seen = match (&case.response, &case.stream) {
            (Some(response), _) => {
                let validator = plugin.validator();
                let validator = validator
                    .ok_or_else(|| self.misfit("it is no validator: leave out `response` to ask a router"))?;
                validator.validate(answer(ask, response)).await.map(|found| Seen::of_validation(&found))
            }
            (None, Some(pieces)) => {
                let validator = plugin.stream_validator();
                let validator = validator.ok_or_else(|| {
                    self.misfit("it watches no streams: give the whole `response` instead of `stream`")
                })?;
                stream::play(&*validator, ask, pieces).await
            }
            (None, None) => {
                let router = plugin.router();
                let router = router
                    .ok_or_else(|| self.misfit("it is no router: give the `response` that it is to judge"))?;
                router.route(ask).await.map(Seen::of_routing)
            }
        };
        let took = began.elapsed();
        let of_fault = |PluginFault { kind, message }: PluginFault| Seen::fault(kind.reason(), &message);
        Ok((seen.unwrap_or_else(of_fault), took))
    }

    /// The plugin with these settings. It keeps its values when they change.
    async fn plugin(&mut self, config: Option<&serde_json::Value>, llm: bool) -> Result<Plugin, LoadError> {
        let mut settings = self.limits.clone();
        settings.config = config.map_or_else(|| "{}".to_owned(), ToString::to_string);
        if llm {
            settings.grants.insert(Grant::Llm);
        }
        let plugin = match &self.loaded {
            Some((loaded_with, plugin)) if *loaded_with == settings => return Ok(plugin.clone()),
            Some((_, before)) => {
                Plugin::load_after(&self.engine, self.path, settings.clone(), before).await?
            }
            None => {
                let loading = Plugin::load(&self.engine, self.name, self.path, settings.clone());
                engine::watched(&self.engine, loading).await?
            }
        };
        self.loaded = Some((settings, plugin.clone()));
        Ok(plugin)
    }

    fn ask(
        &self,
        world: &World,
        cases: &Cases,
        case: &Case,
        llm: Option<&BTreeMap<String, String>>,
    ) -> Result<Ask, Failed> {
        let body = case.request.to_string().into();
        let mut incoming = request::incoming("its request", body, case.task.clone())?;
        incoming.headers = headers(&case.headers)?;
        incoming.caller = Caller {
            project: case.caller.project.clone(),
            user: case.caller.user.clone(),
            ..Caller::default()
        };
        let by_heart = llm.map(|said| Arc::new(ByHeart(Arc::new(said.clone()))) as Arc<dyn Completer>);
        Ok(Ask {
            labels: case.labels.iter().map(|(name, value)| (name.clone(), value.clone())).collect(),
            view: Arc::new(Stage::of(cases, case)),
            completer: by_heart,
            ..first_ask(world, incoming, self.name)
        })
    }

    fn misfit(&self, what: &str) -> Failed {
        Failed(format!("error: test {}: {what}", self.name))
    }
}

fn headers(told: &BTreeMap<String, String>) -> Result<HeaderMap, Failed> {
    told.iter()
        .map(|(name, value)| {
            let header = HeaderName::from_bytes(name.as_bytes()).ok().zip(HeaderValue::from_str(value).ok());
            header.ok_or_else(|| Failed(format!("error: send the header `{name}`: it is no header of HTTP")))
        })
        .collect()
}

/// The answer that a case describes.
fn answer(ask: Ask, response: &Response) -> Review {
    let finish = match response.finish_reason {
        None | Some(Finish::Stop) => FinishReason::Stop,
        Some(Finish::Length) => FinishReason::Length,
        Some(Finish::ToolCalls) => FinishReason::ToolCalls,
        Some(Finish::ContentFilter) => FinishReason::ContentFilter,
    };
    let tool_calls = response.tool_calls.iter().map(|call| ToolCall {
        id: call.id.clone(),
        name: call.name.clone(),
        arguments: call.arguments.clone(),
    });
    let choice = Choice {
        text: response.text.clone(),
        tool_calls: tool_calls.collect(),
        finish_reason: Some(finish),
        ..Choice::default()
    };
    let usage = response.usage.map(|used| Usage {
        input_tokens: used.input_tokens,
        output_tokens: used.output_tokens,
        ..Usage::default()
    });
    review(ask, choice, Given { model: response.model.clone(), attempt: response.attempt, usage })
}
