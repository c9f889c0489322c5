//! The ground that tests stand on: a scripted provider and a gateway in front of it.

use std::path::{Path, PathBuf};

use jackfield_tests::gateway::{Gateway, Setup};
use jackfield_tests::soon;
use jackfield_tests::upstream::Upstream;
use tempfile::TempDir;

/// The key the gateway has for the scripted provider.
pub(crate) const PROVIDER_KEY: &str = "sk-provider-4f0c1d9e7a52";

/// A request that every gateway here serves.
pub(crate) const PLAIN: &str = r#"{"model":"test-model","messages":[{"role":"user","content":"hello"}]}"#;

/// The same, streamed.
pub(crate) const STREAM: &str =
    r#"{"model":"test-model","messages":[{"role":"user","content":"hello"}],"stream":true}"#;

/// Two models of the scripted provider, one of them under another name there, and a task. Nothing is repeated: what the
/// provider does once is what is looked at.
pub(crate) const BASE: &str = r#"
orchestrator:
  default_model: test-model
  routes:
    - { task: code, model: test-model }
models:
  test-model: { provider: up, retries: 0 }
  renamed-model: { provider: up, id: upstream-id, retries: 0 }
"#;

/// A default and two models that only a plugin leads to.
pub(crate) const THREE: &str = r#"
orchestrator:
  default_model: model-default
models:
  model-default: { provider: up }
  model-a: { provider: up }
  model-b: { provider: up }
"#;

/// A request that names no model.
pub(crate) const ASK: &str = r#"{"messages":[{"role":"user","content":"hello"}]}"#;

/// A gateway in front of a scripted provider, with a plugin folder of its own.
pub(crate) struct World {
    /// The provider.
    pub(crate) upstream: Upstream,
    /// The gateway.
    pub(crate) gateway: Gateway,
    plugins: TempDir,
}

impl World {
    /// A gateway with the configuration [`BASE`].
    pub(crate) async fn base() -> Self {
        Self::start(BASE).await
    }

    /// A gateway with this configuration, to which the providers `up` (scripted) and `sim` and the plugin folder are added.
    pub(crate) async fn start(yaml: &str) -> Self {
        Self::with_plugins(yaml, &[]).await
    }

    /// Where the plugin folder is.
    pub(crate) fn plugins(&self) -> &Path {
        self.plugins.path()
    }

    /// The same, with these files in the plugin folder.
    pub(crate) async fn with_plugins(yaml: &str, files: &[(&str, &[u8])]) -> Self {
        let upstream = Upstream::start().await;
        let plugins = tempfile::tempdir().unwrap();
        for (name, bytes) in files {
            std::fs::write(plugins.path().join(name), bytes).unwrap();
        }
        let yaml = complete(yaml, &upstream, plugins.path());
        let gateway = Setup::yaml(&yaml).env("UP_KEY", PROVIDER_KEY).start().await;
        Self { upstream, gateway, plugins }
    }
}

/// The model that answers now.
pub(crate) async fn model(gateway: &Gateway) -> String {
    let reply = gateway.chat(ASK).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    reply.header("x-jackfield-model").unwrap().to_owned()
}

/// Asks until this model answers. Every request meanwhile must be answered.
pub(crate) async fn until(gateway: &Gateway, want: &str) {
    let asking = async { while model(gateway).await != want {} };
    soon(&format!("{want} to answer"), asking).await;
}

/// Replaces a file as deployment tools do: written beside, then renamed into place.
pub(crate) fn put(dir: &Path, name: &str, bytes: &[u8]) {
    let beside = dir.join(format!(".{name}.tmp"));
    std::fs::write(&beside, bytes).unwrap();
    std::fs::rename(&beside, dir.join(name)).unwrap();
}

/// Adds the provider and, unless the configuration speaks of plugins itself, the folder. `PLUGINS`
/// in the text is the folder's path.
fn complete(yaml: &str, upstream: &Upstream, plugins: &Path) -> String {
    let url = upstream.base_url();
    let providers = format!(
        "\nproviders:\n  up: {{ kind: openai, base_url: \"{url}\", api_key: \"${{UP_KEY}}\" }}\n  sim: {{ kind: simulated }}\n"
    );
    let folder = if yaml.contains("plugins:") { "" } else { "plugins: { dir: \"PLUGINS\" }\n" };
    format!("{yaml}{providers}{folder}").replace("PLUGINS", &plugins.display().to_string())
}

/// An example plugin's component: the committed one, or one built afresh in the folder `JACKFIELD_PLUGINS`.
pub(crate) fn example_plugin(name: &str) -> Vec<u8> {
    // One serves in `plugins`, the others lie beside their sources.
    let committed = || {
        let shipped = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../plugins");
        let serving = shipped.join(name);
        if serving.exists() { serving } else { shipped.join(name.trim_end_matches(".wasm")).join(name) }
    };
    let path = std::env::var_os("JACKFIELD_PLUGINS").map_or_else(committed, |dir| Path::new(&dir).join(name));
    std::fs::read(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}
