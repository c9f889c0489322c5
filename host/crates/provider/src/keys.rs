//! The keys of one provider, and what is held against each: a key that was refused is set aside for a minute, then one
//! call tries it; a key that was told to slow down rests for as long as it was told.
//!
//! Marks only order the keys. When every key has one, the one that is free soonest is used all the same: a provider is
//! never shut off by what it answered to one request. Bounded: at most `MAX_MARKS` are remembered. A new configuration
//! forgets them all.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use http::HeaderValue;

use jackfield_core::contract::{Fault, FaultKind, KeyPick};

/// How long a refused key is set aside.
const REFUSED: Duration = Duration::from_secs(60);
/// How long a key rests that was told to slow down without a time.
const LIMITED: Duration = Duration::from_secs(1);
/// The longest rest.
const MAX_REST: Duration = Duration::from_secs(60);
/// Marks remembered: a client can name any `gpt-…`.
const MAX_MARKS: usize = 256;

/// A provider's keys, as headers.
pub(crate) struct Keys {
    headers: Vec<HeaderValue>,
    marks: Mutex<Vec<Mark>>,
}

/// Something held against a key.
#[derive(Debug)]
struct Mark {
    key: usize,
    /// For this model alone; `None`: for all.
    model: Option<String>,
    until: Instant,
    /// Refused rather than limited: when the time is up, one call tries and the others go on waiting.
    refused: bool,
}

impl Keys {
    pub(crate) fn new(headers: Vec<HeaderValue>) -> Self {
        Self { headers, marks: Mutex::default() }
    }

    /// The header with this key.
    pub(crate) fn header(&self, key: Option<usize>) -> Option<&HeaderValue> {
        self.headers.get(key?)
    }

    /// The best key that is not among `tried`.
    pub(crate) fn pick(&self, model: &str, tried: &[usize], now: Instant) -> Option<KeyPick> {
        let mut marks = self.lock();
        marks.retain(|mark| mark.refused || mark.until > now);
        let mut soonest: Option<(Instant, usize)> = None;
        for index in (0..self.headers.len()).filter(|index| !tried.contains(index)) {
            let held =
                marks.iter_mut().filter(|mark| mark.is_about(index, model)).max_by_key(|mark| mark.until);
            match held {
                None => return Some(KeyPick { index, fresh: true }),
                Some(mark) if mark.until <= now => {
                    // The next may try after another minute, should this call never say how it ended.
                    mark.until = now + REFUSED;
                    return Some(KeyPick { index, fresh: true });
                }
                Some(mark) if soonest.is_none_or(|(until, _)| mark.until < until) => {
                    soonest = Some((mark.until, index));
                }
                Some(_) => {}
            }
        }
        soonest.map(|(_, index)| KeyPick { index, fresh: false })
    }

    /// A call with this key was answered.
    pub(crate) fn worked(&self, key: Option<usize>, model: &str) {
        if let Some(key) = key {
            self.lock().retain(|mark| !mark.is_about(key, model));
        }
    }

