//! What `plugin new` writes, by language: the first two tutorials, with a manifest of the plugin's own.
//!
//! In a file's text [`NAME`] stands for the plugin's name and [`SDK`] for the path to Rust's SDK. The cases are written besides.

use crate::cli::plugin::build::Embedded;
use crate::cli::plugin::build::language::Language;

/// Becomes the plugin's name.
pub(super) const NAME: &str = "{{name}}";
/// Becomes the path to the SDK in Rust.
pub(super) const SDK: &str = "{{sdk}}";

macro_rules! tutorial {
    ($path:literal) => {
        include_str!(concat!("../../../../../plugin-sdk/", $path))
    };
}

/// A tutorial in C, under the new plugin's name.
macro_rules! c {
    ($path:literal) => {
        concat!(
            "// name: {{name}}\n// version: 0.1.0\n\n",
            include_str!(concat!("../../../../../plugin-sdk/", $path))
        )
    };
}

/// The cases of a new router.
pub(super) const URGENT: &str = tutorial!("tutorials/urgent/cases.yaml");
/// The cases of a new validator.
pub(super) const POLITE: &str = tutorial!("tutorials/polite/cases.yaml");

/// A language's files, by their path in the new folder.
pub(super) struct Template {
    pub(super) router: Embedded,
    pub(super) validator: Embedded,
}

/// What is written in a language; nothing while it has no kit.
pub(super) fn of(language: Language) -> Option<Template> {
    match language {
        Language::Rust => Some(Template {
            router: &[
                ("Cargo.toml", CARGO_TOML),
                ("src/lib.rs", tutorial!("rust/tutorials/urgent/src/lib.rs")),
                (".gitignore", IGNORED),
            ],
            validator: &[
                ("Cargo.toml", CARGO_TOML),
                ("src/lib.rs", tutorial!("rust/tutorials/polite/src/lib.rs")),
                (".gitignore", IGNORED),
            ],
        }),
        Language::Python => Some(Template {
            router: &[
                ("pyproject.toml", PYPROJECT),
                ("router.py", tutorial!("python/tutorials/urgent/router.py")),
                (".gitignore", IGNORED_PYTHON),
            ],
            validator: &[
                ("pyproject.toml", PYPROJECT),
                ("validator.py", tutorial!("python/tutorials/polite/validator.py")),
                (".gitignore", IGNORED_PYTHON),
            ],
        }),
        Language::JavaScript => Some(Template {
            router: &[
                ("package.json", tutorial!("js/templates/js.package.json")),
                ("plugin.js", tutorial!("js/tutorials/urgent-plain/plugin.js")),
                (".gitignore", IGNORED_JS),
            ],
            validator: &[
                ("package.json", tutorial!("js/templates/js.package.json")),
                ("plugin.js", tutorial!("js/tutorials/polite-plain/plugin.js")),
                (".gitignore", IGNORED_JS),
            ],
        }),
        // With the SDK's declarations, for editors and `npx tsc`: it is on no registry.
        Language::TypeScript => Some(Template {
            router: &[
                ("package.json", tutorial!("js/templates/ts.package.json")),
                ("plugin.ts", tutorial!("js/tutorials/urgent/plugin.ts")),
                ("tsconfig.json", tutorial!("js/templates/tsconfig.json")),
                ("types/jackfield/index.d.ts", tutorial!("js/index.d.ts")),
                ("types/jackfield/globals.d.ts", tutorial!("js/globals.d.ts")),
                (".gitignore", IGNORED_JS),
            ],
            validator: &[
                ("package.json", tutorial!("js/templates/ts.package.json")),
                ("plugin.ts", tutorial!("js/tutorials/polite/plugin.ts")),
                ("tsconfig.json", tutorial!("js/templates/tsconfig.json")),
                ("types/jackfield/index.d.ts", tutorial!("js/index.d.ts")),
                ("types/jackfield/globals.d.ts", tutorial!("js/globals.d.ts")),
                (".gitignore", IGNORED_JS),
            ],
        }),
        Language::C => Some(Template {
            router: &[("plugin.c", c!("c/tutorials/urgent/plugin.c")), (".gitignore", "*.wasm\n")],
            validator: &[("plugin.c", c!("c/tutorials/polite/plugin.c")), (".gitignore", "*.wasm\n")],
        }),
    }
}

const IGNORED_JS: &str = "node_modules/\n*.wasm\n";

const IGNORED: &str = "target/\n*.wasm\n";

const CARGO_TOML: &str = r#"[package]
name = "{{name}}"
version = "0.1.0"
edition = "2024"
publish = false

# Not part of a workspace around it.
[workspace]
exclude = ["jackfield-plugin"]

[lib]
crate-type = ["cdylib"]

[dependencies]
jackfield = { package = "jackfield-plugin", path = "{{sdk}}" }
serde = { version = "1", features = ["derive"] }

# Small components compile and start faster.
[profile.release]
opt-level = "s"
lto = true
codegen-units = 1
panic = "abort"
strip = true
"#;

const IGNORED_PYTHON: &str = "__pycache__/\n.venv/\n*.wasm\n";

const PYPROJECT: &str = r#"[project]
name = "{{name}}"
version = "0.1.0"
requires-python = ">=3.10"

# The SDK as the jackfield has it that wrote this folder, for editors and unit tests; `jackfield plugin build` brings its own.
[tool.pyright]
extraPaths = [".jackfield"]

[tool.pytest.ini_options]
pythonpath = [".", ".jackfield"]
"#;
