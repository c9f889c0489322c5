//! How busy the host is: requests under way, and the processors' share in use. Outlives worlds.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// The shortest window the processors' share is taken over.
const WINDOW: Duration = Duration::from_secs(1);
/// A look longer ago than this says nothing about the present.
const STALE: Duration = Duration::from_secs(10);

/// What the processors have done since the system started, in any unit of time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CpuTimes {
    /// Time spent working, summed over all processors.
    pub busy: u64,
    /// All time, summed over all processors.
    pub all: u64,
}

/// How busy the host is.
#[derive(Debug, Default)]
pub struct Load {
    in_flight: AtomicU32,
    read: Option<fn() -> Option<CpuTimes>>,
    cpu: Mutex<Looked>,
}

/// The last look at the processors, and what it came to.
#[derive(Debug, Default)]
struct Looked {
    last: Option<(Instant, CpuTimes)>,
    share: Option<f64>,
}

/// Counts one request for as long as it lives.
#[derive(Debug)]
pub struct LoadGuard(Arc<Load>);

impl Load {
    /// A load that reads the processors' times like this. The reading takes place when somebody asks, at most
    /// once a second: an idle host reads nothing.
    pub fn reading(read: fn() -> Option<CpuTimes>) -> Self {
        Self { read: Some(read), ..Self::default() }
    }

    /// Counts a request in, unless that would make more than `limit`.
    pub fn enter(self: &Arc<Self>, limit: usize) -> Option<LoadGuard> {
        let limit = u32::try_from(limit).unwrap_or(u32::MAX);
        let add = |n: u32| (n < limit).then_some(n + 1);
        self.in_flight.fetch_update(Ordering::Relaxed, Ordering::Relaxed, add).ok()?;
        Some(LoadGuard(Arc::clone(self)))
    }

    /// Requests under way.
    pub fn in_flight(&self) -> u32 {
        self.in_flight.load(Ordering::Relaxed)
    }

    /// The share of the processors in use, 0 to 1, over the last second or since the last look, up to ten
    /// seconds ago. `None` where the system does not say, and on a first look.
    pub fn cpu(&self, now: Instant) -> Option<f64> {
        let read = self.read?;
        let mut looked = self.cpu.lock().unwrap_or_else(PoisonError::into_inner);
        let since = looked.last.map(|(at, _)| now.saturating_duration_since(at));
        if since.is_some_and(|since| since < WINDOW) {
            return looked.share;
        }
        let times = read()?;
        looked.share = match (looked.last, since) {
            (Some((_, before)), Some(since)) if since <= STALE => share(before, times),
            _ => None,
        };
        looked.last = Some((now, times));
        looked.share
    }
}

fn share(before: CpuTimes, after: CpuTimes) -> Option<f64> {
    let (busy, all) = (after.busy.checked_sub(before.busy)?, after.all.checked_sub(before.all)?);
    (all > 0).then(|| (busy as f64 / all as f64).min(1.0))
}

impl Drop for LoadGuard {
    fn drop(&mut self) {
        self.0.in_flight.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Half of the time is spent working.
    fn half() -> Option<CpuTimes> {
        static LOOKS: AtomicU32 = AtomicU32::new(0);
        let looks = u64::from(LOOKS.fetch_add(1, Ordering::Relaxed));
        Some(CpuTimes { busy: 50 * looks, all: 100 * looks })
    }

    #[test]
    fn the_share_is_taken_between_two_looks_not_too_near_and_not_too_far() {
        let (load, start) = (Load::reading(half), Instant::now());
        let at = |millis| start + Duration::from_millis(millis);
        assert_eq!(load.cpu(at(0)), None);
        assert_eq!(load.cpu(at(999)), None);
        assert_eq!(load.cpu(at(1_000)), Some(0.5));
        assert_eq!(load.cpu(at(1_500)), Some(0.5));
        assert_eq!(load.cpu(at(60_000)), None, "a minute's average is not the present");
        assert_eq!(load.cpu(at(61_000)), Some(0.5));
        assert_eq!(Load::default().cpu(start), None);
    }

    #[test]
    fn no_more_than_the_limit_enter() {
        let load = Arc::new(Load::default());
        let one = load.enter(1);
        assert!(one.is_some() && load.enter(1).is_none() && load.in_flight() == 1);
        drop(one);
        assert!(load.enter(1).is_some());
    }
}
