//! Worlds, and what changes them.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

/// What a reload did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReloadChange {
    /// A plugin came.
    PluginAdded,
    /// A plugin took another's place, or got other settings.
    PluginReplaced,
    /// A plugin left.
    PluginRemoved,
    /// A plugin's file was refused.
    PluginRefused,
    /// A plugin's earlier generation came back.
    PluginRolledBack,
    /// A canary became what serves.
    CanaryPromoted,
    /// A canary was undone.
    CanaryWithdrawn,
    /// The configuration file's new content took effect.
    ConfigTaken,
    /// The configuration file's new content was not taken.
    ConfigRejected,
}

/// Worlds, and what changes them.
#[derive(Debug)]
pub struct HostMetrics {
    world: Gauge,
    changes: Family<Labels, Counter>,
    alerts: Family<AlertLabels, Counter>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Labels {
    change: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct AlertLabels {
    scope: &'static str,
    window: &'static str,
    unit: &'static str,
}

impl ReloadChange {
    const ALL: [Self; 9] = [
        Self::PluginAdded,
        Self::PluginReplaced,
        Self::PluginRemoved,
        Self::PluginRefused,
        Self::PluginRolledBack,
        Self::CanaryPromoted,
        Self::CanaryWithdrawn,
        Self::ConfigTaken,
        Self::ConfigRejected,
    ];

    fn name(self) -> &'static str {
        match self {
            Self::PluginAdded => "plugin_added",
            Self::PluginReplaced => "plugin_replaced",
            Self::PluginRemoved => "plugin_removed",
            Self::PluginRefused => "plugin_refused",
            Self::PluginRolledBack => "plugin_rolled_back",
            Self::CanaryPromoted => "canary_promoted",
            Self::CanaryWithdrawn => "canary_withdrawn",
            Self::ConfigTaken => "config_taken",
            Self::ConfigRejected => "config_rejected",
        }
    }
}

impl HostMetrics {
    pub(super) fn register(registry: &mut Registry) -> Self {
        let metrics = Self { world: Gauge::default(), changes: Family::default(), alerts: Family::default() };
        registry.register(
            "world_generation",
            "Which world of this process serves, from 1",
            metrics.world.clone(),
        );
        registry.register(
            "reload_changes",
            "What reloads did, the first load included",
            metrics.changes.clone(),
        );
        let help = "Thresholds of limits that were passed, each once in its window";
        registry.register("budget_alerts", help, metrics.alerts.clone());
        for change in ReloadChange::ALL {
            let _ = metrics.changes.get_or_create(&Labels { change: change.name() });
        }
        metrics
    }

    /// This world serves now.
    pub fn world(&self, generation: u64) {
        self.world.set(i64::try_from(generation).unwrap_or(i64::MAX));
    }

    /// A threshold of a limit was passed.
    pub fn alerted(&self, scope: &'static str, window: &'static str, unit: &'static str) {
        self.alerts.get_or_create(&AlertLabels { scope, window, unit }).inc();
    }

    /// A reload did this.
    pub fn changed(&self, change: ReloadChange) {
        self.changes.get_or_create(&Labels { change: change.name() }).inc();
    }
}
