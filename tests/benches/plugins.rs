//! What a plugin costs: the same router in Rust, JavaScript and Python, and in the host's own Rust beside them.
//!
//! The point to see: **a prompt that is not read costs nothing**, however long it is (`unread`); a search on the
//! host's side costs what searching costs (`contains`); only text that is copied into the guest is paid for by
//! the byte and by the language (`text`). A plain name is a call with fresh memory, the default; `warm` is a
//! call of an instance that was called before (`instances: warm`); `instantiate` is what the first pays more.
//!
//! A call is measured from the host's `Router::route` to its decision, limits and clock included; requests are
//! parsed beforehand, and where they are read every call gets one that nobody has looked at. `host` is the same
//! rule without a guest. Components come from `tests/guests/build.sh` through `JACKFIELD_GUESTS`; without it,
//! only the committed example plugin is measured.
//!
//! ```console
//! $ JACKFIELD_GUESTS=~/.cache/jackfield/guests cargo bench -p jackfield-tests --bench plugins
//! ```
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a bench that cannot go on says so to the person who started it"
)]

use std::collections::BTreeSet;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use bytes::Bytes;
use divan::Bencher;
use divan::counter::ItemsCount;
use jackfield_core::base::RequestId;
use jackfield_core::config::PluginLimits;
use jackfield_core::contract::{
    Ask, BoxFuture, BudgetScope, Caller, Decision, Facts, Headroom, HostView, LiveState, LoadState,
    ModelInfo, PluginFault, Router, Routing, Target,
};
use jackfield_plugin_host::{Concurrency, Plugin, PluginEngine, PluginSettings};
use memchr::memmem;
use tokio::runtime::Runtime;

/// The gateway's own.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// The word the rule looks for. No prompt here contains it, so that all of the prompt is searched.
const KEYWORD: &str = "urgent";
/// The one model of this bench's host.
const MODEL: &str = "fast-model";
/// How often a guest's task `calls` calls the host.
const CALLS: u32 = 1000;
/// Prompts' lengths, in bytes.
const LENGTHS: [usize; 4] = [100, 1_000, 10_000, 1_000_000];
/// Far above what any of these needs: a bench measures, it does not enforce.
fn limits() -> PluginLimits {
    PluginLimits {
        cpu: Duration::from_secs(5),
        wall: Duration::from_secs(10),
        memory: 256 << 20,
        ..PluginLimits::default()
    }
}

/// One thread: a call is a chain of steps, and hops between threads are not its cost.
static RUNTIME: LazyLock<Runtime> =
    LazyLock::new(|| tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap());
static ENGINE: LazyLock<PluginEngine> =
    LazyLock::new(|| PluginEngine::start(Concurrency { running: 8, queue: 64, instances: 256 }).unwrap());
static RULES: LazyLock<Vec<Rule>> = LazyLock::new(rules);

fn main() {
    if guests().is_none() {
        println!(
            "JACKFIELD_GUESTS is not set: JavaScript, Python and the tasks of the Rust guest are left out; \
             tests/guests/build.sh builds them\n"
        );
    }
    costs();
    divan::main();
}

/// Counts, no timings: what one call takes besides time.
fn costs() {
    println!("{:<16} {:>12} {:>14} {:>11}", "one call", "component", "linear memory", "host calls");
    for task in [None, Some("unread"), Some("text"), Some("calls")] {
        for case in cases(task, &LENGTHS[..1]) {
            let Some(plugin) = &case.rule.plugin else { continue };
            let Some(router) = plugin.component_router() else { continue };
            let (_, cost) = RUNTIME.block_on(router.route_measured(case.ask())).unwrap();
            let name = format!("{:<6} {}", case.rule.name, task.unwrap_or("contains"));
            let (size, memory) = (plugin.size() / 1_000, cost.memory >> 10);
            println!("{name:<16} {size:>9} kB {memory:>10} KiB {:>11}", cost.host_calls);
        }
    }
    println!();
}

/// From the file to something callable: validated, compiled, its settings checked.
#[divan::bench(args = fresh(), sample_count = 3, sample_size = 1)]
fn load(bencher: Bencher<'_, '_>, rule: &Rule) {
    bencher.bench_local(|| rule.file.as_deref().map(|file| plugin(file, false)));
}

