//! What a request leaves behind that opened a shared call and ends before it: its log line and its record, which wait for the
//! call's end, because what it cost is a part of them. They are written by whoever is last, once.
//!
//! Holds one such end at most. The call's task owns the other side, and ends with the process.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Writes what a request left behind.
pub(super) type Ending = Box<dyn FnOnce() + Send>;

/// Where a request's end waits for the call it opened. Cheap to clone: all clones are one.
#[derive(Clone, Default)]
pub(super) struct Left(Arc<Mutex<State>>);

/// The call's side: dropped, the call is over.
pub(super) struct UnderWay(Left);

#[derive(Default)]
struct State {
    over: bool,
    ending: Option<Ending>,
}

impl Left {
    /// The call's side of it.
    pub(super) fn under_way(&self) -> UnderWay {
        UnderWay(self.clone())
    }

    /// Writes it when the call is over: at once if it is.
    pub(super) fn when_over(&self, ending: Ending) {
        let mut state = self.lock();
        if !state.over {
            state.ending = Some(ending);
            return;
        }
        drop(state);
        ending();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing under this lock can panic half-way through a change.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        let ending = {
            let mut state = self.0.lock();
            state.over = true;
            state.ending.take()
        };
        if let Some(ending) = ending {
            ending();
        }
    }
}