    /// A call with this key failed like this.
    pub(crate) fn failed(&self, key: Option<usize>, model: &str, fault: &Fault, now: Instant) {
        let Some(key) = key else { return };
        let (model, rest, refused) = match (fault.kind, fault.status) {
            // Forbidden may mean this model alone.
            (FaultKind::UpstreamAuth, Some(403)) => (Some(model.to_owned()), REFUSED, true),
            (FaultKind::UpstreamAuth, _) => (None, REFUSED, true),
            (FaultKind::UpstreamRateLimited, _) => {
                (Some(model.to_owned()), fault.retry_after.unwrap_or(LIMITED).min(MAX_REST), false)
            }
            _ => return,
        };
        let mut marks = self.lock();
        marks.retain(|mark| mark.key != key || mark.model != model);
        if marks.len() == MAX_MARKS
            && let Some(oldest) =
                marks.iter().enumerate().min_by_key(|(_, mark)| mark.until).map(|(at, _)| at)
        {
            marks.swap_remove(oldest);
        }
        marks.push(Mark { key, model, until: now + rest, refused });
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Mark>> {
        self.marks.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Mark {
    fn is_about(&self, key: usize, model: &str) -> bool {
        self.key == key && self.model.as_deref().is_none_or(|mine| mine == model)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(count: usize) -> Keys {
        Keys::new(vec![HeaderValue::from_static("Bearer k"); count])
    }

    fn refused(status: u16) -> Fault {
        Fault::new(FaultKind::UpstreamAuth, "no").with_status(status)
    }

    fn limited(wait: Option<u64>) -> Fault {
        Fault::new(FaultKind::UpstreamRateLimited, "slow").with_retry_after(wait.map(Duration::from_secs))
    }

    fn picked(keys: &Keys, model: &str, tried: &[usize], now: Instant) -> Option<(usize, bool)> {
        keys.pick(model, tried, now).map(|pick| (pick.index, pick.fresh))
    }

    #[test]
    fn a_refused_key_is_set_aside_for_a_minute_then_one_call_tries_it() {
        let (keys, start) = (keys(2), Instant::now());
        let at = |secs| start + Duration::from_secs(secs);
        assert_eq!(picked(&keys, "m", &[], start), Some((0, true)));
        keys.failed(Some(0), "m", &refused(401), start);
        assert_eq!(picked(&keys, "m", &[0], start), Some((1, true)));
        assert_eq!(picked(&keys, "other", &[], at(59)), Some((1, true)), "for every model");
        assert_eq!(picked(&keys, "m", &[], at(60)), Some((0, true)), "one tries");
        assert_eq!(picked(&keys, "m", &[], at(60)), Some((1, true)), "and only one");
        keys.worked(Some(0), "m");
        assert_eq!(picked(&keys, "m", &[], at(61)), Some((0, true)));
    }

    #[test]
    fn forbidden_and_limited_hold_for_the_model_alone() {
        for fault in [refused(403), limited(Some(30))] {
            let (keys, now) = (keys(2), Instant::now());
            keys.failed(Some(0), "m", &fault, now);
            assert_eq!(picked(&keys, "m", &[], now), Some((1, true)), "{fault}");
            assert_eq!(picked(&keys, "other", &[], now), Some((0, true)), "{fault}");
        }
    }

    #[test]
    fn a_limited_key_rests_as_long_as_it_was_told_up_to_a_minute() {
        for (told, rests) in [(None, 1), (Some(7), 7), (Some(3_600), 60)] {
            let (keys, start) = (keys(2), Instant::now());
            keys.failed(Some(0), "m", &limited(told), start);
            let at = |millis| start + Duration::from_secs(rests) + Duration::from_millis(millis);
            assert_eq!(picked(&keys, "m", &[], start), Some((1, true)), "{told:?}");
            assert_eq!(picked(&keys, "m", &[], at(1)), Some((0, true)), "{told:?}");
        }
    }

    #[test]
    fn when_all_have_marks_the_one_free_soonest_serves_and_what_was_tried_never_does() {
        let (keys, now) = (keys(3), Instant::now());
        keys.failed(Some(0), "m", &refused(401), now);
        keys.failed(Some(1), "m", &limited(Some(5)), now);
        keys.failed(Some(2), "m", &limited(Some(9)), now);
        assert_eq!(picked(&keys, "m", &[], now), Some((1, false)));
        assert_eq!(picked(&keys, "m", &[1], now), Some((2, false)));
        assert_eq!(picked(&keys, "m", &[0, 1, 2], now), None);
        assert_eq!(picked(&self::keys(0), "m", &[], now), None);
    }

    #[test]
    fn marks_are_bounded() {
        let (keys, now) = (keys(1), Instant::now());
        for n in 0..2 * MAX_MARKS {
            keys.failed(Some(0), &format!("gpt-{n}"), &refused(403), now);
        }
        assert_eq!(keys.lock().len(), MAX_MARKS);
    }
}
