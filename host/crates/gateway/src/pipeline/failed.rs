//! What went wrong with each candidate, and the one error made of it.
//!
//! Its kind, and so its status, is the one they all have in common; where they differ, the last one's: what was
//! nearest to an answer. A candidate that could not be told a part of the request counts only where none was asked. The text names every candidate that was called, how often, and why it failed.

use jackfield_core::base::excerpt;
use jackfield_core::contract::{Fault, FaultKind};

/// What is quoted of each reason, of a rejected answer's issues, and of all together, in characters.
const MAX_REASON: usize = 240;
const MAX_ISSUES: usize = 1_000;
const MAX_TEXT: usize = 3_000;

/// The failures of one request, in order.
#[derive(Debug, Default)]
pub(super) struct Failed {
    calls: Vec<One>,
    /// Candidates left alone because they keep failing.
    left_alone: Vec<String>,
}

#[derive(Debug)]
struct One {
    model: String,
    fault: Fault,
    /// Calls of this model in a row that failed in this way.
    times: usize,
}

impl Failed {
    /// A call failed. Repeated ones that fail alike are one entry, with the last one's words.
    pub(super) fn push(&mut self, model: &str, fault: Fault) {
        match self.calls.last_mut() {
            Some(last) if last.model == model && last.fault.kind == fault.kind => {
                last.times += 1;
                last.fault = fault;
            }
            _ => self.calls.push(One { model: model.to_owned(), fault, times: 1 }),
        }
    }

    /// A candidate was not called because it keeps failing.
    pub(super) fn left_alone(&mut self, model: &str) {
        self.left_alone.push(model.to_owned());
    }

    /// Whether anything failed so far.
    pub(super) fn any(&self) -> bool {
        !self.calls.is_empty()
    }

    /// One error for all attempts. A single one's stays as it is, the provider's own answer included.
    pub(super) fn into_fault(mut self) -> Fault {
        if let ([_], []) = (&self.calls[..], &self.left_alone[..])
            && let Some(One { mut fault, times, .. }) = self.calls.pop()
        {
            if times > 1 {
                fault.message = format!("{} ({times} attempts)", fault.message);
            }
            return fault;
        }
        // A model that could not be asked says less than one that failed.
        let asked = |one: &&One| one.fault.kind != FaultKind::Unsupported;
        let Some(last) = self.calls.iter().rev().find(asked).or(self.calls.last()) else {
            return Fault::new(FaultKind::Internal, "no candidate could be called");
        };
        let kind = last.fault.kind;
        let waits = self.calls.iter().filter(|one| one.fault.kind == kind).map(|one| one.fault.retry_after);
        let wait = waits.min_by_key(|wait| wait.unwrap_or_default()).flatten();
        let called = self.calls.iter().map(|one| {
            let times = if one.times > 1 { format!(", {} attempts", one.times) } else { String::new() };
            let most = if one.fault.kind == FaultKind::AnswerRejected { MAX_ISSUES } else { MAX_REASON };
            let reason = excerpt(&one.fault.message, most);
            format!("{} ({}{times}): {reason}", one.model, one.fault.kind.reason())
        });
        let skipped =
            self.left_alone.iter().map(|model| format!("{model}: left alone for a while, it keeps failing"));
        let listed: Vec<String> = called.chain(skipped).collect();
        let text = format!("every candidate failed: {}", listed.join("; "));
        Fault::new(kind, excerpt(&text, MAX_TEXT)).with_retry_after(wait)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use jackfield_core::contract::UpstreamAnswer;

    use super::*;

    fn fault(kind: FaultKind, words: &str) -> Fault {
        Fault::new(kind, words)
    }

    #[test]
    fn a_single_failure_stays_as_it_is() {
        let mut failed = Failed::default();
        let answer = UpstreamAnswer { status: 400, content_type: None, body: "{}".into() };
        failed.push("m", fault(FaultKind::ContextLength, "too long").with_upstream(answer));
        let one = failed.into_fault();
        assert_eq!((one.kind, &*one.message), (FaultKind::ContextLength, "too long"));
        assert!(one.upstream.is_some());
    }

    #[test]
    fn every_attempt_is_listed_and_the_last_kind_counts() {
        let mut failed = Failed::default();
        failed.push("a", fault(FaultKind::UpstreamFailed, "broke"));
        failed.push("a", fault(FaultKind::UpstreamFailed, "broke again"));
        failed.push("b", fault(FaultKind::UpstreamTimeout, "slept"));
        failed.left_alone("c");
        let all = failed.into_fault();
        assert_eq!(all.kind, FaultKind::UpstreamTimeout);
        assert_eq!(
            all.message,
            "every candidate failed: a (upstream_failed, 2 attempts): broke again; b (upstream_timeout): slept; \
             c: left alone for a while, it keeps failing"
        );
    }

    #[test]
    fn the_time_to_wait_is_the_shortest_of_its_kind_and_the_text_is_bounded() {
        let mut failed = Failed::default();
        for secs in [9, 4, 7] {
            let limited = fault(FaultKind::UpstreamRateLimited, &"x".repeat(5_000));
            failed.push(
                &format!("{secs}-{}", "m".repeat(900)),
                limited.with_retry_after(Some(Duration::from_secs(secs))),
            );
        }
        let all = failed.into_fault();
        assert_eq!(all.retry_after, Some(Duration::from_secs(4)));
        assert!(all.message.chars().count() <= MAX_TEXT);
    }
}
