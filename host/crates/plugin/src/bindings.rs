//! The types and traits generated from `wit/`.

#![allow(missing_docs, unreachable_pub, clippy::all, clippy::pedantic)]

wasmtime::component::bindgen!({
    path: "../../../wit",
    world: "router",
    imports: { default: trappable },
    exports: { default: async },
});

pub(crate) use Router as RouterWorld;
