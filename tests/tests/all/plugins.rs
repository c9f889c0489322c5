//! The folder of plugins: a bad file is refused with a reason, and nothing else happens.

use jackfield_tests::upstream::openai;

use crate::world::{World, example_plugin};

const YAML: &str = r#"
orchestrator:
  default_model: smart-model
models:
  fast-model: { provider: up }
  smart-model: { provider: up }
"#;

fn asks(prompt: &str) -> String {
    format!(r#"{{"messages":[{{"role":"user","content":"{prompt}"}}]}}"#)
}

#[tokio::test]
async fn a_bad_file_beside_a_good_one_is_refused_with_a_reason_and_the_host_serves() {
    let good = example_plugin("urgent-router.wasm");
    let core = wat::parse_str("(module (func (export \"route\")))").unwrap();
    let foreign = wat::parse_str("(component)").unwrap();
    let truncated = &good[..good.len() / 2];
    let bad: &[(&str, &[u8])] = &[
        ("words.wasm", b"this is text"),
        ("empty.wasm", b""),
        ("magic.wasm", b"\0asm"),
        ("truncated.wasm", truncated),
        ("core.wasm", &core),
        ("foreign.wasm", &foreign),
    ];
    let mut files = vec![("urgent-router.wasm", &good[..]), ("notes.txt", b"not looked at")];
    files.extend(bad);
    let world = World::with_plugins(YAML, &files).await;
    world.upstream.always(openai::chat("ok"));
    for (prompt, model) in [("urgent", "fast-model"), ("calm", "smart-model")] {
        let reply = world.gateway.chat(asks(prompt)).await;
        assert_eq!(reply.status, 200, "{}", reply.text());
        assert_eq!(reply.header("x-jackfield-model"), Some(model), "{}", world.gateway.log().complaints());
    }
    let log = world.gateway.log().lines();
    for (file, _) in bad {
        let name = file.trim_end_matches(".wasm");
        let refusals: Vec<_> = log
            .iter()
            .filter(|line| matches!(line.level, "WARN" | "ERROR"))
            .filter(|line| line.fields.values().any(|value| value.to_string().contains(name)))
            .collect();
        assert_eq!(refusals.len(), 1, "{file}: {log:#?}");
    }
    assert!(!world.gateway.log().text().contains("notes.txt"));
}

#[tokio::test]
async fn a_plugins_own_configuration_reaches_it() {
    let yaml = format!(
        "{YAML}plugins:\n  dir: PLUGINS\n  settings:\n    urgent-router: {{ config: {{ keyword: asap, model: smart-model, otherwise: fast-model }} }}\n"
    );
    let world =
        World::with_plugins(&yaml, &[("urgent-router.wasm", &example_plugin("urgent-router.wasm"))]).await;
    world.upstream.always(openai::chat("ok"));
    for (prompt, model) in [("asap", "smart-model"), ("urgent", "fast-model")] {
        let reply = world.gateway.chat(asks(prompt)).await;
        assert_eq!(
            reply.header("x-jackfield-model"),
            Some(model),
            "{prompt}: {}",
            world.gateway.log().complaints()
        );
        assert_eq!(reply.header("x-jackfield-route"), Some("urgent-router"), "{prompt}");
    }
}

#[tokio::test]
async fn a_folder_that_is_not_there_is_no_reason_not_to_serve() {
    let world = World::start(&format!("{YAML}plugins: {{ dir: PLUGINS/none }}\n")).await;
    world.upstream.always(openai::chat("ok"));
    assert_eq!(world.gateway.chat(asks("urgent")).await.header("x-jackfield-route"), Some("default"));
}
