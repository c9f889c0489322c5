//! A call against the clock on the wall: what it comes to by its deadline, and whose fault it is when that is nothing.
//!
//! A guest's time goes three ways: it computes, in itself or in what it asks of the host; it waits for something of its
//! own choice (it is polled, and nobody wakes it); or it could go on and nobody runs it. The last is the host being
//! busy: when that took most of the time, the call is overload and nothing is held against the plugin. Bounds: one
//! allocation a call; the thread's clock is read only for calls that are interrupted.

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};
use tokio::time::{Instant, Sleep, sleep_until};

use jackfield_core::contract::{PluginFault, PluginFaultKind};

use crate::pass::Pass;
use crate::session::fault;

/// What a call comes to by its deadline, which stands still while the guest waits for a model.
pub(crate) async fn timed<T>(
    pass: &Pass,
    wall: Duration,
    call: impl Future<Output = Result<T, PluginFault>>,
) -> Result<T, PluginFault> {
    bounded(|| pass.deadline(), || pass.ticks(), thread_time, wall, call).await
}

/// What this thread has computed.
fn thread_time() -> Duration {
    Duration::try_from(clock_gettime(ClockId::ThreadCPUTime)).unwrap_or_default()
}

/// The same by any clock. `deadline`: `None` while it stands still. `ticks`: how often the guest was interrupted.
async fn bounded<T>(
    deadline: impl Fn() -> Option<Instant>,
    ticks: impl Fn() -> u32,
    computed: impl Fn() -> Duration,
    wall: Duration,
    call: impl Future<Output = Result<T, PluginFault>>,
) -> Result<T, PluginFault> {
    let mut call = pin!(call);
    let mut alarm: Option<Pin<Box<Sleep>>> = None;
    let mut idle = Idle::new();
    let mut ran: Option<Duration> = None;
    poll_fn(|cx| {
        idle.woken(cx);
        let before = ticks();
        // Most calls are over with their first turn and pay for no clock but the cheap one.
        let (began, computing) = (Instant::now(), ran.map(|_| computed()));
        if let Poll::Ready(answer) = call.as_mut().poll(&mut Context::from_waker(&idle.waker)) {
            return Poll::Ready(answer);
        }
        let turn = computing.map_or_else(|| began.elapsed(), |then| computed().saturating_sub(then));
        let ran = ran.insert(ran.unwrap_or_default() + turn);
        // It is the call itself that leaves and comes back, so that nothing of it is missed between two polls.
        let Some(deadline) = deadline() else { return Poll::Pending };
        // A guest that was interrupted has not chosen to wait: it is on its way back into the line.
        if ticks() == before {
            idle.begins();
        }
        let alarm = alarm.get_or_insert_with(|| Box::pin(sleep_until(deadline)));
        if alarm.deadline() != deadline {
            alarm.as_mut().reset(deadline);
        }
        alarm.as_mut().poll(cx).map(|()| Err(idle.late(wall, *ran)))
    })
    .await
}

/// How long a call waited for something of its own choice.
struct Idle {
    bell: Arc<Bell>,
    waker: Waker,
    since: Option<Instant>,
    total: Duration,
}

/// Notes when the call could go on, and passes that on.
struct Bell {
    start: Instant,
    /// Nanoseconds from the start; zero: not rung since it was last looked at.
    rung: AtomicU64,
    whose: Mutex<Waker>,
}

impl Idle {
    fn new() -> Self {
        let whose = Mutex::new(Waker::noop().clone());
        let bell = Arc::new(Bell { start: Instant::now(), rung: AtomicU64::new(0), whose });
        Self { waker: Waker::from(Arc::clone(&bell)), bell, since: None, total: Duration::ZERO }
    }

    /// The call is about to be polled: if it waited until it was woken, that is over.
    fn woken(&mut self, cx: &Context<'_>) {
        self.bell.whose.lock().unwrap_or_else(PoisonError::into_inner).clone_from(cx.waker());
        let rung = self.bell.rung.swap(0, Ordering::AcqRel);
        if rung != 0
            && let Some(since) = self.since.take()
        {
            let until = self.bell.start + Duration::from_nanos(rung);
            self.total += until.saturating_duration_since(since);
        }
    }

