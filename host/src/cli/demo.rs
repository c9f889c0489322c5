//! `jackfield demo`: the real server on a free port, real requests over HTTP, and a table of what
//! happened. Every row says what should happen, and the command fails when it does not.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use clap::Args;
use comfy_table::Cell;
use serde_json::{Value, json};

use jackfield_core::config::Config;

use super::client::{Answer, Client};
use super::{Failed, Outcome, engine, out, runtime};
use crate::app::{App, PluginReport};

/// The demo's own configuration and its plugin, so that it runs from anywhere.
const CONFIG: &str = include_str!("demo.yaml");
const PLUGIN: &[u8] = include_bytes!("../../../plugins/urgent-router.wasm");
/// What is dropped into the folder while the server runs.
const SWAPPED_IN: &[u8] = include_bytes!("../../../plugins/cheapest-capable/cheapest-capable.wasm");
/// How long a change of the folder may take to show.
const PATIENCE: Duration = Duration::from_secs(20);

#[derive(Args)]
pub(super) struct DemoArgs {
    /// Print what happened as JSON
    #[arg(long)]
    json: bool,
}

/// One request and what should become of it.
struct Scene {
    what: &'static str,
    body: Value,
    route: &'static str,
    model: &'static str,
    status: u16,
}

/// What became of it.
#[derive(serde::Serialize)]
struct Seen {
    asked: &'static str,
    status: u16,
    decided_by: String,
    why: String,
    model: String,
    provider: String,
    tokens: Option<u64>,
    latency_ms: f64,
    overhead_us: Option<u64>,
    answer: String,
    #[serde(skip)]
    fault: Option<String>,
}

fn scenes() -> Vec<Scene> {
    let user = |text: &str| json!([{ "role": "user", "content": text }]);
    vec![
        Scene {
            what: "a plain question to smart-model",
            body: json!({ "model": "smart-model", "messages": user("Why is the sky blue?") }),
            route: "named",
            model: "smart-model",
            status: 200,
        },
        Scene {
            what: "no model named",
            body: json!({ "model": "auto", "messages": user("Name three herbs.") }),
            route: "default",
            model: "fast-model",
            status: 200,
        },
        Scene {
            what: "the task code_generation",
            body: json!({ "model": "auto", "metadata": { "task": "code_generation" }, "messages": user("Reverse a list.") }),
            route: "static",
            model: "smart-model",
            status: 200,
        },
        Scene {
            what: "smart-model, but “urgent”",
            body: json!({ "model": "smart-model", "messages": user("This is urgent: what is 2 + 2?") }),
            route: "urgent-router",
            model: "fast-model",
            status: 200,
        },
        Scene {
            what: "the same, streamed",
            body: json!({ "model": "smart-model", "stream": true, "stream_options": { "include_usage": true },
                          "messages": user("urgent: count to five") }),
            route: "urgent-router",
            model: "fast-model",
            status: 200,
        },
        Scene {
            what: "an unknown task",
            body: json!({ "model": "auto", "metadata": { "task": "dancing" }, "messages": user("Waltz?") }),
            route: "",
            model: "",
            status: 400,
        },
    ]
}

pub(super) fn run(args: &DemoArgs) -> Outcome {
    let plugins = tempfile::tempdir()?;
    std::fs::write(plugins.path().join("urgent-router.wasm"), PLUGIN)?;
    let dir = plugins.path().display().to_string();
    let config = Config::from_text("demo.yaml", CONFIG, &|name| {
        (name == "JACKFIELD_DEMO_PLUGINS").then(|| dir.clone())
    })
    .map_err(|report| Failed(out::report(&report)))?;
    runtime(true)?.block_on(async {
        let engine = engine::start(&config)?;
        let app = App::with_engine(config, engine.clone())?;
        let bound = engine::watched(&engine, app.bind()).await?;
        let at = bound.addr();
        let folder = bound.plugins();
        if let Some((file, reason)) = folder.load().refused.first() {
            return Err(Failed(format!("error: the demo's plugin {file}: {reason}")));
        }
        let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
        let serving = tokio::spawn(bound.serve(async {
            let _ = stopped.await;
        }));
        let client = Client::new(at);
        let seen = async {
            let mut seen = play(&client).await?;
            seen.extend(swap(&client, plugins.path(), &folder).await?);
            Ok::<_, Failed>(seen)
        };
        let seen = seen.await;
        drop(stop);
        let end = serving.await?;
        let seen = seen?;
        if args.json {
            out::line(&serde_json::to_string_pretty(&seen)?)?;
        } else {
            show(&seen, &format!("http://{at}"))?;
        }
        let faults: Vec<String> =
            seen.iter().filter_map(|s| Some(format!("{}: {}", s.asked, s.fault.as_ref()?))).collect();
        match faults.is_empty() {
            true if end == crate::app::Stopped::Drained => Ok(()),
            true => Err(Failed(format!("error: the server did not stop cleanly: {end:?}"))),
            false => Err(Failed(format!("error: not as it should be:\n  {}", faults.join("\n  ")))),
        }
    })
}

