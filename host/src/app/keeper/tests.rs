//! A canary that a person promotes, and one that fails although it was promoted: the Keeper by itself, without a server.

use std::path::PathBuf;
use std::time::Instant;

use jackfield_core::base::RequestId;
use jackfield_core::contract::Caller;
use jackfield_dialect::openai::parse_request;
use jackfield_gateway::pipeline::{Incoming, explain};
use jackfield_gateway::policy::Plan;

use super::*;

struct Bench {
    folder: tempfile::TempDir,
    keeper: Keeper,
    published: ArcSwap<World>,
}

/// The example router's bytes; every number gives others that do the same.
fn plugin(number: u8) -> Vec<u8> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../plugins/urgent-router.wasm");
    let mut bytes = std::fs::read(path).unwrap();
    // A custom section without content, whose name is one digit.
    bytes.extend([0, 2, 1, b'0' + number]);
    bytes
}

fn write(folder: &Path, model: &str, rollout: &str) {
    let yaml = format!(
        "providers: {{ sim: {{ kind: simulated }} }}\nmodels: {{ a: {{ provider: sim }}, b: {{ provider: sim }}, rest: {{ provider: sim }} }}\n\
         orchestrator: {{ default_model: rest }}\nplugins:\n  dir: \"{0}\"\n  router_defaults: {{ limits: {{ cpu: 5s, wall: 30s }} }}\n  \
         settings:\n    rule: {{ config: {{ keyword: hello, model: {model} }}, {rollout} }}\n",
        folder.display()
    );
    std::fs::write(folder.join("jackfield.yaml"), yaml).unwrap();
}

impl Bench {
    async fn new(rollout: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        write(folder.path(), "a", rollout);
        std::fs::write(folder.path().join("rule.wasm"), plugin(1)).unwrap();
        let config = Config::load(Some(&folder.path().join("jackfield.yaml"))).unwrap();
        let engine =
            PluginEngine::start(jackfield_plugin_host::Concurrency { running: 2, queue: 8, instances: 64 })
                .unwrap();
        let providers = Registry::build(&config).unwrap();
        let mut keeper = Keeper::new(Arc::new(config), providers, engine, Arc::default());
        let published = ArcSwap::from_pointee(keeper.first().await);
        Self { folder, keeper, published }
    }

    /// Other bytes and another model at once.
    async fn swap(&mut self, number: u8, model: &str, rollout: &str) {
        write(self.folder.path(), model, rollout);
        std::fs::write(self.folder.path().join("rule.wasm"), plugin(number)).unwrap();
        self.keeper.reload(&self.published).await;
    }

    /// The model that the generation that serves leads to.
    async fn base(&self) -> String {
        let body = r#"{"messages":[{"role":"user","content":"hello"}]}"#;
        let incoming = Incoming {
            id: RequestId::generate(),
            request: parse_request(body.into()).unwrap(),
            caller: Caller::default(),
            task: None,
            headers: axum::http::HeaderMap::new(),
            run: None,
            step: None,
            started: Instant::now(),
            place: Arc::new(Load::default()).enter(1).unwrap(),
        };
        match explain(&self.published.load_full(), incoming).await.plan.unwrap() {
            Plan::Candidates(targets) => targets[0].model.clone(),
            Plan::Respond { text, .. } => text,
        }
    }

    /// The digests of the generation that serves and of its canary.
    fn digests(&self) -> (String, Option<String>) {
        let report = self.keeper.report().load_full();
        let [plugin] = &report.loaded[..] else { panic!("{report:?}") };
        (plugin.digest.clone(), plugin.canary.as_ref().map(|canary| canary.digest.clone()))
    }
}

const CANARY: &str = "canary: 5%, rollback: { faults: 2 }";

#[tokio::test]
async fn a_person_promotes_a_canary_once() {
    let mut bench = Bench::new(CANARY).await;
    assert!(!bench.keeper.promote("rule", &bench.published), "nothing is on trial");
    assert_eq!((bench.base().await.as_str(), bench.keeper.next_promotion()), ("a", None));
    bench.swap(2, "b", CANARY).await;
    let (old, new) = bench.digests();
    let new = new.expect("a canary");
    assert_ne!(old, new);
    assert_eq!(bench.base().await, "a");
    assert!(bench.keeper.next_promotion().is_some());
    assert!(!bench.keeper.promote("other", &bench.published));
    let before = bench.published.load().generation();

    assert!(bench.keeper.promote("rule", &bench.published));
    assert_eq!(bench.published.load().generation(), before + 1);
    assert_eq!((bench.base().await.as_str(), bench.digests()), ("b", (new.clone(), None)));
    assert!(!bench.keeper.promote("rule", &bench.published), "promoted already");
    assert_eq!(bench.keeper.next_promotion(), None);
    // Another look at the same folder changes nothing.
    bench.keeper.reload(&bench.published).await;
    assert_eq!(bench.digests(), (new, None));
}

#[tokio::test]
async fn a_promoted_canary_is_still_on_probation() {
    for (probation, comes_back) in [("1h", true), ("1ms", false)] {
        let rollout = format!("{CANARY}, probation: {probation}");
        let mut bench = Bench::new(&rollout).await;
        let mut failing = bench.keeper.failing();
        // The plugin cannot know that there is no such model.
        bench.swap(2, "nowhere", &rollout).await;
        let (old, new) = bench.digests();
        let over = bench.keeper.next_promotion().unwrap();
        assert!(bench.keeper.promote("rule", &bench.published));
        if !comes_back {
            tokio::time::sleep_until(over).await;
        }
        for _ in 0..2 {
            assert_eq!(bench.base().await, "rest", "`on_error: next`");
        }
        let told = failing.recv().await.unwrap();
        bench.keeper.roll_back(&told, &bench.published).await;
        let want = if comes_back { old } else { new.unwrap() };
        assert_eq!(bench.digests(), (want, None), "{probation}");
        assert_eq!(bench.base().await, if comes_back { "a" } else { "rest" });
        // What was said of a generation that is gone is no longer heard.
        let generation = bench.published.load().generation();
        bench.keeper.roll_back(&told, &bench.published).await;
        assert_eq!(bench.published.load().generation(), generation);
    }
}

#[tokio::test]
async fn a_canary_that_fails_unheard_is_not_promoted() {
    let rollout = format!("{CANARY}, probation: 1ms");
    let mut bench = Bench::new(&rollout).await;
    // Nobody listens: the openings are lost.
    drop(bench.keeper.failing());
    bench.swap(2, "nowhere", &rollout).await;
    let (old, new) = bench.digests();
    let canary = bench.keeper.generations.get("rule").and_then(|serving| serving.canary.as_ref()).unwrap();
    for _ in 0..2 {
        canary.breaker.failed(Instant::now());
    }
    assert!(new.is_some());
    tokio::time::sleep_until(bench.keeper.next_promotion().unwrap()).await;
    bench.keeper.promote_due(&bench.published).await;
    assert_eq!(bench.digests(), (old, None));
    assert_eq!(bench.base().await, "a");
    let refused = &bench.keeper.report().load_full().refused;
    assert!(refused.iter().any(|(_, why)| why.contains("was withdrawn")), "{refused:?}");
}
