//! The parts of `plugin build` that need no compiler for WebAssembly, and the committed components.

use std::fs;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use super::build::language::LanguageError;
use super::build::{BuildArgs, BuildError, build};
use super::digest::source_digest;
use super::seal::{self, SealError, encode};
use super::stamp::{ABI, Stamp, read_stamp, write_stamp};

fn stamp() -> Stamp {
    Stamp {
        abi: ABI.into(),
        name: "example".into(),
        version: "1.2.3".into(),
        language: "rust".into(),
        sdk: "0.1.0".into(),
        source: "sha256:00".into(),
    }
}

/// A package, and one that it takes by path.
fn sources() -> TempDir {
    let root = TempDir::new().unwrap();
    write(root.path(), "words/Cargo.toml", "[package]\nname = \"words\"\nversion = \"0.1.0\"\n[workspace]\n");
    write(root.path(), "words/src/lib.rs", "pub const WORD: &str = \"urgent\";\n");
    write(
        root.path(),
        "rule/Cargo.toml",
        "[package]\nname = \"rule\"\nversion = \"0.1.0\"\n[workspace]\n[dependencies]\nwords = { path = \"../words\" }\n",
    );
    write(root.path(), "rule/Cargo.lock", "version = 4\n");
    write(root.path(), "rule/src/lib.rs", "mod deep;\n");
    write(root.path(), "rule/src/deep/mod.rs", "// nothing\n");
    root
}

fn write(root: &Path, path: &str, contents: &str) {
    let path = root.join(path);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, contents).unwrap();
}

fn digest(root: &TempDir) -> String {
    source_digest(&root.path().join("rule")).unwrap()
}

#[test]
fn the_digest_is_the_same_wherever_the_sources_are() {
    let digests = [digest(&sources()), digest(&sources())];
    assert_eq!(digests[0], digests[1]);
    assert!(digests[0].starts_with("sha256:") && digests[0].len() == 71, "{}", digests[0]);
}

#[test]
fn whatever_changes_the_component_changes_the_digest() {
    let before = digest(&sources());
    for (path, contents) in [
        ("rule/src/lib.rs", "mod deep; \n"),
        ("rule/src/deep/mod.rs", "// something\n"),
        ("rule/src/deep/more.rs", ""),
        ("rule/build.rs", "fn main() {}\n"),
        ("rule/Cargo.lock", "version = 4\n\n"),
        ("words/src/lib.rs", "pub const WORD: &str = \"now\";\n"),
        ("words/Cargo.toml", "[package]\nname = \"words\"\nversion = \"0.2.0\"\n[workspace]\n"),
    ] {
        let root = sources();
        write(root.path(), path, contents);
        assert_ne!(digest(&root), before, "{path}");
    }
}

#[test]
fn what_does_not_change_the_component_does_not_change_the_digest() {
    let root = sources();
    let before = digest(&root);
    for path in ["rule/README.md", "rule/src/.swp", "rule/tests/a.rs", "rule/target/x", "words/Cargo.lock"] {
        write(root.path(), path, "x");
        assert_eq!(digest(&root), before, "{path}");
    }
}

#[test]
fn text_that_moves_between_files_changes_the_digest() {
    let [one, two] = [("ab", "c"), ("a", "bc")].map(|(first, second)| {
        let root = sources();
        write(root.path(), "rule/src/a.rs", first);
        write(root.path(), "rule/src/b.rs", second);
        digest(&root)
    });
    assert_ne!(one, two);
}

#[test]
fn a_stamp_is_read_back_from_the_outermost_component_only() {
    let mut component = wasm_encoder::Component::new().finish();
    assert_eq!(read_stamp(&component), None);

    let mut inner = component.clone();
    write_stamp(&mut inner, &Stamp { name: "inner".into(), ..stamp() }).unwrap();
    let mut outer = wasm_encoder::Component::new();
    outer.section(&wasm_encoder::RawSection { id: 4, data: &inner });
    let mut outer = outer.finish();
    assert_eq!(read_stamp(&outer), None);

    write_stamp(&mut outer, &stamp()).unwrap();
    assert_eq!(read_stamp(&outer), Some(stamp()));
    write_stamp(&mut component, &stamp()).unwrap();
    assert_eq!(read_stamp(&component), Some(stamp()));
    assert_eq!(read_stamp(&component[..component.len() - 1]), None);
    assert_eq!(read_stamp(b"no component"), None);
}

#[test]
fn a_module_that_is_no_plugin_is_refused() {
    let module = wasm_encoder::Module::new().finish();
    assert!(matches!(encode(&module, &stamp()), Err(SealError::NoExport)));

    let mut types = wasm_encoder::TypeSection::new();
    types.ty().function([], []);
    let mut imports = wasm_encoder::ImportSection::new();
    imports.import("env", "now", wasm_encoder::EntityType::Function(0));
    let mut module = wasm_encoder::Module::new();
    module.section(&types).section(&imports);
    let error = encode(&module.finish(), &stamp()).expect_err("the host has no `env`").to_string();
    assert!(
        error.contains("env") && error.contains("may import nothing but jackfield:plugin@1.0.0"),
        "{error}"
    );
}

#[test]
fn a_component_is_replaced_in_one_step_and_leaves_nothing_behind() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("rule.wasm");
    for bytes in [b"old", b"new"] {
        seal::write(bytes, &path).unwrap();
        assert_eq!(fs::read(&path).unwrap(), bytes);
    }
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    assert!(matches!(seal::write(b"x", &dir.path().join("none/x.wasm")), Err(SealError::Write { .. })));
}

#[test]
fn a_folder_without_a_plugin_is_refused() {
    let args = |dir: PathBuf| BuildArgs { dir, out: None, target_dir: None, tools: None };
    let root = sources();
    assert!(matches!(
        build(&args(root.path().join("none"))),
        Err(BuildError::Language(LanguageError::Folder { .. }))
    ));
    assert!(matches!(
        build(&args(root.path().to_owned())),
        Err(BuildError::Language(LanguageError::None(_)))
    ));
    let error = build(&args(root.path().join("words"))).expect_err("it is no cdylib").to_string();
    assert!(error.contains("crate-type"), "{error}");
}

/// Stale? `jackfield plugin build plugins/NAME`, and commit the component with its source.
#[test]
fn committed_components_are_built_from_their_sources() {
    let plugins = Path::new(env!("CARGO_MANIFEST_DIR")).join("../plugins");
    let mut checked = 0;
    for entry in fs::read_dir(plugins).unwrap() {
        let dir = entry.unwrap().path();
        if !dir.join("Cargo.toml").is_file() {
            continue;
        }
        // The one that serves stands beside its folder, the others in theirs.
        let within = dir.join(dir.file_name().unwrap()).with_extension("wasm");
        let bytes = fs::read(dir.with_extension("wasm")).or_else(|_| fs::read(&within));
        let bytes = bytes.unwrap_or_else(|e| panic!("{}: {e}", within.display()));
        let stamp = read_stamp(&bytes).expect("it is stamped");
        assert_eq!(stamp.source, source_digest(&dir).unwrap(), "{} is stale: build it again", stamp.name);
        assert_eq!((stamp.abi.as_str(), stamp.language.as_str()), (ABI, "rust"));
        checked += 1;
    }
    assert!(checked > 0);
}
