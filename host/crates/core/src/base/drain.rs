//! Two-stage shutdown: everybody who works holds a guard; the owner asks for an end and waits.
//!
//! Stage one (`Signal::drained`): take nothing new, finish what is open. Stage two: the owner
//! stops waiting and drops what is left. No task ends by surprise and none is forgotten.

use tokio::sync::{mpsc, watch};

/// The owner's half: asks for the drain and waits for the guards.
#[derive(Debug)]
pub struct Drain {
    ask: watch::Sender<bool>,
    gone: mpsc::Receiver<()>,
}

/// The workers' half: says when to drain, and hands out guards.
#[derive(Clone, Debug)]
pub struct Signal {
    asked: watch::Receiver<bool>,
    alive: mpsc::Sender<()>,
}

/// Keeps the owner waiting for as long as it lives.
#[derive(Clone, Debug)]
pub struct DrainGuard {
    _alive: mpsc::Sender<()>,
}

impl Drain {
    /// A fresh pair.
    pub fn pair() -> (Self, Signal) {
        let (ask, asked) = watch::channel(false);
        let (alive, gone) = mpsc::channel(1);
        (Self { ask, gone }, Signal { asked, alive })
    }

    /// Asks everybody to finish and returns when the last guard and signal are dropped.
    /// Unbounded: the caller puts the deadline around it.
    pub async fn drained(&mut self) {
        self.ask.send_replace(true);
        // Nothing is ever sent: the channel closes with its last sender.
        while self.gone.recv().await.is_some() {}
    }
}

impl Signal {
    /// Completes when draining has been asked for (at once if it was already), or when the owner is gone.
    pub async fn asked(&mut self) {
        let _ = self.asked.wait_for(|asked| *asked).await;
    }

    /// Whether draining has been asked for.
    pub fn is_draining(&self) -> bool {
        *self.asked.borrow()
    }

    /// A guard for one piece of work.
    pub fn guard(&self) -> DrainGuard {
        DrainGuard { _alive: self.alive.clone() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn waits_for_the_last_guard_and_no_longer() {
        let (mut drain, signal) = Drain::pair();
        let guard = signal.guard();
        let mut watcher = signal.clone();
        let worker = tokio::spawn(async move {
            watcher.asked().await;
            drop(watcher);
            drop(guard);
        });
        drop(signal);
        drain.drained().await;
        worker.await.unwrap();
    }
}