/// An instance made and thrown away, without a call.
#[divan::bench(args = fresh(), sample_count = 200, sample_size = 8)]
fn instantiate(bencher: Bencher<'_, '_>, rule: &Rule) {
    let router = rule.plugin.as_ref().and_then(Plugin::component_router).unwrap();
    bencher.bench_local(|| RUNTIME.block_on(router.instantiate()).unwrap());
}

/// The guests, each once.
fn fresh() -> impl Iterator<Item = &'static Rule> {
    RULES.iter().filter(|rule| rule.plugin.is_some() && !rule.name.contains("warm"))
}

/// The rule looks at the summary alone: the same for every length.
///
/// One request a row, unlike below. Nothing of it is read, so nothing is remembered from call to call; and writing
/// a fresh megabyte before each call would measure the processor's caches instead.
#[divan::bench(args = cases(Some("unread"), &LENGTHS), sample_count = 200, sample_size = 8)]
fn unread(bencher: Bencher<'_, '_>, case: &Case) {
    let ask = case.ask();
    bencher.bench_local(|| case.decide(&ask));
}

/// The seed's rule: its settings are read, and the host searches the prompt.
#[divan::bench(args = cases(None, &LENGTHS), sample_count = 200, sample_size = 8)]
fn contains(bencher: Bencher<'_, '_>, case: &Case) {
    bencher.with_inputs(|| case.ask()).bench_local_refs(|ask| case.decide(ask));
}

/// The whole prompt by value, searched by the guest.
#[divan::bench(args = cases(Some("text"), &LENGTHS), sample_count = 200, sample_size = 8)]
fn text(bencher: Bencher<'_, '_>, case: &Case) {
    bencher.with_inputs(|| case.ask()).bench_local_refs(|ask| case.decide(ask));
}

/// A thousand calls of the smallest host function in one call of the rule; an item is one of them.
#[divan::bench(args = cases(Some("calls"), &LENGTHS[..1]), sample_count = 100, sample_size = 2)]
fn host_calls(bencher: Bencher<'_, '_>, case: &Case) {
    let bencher = bencher.counter(ItemsCount::new(CALLS));
    bencher.with_inputs(|| case.ask()).bench_local_refs(|ask| case.decide(ask));
}

/// A router to measure.
#[derive(Clone)]
struct Rule {
    name: &'static str,
    /// The tasks it has besides the seed's rule.
    tasks: &'static [&'static str],
    /// Whether it is the seed's rule when there is no task.
    seed: bool,
    file: Option<PathBuf>,
    plugin: Option<Plugin>,
    router: Arc<dyn Router>,
}

/// One row of a table.
struct Case {
    rule: &'static Rule,
    task: Option<&'static str>,
    length: usize,
}

/// The rule without a guest, then the guests there are.
fn rules() -> Vec<Rule> {
    let finder = memmem::Finder::new(KEYWORD).into_owned();
    let native = Rule {
        name: "host",
        tasks: &["unread", "text"],
        seed: true,
        file: None,
        plugin: None,
        router: Arc::new(Native { finder }),
    };
    let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("../plugins/urgent-router.wasm");
    let mut rules = vec![native];
    for (warm, names) in [(false, ["rust", "js", "python"]), (true, ["rust warm", "js warm", "python warm"])]
    {
        rules.push(guest(names[0], example.clone(), &[], true, warm));
        if let Some(folder) = guests() {
            let tasks = &["unread", "text", "calls"];
            rules.push(guest(names[0], folder.join("rust-bench.wasm"), tasks, false, warm));
            rules.push(guest(names[1], folder.join("js.wasm"), tasks, true, warm));
            rules.push(guest(names[2], folder.join("python.wasm"), tasks, true, warm));
        }
    }
    rules
}

