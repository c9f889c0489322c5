//! Reserving where hosts share the counters: the server decides, in one step for all limits.
//!
//! The counters here are a picture of the server's, as of its last answer. From it is worked out what to ask for; the server
//! holds the first of a ladder of amounts that every limit has room for, or none. So nothing hangs on how old the picture
//! is but how well the first guess fits, and before anybody is refused or cut short the picture is taken anew. Runs are
//! counted here alone: a run lives on one host.
//!
//! Bounded: `TRIES` questions a reservation, each with the server's timeout.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use jackfield_core::config::Window;
use tokio::sync::oneshot;

use super::accounts::{Charged, Granted, SHORTEST, Wish};
use super::amount::{Amount, Tariff};
use super::calendar;
use super::exceeded::{Exceeded, LimitScope, Refused};
use super::reservation::Reservation;
use super::rows::UnderWay;
use super::{Alert, Ask, Ledger, Shared};
use crate::StateError;
use crate::shared::{Bound, Held, Lease, Leases, Place, Seen, read};

/// How often a reservation is tried: each failure means that others took what there was in between.
const TRIES: u32 = 4;
/// Amounts that are offered at once.
const LADDER: usize = 16;

/// Why nothing is reserved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unreserved {
    /// A budget has no room for it.
    Exceeded(Box<Exceeded>),
    /// What hosts share cannot be asked.
    State(StateError),
}

impl From<Exceeded> for Unreserved {
    fn from(exceeded: Exceeded) -> Self {
        Self::Exceeded(Box::new(exceeded))
    }
}

/// How a reservation stands with the server.
#[derive(Debug)]
pub(super) enum Across {
    /// It holds a lease.
    Leased(Lease),
    /// The server was gone: it is counted here, and told later.
    Alone(Arc<Leases>, Arc<[Place]>),
}

/// Hears when the server took the end of a reservation, and how long that is waited for at most.
pub(super) type Heard = (oneshot::Receiver<()>, Duration);

impl Across {
    /// The call is over, and this was spent.
    pub(super) fn end(self, spent: Amount) -> Option<Heard> {
        match self {
            Self::Leased(lease) => {
                let most = lease.leases().counters().link().timeout();
                Some((lease.end(spent), most))
            }
            Self::Alone(leases, places) => {
                leases.owe(&places, spent);
                None
            }
        }
    }
}

/// What is held here while the server is asked. Dropped, it is held no more.
struct Tentative {
    shared: Arc<Shared>,
    granted: Option<Granted>,
    tariff: Tariff,
}

impl Drop for Tentative {
    fn drop(&mut self) {
        if let Some(granted) = self.granted.take() {
            let held = self.tariff.most(granted.held);
            let _ = self.shared.accounts().settle(&granted.charged, held, Amount::default());
        }
    }
}

/// What a reservation holds more while the server is asked. Dropped, it holds what it held before.
struct Growth<'a> {
    shared: &'a Shared,
    charged: &'a Charged,
    tariff: Tariff,
    held: u64,
    reach: u64,
}

impl Growth<'_> {
    /// So much is held in the end.
    fn end(mut self, taken: u64) {
        self.held = taken;
    }
}

impl Drop for Growth<'_> {
    fn drop(&mut self) {
        self.shared.accounts().hold_instead(self.charged, &self.tariff, self.reach, self.held);
    }
}

impl Ledger {
    /// The same ledger, whose limits are shared with other hosts. What a process before this one had under way is told to
    /// them.
    pub(crate) fn sharing(mut self, leases: &Arc<Leases>, under_way: &[UnderWay]) -> Self {
        for row in under_way {
            let zone = self.shared.accounts().zone();
            let places: Vec<Place> = row
                .scopes()
                .iter()
                .flat_map(|scope| {
                    let spans = Window::ALL.map(|w| (w, calendar::span(w, &zone, row.time)));
                    spans.map(|(window, span)| place(leases, scope, window, span.start, span.end))
                })
                .collect();
            leases.recover(lease_id(&row.request, row.attempt), &places, row.reserved);
        }
        if let Some(shared) = Arc::get_mut(&mut self.shared) {
            shared.leases = Some(Arc::clone(leases));
        }
        self
    }

