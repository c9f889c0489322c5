//! What is written, short of building it: `tests/kits/run` builds and tests every template.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use tempfile::TempDir;

use super::template::{self, NAME, SDK};
use super::{Language, NewArgs, language, name, run, rust, write};

fn args(lang: Language, dir: &Path) -> NewArgs {
    NewArgs { name: "my-rule".into(), lang, validator: false, dir: Some(dir.to_owned()) }
}

#[test]
fn nothing_is_written_over() {
    let dir = TempDir::new().unwrap();
    fs::write(dir.path().join("notes.txt"), "mine").unwrap();
    let error = run(&args(Language::Rust, dir.path())).expect_err("the folder is not empty").0;
    assert!(error.contains("not empty") && error.contains("--dir"), "{error}");
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
}

#[test]
fn no_placeholder_is_left_and_the_folder_is_in_its_language() {
    for lang in Language::ALL {
        let Some(template) = template::of(lang) else { continue };
        for validator in [false, true] {
            let dir = TempDir::new().unwrap();
            for file in write(dir.path(), "my-rule", lang, &template, validator).unwrap() {
                let text = fs::read_to_string(dir.path().join(&file)).unwrap();
                assert!(!text.contains(NAME) && !text.contains(SDK), "{lang}: {file}");
            }
            assert_eq!(Language::of(dir.path()).unwrap(), lang);
            let cases = fs::read_to_string(dir.path().join("cases.yaml")).unwrap();
            assert_eq!(cases.contains("verdict"), validator, "{lang}");
        }
    }
}

#[test]
fn in_a_checkout_its_sdk_is_taken_and_elsewhere_ours_is_written() {
    let root = TempDir::new().unwrap();
    for file in ["plugin-sdk/rust/src/lib.rs", "wit/worlds.wit", "plugins/mine/x"] {
        let path = root.path().join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, "").unwrap();
    }
    assert_eq!(rust::sdk_for(&root.path().join("plugins/mine")).unwrap(), "../../plugin-sdk/rust");
    let alone = TempDir::new().unwrap();
    assert_eq!(rust::sdk_for(alone.path()).unwrap(), "jackfield-plugin/plugin-sdk/rust");
    let sdk = alone.path().join("jackfield-plugin");
    for file in
        ["Cargo.toml", "plugin-sdk/rust/Cargo.toml", "plugin-sdk/rust/macros/src/lib.rs", "wit/worlds.wit"]
    {
        assert!(sdk.join(file).is_file(), "{file}");
    }
}

#[test]
fn the_embedded_sdk_is_the_whole_one() {
    fn list(dir: &Path, below: &str, names: &mut BTreeSet<String>) {
        for entry in fs::read_dir(dir).unwrap() {
            let entry = entry.unwrap();
            let name = format!("{below}{}", entry.file_name().to_str().unwrap());
            if ["tutorials", "target"].contains(&name.as_str()) {
                continue;
            }
            match entry.path().is_dir() {
                true => list(&entry.path(), &format!("{name}/"), names),
                false => drop(names.insert(name)),
            }
        }
    }
    let mut names = BTreeSet::new();
    list(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../plugin-sdk/rust"), "", &mut names);
    assert_eq!(names, rust::SDK.iter().map(|(name, _)| (*name).to_owned()).collect());
}

/// What a new plugin in Python is tested with is there, where its pyproject.toml says.
#[test]
fn a_plugin_in_python_has_the_sdk_for_its_editor() {
    let dir = TempDir::new().unwrap();
    let template = template::of(Language::Python).unwrap();
    write(dir.path(), "my-rule", Language::Python, &template, false).unwrap();
    let manifest = fs::read_to_string(dir.path().join("pyproject.toml")).unwrap();
    assert!(manifest.contains(&format!("[\"{}\"]", super::python::FOLDER)), "{manifest}");
    for file in ["__init__.py", "testing.py", "py.typed"] {
        assert!(dir.path().join(super::python::FOLDER).join("jackfield").join(file).is_file(), "{file}");
    }
}

/// What the SDK's manifests inherit is there.
#[test]
fn the_written_workspace_has_what_the_sdk_inherits() {
    let workspace = rust::workspace();
    for (name, text) in rust::SDK.iter().filter(|(name, _)| name.ends_with("Cargo.toml")) {
        for line in text.lines() {
            let inherited = line.split_once(".workspace = true").map(|(key, _)| key);
            let inherited =
                inherited.or_else(|| line.split_once(" = { workspace = true").map(|(key, _)| key));
            if let Some(key) = inherited {
                assert!(workspace.lines().any(|line| line.starts_with(&format!("{key} ="))), "{name}: {key}");
            }
        }
    }
    assert!(!workspace.contains("host/") && workspace.contains("[workspace.lints.rust]"), "{workspace}");
}

#[test]
fn names_and_languages_are_checked() {
    for good in ["a", "my-rule_2"] {
        assert_eq!(name(good).as_deref(), Ok(good));
    }
    for bad in ["", "2a", "A", "a.b", "a b", "../a", &"a".repeat(65)] {
        assert!(name(bad).is_err(), "{bad}");
    }
    assert_eq!(language("ts"), Ok(Language::TypeScript));
    assert!(language("cobol").unwrap_err().contains("rust, python, js, ts, c"));
}
