//! The generated module, the generated world, and places in real source maps.

use super::glue::{Glue, nothing};
use super::places::Places;
use super::{PINNED, SDK, own_names};

/// What esbuild 0.28.2 made of three files, one of them the SDK's.
const MAP: &str = r#"{ "version": 3, "sources": ["plugin/lib/pick.ts", "sdk/check.js", "plugin/plugin.ts"], "names": ["kind"],
  "mappings": ";AAEO,SAAS,KAAKA,OAAsB;AACzC,QAAM,QAAe,EAAE,MAAMA,MAAK;AAClC,SAAO,MACJ,KACA,YAAY;AACjB;;;ACPO,IAAM,OAAO,CAAC,UAAU;AAAE,MAAI,UAAU,EAAG,OAAM,IAAI,UAAU,MAAM;AAAG,SAAO,OAAO;AAAO;;;ACG7F,IAAM,QAAQ,CAAC,YAA6B;AACjD,MAAI,CAAC,QAAS,OAAM,IAAI,MAAM,MAAM;AACpC,SAAO,KAAK,KAAK,OAAO,CAAC;AAC3B;" }"#;

/// The bundle that it is of.
const BUNDLE: &str = r#"// plugin/lib/pick.ts
function pick(kind2) {
  const model = { name: kind2 };
  return model.name.toUpperCase();
}

// sdk/check.js
var kind = (value) => {
  if (value === 5) throw new TypeError("five");
  return typeof value;
};

// plugin/plugin.ts
var route = (request) => {
  if (!request) throw new Error("none");
  return pick(kind(request));
};
export {
  route
};
"#;

fn glue(exports: &[&str]) -> Option<Glue> {
    Glue::of(&exports.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>())
}

#[test]
fn a_stack_leads_to_the_first_line_of_the_authors() {
    let places = Places::read(MAP, BUNDLE).unwrap();
    let cases = [
        ("    at route (/bundle.js:15:29)", Some("plugin.ts:5")),
        ("    at kind (/bundle.js:9:26)\n    at route (/bundle.js:16:15)", Some("plugin.ts:6")),
        ("    at pick (/bundle.js:4:10)", Some("lib/pick.ts:5")),
        ("    at pick (/bundle.js:4:17)", Some("lib/pick.ts:6")),
        ("    at pick (/bundle.js:4:29)\n", Some("lib/pick.ts:7")),
        ("    at <anonymous> (/bundle.js:18:1)", None),
        ("    at route (/bundle.js:16:1)", Some("plugin.ts:6")),
        ("    at native", None),
        ("    at far (/bundle.js:99:1)", None),
        ("no stack: 15:29", None),
    ];
    for (stack, place) in cases {
        assert_eq!(places.first_in(stack).as_deref(), place, "{stack}");
    }
}

#[test]
fn dependencies_are_named_by_package_and_what_is_ours_not_at_all() {
    let map =
        r#"{ "sources": ["../../home/a/node_modules/left/index.js", "glue.js"], "mappings": "AAAA,CCAA" }"#;
    let code = Places::read(map, "").unwrap().code();
    assert_eq!(
        code,
        "globalThis.jackfieldPlaces = {\"lines\":\"0,0,1;1,,\",\"sources\":[\"node_modules/left/index.js\",\"\"]};\n"
    );
}

#[test]
fn what_is_no_source_map_is_refused() {
    for (map, fault) in [
        ("{}", "missing field `sources`"),
        (r#"{ "sources": [], "mappings": "AAAA" }"#, "there is no source 0"),
        (r#"{ "sources": ["a"], "mappings": "A!" }"#, "`A!` is no segment"),
        (r#"{ "sources": ["a"], "mappings": "g" }"#, "`g` is no segment"),
        (r#"{ "sources": ["a"], "mappings": "ggggggggggA" }"#, "`ggggggggggA` is no segment"),
    ] {
        let error = Places::read(map, "").unwrap_err();
        assert!(error.contains(fault), "{map}: {error}");
    }
}

#[test]
fn a_plugin_may_be_several_kinds_and_imports_what_it_uses() {
    let glue = glue(&["route", "Stream", "helper", "settings"]).unwrap();
    let imports = ["jackfield:plugin/kv@1.0.0", "jackfield:plugin/config@1.0.0", "jackfield:plugin/kv@1.0.0"];
    let world = "package jackfield:plugin@1.0.0;\n\nworld plugin {\n  import config;\n  import kv;\n  export routing;\n  \
                 export stream-validation;\n  export lifecycle;\n}\n";
    assert_eq!(glue.world("plugin", imports.into_iter()).as_deref(), Ok(world));
    for import in
        ["jackfield:plugin/kv@1.1.0", "jackfield:pluginkv@1.0.0", "node:fs", "jackfield:plugin/k;v@1.0.0"]
    {
        assert_eq!(glue.world("plugin", [import].into_iter()), Err(import));
    }
    let code = glue.code("src/it's.ts", "my-router", "1.2.3");
    for line in [
        "import { route as own_route, Stream as own_Stream, settings as own_settings } from \"./plugin/src/it's.ts\";",
        "export const routing = routingOf(own_route, settings);",
        "export const streamValidation = streamValidationOf(own_Stream, settings);",
        "\"name\":\"my-router\",\"version\":\"1.2.3\"} , ...undefined }, own_settings, undefined);",
    ] {
        let squeezed = |text: &str| text.replace(' ', "");
        assert!(squeezed(&code).contains(&squeezed(line)), "{line}\n{code}");
    }
    assert!(!code.contains("own_helper") && !code.contains("validationOf(own_validate"), "{code}");
}

#[test]
fn a_module_of_which_nothing_is_called_is_told_what_is() {
    let exports = ["settings".to_owned(), "router".to_owned()];
    assert!(Glue::of(&exports).is_none());
    let told = nothing(&exports);
    assert!(told.contains("`settings`, `router`") && told.contains("export const route"), "{told}");
}

#[test]
fn messages_name_the_authors_files() {
    let said = "✘ [ERROR] Expected \";\"\n\n    plugin/plugin.ts:3:5:\n      3 │ let plugin/x\n";
    assert!(own_names(said).contains("    plugin.ts:3:5:\n"), "{}", own_names(said));
}

/// The list in the program and the folder agree: a file that is missing would fail in the author's hands.
#[test]
fn the_whole_sdk_is_embedded() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../plugin-sdk/js");
    let mut files = vec!["package.json".to_owned()];
    for folder in ["src", "src/guest", "src/host"] {
        for entry in std::fs::read_dir(root.join(folder)).unwrap() {
            let entry = entry.unwrap();
            if entry.file_type().unwrap().is_file() {
                files.push(format!("{folder}/{}", entry.file_name().to_str().unwrap()));
            }
        }
    }
    files.sort();
    let mut embedded: Vec<&str> = SDK.iter().map(|(name, _)| *name).collect();
    embedded.sort_unstable();
    assert_eq!(embedded, files);
}

#[test]
fn the_versions_that_are_told_are_the_pinned_ones() {
    let pinned: serde_json::Value =
        serde_json::from_str(include_str!("../../../../../../plugin-sdk/js/tools/package.json")).unwrap();
    for (tool, version) in PINNED {
        assert_eq!(pinned["devDependencies"][tool], version, "{tool}");
    }
}
