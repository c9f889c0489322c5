//! Pins, quarantine and last good bytes, within one start and across two.

use std::sync::Mutex;

use jackfield_core::contract::Decision;

use super::*;
use crate::guests::{ask, limits, router};
use crate::{Allocator, Compiler, PrivateFolder};

/// A folder of plugins, and what a gateway over it keeps.
struct Bench {
    base: tempfile::TempDir,
    settings: Mutex<PluginSettings>,
}

/// A gateway's start: its catalog and its memory.
struct Start<'a> {
    bench: &'a Bench,
    engine: PluginEngine,
    catalog: Catalog,
    memory: Memory,
}

/// A router that answers so, told apart from others by its bytes.
fn guest(nops: usize) -> Vec<u8> {
    router(&format!("{} (call $abstain)", "nop ".repeat(nops)))
}

fn bench() -> Bench {
    let base = tempfile::tempdir().unwrap();
    std::fs::create_dir(base.path().join("plugins")).unwrap();
    let settings = crate::guests::settings(limits(), false);
    Bench { base, settings: Mutex::new(settings) }
}

impl Bench {
    fn put(&self, name: &str, bytes: &[u8]) {
        let (beside, path) = (self.base.path().join("beside"), self.base.path().join("plugins").join(name));
        std::fs::write(&beside, bytes).unwrap();
        std::fs::rename(&beside, path).unwrap();
    }

    fn remove(&self, name: &str) {
        std::fs::remove_file(self.base.path().join("plugins").join(name)).unwrap();
    }

    fn set(&self, change: impl FnOnce(&mut PluginSettings)) {
        change(&mut self.settings.lock().unwrap());
    }

    /// A start that remembers.
    fn start(&self) -> Start<'_> {
        let private = PrivateFolder::open(&self.base.path().join("private")).unwrap();
        let engine = crate::guests::engine(Allocator::OnDemand);
        let engine = engine.keeping_in(Compiler::InProcess, private).unwrap();
        let memory = engine.memory(&self.base.path().join("plugins")).write_changes();
        Start { bench: self, engine, catalog: Catalog::default(), memory }
    }

    /// A start without a private folder.
    fn start_forgetful(&self) -> Start<'_> {
        let engine = crate::guests::engine(Allocator::OnDemand);
        Start { bench: self, engine, catalog: Catalog::default(), memory: Memory::default() }
    }
}

impl Start<'_> {
    /// Looks at the folder and returns what changed.
    async fn scan(&mut self) -> Vec<Change> {
        let dir = self.bench.base.path().join("plugins");
        let settings = |_: &str| Some(self.bench.settings.lock().unwrap().clone());
        let scan = self.catalog.rescan(&self.engine, &dir, &settings, &mut self.memory).await.unwrap();
        self.catalog = scan.catalog;
        if let Some(plugin) = self.catalog.get("rule") {
            let answer = plugin.router().unwrap().route(ask("")).await.unwrap();
            assert_eq!(answer.decision, Decision::Abstain, "what is in the catalog can be called");
        }
        scan.changes
    }

    async fn roll_back(&mut self, to: &Plugin) {
        self.catalog = self.catalog.rolled_back(to, "it keeps failing", &mut self.memory).await;
    }

    fn serving(&self) -> Option<&str> {
        self.catalog.get("rule").map(Plugin::digest)
    }

    fn refused(&self) -> String {
        self.catalog.refusals.iter().map(|refusal| refusal.reason.as_str()).collect()
    }
}

fn digest(bytes: &[u8]) -> String {
    FileBytes::new(bytes.to_vec()).digest().to_owned()
}

#[tokio::test]
async fn a_pin_lets_one_file_in_and_no_other() {
    let bench = bench();
    let (good, other) = (guest(0), guest(1));
    bench.set(|settings| settings.sha256 = Some(digest(&good)));
    let mut start = bench.start_forgetful();
    bench.put("rule.wasm", &other);
    start.scan().await;
    assert_eq!(start.serving(), None);
    let refused = start.refused();
    assert!(refused.contains(&digest(&good)) && refused.contains(&digest(&other)), "{refused}");
    assert!(refused.contains("plugins.settings.rule.sha256"), "{refused}");

    bench.put("rule.wasm", &good);
    start.scan().await;
    assert_eq!((start.serving(), start.refused().as_str()), (Some(&*digest(&good)), ""));
    // Replaced by what is not agreed on: the one that is goes on.
    bench.put("rule.wasm", &other);
    let changes = start.scan().await;
    assert!(matches!(&changes[..], [Change::Refused { serving: true, .. }]), "{changes:?}");
    assert_eq!(start.serving(), Some(&*digest(&good)));
    // Agreed on after all.
    bench.set(|settings| settings.sha256 = Some(digest(&other)));
    let changes = start.scan().await;
    assert!(matches!(&changes[..], [Change::Replaced { .. }]), "{changes:?}");
    // What serves is no longer what is agreed on, and there is nothing else.
    bench.set(|settings| settings.sha256 = Some(digest(&good)));
    let changes = start.scan().await;
    assert!(changes.contains(&Change::Removed { name: "rule".into() }), "{changes:?}");
    assert_eq!(start.serving(), None);
}

