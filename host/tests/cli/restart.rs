//! What a gateway still knows of its plugins after a restart, however it ended.

use serde_json::Value;

use crate::guest::{router_to, trapping};
use crate::served::Home;

fn by_rule(model: &str) -> (String, String) {
    (model.to_owned(), "rule".to_owned())
}

fn undecided() -> (String, String) {
    ("smart-model".to_owned(), "default".to_owned())
}

/// What `plugin list` says of the one plugin.
fn listed(home: &Home) -> Value {
    home.ask("plugin list")["plugins"][0].clone()
}

#[test]
fn a_broken_file_does_not_end_its_plugin_and_a_deleted_one_does() {
    let home = Home::new("watch: true");
    let good = router_to("fast-model");
    home.put("rule.wasm", &good);
    let first = home.serve();
    assert_eq!(first.model(), by_rule("fast-model"));
    first.kill();

    home.put("rule.wasm", &good[..good.len() / 2]);
    let broken = home.serve();
    assert_eq!(broken.model(), by_rule("fast-model"), "{}", broken.told());
    let told = broken.told();
    assert!(told.contains("warning: plugin plugins/rule.wasm: is not a valid component"), "{told}");
    assert!(
        told.contains("its last good bytes (") && told.contains("the last good one goes on serving"),
        "{told}"
    );
    let reason = listed(&home)["reason"].as_str().unwrap().to_owned();
    assert!(
        reason.contains("is not a valid component") && reason.contains("its last good bytes ("),
        "{reason}"
    );
    // Deleted while it serves: gone, and not only until the restart.
    std::fs::remove_file(home.plugins().join("rule.wasm")).unwrap();
    broken.until("smart-model");
    broken.kill();
    home.put("rule.wasm", &good[..good.len() / 2]);
    assert_eq!(home.serve().model(), undecided());

    // Deleted while nobody looks.
    home.put("rule.wasm", &good);
    home.serve().kill();
    std::fs::remove_file(home.plugins().join("rule.wasm")).unwrap();
    let without = home.serve();
    assert_eq!(without.model(), undecided());
    without.kill();
    home.put("rule.wasm", b"broken");
    assert_eq!(home.serve().model(), undecided());
}

#[test]
fn what_kept_failing_stays_out_until_its_settings_change() {
    let home = Home::new("watch: true");
    home.put("rule.wasm", &router_to("fast-model"));
    let first = home.serve();
    assert_eq!(first.model(), by_rule("fast-model"));
    home.put("rule.wasm", &trapping());
    first.until("smart-model");
    first.until("fast-model");
    assert!(first.told().contains("was rolled back to"), "{}", first.told());
    first.kill();

    let second = home.serve();
    for _ in 0..10 {
        assert_eq!(second.model(), by_rule("fast-model"), "{}", second.told());
    }
    assert!(
        second.told().contains("warning: plugin plugins/rule.wasm: it kept failing"),
        "{}",
        second.told()
    );
    assert_eq!(listed(&home)["state"], "refused");
    // New settings are a new try, at once and after a start.
    home.configure("settings: { rule: { config: { gentle: true } } }");
    second.until("smart-model");
    second.until("fast-model");
    second.kill();
    home.configure("settings: { rule: { config: { gentle: very } } }");
    assert_eq!(listed(&home)["state"], "serves");
    home.configure("watch: true");
    assert_eq!(listed(&home)["state"], "refused");
}

#[test]
fn a_pinned_plugin_is_the_one_that_was_pinned() {
    let home = Home::new("watch: true");
    home.put("rule.wasm", &router_to("fast-model"));
    let digest = listed(&home)["digest"].as_str().unwrap().to_owned();
    home.configure(&format!("settings: {{ rule: {{ sha256: \"{digest}\" }} }}"));
    let served = home.serve();
    assert_eq!(served.model(), by_rule("fast-model"), "{}", served.told());
    home.put("rule.wasm", &router_to("smart-model"));
    let refused = served.logged("the refusal", |line| line["message"] == "refused a plugin file");
    let reason = refused["reason"].as_str().unwrap();
    let digest = digest.strip_prefix("sha256:").unwrap();
    assert!(reason.contains(&format!("`plugins.settings.rule.sha256` wants {digest}")), "{reason}");
    assert_eq!(served.model(), by_rule("fast-model"));
    served.kill();
    assert_eq!(home.serve().model(), by_rule("fast-model"), "its last good bytes match");
}