fn guest(name: &'static str, file: PathBuf, tasks: &'static [&'static str], seed: bool, warm: bool) -> Rule {
    let plugin = plugin(&file, warm);
    let router = plugin.router().unwrap_or_else(|| panic!("{}: is no router", file.display()));
    Rule { name, tasks, seed, file: Some(file), plugin: Some(plugin), router }
}

fn guests() -> Option<PathBuf> {
    std::env::var_os("JACKFIELD_GUESTS").map(PathBuf::from)
}

fn plugin(file: &Path, warm: bool) -> Plugin {
    let config = format!(r#"{{"keyword": "{KEYWORD}", "model": "{MODEL}"}}"#);
    let settings = PluginSettings { config, warm, grants: BTreeSet::new(), limits: limits(), sha256: None };
    let loaded = RUNTIME.block_on(Plugin::load(&ENGINE, "guest", file, settings));
    loaded.unwrap_or_else(|e| panic!("{} {e}; tests/guests/build.sh builds it", file.display()))
}

fn cases(task: Option<&'static str>, lengths: &'static [usize]) -> impl Iterator<Item = Case> {
    let able = move |rule: &&Rule| task.map_or(rule.seed, |task| rule.tasks.contains(&task));
    let rows = move |rule| lengths.iter().map(move |&length| Case { rule, task, length });
    RULES.iter().filter(able).flat_map(rows)
}

impl Case {
    /// The question. Every one is parsed anew, so that none finds what another has decoded.
    fn ask(&self) -> Ask {
        let prompt = "so many words ".repeat(self.length / 14 + 1);
        let body = format!(r#"{{"messages":[{{"role":"user","content":"{}"}}]}}"#, &prompt[..self.length]);
        let request = jackfield_dialect::openai::parse_request(Bytes::from(body)).unwrap();
        let facts = Facts {
            id: RequestId::generate(),
            request,
            task: self.task.map(str::to_owned),
            caller: Caller::default(),
            headers: http::HeaderMap::new(),
            run: None,
            step: None,
        };
        Ask { facts: Arc::new(facts), labels: Arc::from([]), view: Arc::new(OneModel), completer: None }
    }

    fn decide(&self, ask: &Ask) -> Routing {
        let routed = RUNTIME.block_on(self.rule.router.route(ask.clone()));
        routed.unwrap_or_else(|fault| panic!("{self}: {fault}"))
    }
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Whole bytes behind one space: so divan's order is the order of lengths.
        write!(f, "{} {} B", self.rule.name, self.length)
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let file = self.file.as_deref().and_then(Path::file_name).unwrap_or_default();
        write!(f, "{} {}", self.name, file.display())
    }
}

/// The guests' rule without a guest: what is left is the price of the seam.
struct Native {
    finder: memmem::Finder<'static>,
}

impl Native {
    fn decide(&self, ask: &Ask) -> Routing {
        let request = &ask.facts.request;
        let (reason, found) = match ask.facts.task.as_deref() {
            Some("unread") => (format!("{} messages", request.messages.len()), true),
            Some(_) => ("text".to_owned(), self.finder.find(request.last_user_text().as_bytes()).is_some()),
            None => {
                let mut texts = request.last_user().into_iter().flat_map(|message| message.texts());
                let found = texts.any(|text| self.finder.find(text.as_str().as_bytes()).is_some());
                (format!("the prompt contains `{KEYWORD}`: {found}"), found)
            }
        };
        let target = Target::model(MODEL);
        let decision = if found { Decision::Route(vec![target]) } else { Decision::Abstain };
        Routing { decision, reason, labels: Vec::new() }
    }
}

impl Router for Native {
    fn name(&self) -> &str {
        "host"
    }

    fn route(&self, ask: Ask) -> BoxFuture<'_, Result<Routing, PluginFault>> {
        Box::pin(async move { Ok(self.decide(&ask)) })
    }
}

/// A host with one model.
struct OneModel;

impl HostView for OneModel {
    fn model_names(&self) -> Vec<String> {
        vec![MODEL.into()]
    }
    fn model_info(&self, name: &str) -> Option<ModelInfo> {
        (name == MODEL).then(|| ModelInfo { name: name.into(), ..ModelInfo::default() })
    }
    fn live(&self, _: &str) -> Option<LiveState> {
        None
    }
    fn load(&self) -> LoadState {
        LoadState::default()
    }
    fn budget(&self, _: &Caller, _: BudgetScope) -> Option<Headroom> {
        None
    }
    fn nearest_models(&self, _: &str) -> Vec<String> {
        vec![MODEL.into()]
    }
}
