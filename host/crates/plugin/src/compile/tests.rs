//! Both ways to compile, the cache between two starts, and a compiler that fails. The child's limits are tried with
//! the real program, in `host/tests/cli.rs`.

use std::path::Path;

use jackfield_core::contract::Decision;

use sha2::{Digest, Sha256};

use super::*;
use crate::guests::{ask, limits, load, router};
use crate::{Allocator, PluginEngine};

fn engine() -> PluginEngine {
    crate::guests::engine(Allocator::OnDemand)
}

fn keeping(path: &Path) -> PluginEngine {
    engine().keeping_in(Compiler::InProcess, PrivateFolder::open(path).unwrap()).unwrap()
}

fn child(program: &str) -> PluginEngine {
    engine().compiling_with(Compiler::Child { program: program.into() })
}

/// The compiled plugins in a private folder.
fn entries(path: &Path) -> Vec<PathBuf> {
    std::fs::read_dir(path.join("compiled")).unwrap().map(|entry| entry.unwrap().path()).collect()
}

/// Loads a router, asks it, and tells how often the compiler was called for that.
async fn compilations(engine: &PluginEngine, bytes: &[u8]) -> usize {
    let mut compiling = engine.compiling();
    compiling.mark_unchanged();
    let loading = async {
        let plugin = load(engine, bytes, limits()).await.unwrap();
        assert_eq!(plugin.router().unwrap().route(ask("")).await.unwrap().decision, Decision::Abstain);
    };
    let mut loading = Box::pin(loading);
    let mut begun = 0;
    loop {
        tokio::select! {
            biased;
            Ok(()) = compiling.changed() => begun += usize::from(compiling.borrow_and_update().is_some()),
            () = &mut loading => return begun,
        }
    }
}

#[test]
fn artefacts_fit_engines_of_either_allocator() {
    let of = |allocator| {
        let engine = crate::guests::engine(allocator);
        cache::compatibility(&engine.inner().engine)
    };
    assert_eq!(of(Allocator::Pooling), of(Allocator::OnDemand));
    let mut other = crate::engine::settings(Allocator::OnDemand, 1);
    other.epoch_interruption(false);
    assert_ne!(of(Allocator::OnDemand), cache::compatibility(&Engine::new(&other).unwrap()));
}

#[tokio::test]
async fn what_was_compiled_is_compiled_once() {
    let base = tempfile::tempdir().unwrap();
    let private = base.path().join("plugins");
    let guest = router("(call $abstain)");
    let first = keeping(&private);
    assert_eq!(compilations(&first, &guest).await, 1);
    assert_eq!(compilations(&first, &guest).await, 0);
    assert_eq!(compilations(&keeping(&private), &guest).await, 0, "the next start");
    let pooling = crate::guests::engine(Allocator::Pooling);
    let pooling = pooling.keeping_in(Compiler::InProcess, PrivateFolder::open(&private).unwrap()).unwrap();
    assert_eq!(compilations(&pooling, &guest).await, 0, "the other allocator");
    assert_eq!(compilations(&first, &router("nop (call $abstain)")).await, 1);
    assert_eq!(entries(&private).len(), 2);
    assert_eq!(compilations(&engine(), &guest).await, 1, "an engine that keeps nothing");
}

#[tokio::test]
async fn a_damaged_entry_is_compiled_anew() {
    let base = tempfile::tempdir().unwrap();
    let private = base.path().join("plugins");
    let guest = router("(call $abstain)");
    let engine = keeping(&private);
    assert_eq!(compilations(&engine, &guest).await, 1);
    let entry = entries(&private).remove(0);
    let mut bytes = std::fs::read(&entry).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&entry, &bytes).unwrap();
    assert_eq!(compilations(&engine, &guest).await, 1);
    assert_eq!(compilations(&engine, &guest).await, 0);

    // Whole, and of no use: its digest is right, its content is not.
    std::fs::remove_file(&entry).unwrap();
    let (start, _) = entry.to_str().unwrap().rsplit_once('-').unwrap();
    std::fs::write(format!("{start}-{}.cwasm", crate::load::hex(&Sha256::digest(b"nonsense"))), "nonsense")
        .unwrap();
    assert_eq!(compilations(&engine, &guest).await, 1);
    assert_eq!(entries(&private), [entry]);
}

#[tokio::test]
async fn an_entry_that_goes_while_its_plugin_serves_is_not_missed() {
    let base = tempfile::tempdir().unwrap();
    let private = base.path().join("plugins");
    let guest = router("(call $abstain)");
    for _ in 0..2 {
        let plugin = load(&keeping(&private), &guest, limits()).await.unwrap();
        let router = plugin.router().unwrap();
        for entry in entries(&private) {
            std::fs::remove_file(&entry).unwrap();
        }
        for _ in 0..10 {
            assert_eq!(router.route(ask("")).await.unwrap().decision, Decision::Abstain);
        }
        assert!(entries(&private).is_empty());
    }
}

#[tokio::test]
async fn a_compiler_that_fails_is_a_refusal() {
    let guest = router("(call $abstain)");
    let refused =
        async |program| load(&child(program), &guest, limits()).await.map(drop).unwrap_err().to_string();
    assert_eq!(refused("/bin/false").await, "could not be compiled: the compiler ended with the code 1");
    let missing = refused("/nowhere/jackfield").await;
    assert!(
        missing.starts_with("could not be compiled: the compiler does not start: No such file"),
        "{missing}"
    );
    // Silent, with a success that is none: what it made is no artefact.
    assert!(refused("/bin/true").await.contains("is not a valid component"));
    // What is invalid never comes to the compiler.
    let truncated = load(&child("/nowhere/jackfield"), &guest[..guest.len() / 2], limits()).await;
    assert!(truncated.map(drop).unwrap_err().to_string().contains("is not a valid component"));
}
