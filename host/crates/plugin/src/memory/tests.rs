//! What is remembered, for whom, and what is done about a memory that is damaged.

use std::path::PathBuf;

use super::*;

struct Place {
    _base: tempfile::TempDir,
    private: PrivateFolder,
}

fn place() -> Place {
    let base = tempfile::tempdir().unwrap();
    let private = PrivateFolder::open(&base.path().join("private")).unwrap();
    Place { _base: base, private }
}

impl Place {
    fn open(&self) -> Memory {
        Memory::open(&self.private, Path::new("/srv/plugins")).write_changes()
    }

    fn folder(&self) -> PathBuf {
        self.open().folder.unwrap().path().to_owned()
    }

    fn kept(&self) -> usize {
        let files = std::fs::read_dir(self.folder()).unwrap();
        files.filter(|file| file.as_ref().unwrap().path().extension().is_some_and(|e| e == "wasm")).count()
    }
}

fn file(text: &str) -> FileBytes {
    FileBytes::new(text.into())
}

async fn last_good(memory: &Memory, name: &str) -> Option<Bytes> {
    memory.last_good(name).await.map(|file| file.bytes().clone())
}

#[tokio::test]
async fn the_last_good_bytes_and_the_ones_before_are_kept() {
    let place = place();
    let mut memory = place.open();
    for text in ["one", "two", "two", "three"] {
        memory.serves("rule", &file(text)).await;
        memory.save().await;
    }
    memory.serves("other", &file("two")).await;
    memory.save().await;
    let mut memory = place.open();
    assert_eq!(last_good(&memory, "rule").await.unwrap(), "three");
    assert_eq!(place.kept(), 2, "two generations; the same bytes once");
    memory.went_back("rule", file("one").digest());
    assert_eq!(last_good(&memory, "rule").await.unwrap(), "three", "not the one before");
    memory.went_back("rule", file("two").digest());
    memory.save().await;
    let mut memory = place.open();
    assert_eq!(last_good(&memory, "rule").await.unwrap(), "two");
    assert_eq!(place.kept(), 1);
    memory.keep_only(&BTreeSet::from(["other"]));
    memory.save().await;
    let memory = place.open();
    assert_eq!(
        (last_good(&memory, "rule").await, last_good(&memory, "other").await.unwrap()),
        (None, "two".into())
    );
}

#[tokio::test]
async fn folders_have_memories_of_their_own_and_commands_write_none() {
    let place = place();
    let mut looks = Memory::open(&place.private, Path::new("/srv/plugins"));
    looks.serves("rule", &file("one")).await;
    looks.quarantine("digest", "settings", "it fails");
    looks.save().await;
    let mut memory = place.open();
    assert!(last_good(&memory, "rule").await.is_none() && memory.quarantined("digest", "settings").is_none());
    memory.serves("rule", &file("one")).await;
    memory.save().await;
    assert!(place.open().is_of(Path::new("/srv/plugins")) && !place.open().is_of(Path::new("/srv/other")));
    let other = Memory::open(&place.private, Path::new("/srv/other"));
    assert!(last_good(&other, "rule").await.is_none());
}

#[tokio::test]
async fn the_quarantine_is_of_bytes_and_settings_and_is_bounded() {
    let place = place();
    let mut memory = place.open();
    for number in 0..=MAX_QUARANTINE {
        memory.quarantine("digest", &format!("settings {number}"), "it fails");
    }
    memory.quarantine("digest", "settings 7", "it still fails");
    memory.save().await;
    let memory = place.open();
    assert_eq!(memory.state.quarantine.len(), MAX_QUARANTINE);
    assert_eq!(memory.quarantined("digest", "settings 0"), None, "the oldest makes room");
    assert_eq!(memory.quarantined("digest", "settings 1"), Some("it fails"));
    assert_eq!(memory.quarantined("digest", "settings 7"), Some("it still fails"));
    assert_eq!(memory.quarantined("digest", "others"), None);
    assert_eq!(memory.quarantined("other", "settings 1"), None);
    // Without a folder it lasts as long as the process.
    let mut memory = Memory::default();
    memory.quarantine("digest", "settings", "it fails");
    memory.save().await;
    assert_eq!(memory.quarantined("digest", "settings"), Some("it fails"));
}

#[tokio::test]
async fn a_damaged_memory_is_begun_anew() {
    let place = place();
    let mut memory = place.open();
    memory.serves("rule", &file("one")).await;
    memory.quarantine("digest", "settings", "it fails");
    memory.save().await;
    let json = place.folder().join(FILE);
    let good = std::fs::read_to_string(&json).unwrap();
    let digest = file("one").digest().to_owned();
    let damaged = [
        good[..good.len() / 2].to_owned(),
        good.replace("\"version\": 1", "\"version\": 2"),
        good.replace(&digest, "../../../etc/passwd"),
        good.replace("\"folder\"", "\"unknown\""),
        " ".repeat(5 << 20),
        String::new(),
    ];
    for text in damaged {
        std::fs::write(&json, &text).unwrap();
        let memory = place.open();
        assert!(last_good(&memory, "rule").await.is_none(), "{text:.200}");
        assert!(memory.quarantined("digest", "settings").is_none(), "{text:.200}");
    }
    std::fs::write(&json, &good).unwrap();
    let mut memory = place.open();
    assert_eq!(last_good(&memory, "rule").await.unwrap(), "one");
    // Bytes that are not the ones remembered are none.
    for other in ["One", "one and more"] {
        std::fs::write(place.folder().join(bytes_of(&digest)), other).unwrap();
        assert!(last_good(&memory, "rule").await.is_none(), "{other}");
    }
    // And the memory is written again.
    memory.serves("rule", &file("two")).await;
    memory.save().await;
    assert_eq!(last_good(&place.open(), "rule").await.unwrap(), "two");
}

#[test]
fn the_folder_looked_at_longest_ago_is_forgotten() {
    let place = place();
    let path = |number: usize| PathBuf::from(format!("/srv/{number}"));
    let folders = |place: &Place| place.private.inside(FOLDER).unwrap().folders().unwrap();
    for number in 0..MAX_FOLDERS {
        let folder = Memory::open(&place.private, &path(number)).folder.unwrap();
        folder.write(FILE, b"{}").unwrap();
        let at = SystemTime::now() - std::time::Duration::from_secs(1_000 - number as u64);
        std::fs::File::open(folder.path()).unwrap().set_modified(at).unwrap();
    }
    let first = Memory::open(&place.private, &path(0)).folder.unwrap().path().to_owned();
    assert!(first.exists());
    drop(Memory::open(&place.private, &path(MAX_FOLDERS)));
    assert_eq!(folders(&place).len(), MAX_FOLDERS);
    assert!(!first.exists() || first.read_dir().unwrap().count() == 1, "the oldest one made room");
}
