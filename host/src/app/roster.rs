//! Puts together what the admin port tells of the plugin folder: its files, what became of each, and the handles to
//! what moves.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use jackfield_core::config::Config;
use jackfield_gateway::policy::RouterSlot;
use jackfield_plugin_host::{Catalog, name_of, plugin_files};

use super::generations::Generations;
use super::keeper::plugin_settings;
use crate::admin::{LoadedGeneration, PluginStatus, RefusedFile, Roster, Standing};

/// The folder as it was last looked at.
pub(super) fn roster(
    config: &Config,
    catalog: &Catalog,
    generations: &Generations,
    slots: &[RouterSlot],
) -> Roster {
    // Files that are switched off are in no catalog, so the folder is asked; what serves counts as in it.
    let mut files: BTreeMap<String, Option<PathBuf>> =
        catalog.plugins.iter().map(|plugin| (plugin.name().to_owned(), None)).collect();
    for path in plugin_files(config.plugins().dir()).unwrap_or_default() {
        let unfit = || path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        files.insert(name_of(&path).map_or_else(unfit, str::to_owned), Some(path));
    }
    let plugins = files.into_iter().filter_map(|(name, path)| {
        let settings = config.plugins().settings(&name);
        let loaded = catalog.get(&name).zip(generations.current(&name)).map(|(plugin, generation)| {
            let (plugin, stats) = (plugin.clone(), Arc::clone(&generation.stats));
            LoadedGeneration { number: generation.number, since: generation.since, plugin, stats }
        });
        let refusal = catalog.refusals.iter().find(|refusal| Some(&refusal.path) == path.as_ref());
        let refused = refusal.map(|refusal| RefusedFile {
            reason: refusal.reason.clone(),
            digest: catalog.digest_of(&refusal.path).map(str::to_owned),
        });
        let slot = slots.iter().find(|slot| slot.router.name() == name);
        let standing = match (slot, &loaded, &refused) {
            (Some(slot), _, _) => Standing::Serves(Arc::clone(&slot.breaker)),
            (None, Some(_), _) => Standing::NotListed,
            (None, None, Some(_)) => Standing::Refused,
            (None, None, None) if !settings.enabled => Standing::Disabled,
            // It came after the look that this is about.
            (None, None, None) => return None,
        };
        let limits = plugin_settings(settings).limits;
        let (on_error, instances) = (settings.on_error, settings.instances);
        Some(PluginStatus { name, standing, on_error, instances, limits, loaded, refused })
    });
    Roster { plugins: plugins.collect() }
}
