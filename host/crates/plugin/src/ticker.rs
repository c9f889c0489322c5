//! The clock that interrupts guests: a plain thread that moves the engine's epoch every millisecond
//! while a guest runs, and sleeps without waking anybody when none does.
//!
//! A thread, not a task: a guest that computes blocks the very executor a task would need.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::{self, Thread};
use std::time::Duration;

use wasmtime::Engine;

/// The length of a tick. CPU limits are counted in these.
pub(crate) const TICK: Duration = Duration::from_millis(1);

/// Ticks without a guest before the thread parks. Short gaps between requests then cost no wake-up.
const LINGER: u32 = 50;

/// Hands out running guards and owns the thread.
#[derive(Debug)]
pub(crate) struct Ticker {
    shared: Arc<Shared>,
    thread: Thread,
}

#[derive(Debug, Default)]
struct Shared {
    running: AtomicUsize,
    parked: AtomicBool,
    ended: AtomicBool,
}

/// Keeps the clock going for as long as it lives.
#[derive(Debug)]
pub(crate) struct Running {
    shared: Arc<Shared>,
}

impl Ticker {
    /// Starts the thread. It holds the engine weakly and ends with it, or with the ticker.
    pub(crate) fn start(engine: &Engine) -> std::io::Result<Self> {
        let shared = Arc::new(Shared::default());
        let weak = engine.weak();
        let theirs = Arc::clone(&shared);
        let handle = thread::Builder::new().name("plugin-ticker".to_owned()).spawn(move || {
            let mut idle = 0;
            while !theirs.ended.load(Ordering::SeqCst) {
                if theirs.running.load(Ordering::SeqCst) > 0 {
                    idle = 0;
                } else {
                    idle += 1;
                    if idle > LINGER {
                        theirs.park();
                        idle = 0;
                        continue;
                    }
                }
                thread::sleep(TICK);
                let Some(engine) = weak.upgrade() else { return };
                engine.increment_epoch();
            }
        })?;
        Ok(Self { shared, thread: handle.thread().clone() })
    }

    /// Says that a guest is about to run.
    pub(crate) fn run(&self) -> Running {
        self.shared.running.fetch_add(1, Ordering::SeqCst);
        if self.shared.parked.swap(false, Ordering::SeqCst) {
            self.thread.unpark();
        }
        Running { shared: Arc::clone(&self.shared) }
    }

    /// Guests that run now.
    pub(crate) fn running(&self) -> usize {
        self.shared.running.load(Ordering::Relaxed)
    }

    #[cfg(test)]
    pub(crate) fn is_parked(&self) -> bool {
        self.shared.parked.load(Ordering::SeqCst)
    }
}

impl Shared {
    /// Sleeps until a guest runs. `parked` is raised before `running` is looked at again, and a guest
    /// raises `running` before it looks at `parked`: one of the two always sees the other.
    fn park(&self) {
        self.parked.store(true, Ordering::SeqCst);
        while self.parked.load(Ordering::SeqCst)
            && self.running.load(Ordering::SeqCst) == 0
            && !self.ended.load(Ordering::SeqCst)
        {
            thread::park();
        }
        self.parked.store(false, Ordering::SeqCst);
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.shared.running.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Drop for Ticker {
    fn drop(&mut self) {
        self.shared.ended.store(true, Ordering::SeqCst);
        self.thread.unpark();
    }
}
