//! The compiling child with its limits, and the cache of what it compiled: the real program in both parts.

use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use serde_json::{Value, json};

use crate::guest::{bomb, router_to};
use crate::served::{Home, Served, soon};

/// Seconds of compiling in any build, and gigabytes of memory in none.
const FUNCTIONS: u32 = 100_000;

#[test]
fn what_costs_too_much_to_compile_is_refused_while_others_serve() {
    for (limit, reason) in [
        ("compile_cpu: 1s", "needs more than 1s of processor time to be compiled; `limits.compile_cpu`"),
        (
            "compile_memory: 256MiB",
            "needs more than 256 MiB of memory to be compiled; `limits.compile_memory`",
        ),
    ] {
        let home = Home::new(&format!("settings: {{ bomb: {{ limits: {{ {limit} }} }} }}"));
        home.put("rule.wasm", &router_to("fast-model"));
        let served = home.serve();
        home.put("bomb.wasm", &bomb(FUNCTIONS));
        let refused = |line: &Value| line["reason"].as_str().is_some_and(|said| said.starts_with(reason));
        while !served
            .told()
            .lines()
            .filter_map(|line| serde_json::from_str(line).ok())
            .any(|line| refused(&line))
        {
            assert_eq!(served.model(), ("fast-model".into(), "rule".into()), "{}", served.told());
        }
        // What was begun is told to its end.
        let told = |message: &str| {
            served.logged(message, |line| line["message"] == message && line["plugin"] == "bomb")
        };
        let (began, ended) = (told("compiling"), told("not compiled"));
        assert_eq!(began["size"], json!(bomb(FUNCTIONS).len()));
        assert_eq!((ended["size"].clone(), ended["cached"].clone()), (began["size"].clone(), json!(false)));
        assert!(ended["took_ms"].is_u64(), "{ended}");
        // The next one is compiled as if nothing had been.
        home.put("rule.wasm", &router_to("smart-model"));
        served.until("smart-model");
        assert_eq!(entries(&home), 2, "no draft is left of the one that failed");
    }
}

/// The compiler that a gateway runs now.
fn compiler_of(served: &Served) -> u32 {
    soon("a compiler", || {
        let children = format!("/proc/{0}/task/{0}/children", served.id());
        let threads = Path::new(&children).parent().unwrap().parent().unwrap().to_owned();
        for thread in std::fs::read_dir(threads).map_err(|e| e.to_string())? {
            let children =
                std::fs::read_to_string(thread.map_err(|e| e.to_string())?.path().join("children"));
            if let Some(child) = children.unwrap_or_default().split(' ').find_map(|id| id.parse().ok()) {
                return Ok(child);
            }
        }
        Err(served.told())
    })
}

fn proc_file(id: u32, name: &str) -> String {
    std::fs::read_to_string(format!("/proc/{id}/{name}")).unwrap_or_default()
}

/// The two columns of a limit.
fn limit(limits: &str, name: &str) -> Vec<String> {
    let line = limits.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default();
    line.split_whitespace().take(2).map(str::to_owned).collect()
}

#[test]
fn the_compiler_is_bounded_knows_nothing_and_dies_with_the_gateway() {
    let home = Home::new("settings: { bomb: { limits: { compile_cpu: 1h, compile_memory: 3GiB } } }");
    home.put("bomb.wasm", &bomb(2 * FUNCTIONS));
    let served = home.spawn();
    let compiler = compiler_of(&served);
    soon("its limits", || {
        let limits = proc_file(compiler, "limits");
        let is = |name: &str, soft: &str, hard: &str| limit(&limits, name) == [soft, hard];
        let stat = proc_file(compiler, "stat");
        let nice = stat.rsplit(") ").next().and_then(|rest| rest.split(' ').nth(16));
        let bounded = is("Max cpu time", "3600", "3601")
            && is("Max address space", "3221225472", "3221225472")
            && is("Max core file size", "0", "0")
            && is("Max open files", "0", "0")
            && is("Max file size", "536870912", "536870912")
            && nice == Some("19");
        bounded.then_some(()).ok_or_else(|| format!("{limits}{stat}"))
    });
    assert_eq!(proc_file(compiler, "environ"), "MIMALLOC_ARENA_RESERVE=8M\0");
    assert!(proc_file(compiler, "cmdline").contains("compile-plugin"));
    served.kill();
    soon("the compiler's end", || match proc_file(compiler, "cmdline").is_empty() {
        true => Ok(()),
        false => Err(proc_file(compiler, "status")),
    });
}

