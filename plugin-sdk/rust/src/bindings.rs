//! `wit/` as Rust: generated, and the only unsafe code of this crate.
//!
//! The worlds here are cuts through those of `wit/worlds.wit`: all imports in one, each export in one of its
//! own. An import that a plugin never calls is dropped by the linker, so a plugin needs the grant `llm` exactly
//! when it calls `crate::llm`; and a crate may export a router, a validator or both.
#![allow(missing_docs, unsafe_code, unreachable_pub, dead_code, clippy::all, clippy::pedantic)]

/// Everything that the host offers.
pub mod imports {
    wit_bindgen::generate!({
        path: "../../wit",
        inline: "
            package jackfield:sdk;
            world imports {
                include jackfield:plugin/base@1.0.0;
                import jackfield:plugin/response@1.0.0;
                import jackfield:plugin/llm@1.0.0;
            }
        ",
        generate_all,
        generate_unused_types: true,
        additional_derives: [PartialEq],
    });
}

/// The export of a router.
pub mod routing {
    wit_bindgen::generate!({
        path: "../../wit",
        inline: "package jackfield:sdk; world routing { export jackfield:plugin/routing@1.0.0; }",
        with: { "jackfield:plugin/types@1.0.0": crate::bindings::imports::jackfield::plugin::types },
        pub_export_macro: true,
    });
}

/// The export of a validator.
pub mod validation {
    wit_bindgen::generate!({
        path: "../../wit",
        inline: "package jackfield:sdk; world validation { export jackfield:plugin/validation@1.0.0; }",
        with: { "jackfield:plugin/types@1.0.0": crate::bindings::imports::jackfield::plugin::types },
        pub_export_macro: true,
    });
}

/// The export that every plugin has.
pub mod lifecycle {
    wit_bindgen::generate!({
        path: "../../wit",
        inline: "package jackfield:sdk; world lifecycle { export jackfield:plugin/lifecycle@1.0.0; }",
        with: { "jackfield:plugin/types@1.0.0": crate::bindings::imports::jackfield::plugin::types },
        pub_export_macro: true,
    });
}
