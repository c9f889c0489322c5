//! Every way a component can differ from the contract, and what is said about it, word for word.
//!
//! A case is a file in `inspect/cases/`: a `.wit` whose world `guest` a component is made of, or a `.wat` that is one.
//! The `.txt` beside it is what `Plugin::load` answers. `JACKFIELD_UPDATE=1` rewrites those; read them by eye.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use jackfield_core::config::Grant;
use wit_component::{ComponentEncoder, StringEncoding, dummy_module, embed_component_metadata};
use wit_parser::{ManglingAndAbi, Resolve};

use super::contract::{SOURCES, contract};
use super::inspect;
use crate::Allocator;
use crate::guests::{limits, load};

const UPDATE: &str = "JACKFIELD_UPDATE";

fn path(below: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(below)
}

/// A component of a world. Its functions trap.
fn component(wit: &str, world: &str) -> Vec<u8> {
    let mut resolve = Resolve::default();
    resolve.push_dir(path("../../../wit")).unwrap();
    let package = resolve.push_str("guest.wit", wit).unwrap();
    let world = resolve.select_world(&[package], Some(world)).unwrap();
    let mut module = dummy_module(&resolve, world, ManglingAndAbi::Standard32);
    embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8, false).unwrap();
    ComponentEncoder::default().module(&module).unwrap().validate(true).encode().unwrap()
}

fn case(path: &Path) -> Vec<u8> {
    let text = std::fs::read_to_string(path).unwrap();
    match path.extension().unwrap().to_str().unwrap() {
        "wit" => component(&text, "guest"),
        _ => wat::parse_str(text).unwrap(),
    }
}

#[tokio::test]
async fn every_difference_is_told_as_its_golden_says() {
    let engine = crate::guests::engine(Allocator::OnDemand);
    let mut cases: Vec<PathBuf> = std::fs::read_dir(path("src/inspect/cases"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|e| e != "txt"))
        .collect();
    cases.sort();
    assert!(cases.len() >= 18, "cases are missing");
    let mut differing = Vec::new();
    for path in cases {
        let said = match load(&engine, &case(&path), limits()).await {
            Ok(_) => "loads\n".to_owned(),
            // One difference a line is easier to read than the log's one line.
            Err(error) => format!("{}\n", error.to_string().replace(" · ", "\n")),
        };
        let golden = path.with_extension("txt");
        if std::env::var_os(UPDATE).is_some() {
            std::fs::write(&golden, &said).unwrap();
        }
        let want = std::fs::read_to_string(&golden).unwrap_or_default();
        if said != want {
            differing.push(format!("--- {}: wanted\n{want}--- got\n{said}", path.display()));
        }
    }
    assert!(differing.is_empty(), "{UPDATE}=1 rewrites them\n{}", differing.join("\n"));
}

#[test]
fn the_embedded_contract_is_the_folder() {
    let mut files: Vec<String> = std::fs::read_dir(path("../../../wit"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    files.sort();
    assert_eq!(SOURCES.map(|(name, _)| name.to_owned()).to_vec(), files);
}

/// What is told to be offered is what is linked: a component that imports all of it loads.
#[tokio::test]
async fn a_component_that_uses_the_whole_world_loads() {
    let engine = crate::guests::engine(Allocator::OnDemand);
    let wit = format!(
        "package test:whole; world guest {{ include jackfield:plugin/router@{}; }}",
        contract().unwrap().version()
    );
    let bytes = component(&wit, "guest");
    let seen = inspect(&bytes).unwrap();
    assert_eq!((seen.kinds(), seen.grants(), seen.differences), (vec!["router"], BTreeSet::new(), vec![]));
    assert_eq!(seen.abi, ["jackfield:plugin@1.0.0"]);
    // Every function of every interface is there to be compared, and the guest's check of its settings traps.
    let functions: usize = seen.imports.iter().map(|face| face.functions.len()).sum();
    assert!(functions > 20, "only {functions} functions were compared");
    let error = load(&engine, &bytes, limits()).await.map(|_| ()).unwrap_err().to_string();
    assert!(error.starts_with("failed while checking its settings: trap"), "{error}");
}

#[test]
fn kinds_and_grants_are_read_from_the_worlds() {
    let of = |world: &str| {
        let wit = format!("package test:kind; world guest {{ include jackfield:plugin/{world}@1.0.0; }}");
        inspect(&component(&wit, "guest")).unwrap()
    };
    for (world, kind, grants) in [
        ("router", "router", vec![]),
        ("router-llm", "router", vec![Grant::Llm]),
        ("validator", "validator", vec![]),
        ("validator-llm", "validator", vec![Grant::Llm]),
        ("stream-validator", "stream-validator", vec![]),
    ] {
        let seen = of(world);
        assert_eq!((seen.kinds(), seen.grants()), (vec![kind], grants.into_iter().collect()), "{world}");
    }
}

/// A damaged component that still validates is described or refused; `Plugin::load` would hide a panic here.
#[test]
fn damaged_components_never_panic() {
    let wit = "package test:whole; world guest { include jackfield:plugin/router@1.0.0; }";
    let good = component(wit, "guest");
    let mut described = 0;
    for at in (8..good.len()).step_by(5) {
        let mut bytes = good.clone();
        bytes[at] ^= 1 << (at % 8);
        described += usize::from(inspect(&bytes).is_ok());
    }
    assert!(described > 0, "no damaged component got past validation");
}