    /// The call has nothing to do, unless it was woken already.
    fn begins(&mut self) {
        if self.bell.rung.load(Ordering::Acquire) == 0 {
            self.since.get_or_insert_with(Instant::now);
        }
    }

    /// The time is up.
    fn late(&self, wall: Duration, ran: Duration) -> PluginFault {
        let still = self.since.map_or(Duration::ZERO, |since| since.elapsed());
        let own = ran + self.total + still;
        if own >= wall / 2 {
            let message = format!("took longer than {wall:?}, waiting included");
            return fault(PluginFaultKind::WallLimit, message);
        }
        let message = format!(
            "the host was too busy: of {wall:?} the plugin used {own:?}, and was not run for the rest"
        );
        fault(PluginFaultKind::Overloaded, message)
    }
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        let now = u64::try_from(self.start.elapsed().as_nanos()).unwrap_or(u64::MAX).max(1);
        // The first ring since it was looked at counts.
        let _ = self.rung.compare_exchange(0, now, Ordering::AcqRel, Ordering::Relaxed);
        self.whose.lock().unwrap_or_else(PoisonError::into_inner).wake_by_ref();
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    const WALL: Duration = Duration::from_millis(50);

    /// What a call that never ends is blamed for, when the clock goes on to its deadline by `step`.
    async fn blamed(
        ticks: &Cell<u32>,
        computed: &Cell<Duration>,
        step: Duration,
        call: impl Future<Output = ()>,
    ) -> PluginFaultKind {
        let deadline = Instant::now() + WALL;
        let call = async {
            call.await;
            Ok(())
        };
        let late = bounded(|| Some(deadline), || ticks.get(), || computed.get(), WALL, call);
        let clock = async {
            loop {
                tokio::time::advance(step).await;
            }
        };
        tokio::select! {
            biased;
            late = late => late.unwrap_err().kind,
            () = clock => unreachable!("the clock never stops"),
        }
    }

    /// Ready to go on at every moment.
    async fn eager() {
        poll_fn(|cx| {
            cx.waker().wake_by_ref();
            Poll::<()>::Pending
        })
        .await;
    }

    #[tokio::test(start_paused = true)]
    async fn a_guest_that_nobody_runs_is_not_to_blame() {
        let (ticks, computed) = (Cell::new(0), Cell::new(Duration::ZERO));
        assert_eq!(
            blamed(&ticks, &computed, Duration::from_millis(60), eager()).await,
            PluginFaultKind::Overloaded
        );
        assert_eq!(
            blamed(&ticks, &computed, Duration::from_millis(7), eager()).await,
            PluginFaultKind::Overloaded
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_guest_that_waits_or_computes_is() {
        let (ticks, computed) = (Cell::new(0), Cell::new(Duration::ZERO));
        let waits = std::future::pending();
        assert_eq!(
            blamed(&ticks, &computed, Duration::from_millis(7), waits).await,
            PluginFaultKind::WallLimit
        );
        let sleeps = tokio::time::sleep(Duration::from_millis(30));
        let sleeps_and_starves = async {
            sleeps.await;
            eager().await;
        };
        assert_eq!(
            blamed(&ticks, &computed, Duration::from_millis(1), sleeps_and_starves).await,
            PluginFaultKind::WallLimit
        );
        let computes = poll_fn(|cx| {
            computed.set(computed.get() + Duration::from_millis(1));
            cx.waker().wake_by_ref();
            Poll::<()>::Pending
        });
        assert_eq!(
            blamed(&ticks, &computed, Duration::from_millis(1), computes).await,
            PluginFaultKind::WallLimit
        );
    }

    /// A runtime may wake one who gives way only when it has done something else first.
    #[tokio::test(start_paused = true)]
    async fn who_is_interrupted_has_not_chosen_to_wait() {
        let (ticks, computed) = (Cell::new(0), Cell::new(Duration::ZERO));
        let interrupted = poll_fn(|_| {
            if ticks.get() == 0 {
                ticks.set(1);
            }
            Poll::<()>::Pending
        });
        assert_eq!(
            blamed(&ticks, &computed, Duration::from_millis(60), interrupted).await,
            PluginFaultKind::Overloaded
        );
    }
}