async fn play(client: &Client) -> Result<Vec<Seen>, Failed> {
    let models = client.send("/v1/models", None).await?.json();
    let provider_of: BTreeMap<String, String> = models["data"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|m| Some((m["id"].as_str()?.to_owned(), m["owned_by"].as_str()?.to_owned())))
        .collect();
    let mut seen = Vec::new();
    for scene in scenes() {
        let began = Instant::now();
        let answer = client.send("/v1/chat/completions", Some(&scene.body)).await?;
        let latency_ms = began.elapsed().as_secs_f64() * 1_000.0;
        seen.push(judge(&scene, &answer, &provider_of, latency_ms));
    }
    Ok(seen)
}

/// The same question before, during and after a router is swapped, broken and removed under the server.
async fn swap(client: &Client, dir: &Path, folder: &ArcSwap<PluginReport>) -> Result<Vec<Seen>, Failed> {
    let providers =
        BTreeMap::from(["fast-model", "smart-model"].map(|model| (model.to_owned(), "sim".to_owned())));
    let file = dir.join("cheapest-capable.wasm");
    let ask = |what, route, model| Scene {
        what,
        body: json!({ "model": "smart-model", "messages": [{ "role": "user", "content": "Why is the sea salt?" }] }),
        route,
        model,
        status: 200,
    };
    let mut seen = Vec::new();
    let acts: [(&Scene, Option<&[u8]>); 3] = [
        (&ask("+ cheapest-capable.wasm dropped in", "cheapest-capable", "fast-model"), Some(SWAPPED_IN)),
        (
            &ask("+ then overwritten with half a file", "cheapest-capable", "fast-model"),
            Some(&SWAPPED_IN[..SWAPPED_IN.len() / 2]),
        ),
        (&ask("+ then deleted", "named", "smart-model"), None),
    ];
    for (scene, bytes) in acts {
        let broken = bytes.is_some_and(|bytes| bytes.len() < SWAPPED_IN.len());
        match bytes {
            Some(bytes) => std::fs::write(&file, bytes)?,
            None => std::fs::remove_file(&file)?,
        }
        let began = Instant::now();
        loop {
            let asked = Instant::now();
            let answer = client.send("/v1/chat/completions", Some(&scene.body)).await?;
            let row = judge(scene, &answer, &providers, asked.elapsed().as_secs_f64() * 1_000.0);
            // Every request on the way must be answered; the swap is over when the answer is the new one.
            let refused =
                folder.load().refused.iter().any(|(_, reason)| reason.contains("not a valid component"));
            let done = row.fault.is_none() && refused == broken;
            if done || row.status != 200 || began.elapsed() > PATIENCE {
                seen.push(row);
                break;
            }
        }
    }
    Ok(seen)
}

fn judge(scene: &Scene, answer: &Answer, provider_of: &BTreeMap<String, String>, latency_ms: f64) -> Seen {
    let streamed = scene.body["stream"] == json!(true);
    let (text, usage) = match streamed {
        true => {
            let events = answer.events();
            let text: String =
                events.iter().filter_map(|e| e["choices"][0]["delta"]["content"].as_str()).collect();
            (text, events.iter().find_map(|e| e["usage"]["total_tokens"].as_u64()))
        }
        false => {
            let json = answer.json();
            let text =
                json["choices"][0]["message"]["content"].as_str().or(json["error"]["message"].as_str());
            (text.unwrap_or("").to_owned(), json["usage"]["total_tokens"].as_u64())
        }
    };
    let model = answer.header("x-jackfield-model").to_owned();
    let route = answer.header("x-jackfield-route").to_owned();
    let got = (answer.status.as_u16(), route.as_str(), model.as_str());
    let want = (scene.status, scene.route, scene.model);
    let fault = if got != want {
        Some(format!("expected (status, decided by, model) {want:?}, got {got:?}: {text}"))
    } else if text.is_empty() || (scene.status == 200 && usage.is_none()) {
        Some("the answer has no text or no usage".to_owned())
    } else {
        None
    };
    Seen {
        asked: scene.what,
        status: got.0,
        decided_by: if route.is_empty() { "nobody".to_owned() } else { route },
        why: answer.header("x-jackfield-reason").to_owned(),
        provider: provider_of.get(&model).cloned().unwrap_or_default(),
        model,
        tokens: usage,
        latency_ms,
        overhead_us: answer.header("x-jackfield-overhead-us").parse().ok(),
        answer: text,
        fault,
    }
}

fn show(seen: &[Seen], at: &str) -> Outcome {
    out::line(&format!(
        "A real gateway on {at}, simulated models, WebAssembly routers swapped while it serves.\n"
    ))?;
    let mut table = out::table(&[
        "asked",
        "status",
        "decided by",
        "why",
        "model",
        "provider",
        "tokens",
        "latency",
        "ours",
    ]);
    for row in seen {
        table.add_row(vec![
            Cell::new(row.asked),
            Cell::new(row.status),
            Cell::new(&row.decided_by),
            Cell::new(if row.status == 200 { &row.why } else { &row.answer }),
            Cell::new(&row.model),
            Cell::new(&row.provider),
            Cell::new(row.tokens.map(|t| t.to_string()).unwrap_or_default()),
            Cell::new(format!("{:.1} ms", row.latency_ms)),
            Cell::new(row.overhead_us.map(|us| format!("{us} µs")).unwrap_or_default()),
        ]);
    }
    out::line(&table)?;
    out::line(&"\n“ours” is the gateway's own share of the latency; the rest is the simulated model's.")?;
    out::line(&"Half a file never serves: it was refused with a reason, and the last good router went on.")?;
    out::line(&"Next: `jackfield serve`, then drop your own router into plugins/ (see README.md).")
}
