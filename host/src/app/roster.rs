//! Puts together what the admin port tells of the plugin folder: its files, what became of each, and the handles to
//! what moves.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use jackfield_core::config::Config;
use jackfield_core::telemetry::metrics::PluginSeries;
use jackfield_gateway::policy::Rules;
use jackfield_plugin_host::{Catalog, name_of, plugin_files};

use super::generations::{Generation, Generations};
use crate::admin::{LoadedCanary, LoadedGeneration, PluginStatus, RefusedFile, Roster, Standing};

/// The folder as it was last looked at.
pub(super) fn roster(config: &Config, catalog: &Catalog, generations: &Generations, rules: &Rules) -> Roster {
    // Files that are switched off are in no catalog, so the folder is asked; what serves counts as in it.
    let mut files: BTreeMap<String, Option<PathBuf>> =
        catalog.plugins.iter().map(|plugin| (plugin.name().to_owned(), None)).collect();
    for path in plugin_files(config.plugins().dir()).unwrap_or_default() {
        let unfit = || path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        files.insert(name_of(&path).map_or_else(unfit, str::to_owned), Some(path));
    }
    let plugins = files.into_iter().filter_map(|(name, path)| {
        let settings = config.plugins().settings(&name);
        let serving = generations.get(&name).map(|serving| (serving, generations.series(serving)));
        let canary = serving.as_ref().and_then(|(serving, (_, series))| {
            let (share, canary) = settings.rollout.canary.zip(serving.canary.as_ref())?;
            Some(LoadedCanary { share, loaded: loaded(canary, series.as_ref()?) })
        });
        let loaded = serving.map(|(serving, (series, _))| loaded(&serving.base, &series));
        let refusal = catalog.refusals.iter().find(|refusal| Some(&refusal.path) == path.as_ref());
        let refused = refusal.map(|refusal| RefusedFile {
            reason: refusal.reason.clone(),
            digest: catalog.digest_of(&refusal.path).map(str::to_owned),
        });
        let shadow = rules.shadows.iter().find(|slot| slot.seat.router.name() == name);
        let standing = match (shadow, &loaded, &refused) {
            (Some(shadow), _, _) => Standing::Shadow(Arc::clone(&shadow.tally)),
            (None, Some(_), _) if rules.routers.iter().any(|slot| slot.name() == name) => Standing::Serves,
            (None, Some(_), _) if rules.validators.contains_key(&name) => Standing::Serves,
            (None, Some(_), _) => Standing::NotListed,
            (None, None, Some(_)) => Standing::Refused,
            (None, None, None) if !settings.enabled => Standing::Disabled,
            // It came after the look that this is about.
            (None, None, None) => return None,
        };
        let (on_error, instances, limits) = (settings.on_error, settings.instances, settings.limits);
        let grants = settings.grants.clone();
        Some(PluginStatus { name, standing, on_error, instances, grants, limits, loaded, canary, refused })
    });
    Roster { plugins: plugins.collect() }
}

fn loaded(generation: &Generation, series: &Arc<PluginSeries>) -> LoadedGeneration {
    LoadedGeneration {
        number: generation.mark.number,
        since: generation.mark.since,
        plugin: generation.plugin.clone(),
        stats: Arc::clone(&generation.mark.stats),
        series: Arc::clone(series),
        breaker: Arc::clone(&generation.breaker),
    }
}
