//! Budgets: how far they are used, put in when somebody looks, and the calls they had no room for.
//!
//! Only limits that the configuration gives a name have a label: those for everybody else (`*`) hold for anyone.

use std::sync::atomic::AtomicU64;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

type Amount = Gauge<f64, AtomicU64>;

/// Which limit.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct BudgetLabels {
    /// `global`, `project`, `user`, `key` or `model`.
    pub scope: &'static str,
    /// Whose; `all` for the global one.
    pub name: String,
    /// `hourly`, `daily`, `weekly` or `monthly`.
    pub window: &'static str,
    /// `usd` or `tokens`.
    pub unit: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Refusal {
    scope: &'static str,
    window: &'static str,
    unit: &'static str,
}

/// Budgets.
#[derive(Debug)]
pub struct BudgetMetrics {
    limit: Family<BudgetLabels, Amount>,
    used_ratio: Family<BudgetLabels, Amount>,
    exceeded: Family<Refusal, Counter>,
}

impl BudgetMetrics {
    pub(super) fn register(registry: &mut Registry) -> Self {
        let metrics =
            Self { limit: Family::default(), used_ratio: Family::default(), exceeded: Family::default() };
        let help = "A configured limit in its window, in US dollars or tokens";
        registry.register("budget_limit", help, metrics.limit.clone());
        let help = "The share of a limit that is spent or reserved; above 1 where an estimate fell short";
        registry.register("budget_used_ratio", help, metrics.used_ratio.clone());
        let help = "Calls of models that were not made because a limit had no room for them";
        registry.register("budget_exceeded", help, metrics.exceeded.clone());
        metrics
    }

    /// A limit had no room for a call. `window` is `none` for the budget of a run.
    pub fn exceeded(&self, scope: &'static str, window: &'static str, unit: &'static str) {
        self.exceeded.get_or_create_owned(&Refusal { scope, window, unit }).inc();
    }

    /// How all limits stand: each with the amount that is allowed, and the share of it that is used. Limits that are
    /// not among them are forgotten.
    pub fn looked_at(&self, limits: impl IntoIterator<Item = (BudgetLabels, f64, f64)>) {
        self.limit.clear();
        self.used_ratio.clear();
        for (labels, limit, used_ratio) in limits {
            self.limit.get_or_create_owned(&labels).set(limit);
            self.used_ratio.get_or_create_owned(&labels).set(used_ratio);
        }
    }
}
