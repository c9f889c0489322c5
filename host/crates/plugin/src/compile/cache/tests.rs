//! Entries that are found, proved, refused, shared and evicted. What is in them is no matter here.

use std::io::Write;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use super::*;

const A: &str = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
const B: &str = "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb";
const C: &str = "cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc";

fn cache(private: &PrivateFolder, engine: &str, most: u64) -> CompiledCache {
    CompiledCache { folder: private.inside(FOLDER).unwrap(), engine: engine.to_owned(), most }
}

fn keep(cache: &CompiledCache, component: &str, bytes: &[u8]) {
    let draft = cache.draft().unwrap();
    draft.file().write_all(bytes).unwrap();
    cache.keep(component, draft).unwrap();
}

fn found(cache: &CompiledCache, component: &str) -> Option<Vec<u8>> {
    let mut artefact = cache.find(component)?;
    let mut bytes = Vec::new();
    artefact.rewind().unwrap();
    artefact.read_to_end(&mut bytes).unwrap();
    Some(bytes)
}

/// The path of the one entry of a component.
fn entry(cache: &CompiledCache, component: &str) -> PathBuf {
    let files = cache.folder.files().unwrap();
    let name = &files.iter().find(|file| file.name.starts_with(component)).unwrap().name;
    cache.folder.path().join(name)
}

fn private() -> (tempfile::TempDir, PrivateFolder) {
    let base = tempfile::tempdir().unwrap();
    let private = PrivateFolder::open(&base.path().join("plugins")).unwrap();
    (base, private)
}

#[test]
fn an_entry_is_found_by_component_and_engine_by_everybody() {
    let (_base, private) = private();
    let (one, other) = (cache(&private, "engine", MOST), cache(&private, "other", MOST));
    keep(&one, A, b"made of a");
    assert_eq!(found(&one, A).unwrap(), b"made of a");
    assert_eq!(found(&cache(&private, "engine", MOST), A).unwrap(), b"made of a", "shared");
    assert!(found(&one, B).is_none() && found(&other, A).is_none());
    keep(&other, A, b"made otherwise");
    keep(&one, A, b"made of a");
    assert_eq!(found(&one, A).unwrap(), b"made of a");
    assert_eq!(one.folder.files().unwrap().len(), 2, "the same twice is one entry");
    one.forget(A);
    assert!(found(&one, A).is_none() && found(&other, A).is_some());
}

#[test]
fn a_damaged_entry_is_removed_and_not_given_out() {
    let (_base, private) = private();
    let cache = cache(&private, "engine", MOST);
    let damages: [fn(&PathBuf); 4] = [
        |path| std::fs::write(path, b"made oF a").unwrap(),
        |path| std::fs::write(path, b"made of").unwrap(),
        |path| std::fs::write(path, b"").unwrap(),
        |path| {
            let renamed = path.display().to_string().replace(".cwasm", "0.cwasm");
            std::fs::rename(path, renamed).unwrap();
        },
    ];
    for damage in damages {
        keep(&cache, A, b"made of a");
        keep(&cache, B, b"made of b");
        damage(&entry(&cache, A));
        assert!(found(&cache, A).is_none());
        assert_eq!(cache.folder.files().unwrap().len(), 1, "only the damaged one is removed");
        assert_eq!(found(&cache, B).unwrap(), b"made of b");
    }
}

#[test]
fn what_was_used_longest_ago_goes_first() {
    let (_base, private) = private();
    let cache = cache(&private, "engine", 20);
    keep(&cache, A, b"12345678");
    keep(&cache, B, b"12345678");
    for (component, hours) in [(A, 2), (B, 1)] {
        let file = File::options().write(true).open(entry(&cache, component)).unwrap();
        file.set_modified(SystemTime::now() - Duration::from_secs(3_600 * hours)).unwrap();
    }
    // Used: now the other one is the oldest.
    assert!(found(&cache, A).is_some());
    keep(&cache, C, b"12345678");
    assert!(found(&cache, B).is_none());
    assert!(found(&cache, A).is_some() && found(&cache, C).is_some());
    // One that is too large by itself stays until the next comes.
    keep(&cache, B, &[0; 30]);
    assert_eq!(cache.folder.files().unwrap().len(), 1);
    assert!(found(&cache, B).is_some());
}
