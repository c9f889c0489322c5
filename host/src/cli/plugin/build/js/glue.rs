//! The module between what a plugin exports and what the contract wants, and the world that both make.
//!
//! Which kind of plugin it is, its exports say, as the bundler tells them. It may be several kinds at once.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use serde_json::json;

use crate::cli::plugin::stamp::ABI;

/// What a plugin may export to be called: its name, the SDK's function around it, the component's export, the contract's.
const KINDS: [(&str, &str, &str, &str); 3] = [
    ("route", "routing", "routing", "routing"),
    ("validate", "validation", "validation", "validation"),
    ("Stream", "stream", "streamValidation", "stream-validation"),
];
/// What else is looked at.
const OTHERS: [&str; 3] = ["settings", "checkConfig", "info"];

/// What a plugin exports of what is looked at.
#[derive(Debug)]
pub(super) struct Glue {
    kinds: Vec<(&'static str, &'static str, &'static str, &'static str)>,
    others: Vec<&'static str>,
}

impl Glue {
    /// Absent when nothing of it would be called.
    pub(super) fn of(exports: &[String]) -> Option<Self> {
        let has = |name: &&str| exports.iter().any(|export| export == name);
        let kinds: Vec<_> = KINDS.into_iter().filter(|(name, ..)| has(name)).collect();
        let others = OTHERS.into_iter().filter(has).collect();
        (!kinds.is_empty()).then_some(Self { kinds, others })
    }

    /// The module, for the folder in which the plugin's sources are `plugin` and the SDK is `sdk`.
    pub(super) fn code(&self, entry: &str, name: &str, version: &str) -> String {
        let exports: Vec<&str> =
            self.kinds.iter().map(|kind| kind.0).chain(self.others.iter().copied()).collect();
        // Only what is there is named: the bundler warns of the rest. `undefined` stands for it.
        let other =
            |name| if self.others.contains(&name) { format!("own_{name}") } else { "undefined".to_owned() };
        let [settings, check, info] = OTHERS.map(other);
        let told = json!({ "name": name, "version": version, "description": "" });
        let mut code = format!(
            "import {{ {} }} from {};\n",
            exports.iter().map(|name| format!("{name} as own_{name}")).collect::<Vec<_>>().join(", "),
            json!(format!("./plugin/{entry}")),
        );
        code.push_str("import { lifecycle as lifecycleOf } from \"./sdk/src/guest/lifecycle.js\";\n");
        code.push_str("import { settings as settingsOf } from \"./sdk/src/guest/settings.js\";\n");
        let mut body = format!("const settings = settingsOf({settings});\n");
        for (name, function, export, _) in &self.kinds {
            // Writing to a string cannot fail.
            let _ =
                writeln!(code, "import {{ {export} as {export}Of }} from \"./sdk/src/guest/{function}.js\";");
            let _ = writeln!(body, "export const {export} = {export}Of(own_{name}, settings);");
        }
        let _ = writeln!(
            body,
            "export const lifecycle = lifecycleOf({{ ...{told}, ...{info} }}, {settings}, {check});",
        );
        code + &body
    }

    /// The world in WIT: what the bundle imports of the contract, by the specifiers in its code, and what it exports.
    ///
    /// # Errors
    /// The first specifier that is none of the contract's.
    pub(super) fn world<'a>(
        &self,
        name: &str,
        imports: impl Iterator<Item = &'a str>,
    ) -> Result<String, &'a str> {
        let (package, version) = ABI.split_once('@').unwrap_or((ABI, ""));
        let interface = |import: &'a str| {
            let interface =
                import.strip_prefix(package)?.strip_prefix('/')?.strip_suffix(version)?.strip_suffix('@')?;
            // It becomes a word of WIT.
            interface.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-').then_some(interface)
        };
        let interfaces: BTreeSet<&str> =
            imports.map(|import| interface(import).ok_or(import)).collect::<Result<_, _>>()?;
        let mut world = format!("package {ABI};\n\nworld {name} {{\n");
        for interface in interfaces {
            let _ = writeln!(world, "  import {interface};");
        }
        for (.., export) in &self.kinds {
            let _ = writeln!(world, "  export {export};");
        }
        Ok(world + "  export lifecycle;\n}\n")
    }
}

/// What is wrong with a plugin of which nothing would be called.
pub(super) fn nothing(exports: &[String]) -> String {
    let has = match exports {
        [] => "nothing".to_owned(),
        exports => exports.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", "),
    };
    format!(
        "it exports {has}, and nothing of that is called: `export const route = (request, settings) => …`, \
         `export function validate(request, response, settings) {{ … }}` or `export class Stream {{ … }}` is"
    )
}
