//! `jackfield check`: every fault of the configuration and the plugins at once.

use clap::Args;

use super::{ConfigArg, Failed, Outcome, engine, out, runtime, tasks};
use crate::app;
use jackfield_core::config::Config;
use jackfield_plugin_host::Catalog;
use jackfield_store::Store;

#[derive(Args)]
pub(super) struct CheckArgs {
    #[command(flatten)]
    config: ConfigArg,
}

pub(super) fn run(args: &CheckArgs) -> Outcome {
    let config = args.config.load()?;
    out::warnings(&config);
    let engine = engine::start(&config)?;
    let catalog = runtime(false)?.block_on(engine::watched(&engine, app::load_catalog(&config, &engine)));
    let mut faults: Vec<String> =
        catalog.refusals.iter().map(|r| format!("{}: {}", r.path.display(), r.reason)).collect();
    for name in config.orchestrator().routers().unwrap_or_default() {
        if catalog.get(name).is_none_or(|plugin| plugin.router().is_none()) {
            faults.push(format!("orchestrator.routers names `{name}`, and no such router is loaded"));
        }
    }
    for name in config.orchestrator().validator_names() {
        let mode = config.plugins().settings(name).stream;
        let unfit = app::unfit_validator(catalog.get(name), mode);
        faults.extend(unfit.map(|why| format!("`{name}`: {why}")));
    }
    // What `serve` would refuse.
    Store::look(&config)?;
    if !faults.is_empty() {
        return Err(Failed(format!("error: {} plugin fault(s)\n  {}", faults.len(), faults.join("\n  "))));
    }
    out::line(&format!(
        "{}: fine ({} models, {} tasks, {} plugins{})",
        config.source(),
        config.model_names().count(),
        config.orchestrator().routes().len(),
        catalog.plugins.len(),
        rollouts(&config, &catalog),
    ))?;
    tasks::table(config.orchestrator()).map_or(Ok(()), |table| out::line(&table))
}

/// The plugins that do not simply serve, as `; canary 5%: a; shadow: b`.
fn rollouts(config: &Config, catalog: &Catalog) -> String {
    let told = catalog.plugins.iter().filter_map(|plugin| {
        let rollout = config.plugins().settings(plugin.name()).rollout;
        let how = match (rollout.shadow, rollout.canary) {
            (true, _) => "shadow".to_owned(),
            (false, Some(share)) => format!("canary {share}"),
            (false, None) => return None,
        };
        Some(format!("; {how}: {}", plugin.name()))
    });
    told.collect()
}
