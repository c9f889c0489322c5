//! The limits of a plugin are those of the configuration, and show where a person would look for them.

use jackfield_tests::guest::{router_to, talking};
use jackfield_tests::upstream::openai;

use crate::world::World;

const ASK: &str = r#"{"messages":[{"role":"user","content":"hello"}]}"#;

fn yaml(limits: &str) -> String {
    format!(
        "orchestrator: {{ default_model: model-default }}
models: {{ model-default: {{ provider: up }} }}
plugins: {{ dir: PLUGINS, settings: {{ rule: {{ limits: {limits} }} }} }}
"
    )
}

/// What the plugin wrote into the log.
fn said(world: &World) -> Vec<String> {
    let lines = world.gateway.log().lines();
    let of_plugin =
        lines.iter().filter(|line| line.target == "jackfield::plugin" && line.get("plugin") == "rule");
    of_plugin
        .filter_map(|line| line.get("message").as_str().map(str::to_owned))
        .filter(|m| m.starts_with("hh"))
        .collect()
}

#[tokio::test]
async fn a_plugin_logs_as_much_as_it_may() {
    // Written and read back: lines in a call, their length, lines in a second.
    let cases = [
        ("{ log_lines: 3, log_line_size: 100 }", 1, 3, 100),
        ("{ log_lines: 0 }", 1, 0, 0),
        ("{ log_rate: 0 }", 1, 0, 0),
        // The bucket holds one call's worth when the rate is less, and hardly fills in between.
        ("{ log_lines: 5, log_rate: 1 }", 3, 5, 2_000),
    ];
    for (limits, calls, lines, length) in cases {
        let world = World::with_plugins(&yaml(limits), &[("rule.wasm", &talking(50, 2_000))]).await;
        world.upstream.always(openai::chat("ok"));
        for _ in 0..calls {
            assert_eq!(world.gateway.chat(ASK).await.status, 200);
        }
        let said = said(&world);
        // A slow machine may see the bucket gain a line.
        assert!(
            (lines..=lines + usize::from(calls > 1) * 3).contains(&said.len()),
            "{limits}: {}",
            said.len()
        );
        assert!(said.iter().all(|line| line.len() == length), "{limits}");
    }
}

#[tokio::test]
async fn a_file_over_its_limit_is_refused_and_says_which_limit() {
    let rule = router_to("model-default");
    for (most, fits) in [(1024, false), (64 << 10, true)] {
        let world = World::with_plugins(&yaml(&format!("{{ file: {most} }}")), &[("rule.wasm", &rule)]).await;
        world.upstream.always(openai::chat("ok"));
        assert!((1024..64 << 10).contains(&rule.len()), "{}", rule.len());
        let reply = world.gateway.chat(ASK).await;
        assert_eq!(reply.header("x-jackfield-route"), Some(if fits { "rule" } else { "default" }));
        assert_eq!(world.gateway.log().complaints().contains("limits.file"), !fits);
    }
}