#[tokio::test]
async fn a_quarantine_is_lifted_by_other_settings_and_survives_a_restart() {
    let bench = bench();
    let (good, bad) = (guest(0), guest(1));
    for remembers in [false, true] {
        bench.set(|settings| settings.config = "{}".into());
        let mut start = if remembers { bench.start() } else { bench.start_forgetful() };
        bench.put("rule.wasm", &good);
        start.scan().await;
        let before = start.catalog.get("rule").unwrap().clone();
        bench.put("rule.wasm", &bad);
        start.scan().await;
        assert_eq!(start.serving(), Some(&*digest(&bad)));
        start.roll_back(&before).await;
        assert_eq!(start.serving(), Some(&*digest(&good)));
        // Under whatever name, and however often it is put there.
        bench.put("rule.wasm", &bad);
        bench.put("other.wasm", &bad);
        start.scan().await;
        assert!(start.refused().contains("it keeps failing"), "{}", start.refused());
        assert_eq!((start.serving(), start.catalog.get("other").is_none()), (Some(&*digest(&good)), true));

        if remembers {
            start = bench.start();
            let changes = start.scan().await;
            assert_eq!(start.serving(), Some(&*digest(&good)), "{changes:?}");
            assert!(start.refused().contains("it keeps failing; its last good bytes"), "{}", start.refused());
            assert!(start.catalog.get("other").is_none());
        }
        bench.set(|settings| settings.config = r#"{"gentle":true}"#.into());
        start.scan().await;
        assert_eq!((start.serving(), start.refused().as_str()), (Some(&*digest(&bad)), ""));
        bench.remove("other.wasm");
    }
}

#[tokio::test]
async fn the_last_good_bytes_serve_again_after_a_restart() {
    let bench = bench();
    let (good, newer) = (guest(0), guest(1));
    bench.put("rule.wasm", &good);
    bench.start().scan().await;

    // Broken, empty, unreadable as a file: the last good bytes serve, and the refusal says so.
    for broken in [&newer[..newer.len() / 2], b"", b"hello"] {
        bench.put("rule.wasm", broken);
        let mut start = bench.start();
        let changes = start.scan().await;
        let [Change::Refused { refusal, serving: true }, Change::Added { digest: added, .. }] = &changes[..]
        else {
            panic!("{changes:?}")
        };
        assert_eq!((added, start.serving()), (&digest(&good), Some(&*digest(&good))));
        assert!(refusal.reason.ends_with(&format!("its last good bytes ({added}) serve")), "{refusal:?}");
        // And go on serving, told once.
        assert_eq!(start.scan().await, []);
        assert_eq!(start.serving(), Some(&*digest(&good)));
        // Until the file is good again.
        bench.put("rule.wasm", &newer);
        start.scan().await;
        assert_eq!((start.serving(), start.refused().as_str()), (Some(&*digest(&newer)), ""));
        bench.put("rule.wasm", &good);
        start.scan().await;
    }

    // Not those that another digest is asked for, nor those that do not like their settings.
    bench.put("rule.wasm", b"hello");
    bench.set(|settings| settings.sha256 = Some(digest(&newer)));
    let mut start = bench.start();
    start.scan().await;
    assert_eq!(start.serving(), None);
    bench.set(|settings| settings.sha256 = None);
    // Without a memory there is nothing to fall back on.
    let mut start = bench.start_forgetful();
    start.scan().await;
    assert_eq!(start.serving(), None);
    // A file that is gone is gone, and its memory with it.
    bench.remove("rule.wasm");
    let mut start = bench.start();
    assert!(start.scan().await.is_empty());
    bench.put("rule.wasm", b"hello");
    let mut start = bench.start();
    start.scan().await;
    assert_eq!(start.serving(), None);
}

#[tokio::test]
async fn compiled_code_in_the_plugin_folder_is_never_looked_at() {
    let bench = bench();
    let engine = crate::guests::engine(Allocator::OnDemand);
    let artefact = engine.inner().engine.precompile_component(&guest(0)).unwrap();
    bench.put("rule.cwasm", &artefact);
    let mut start = bench.start();
    assert!(start.scan().await.is_empty());
    bench.put("rule.wasm", &artefact);
    start.scan().await;
    assert!(
        start.refused().starts_with("is not WebAssembly (it begins with 7f 45 4c 46"),
        "{}",
        start.refused()
    );
}