    /// Whether limits are shared with other hosts: then calls are reserved with [`Self::reserve_across`].
    pub fn is_shared(&self) -> bool {
        self.across.load(Ordering::Relaxed)
    }

    /// Holds what a call is expected to cost, of all limits that apply on all hosts or of none. Waits for the server at most
    /// a few times its timeout.
    ///
    /// # Errors
    /// A budget has no room for it, or the server is gone and this host is not to count on alone.
    pub async fn reserve_across(&self, ask: Ask<'_>) -> Result<Reservation, Unreserved> {
        let Some(leases) = self.shared.leases.clone() else { return Ok(self.reserve(ask)?) };
        let (tariff, wish) = ask.wish();
        let id = lease_id(&ask.request.to_string(), ask.attempt);
        let (mut fresh, mut alone) = (false, false);
        for tried in 1..=TRIES {
            let (planned, charged, time) = {
                let mut accounts = self.shared.accounts();
                let charged = accounts.charged(&wish);
                (accounts.reserve(&wish), charged, accounts.now())
            };
            let mut planned = planned.map(|granted| Tentative {
                shared: Arc::clone(&self.shared),
                granted: Some(granted),
                tariff,
            });
            let sights = self.shared.sights(&leases, &charged);
            let places: Arc<[Place]> = sights.iter().map(|(place, _)| place.clone()).collect();
            let tight = match &planned {
                Ok(tentative) => tentative.granted.as_ref().is_some_and(|granted| granted.bound.is_some()),
                Err(exceeded) => exceeded.why == Refused::Spent && exceeded.window.is_some(),
            };
            if tight && !fresh && !alone {
                // The picture may be old.
                drop(planned);
                match read(&leases, &places).await {
                    Ok(seen) => self.shared.accounts().adopt(&charged, &seen),
                    Err(_) if leases.counts_alone() => alone = true,
                    Err(error) => return Err(Unreserved::State(error)),
                }
                planned = {
                    let granted = self.shared.accounts().reserve(&wish);
                    granted.map(|granted| Tentative {
                        shared: Arc::clone(&self.shared),
                        granted: Some(granted),
                        tariff,
                    })
                };
            }
            let mut tentative = planned?;
            let Some(granted) = &tentative.granted else { break };
            let whole = granted.charged.is_whole();
            let tokens = ladder(granted.held, wish.most_output.unwrap_or(u64::MAX).min(SHORTEST));
            let amounts: Vec<Amount> = tokens.iter().map(|tokens| tariff.most(*tokens)).collect();
            let bounds: Vec<Bound> = sights.iter().map(|(_, bound)| *bound).collect();
            let mut across = None;
            if !alone {
                let lease = leases.lease(Arc::clone(&id), Arc::clone(&places), whole);
                match lease.hold(&bounds, &amounts).await {
                    Ok(Held::Taken(at, seen)) => {
                        let held = tokens.get(at).copied().unwrap_or(0);
                        if let Some(granted) = &mut tentative.granted {
                            self.shared.take(granted, &tariff, held, &wish, &seen);
                        }
                        across = Some(Across::Leased(lease));
                    }
                    Ok(Held::Full(seen)) => {
                        drop(tentative);
                        // It holds nothing, and its name is needed for the next try.
                        lease.forget();
                        self.shared.accounts().adopt(&charged, &seen);
                        fresh = true;
                        if tried < TRIES {
                            continue;
                        }
                        return Err(self.refused(&wish, &leases));
                    }
                    Ok(Held::Ended) => {
                        lease.forget();
                        let reason = "it has ended this call's reservation already".into();
                        let server = Arc::clone(leases.counters().link().server());
                        return Err(Unreserved::State(StateError::Shared { server, reason }));
                    }
                    // What may have arrived is given back with the lease.
                    Err(_) if leases.counts_alone() => drop(lease),
                    Err(error) => return Err(Unreserved::State(error)),
                }
            }
            let across = across.unwrap_or_else(|| {
                leases.alone();
                Across::Alone(Arc::clone(&leases), places)
            });
            let Some(mut granted) = tentative.granted.take() else { break };
            if matches!(across, Across::Alone(..)) {
                self.shared.accounts().alone(&mut granted.charged, &tariff, granted.held);
            }
            let charge = ask.charge(time);
            let made = Reservation::new(
                Arc::clone(&self.shared),
                granted,
                charge,
                ask.price,
                tariff,
                ask.input_tokens,
            );
            return Ok(made.across(across));
        }
        Err(self.refused(&wish, &leases))
    }

