//! The types and traits generated from `wit/`, for the world in `host.wit`: all that this host links and calls.

#![allow(missing_docs, unreachable_pub, clippy::all, clippy::pedantic)]

wasmtime::component::bindgen!({
    path: ["../../../wit", "src/host.wit"],
    world: "jackfield:host/host",
    imports: {
        // A model is waited for; everything else is answered at once.
        "jackfield:plugin/llm.complete": async | trappable,
        "jackfield:plugin/llm.embed": async | trappable,
        default: trappable,
    },
    exports: { default: async },
});

pub(crate) use Host_ as HostWorld;
