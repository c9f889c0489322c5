//! Files that are no plugins, or will not hold still, all through `Catalog::rescan`: each is refused with a reason, and
//! what is good beside it serves.

use std::fs::{File, create_dir, remove_file, rename, write};
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rustix::fs::{CWD, FileType, Mode, mknodat};

use super::suite::{Guest, engines, in_time};
use crate::guests::{ask, limits, router, settings};
use crate::{Catalog, PluginEngine, Scan};

/// The one engine is enough: nothing here depends on memory.
fn engine() -> &'static PluginEngine {
    &engines()[1]
}

async fn scan(last: &Catalog, dir: &Path) -> Scan {
    let mut memory = engine().memory(dir);
    in_time(last.rescan(engine(), dir, &|_| Some(settings(limits(), false)), &mut memory)).await.unwrap()
}

fn good() -> Vec<u8> {
    router("(call $abstain)")
}

/// The refusal of this file, which is told once.
fn reason(scan: &Scan, name: &str) -> String {
    let mut found = scan.catalog.refusals.iter().filter(|r| r.path.file_name().unwrap() == name);
    let reason = found.next().unwrap_or_else(|| panic!("{name} is not refused")).reason.clone();
    assert!(found.next().is_none(), "{name} is refused twice");
    reason
}

fn fifo(path: &Path) {
    mknodat(CWD, path, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
}

#[tokio::test]
async fn what_is_no_plugin_is_refused_and_the_good_one_serves() {
    let (dir, outside) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let at = |name: &str| dir.path().join(name);
    let good = good();
    let files: [(&str, &[u8], &str); 7] = [
        ("empty.wasm", b"", "is empty"),
        ("text.wasm", b"hello, I am text", "is not WebAssembly (it begins with 68 65 6c 6c 6f 2c 20 49)"),
        ("elf.wasm", b"\x7fELF\x02\x01\x01", "is not WebAssembly (it begins with 7f 45 4c 46 02 01 01)"),
        ("magic.wasm", b"\0asm", "is not a valid component"),
        ("core.wasm", b"\0asm\x01\0\0\0", "is a core module, not a component"),
        ("half.wasm", &good[..good.len() / 2], "is not a valid component"),
        ("nothing.wasm", b"\0asm\x0d\0\x01\0", "exports nothing that this host calls"),
    ];
    for (name, bytes, _) in files {
        write(at(name), bytes).unwrap();
    }
    write(at("good.wasm"), &good).unwrap();
    create_dir(at("folder.wasm")).unwrap();
    fifo(&at("pipe.wasm"));
    let _socket = std::os::unix::net::UnixListener::bind(at("socket.wasm")).unwrap();
    symlink("/dev/zero", at("device.wasm")).unwrap();
    symlink("loop.wasm", at("loop.wasm")).unwrap();
    symlink("nowhere", at("dangling.wasm")).unwrap();
    write(outside.path().join("rule.wasm"), &good).unwrap();
    symlink(outside.path().join("rule.wasm"), at("out.wasm")).unwrap();
    symlink("../../../../../../../../etc/passwd", at("passwd.wasm")).unwrap();
    create_dir(at("..1")).unwrap();
    write(at("..1/rule.wasm"), &good).unwrap();
    symlink("..1", at("..data")).unwrap();
    symlink("..data/rule.wasm", at("linked.wasm")).unwrap();
    write(at("two words.wasm"), &good).unwrap();
    write(at(&format!("{}.wasm", "a".repeat(65))), &good).unwrap();
    write(at(".hidden.wasm"), "x").unwrap();
    // A gigabyte that takes no room.
    File::create(at("vast.wasm")).unwrap().set_len(1 << 30).unwrap();
    write(at("locked.wasm"), &good).unwrap();
    std::fs::set_permissions(at("locked.wasm"), std::fs::Permissions::from_mode(0o0)).unwrap();
    let root = rustix::process::geteuid().is_root();

    let first = scan(&Catalog::default(), dir.path()).await;
    for (name, _, says) in files {
        assert!(reason(&first, name).contains(says), "{name}: {}", reason(&first, name));
    }
    for (name, says) in [
        ("folder.wasm", "is not a regular file"),
        ("pipe.wasm", "is not a regular file"),
        ("socket.wasm", "is not a regular file"),
        ("loop.wasm", "cannot be read"),
        ("device.wasm", "is a link to /dev/zero, outside the plugin folder"),
        ("passwd.wasm", "is a link to /etc/passwd, outside the plugin folder"),
        ("out.wasm", "outside the plugin folder"),
        ("two words.wasm", "its name must be"),
        ("vast.wasm", "is 1073741824 bytes long"),
    ] {
        assert!(reason(&first, name).contains(says), "{name}: {}", reason(&first, name));
    }
    if !root {
        assert!(reason(&first, "locked.wasm").contains("cannot be read"));
    }
    let mut served: Vec<&str> = first.catalog.plugins.iter().map(crate::Plugin::name).collect();
    served.retain(|name| *name != "locked");
    assert_eq!(served, ["good", "linked"]);
    for name in served {
        first.catalog.get(name).unwrap().router().unwrap().route(ask("")).await.unwrap();
    }
    // All of it again: nothing is told twice.
    let second = scan(&first.catalog, dir.path()).await;
    assert_eq!(second.changes, []);
    assert_eq!(second.catalog.refusals.len(), first.catalog.refusals.len());
}

/// A file may become another thing between the look at it and the opening.
#[tokio::test]
async fn a_file_that_turns_into_a_pipe_is_never_waited_for() {
    let dir = tempfile::tempdir().unwrap();
    let (pipe, file) = (dir.path().join("pipe.wasm"), dir.path().join("file.wasm"));
    fifo(&pipe);
    // Not one of the runtime's threads: should it wait, the test still ends.
    let (done, opened) = tokio::sync::oneshot::channel();
    std::thread::spawn(move || done.send(crate::load::open(&pipe).unwrap().metadata().unwrap().is_file()));
    assert!(!in_time(opened).await.unwrap());
    // One that swaps with a pipe as fast as it can, while it is read: it is whole or refused.
    let over = AtomicBool::new(false);
    let (good, next) = (good(), dir.path().join("next"));
    write(&file, &good).unwrap();
    std::thread::scope(|threads| {
        threads.spawn(|| {
            while !over.load(Ordering::Relaxed) {
                fifo(&next);
                rename(&next, &file).unwrap();
                write(&next, &good).unwrap();
                rename(&next, &file).unwrap();
            }
        });
        for _ in 0..2_000 {
            match crate::load::read(&file, 1 << 20) {
                Ok(bytes) => assert_eq!(bytes, good),
                Err(error) => assert_eq!(error.to_string(), "is not a regular file"),
            }
        }
        over.store(true, Ordering::Relaxed);
    });
}

#[tokio::test]
async fn a_file_rewritten_every_10_ms_is_always_whole_or_refused_and_settles() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("rule.wasm");
    let other = router("nop (call $abstain)");
    let (one, half) = (good(), good()[..1_000].to_vec());
    write(&path, &one).unwrap();
    let mut catalog = scan(&Catalog::default(), dir.path()).await.catalog;
    let known: Vec<String> = {
        let digest = catalog.get("rule").unwrap().digest().to_owned();
        write(&path, &other).unwrap();
        catalog = scan(&catalog, dir.path()).await.catalog;
        vec![digest, catalog.get("rule").unwrap().digest().to_owned()]
    };
    let over = std::sync::Arc::new(AtomicBool::new(false));
    let writer = {
        let (over, path, one, other) = (over.clone(), path.clone(), one.clone(), other.clone());
        std::thread::spawn(move || {
            for bytes in [&one, &half, &other, &Vec::new()].into_iter().cycle() {
                if over.load(Ordering::Relaxed) {
                    return;
                }
                write(&path, bytes).unwrap();
                std::thread::sleep(Duration::from_millis(10));
            }
        })
    };
    for _ in 0..60 {
        catalog = scan(&catalog, dir.path()).await.catalog;
        // Whatever was read, a whole version goes on serving.
        let plugin = catalog.get("rule").expect("the last good one stays");
        assert!(known.iter().any(|digest| digest == plugin.digest()));
        plugin.router().unwrap().route(ask("")).await.unwrap();
    }
    over.store(true, Ordering::Relaxed);
    writer.join().unwrap();
    write(&path, &one).unwrap();
    let last = scan(&catalog, dir.path()).await;
    assert_eq!(last.catalog.get("rule").unwrap().digest(), known[0]);
    remove_file(&path).unwrap();
    assert!(scan(&last.catalog, dir.path()).await.catalog.plugins.is_empty());
}