    /// What is said when the server refuses: by the picture that it gave.
    fn refused(&self, wish: &Wish<'_>, leases: &Leases) -> Unreserved {
        let mut accounts = self.shared.accounts();
        match accounts.reserve(wish) {
            Err(exceeded) => exceeded.into(),
            Ok(granted) => {
                // There is room again, and others were quicker each time.
                let held = wish.tariff.most(granted.held);
                let _ = accounts.settle(&granted.charged, held, Amount::default());
                let reason = "others took what was left, each time; ask again".into();
                let server = Arc::clone(leases.counters().link().server());
                Unreserved::State(StateError::Shared { server, reason })
            }
        }
    }
}

impl Shared {
    /// The counters of a charge at the server, each with what the limits here say of it.
    fn sights(&self, leases: &Leases, charged: &Charged) -> Vec<(Place, Bound)> {
        let sights = self.accounts().sights(charged);
        let place = |s: super::accounts::Sight| (place(leases, &s.scope, s.window, s.start, s.end), s.bound);
        sights.into_iter().map(place).collect()
    }

    /// The server granted so much; what it says besides is the new picture.
    fn take(&self, granted: &mut Granted, tariff: &Tariff, held: u64, wish: &Wish<'_>, seen: &[Seen]) {
        let mut accounts = self.accounts();
        accounts.hold_instead(&granted.charged, tariff, granted.held, held);
        accounts.adopt(&granted.charged, seen);
        let most = wish.most_output.unwrap_or(super::accounts::LONGEST);
        if granted.charged.is_whole() {
            if held < granted.held {
                granted.bound = (held < most).then_some(held);
            }
        } else {
            let reach = accounts.reach(&granted.charged, tariff, held);
            let reach = granted.bound.map_or(reach, |bound| bound.min(reach));
            granted.bound = (reach < most).then_some(reach);
        }
        granted.expected = if wish.streamed { held } else { granted.expected.min(held) };
        granted.held = held;
    }

    /// Alerts that only one host is to tell: the first to claim each. Told all the same where the server cannot be asked.
    pub(super) fn alert_once(self: &Arc<Self>, leases: &Arc<Leases>, alerts: Vec<Alert>) {
        for alert in alerts {
            let what = format!(
                "{}:{}:{}:{}:{}:{}",
                alert.scope.kind(),
                alert.scope.name().unwrap_or_default(),
                alert.window.name(),
                alert.unit.name(),
                alert.start,
                alert.threshold
            );
            let (shared, end) = (Arc::clone(self), alert.end);
            leases.claim(what, end, Box::new(move || shared.alert(vec![alert])));
        }
    }
}

impl Reservation {
    /// As [`Self::grow`], also where hosts share the limits.
    ///
    /// # Errors
    /// What is left does not cover the answer, or the server is gone and this host is not to count on alone.
    pub async fn cover(&mut self, output_tokens: u64) -> Result<(), Unreserved> {
        // The server may refuse what the picture that it gives has room for: its limits or its windows are others by then, or
        // it forgot what is held. That is asked for once more.
        for _ in 0..2 {
            if self.covers(output_tokens).await? {
                return Ok(());
            }
        }
        let accounts = self.shared.accounts();
        match accounts.tightest(&self.charged, &self.tariff(), self.held(), output_tokens) {
            Some(exceeded) => Err(exceeded.into()),
            None => Ok(()),
        }
    }

