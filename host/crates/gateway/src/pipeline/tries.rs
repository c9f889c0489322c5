//! The calls of one request that are under way: at most two at once. However each ends, it becomes one step of the
//! trail, also when the client leaves in the middle.

use std::time::Instant;

use jackfield_core::contract::{Called, Fault, FaultKind, Step, Trail};

/// One call under way, by its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Try(u32);

/// The calls under way.
#[derive(Debug, Default)]
pub(super) struct Tries {
    open: Vec<Open>,
    last: u32,
}

#[derive(Debug)]
struct Open {
    number: Try,
    model: String,
    provider: String,
    key: Option<usize>,
    charge: Option<u32>,
    began: Instant,
}

impl Tries {
    /// A call begins, with this number on the request's bill.
    pub(super) fn begin(
        &mut self,
        model: &str,
        provider: &str,
        key: Option<usize>,
        charge: Option<u32>,
    ) -> Try {
        self.last += 1;
        let number = Try(self.last);
        let (model, provider, began) = (model.to_owned(), provider.to_owned(), Instant::now());
        self.open.push(Open { number, model, provider, key, charge, began });
        number
    }

    /// A call failed.
    pub(super) fn failed(&mut self, number: Try, fault: &Fault, trail: &mut Trail) {
        let Some(call) = self.close(number) else { return };
        trail.push(match fault.kind {
            // It could not even be asked.
            FaultKind::Unsupported => {
                Step::Skipped { model: call.model, provider: call.provider, why: "unsupported" }
            }
            _ => Step::AttemptFailed { call, fault: fault.clone() },
        });
    }

    /// A call answers. Says which.
    pub(super) fn answered(&mut self, number: Try, trail: &mut Trail) -> Option<Called> {
        let call = self.close(number)?;
        trail.push(Step::Answered { call: call.clone() });
        Some(call)
    }

    /// Every call that is still open is given up, for this reason where it is none of the usual ones.
    pub(super) fn abandon(&mut self, why: Option<FaultKind>, trail: &mut Trail) {
        for open in self.open.drain(..) {
            trail.push(Step::Abandoned { call: open.over(), why });
        }
    }

    fn close(&mut self, number: Try) -> Option<Called> {
        let at = self.open.iter().position(|open| open.number == number)?;
        Some(self.open.remove(at).over())
    }
}

impl Open {
    fn over(self) -> Called {
        let Self { model, provider, key, charge, began, .. } = self;
        Called { model, provider, key, took: began.elapsed(), charge }
    }
}