#[tokio::test]
async fn a_very_full_folder_is_a_bounded_matter() {
    let dir = tempfile::tempdir().unwrap();
    for number in 0..10_000 {
        write(dir.path().join(format!("{number:05}.wasm")), "no plugin").unwrap();
    }
    write(dir.path().join("00000.wasm"), good()).unwrap();
    let first = scan(&Catalog::default(), dir.path()).await;
    assert_eq!(first.catalog.plugins.len(), 1);
    assert_eq!(first.catalog.refusals.len(), 1_000);
    let rest = reason(&first, "01000.wasm");
    assert!(rest.contains("and 8999 more") && rest.contains("at most 1000"), "{rest}");
    assert!(first.catalog.get("00000").unwrap().router().unwrap().route(ask("")).await.is_ok());
    assert_eq!(scan(&first.catalog, dir.path()).await.changes, []);
}

#[tokio::test]
async fn a_component_of_very_many_functions_loads_and_serves() {
    let fields: String = (0..100_000).map(|n| format!("(func (result i32) (i32.const {n}))\n")).collect();
    let dir = tempfile::tempdir().unwrap();
    write(dir.path().join("many.wasm"), Guest { fields: &fields, ..Guest::default() }.build()).unwrap();
    let catalog = scan(&Catalog::default(), dir.path()).await.catalog;
    let plugin = catalog.get("many").unwrap_or_else(|| panic!("{:?}", catalog.refusals));
    assert!(plugin.router().unwrap().route(ask("x")).await.is_ok());
}

/// What no compiler should be given is refused before one sees it.
#[tokio::test]
async fn bodies_beyond_every_measure_are_refused_unseen() {
    let dir = tempfile::tempdir().unwrap();
    let around = |module: &str| wat::parse_str(format!("(component (core module {module}))")).unwrap();
    let locals = format!("(func (local {}))", "i32 ".repeat(50_001));
    let long = format!("(func {})", "(drop (i64.const 0x7fffffffffffffff))".repeat(700_000));
    let params = format!("(type (func (param {})))", "i32 ".repeat(1_001));
    let files = [("locals.wasm", &locals), ("long.wasm", &long), ("params.wasm", &params)];
    for (name, module) in files {
        write(dir.path().join(name), around(module)).unwrap();
    }
    let scan = scan(&Catalog::default(), dir.path()).await;
    for (name, _) in files {
        assert!(reason(&scan, name).contains("is not a valid component"), "{}", reason(&scan, name));
    }
}