    /// Asks once. `false`: the server has no room for it, and the picture that it gave has.
    async fn covers(&mut self, output_tokens: u64) -> Result<bool, Unreserved> {
        let Some(Across::Leased(lease)) = &self.across else {
            return Ok(self.grow(output_tokens).map(|()| true)?);
        };
        let Some(want) = self.wants(output_tokens) else { return Ok(true) };
        let (held, tariff) = (self.held(), self.tariff());
        let leases = Arc::clone(lease.leases());
        let mut reach = self.shared.accounts().grow(&self.charged, &tariff, held, output_tokens, want);
        if reach.is_err() && (!leases.counts_alone() || leases.counters().link().is_up()) {
            let seen = read(&leases, lease.places()).await;
            match seen {
                Ok(seen) => self.shared.accounts().adopt(&self.charged, &seen),
                Err(error) if !leases.counts_alone() => return Err(Unreserved::State(error)),
                Err(_) => {}
            }
            reach = self.shared.accounts().grow(&self.charged, &tariff, held, output_tokens, want);
        }
        let reach = reach?;
        let growth = Growth { shared: &self.shared, charged: &self.charged, tariff, held, reach };
        let steps = [reach, output_tokens.max(held).midpoint(reach), output_tokens.max(held)];
        let amounts = steps.map(|tokens| tariff.most(tokens));
        let bounds: Vec<Bound> =
            self.shared.sights(&leases, &self.charged).into_iter().map(|(_, bound)| bound).collect();
        let (taken, told) = match lease.hold(&bounds, &amounts).await {
            Ok(Held::Taken(at, seen)) => (steps.get(at).copied().unwrap_or(held), Ok(Some(seen))),
            Ok(Held::Full(seen)) => (held, Ok(Some(seen))),
            // Its host was late, and it was given back; whatever is delivered is settled.
            Ok(Held::Ended) => (reach, Ok(None)),
            Err(_) if leases.counts_alone() => (reach, Ok(None)),
            Err(error) => (held, Err(error)),
        };
        growth.end(taken);
        let mut accounts = self.shared.accounts();
        if let Ok(Some(seen)) = &told {
            accounts.adopt(&self.charged, seen);
        }
        let short = accounts.grow(&self.charged, &tariff, taken, output_tokens, taken);
        drop(accounts);
        told.map_err(Unreserved::State)?;
        if taken >= output_tokens {
            self.grew(taken);
            return Ok(true);
        }
        short?;
        Ok(false)
    }
}

/// Amounts of output from `most` down to `least`, each half of the one before, `LADDER` at most.
fn ladder(most: u64, least: u64) -> Vec<u64> {
    let mut all = vec![most];
    let mut next = most / 2;
    while next > least && all.len() < LADDER - 1 {
        all.push(next);
        next /= 2;
    }
    if least < most {
        all.push(least);
    }
    all
}

/// A call's lease is called like its row.
fn lease_id(request: &str, attempt: u32) -> Arc<str> {
    format!("{request}:{attempt}").into()
}

fn place(leases: &Leases, scope: &LimitScope, window: Window, start: i64, end: i64) -> Place {
    let scope = match scope.name() {
        Some(name) => format!("{}:{name}", scope.kind()),
        None => scope.kind().to_owned(),
    };
    leases.counters().place(&scope, window.name(), start, end)
}

impl UnderWay {
    fn scopes(&self) -> Vec<LimitScope> {
        let mut scopes = vec![LimitScope::Everyone];
        scopes.extend(self.project.as_deref().map(|name| LimitScope::Project(name.into())));
        scopes.extend(self.user.as_deref().map(|name| LimitScope::User(name.into())));
        scopes.extend(self.key.as_deref().map(|name| LimitScope::Key(name.into())));
        scopes.push(LimitScope::Model(self.model.as_str().into()));
        scopes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ladder_leads_from_what_is_wanted_to_what_is_worth_a_call() {
        assert_eq!(ladder(100, 16), [100, 50, 25, 16]);
        assert_eq!(ladder(16, 16), [16]);
        assert_eq!(ladder(0, 0), [0]);
        assert_eq!(ladder(8, 16), [8]);
        let long = ladder(u64::MAX, 16);
        assert_eq!((long.len(), long.last()), (LADDER, Some(&16)));
        assert!(long.is_sorted_by(|one, next| one > next));
    }
}
