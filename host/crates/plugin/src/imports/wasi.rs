//! WASI preview 2, linked and inert: for guests whose toolchain imports it whether they use it or not.
//!
//! A guest finds no files, arguments, environment, input or network. It may read clocks and randomness, and what it
//! prints goes to the log (`stdio`). Everything is made at a guest's first call of WASI, so one that imports none pays
//! nothing. Bounds: each call counts as a host call; handles and random bytes have limits of their own; waiting ends
//! with the call's wall clock. Must not open, spawn or inherit anything of the host's.

use wasmtime::component::{Linker, ResourceTable};
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};

use super::stdio::{Channel, Stdio};
use crate::state::CallState;

/// The packages that are linked, at their version 0.2: all of preview 2 that is no protocol of its own.
pub(crate) const PACKAGES: [&str; 6] = ["io", "clocks", "random", "cli", "filesystem", "sockets"];

/// The random bytes a guest may ask for at once. What programs want of it are seeds and ids.
const RANDOM_BYTES: u64 = 64 << 10;

/// What WASI keeps of one instance.
pub(crate) struct Wasi {
    ctx: WasiCtx,
    table: ResourceTable,
    stdio: Stdio,
}

/// Links the inert WASI.
pub(crate) fn link(linker: &mut Linker<CallState>) -> wasmtime::Result<()> {
    wasmtime_wasi::p2::add_to_linker_async(linker)
}

impl Wasi {
    fn new(stdio: Stdio, handles: usize) -> Self {
        let ctx = WasiCtx::builder()
            .stdout(Channel::out(&stdio))
            .stderr(Channel::err(&stdio))
            .allow_tcp(false)
            .allow_udp(false)
            .allow_ip_name_lookup(false)
            .max_random_size(RANDOM_BYTES)
            .build();
        let mut table = ResourceTable::new();
        table.set_max_capacity(handles);
        Self { ctx, table, stdio }
    }

    /// The guest's printed words.
    pub(crate) fn stdio(&self) -> &Stdio {
        &self.stdio
    }
}

impl Drop for Wasi {
    /// However the call ended, what the guest said of it is worth reading.
    fn drop(&mut self) {
        self.stdio.finish();
    }
}

impl WasiView for CallState {
    /// Called once by every function of WASI before it does anything, which makes it the place to count them.
    fn ctx(&mut self) -> WasiCtxView<'_> {
        self.meter.count();
        let wasi = match self.wasi.take() {
            Some(wasi) => wasi,
            None => {
                let stdio = Stdio::new(&self.plugin, self.request_id(), self.meter.log_lines);
                Box::new(Wasi::new(stdio, self.plugin.limits.handles as usize))
            }
        };
        let Wasi { ctx, table, .. } = &mut **self.wasi.insert(wasi);
        WasiCtxView { ctx, table }
    }
}
