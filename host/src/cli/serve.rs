//! `jackfield serve`: run the gateway until told to stop.

use std::net::SocketAddr;

use clap::Args;
use tokio::signal::unix::{SignalKind, signal};

use jackfield_core::telemetry;

use super::{ConfigArg, Failed, Outcome, engine, out, runtime};
use crate::app::{App, BindError, Bound, Stopped};

#[derive(Args)]
pub(super) struct ServeArgs {
    #[command(flatten)]
    config: ConfigArg,
    /// Listen here instead of where the configuration says; port 0 takes a free one
    #[arg(long, value_name = "ADDRESS")]
    listen: Option<SocketAddr>,
}

pub(super) fn run(args: &ServeArgs) -> Outcome {
    let mut config = args.config.load()?;
    if let Some(address) = args.listen {
        config.listen_on(address)?;
    }
    telemetry::init(config.telemetry().log, config.telemetry().level);
    out::warnings(&config);
    let source = config.source().to_string();
    let keys = !config.keys().is_empty();
    let model = config.orchestrator().default_model().unwrap_or("auto").to_owned();
    let drain = config.server().drain();
    runtime(true)?.block_on(async {
        let engine = engine::start(&config)?;
        let app = App::with_engine(config, engine.clone())?;
        let bound = engine::watched(&engine, app.bind()).await.map_err(|error| cannot_listen(&error))?;
        greet(&bound, &source, &model, keys)?;
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        let (stop, stopping) = tokio::sync::oneshot::channel::<()>();
        let served = bound.serve(async {
            let _ = stopping.await;
        });
        // One reader of signals: two would both see the first one.
        let told_twice = async {
            tokio::select! { _ = terminate.recv() => {}, _ = interrupt.recv() => {} }
            out::note(&format!("stopping: open requests have {drain:?} to finish; a second signal stops at once"));
            let _ = stop.send(());
            tokio::select! { _ = terminate.recv() => {}, _ = interrupt.recv() => {} }
        };
        tokio::select! {
            stopped = served => match stopped {
                Stopped::Drained => out::note(&"stopped: every open request finished"),
                Stopped::Cut(1) => out::note(&format!("stopped: 1 connection was still open after {drain:?} and was cut")),
                Stopped::Cut(n) => out::note(&format!("stopped: {n} connections were still open after {drain:?} and were cut")),
            },
            () = told_twice => out::note(&"stopped at once, as asked"),
        }
        Ok(())
    })
}

fn greet(bound: &Bound, source: &str, model: &str, keys: bool) -> Outcome {
    let at = bound.addr();
    let plugins = bound.plugins().load_full();
    let names: Vec<String> = plugins
        .loaded
        .iter()
        .map(|plugin| format!("{}{}", plugin.name, if plugin.shadow { " (shadow)" } else { "" }))
        .collect();
    let routers = if names.is_empty() { "none".to_owned() } else { names.join(", ") };
    let key = if keys { " \\\n    -H \"authorization: Bearer $YOUR_KEY\"" } else { "" };
    out::line(&format!(
        "jackfield {} · configuration: {source} · plugin routers: {routers}",
        env!("CARGO_PKG_VERSION")
    ))?;
    out::line(&match bound.state() {
        Some(path) => format!("state in {path}"),
        None => "state in memory: nothing outlives this process".to_owned(),
    })?;
    for (file, reason) in &plugins.refused {
        out::note(&format!("warning: plugin {file}: {reason}"));
    }
    out::line(&format!("listening on http://{at}"))?;
    if let Some(admin) = bound.admin_addr() {
        out::line(&format!(
            "admin port on http://{admin}: /plugins, /metrics; with the token of server.admin_token"
        ))?;
    }
    out::line(&format!(
        "try it:\n  curl http://{at}/v1/chat/completions -H 'content-type: application/json'{key} \\\n    \
         -d '{{\"model\":\"{model}\",\"messages\":[{{\"role\":\"user\",\"content\":\"Hello!\"}}]}}'"
    ))
}

fn cannot_listen(refused: &BindError) -> Failed {
    let elsewhere = match refused.key {
        "server.listen" => "choose one with --listen, or port 0 for a free one",
        _ => "choose another in the configuration",
    };
    let hint = match refused.error.kind() {
        std::io::ErrorKind::AddrInUse => format!("; another process has it: {elsewhere}"),
        std::io::ErrorKind::PermissionDenied => {
            "; ports below 1024 need rights: choose a higher one".to_owned()
        }
        _ => String::new(),
    };
    Failed(format!("error: {refused}{hint}"))
}
