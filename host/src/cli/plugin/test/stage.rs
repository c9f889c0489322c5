//! The host as a case describes it: a fixed picture of models, budgets and load, and models that answer a plugin by heart.

use std::collections::BTreeMap;
use std::sync::Arc;

use jackfield_core::contract::{
    BoxFuture, BudgetScope, Caller, Completer, Completion, CompletionError, CompletionRequest, Headroom,
    HostView, LiveState, LoadState, ModelInfo,
};

use super::cases::{Budgets, Case, Cases, Left, LoadOf, Model};

/// What a case's plugin sees of the host.
#[derive(Debug)]
pub(super) struct Stage {
    models: BTreeMap<String, Model>,
    budget: Budgets,
    load: LoadOf,
}

impl Stage {
    /// What the case says, laid over what the file says: a model's field by its field, a budget by its scope.
    pub(super) fn of(cases: &Cases, case: &Case) -> Self {
        let mut models = cases.models.clone();
        for (name, over) in &case.models {
            let model = models.entry(name.clone()).or_default();
            *model = laid_over(over, model);
        }
        let budget = Budgets {
            project: case.budget.project.or(cases.budget.project),
            user: case.budget.user.or(cases.budget.user),
            global: case.budget.global.or(cases.budget.global),
        };
        let load = LoadOf {
            in_flight: case.load.in_flight.or(cases.load.in_flight),
            cpu: case.load.cpu.or(cases.load.cpu),
        };
        Self { models, budget, load }
    }
}

fn laid_over(over: &Model, under: &Model) -> Model {
    let (over, under) = (over.clone(), under.clone());
    Model {
        provider: over.provider.or(under.provider),
        price: over.price.or(under.price),
        tags: over.tags.or(under.tags),
        capabilities: over.capabilities.or(under.capabilities),
        context_window: over.context_window.or(under.context_window),
        max_output_tokens: over.max_output_tokens.or(under.max_output_tokens),
        healthy: over.healthy.or(under.healthy),
        in_flight: over.in_flight.or(under.in_flight),
        p50_ms: over.p50_ms.or(under.p50_ms),
        p95_ms: over.p95_ms.or(under.p95_ms),
        first_token_p50_ms: over.first_token_p50_ms.or(under.first_token_p50_ms),
        error_rate: over.error_rate.or(under.error_rate),
        rate_limit_headroom: over.rate_limit_headroom.or(under.rate_limit_headroom),
    }
}

impl HostView for Stage {
    fn model_names(&self) -> Vec<String> {
        self.models.keys().cloned().collect()
    }

    fn model_info(&self, name: &str) -> Option<ModelInfo> {
        let model = self.models.get(name)?.clone();
        let price = model.price.unwrap_or_default();
        Some(ModelInfo {
            name: name.to_owned(),
            provider: model.provider.unwrap_or_else(|| "sim".to_owned()),
            context_window: model.context_window,
            max_output_tokens: model.max_output_tokens,
            input_usd_per_mtok: price.input,
            output_usd_per_mtok: price.output,
            tags: model.tags.unwrap_or_default(),
            capabilities: model.capabilities.unwrap_or_default(),
        })
    }

    fn live(&self, name: &str) -> Option<LiveState> {
        let model = self.models.get(name)?;
        Some(LiveState {
            healthy: model.healthy.unwrap_or(true),
            in_flight: model.in_flight.unwrap_or(0),
            p50_ms: model.p50_ms,
            p95_ms: model.p95_ms,
            first_token_p50_ms: model.first_token_p50_ms,
            error_rate: model.error_rate.unwrap_or(0.0),
            rate_limit_headroom: model.rate_limit_headroom,
        })
    }

    fn load(&self) -> LoadState {
        LoadState { in_flight: self.load.in_flight.unwrap_or(1), cpu: self.load.cpu }
    }

    fn budget(&self, _caller: &Caller, scope: BudgetScope) -> Option<Headroom> {
        let left = match scope {
            BudgetScope::Project => self.budget.project,
            BudgetScope::User => self.budget.user,
            BudgetScope::Global => self.budget.global,
        };
        left.map(|Left { remaining_usd, used_ratio }| Headroom { remaining_usd, used_ratio })
    }

    fn nearest_models(&self, _name: &str) -> Vec<String> {
        self.model_names().into_iter().take(3).collect()
    }
}

/// Models that say what the file says, whatever they are asked.
pub(super) struct ByHeart(pub(super) Arc<BTreeMap<String, String>>);

impl Completer for ByHeart {
    fn complete(&self, request: CompletionRequest) -> BoxFuture<'_, Result<Completion, CompletionError>> {
        let said = self.0.get(&request.model).cloned();
        Box::pin(async move {
            let text = said.ok_or(CompletionError::UnknownModel(request.model))?;
            Ok(Completion { text, usage: None })
        })
    }
}
