//! The parts of the kit for C that need no compiler; the others are in `tests/kits`.

use std::collections::BTreeSet;
use std::path::Path;

use super::{Compiler, SDK, Tools, argument};

/// A file that is not listed would be missing where the repository is not.
#[test]
fn every_file_of_the_kit_is_part_of_the_program() {
    let kit = Path::new(env!("CARGO_MANIFEST_DIR")).join("../plugin-sdk/c");
    let mut held = BTreeSet::new();
    for folder in ["", "jackfield/", "src/"] {
        for entry in std::fs::read_dir(kit.join(folder)).unwrap() {
            let name = entry.unwrap().file_name().into_string().unwrap();
            if name.ends_with(".c") || name.ends_with(".h") {
                held.insert(format!("{folder}{name}"));
            }
        }
    }
    let listed: BTreeSet<String> = SDK.iter().map(|(name, _)| (*name).to_owned()).collect();
    assert_eq!(held, listed);
}

#[test]
fn zig_is_taken_first_and_clang_needs_its_linker() {
    let tools = tempfile::TempDir::new().unwrap();
    let found = || match Compiler::find(&Tools::only(tools.path())) {
        Ok(Compiler::Zig(zig)) => zig.file_name().unwrap().to_string_lossy().into_owned(),
        Ok(Compiler::Clang { .. }) => "clang".into(),
        Err(error) => error.to_string(),
    };
    assert!(found().contains("zig (or clang and wasm-ld)") && found().contains("ziglang=="), "{}", found());
    let rows = [
        ("clang", "wasm-ld beside clang"),
        ("wasm-ld", "clang"),
        ("python-zig", "python-zig"),
        ("zig", "zig"),
    ];
    for (program, then) in rows {
        std::fs::write(tools.path().join(program), "").unwrap();
        assert!(found().contains(then), "{program}: {}", found());
    }
}

#[test]
fn the_readme_shows_the_tutorials_as_they_are() {
    let kit = Path::new(env!("CARGO_MANIFEST_DIR")).join("../plugin-sdk/c");
    let readme = std::fs::read_to_string(kit.join("README.md")).unwrap();
    for tutorial in ["urgent", "polite", "frugal"] {
        let source = std::fs::read_to_string(kit.join("tutorials").join(tutorial).join("plugin.c")).unwrap();
        assert!(
            readme.contains(source.trim()),
            "{tutorial} stands otherwise in {}",
            kit.join("README.md").display()
        );
    }
}

#[test]
fn no_source_is_taken_for_an_option() {
    for unit in ["@r.c", "-x.c", "--version.c", "a/@r.c"] {
        let argument = argument(Path::new(unit));
        assert!(argument.to_string_lossy().starts_with("./"), "{}", argument.display());
    }
}