/// The hidden command, with these bytes on its standard input, which is closed then.
fn compile(bytes: &[u8], artefact: &Path) -> Child {
    let mut child = Command::new(env!("CARGO_BIN_EXE_jackfield"))
        .args(["compile-plugin", "--cpu", "600", "--memory", "4294967296", "--artefact", "1048576"])
        .stdin(Stdio::piped())
        .stdout(std::fs::File::create(artefact).unwrap())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(bytes).unwrap();
    child
}

#[test]
fn a_compiler_without_a_parent_ends() {
    let home = Home::new("watch: true");
    let artefact = home.dir.path().join("artefact");
    let bomb = bomb(FUNCTIONS);
    let whole = [&(bomb.len() as u64).to_le_bytes()[..], &bomb].concat();
    for sent in [&whole[..], &whole[..whole.len() / 2]] {
        assert_eq!(compile(sent, &artefact).wait().unwrap().code(), Some(4));
        assert_eq!(artefact.metadata().unwrap().len(), 0);
    }
}

/// Compiled plugins and drafts in the cache.
fn entries(home: &Home) -> usize {
    std::fs::read_dir(home.private().join("compiled")).unwrap().count()
}

/// How the rule came to be code at a start.
fn cached(home: &Home) -> Value {
    let served = home.serve();
    assert_eq!(served.model(), ("fast-model".into(), "rule".into()), "{}", served.told());
    served.logged("how it was compiled", |line| line["plugin"] == "rule" && line["took_ms"].is_u64())["cached"].clone()
}

#[test]
fn what_was_compiled_is_there_at_the_next_start() {
    let home = Home::new("watch: true");
    home.put("rule.wasm", &router_to("fast-model"));
    assert_eq!([cached(&home), cached(&home)], [json!(false), json!(true)]);
    let entry = std::fs::read_dir(home.private().join("compiled")).unwrap().next().unwrap().unwrap().path();
    let mut bytes = std::fs::read(&entry).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&entry, &bytes).unwrap();
    assert_eq!([cached(&home), cached(&home)], [json!(false), json!(true)], "damaged");
    // Commands use it too, and nobody uses it when told not to.
    assert_eq!(home.ask("plugin list")["plugins"][0]["state"], "serves");
    assert_eq!(entries(&home), 1);
    home.configure("cache: none");
    assert_eq!([cached(&home), cached(&home)], [json!(false), json!(false)]);
    home.configure("cache: kept/here");
    assert_eq!([cached(&home), cached(&home)], [json!(false), json!(true)], "a folder of one's own");
    assert_eq!(home.dir.path().join("kept/here").metadata().unwrap().permissions().mode() & 0o777, 0o700);
}

#[test]
fn a_cache_that_others_can_write_to_is_not_trusted() {
    let home = Home::new("watch: true");
    home.put("rule.wasm", &router_to("fast-model"));
    assert_eq!(cached(&home), json!(false));
    let refused = |why: &str| {
        let served = home.serve();
        assert_eq!(served.model().1, "rule");
        let told = served.told();
        assert!(told.contains("warning: plugins.cache: ") && told.contains(why), "{told}");
        assert!(told.contains("\"cached\":false") && !told.contains("\"cached\":true"), "{told}");
    };
    let mode = |path: &Path, mode| std::fs::set_permissions(path, PermissionsExt::from_mode(mode)).unwrap();
    for (path, shown) in [(home.private(), "plugins is open"), (home.private().join("compiled"), "is open")] {
        mode(&path, 0o770);
        refused(shown);
        mode(&path, 0o700);
    }
    let real = home.dir.path().join("real");
    std::fs::rename(home.private(), &real).unwrap();
    std::os::unix::fs::symlink(&real, home.private()).unwrap();
    refused("is a symbolic link");
    std::fs::remove_file(home.private()).unwrap();
    std::fs::write(home.private(), "a file").unwrap();
    refused("cannot be used");
}
