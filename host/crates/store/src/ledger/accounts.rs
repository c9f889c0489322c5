//! The counters, and the one atomic step in which all limits allow a call or none is charged.
//!
//! Short sections under one lock that its owner holds: no I/O, no await, no clock. Callers' projects, users and keys come
//! from configured keys, so they are few; models can be any that a client names. `MAX_ACCOUNTS` bounds all: what comes
//! after them and cannot be pruned shares one account a kind.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Weak};

use jackfield_core::base::NanoUsd;
use jackfield_core::config::{Budgets, Limits, NamedLimits, OnExceeded, Window};
use jackfield_core::contract::{BudgetScope, Caller, Headroom, RunScope};
use jiff::tz::TimeZone;

use super::alert::Alert;
use super::amount::{Amount, Tariff};
use super::calendar::Calendar;
use super::exceeded::{Exceeded, LimitScope, LimitUnit, Refused, moment};
use super::learned::Learned;
use super::rows::Spent;
use super::standing::{LimitStatus, Standing};
use crate::shared::{Bound, Seen};

/// Accounts at most: each takes about 300 bytes.
const MAX_ACCOUNTS: usize = 16_384;
/// Runs that are counted before those that ended are looked for.
const RUNS: usize = 256;
/// The name of an account that is shared beyond the bound. No name in a configuration has a space.
const OTHERS: &str = "all others";
/// The shortest answer worth a call, in tokens: what OpenAI's Responses take at least.
pub(super) const SHORTEST: u64 = 16;
/// How long an answer may be where nobody says: as long as that of any model in the catalogue.
pub(super) const LONGEST: u64 = 131_072;
/// A whole answer is promised this many times what is expected before a share of the rest is looked at.
const AMPLE: u64 = 4;

/// All counters.
#[derive(Debug)]
pub(super) struct Accounts {
    budgets: Budgets,
    calendar: Calendar,
    accounts: HashMap<LimitScope, Account>,
    runs: HashMap<Arc<str>, RunAccount>,
    pub(super) learned: Learned,
}

/// One project's, user's, key's or model's counters, by window.
#[derive(Clone, Copy, Debug, Default)]
struct Account {
    windows: [Counter; 4],
}

/// What was spent and is held in one window.
#[derive(Clone, Copy, Debug, Default)]
struct Counter {
    start: i64,
    spent: Amount,
    held: Amount,
    /// What of it is held by calls that were reserved while the server of shared limits was gone, which knows nothing of it.
    alone: Amount,
    /// Whole answers under way.
    open: u32,
    /// The highest threshold that was told, in parts of a million, of dollars and of tokens.
    told: [u32; 2],
}

/// What a run spent and holds.
#[derive(Debug, Default)]
struct RunAccount {
    scope: Weak<RunScope>,
    spent: NanoUsd,
    held: NanoUsd,
}

/// What a call is charged to.
#[derive(Clone, Debug)]
pub(super) struct Charged {
    scopes: Vec<LimitScope>,
    run: Option<Arc<RunScope>>,
    /// The windows that were open when it was reserved: it belongs to them for good.
    starts: [i64; 4],
    whole: bool,
    /// Whether it is held here alone, where limits are shared.
    alone: bool,
}

/// What a call wants.
pub(super) struct Wish<'a> {
    pub(super) caller: &'a Caller,
    pub(super) run: Option<&'a Arc<RunScope>>,
    pub(super) task: Option<&'a str>,
    pub(super) model: &'a str,
    /// Whether its price is known, or it costs nothing.
    pub(super) priced: bool,
    pub(super) tariff: Tariff,
    pub(super) most_output: Option<u64>,
    pub(super) streamed: bool,
    pub(super) hidden: bool,
}

/// What a call gets.
pub(super) struct Granted {
    pub(super) charged: Charged,
    /// Output tokens that are expected, and written down.
    pub(super) expected: u64,
    /// Output tokens that are held.
    pub(super) held: u64,
    /// Output tokens after which the upstream must stop, where it could go beyond what is left.
    pub(super) bound: Option<u64>,
}

/// One counter of a charge, for whoever keeps it elsewhere.
pub(super) struct Sight {
    pub(super) scope: LimitScope,
    pub(super) window: Window,
    pub(super) start: i64,
    pub(super) end: i64,
    /// What limits it; nothing where the window is over.
    pub(super) bound: Bound,
}

impl Counter {
    /// A charge holds so much in place of so much.
    fn hold(&mut self, charged: &Charged, old: Amount, new: Amount) {
        self.held = self.held.less(old).plus(new);
        if charged.alone {
            self.alone = self.alone.less(old).plus(new);
        }
    }
}

impl Charged {
    /// Whether it is for an answer that cannot be stopped.
    pub(super) fn is_whole(&self) -> bool {
        self.whole
    }
}

/// One limit that applies, with what is left of it.
struct Applies {
    scope: LimitScope,
    window: Option<Window>,
    unit: LimitUnit,
    limit: u64,
    used: u64,
    spent: u64,
    left: u64,
    open: u32,
}

impl Applies {
    /// The longest answer that so much of it is enough for.
    fn output(&self, tariff: &Tariff, amount: u64) -> Option<u64> {
        match self.unit {
            LimitUnit::Usd => tariff.output_for_usd(NanoUsd::new(amount)),
            LimitUnit::Tokens => tariff.output_for_tokens(amount),
        }
    }
}

impl Accounts {
    pub(super) fn new(now: i64) -> Self {
        let budgets = Budgets::default();
        let calendar = Calendar::new(budgets.timezone.clone(), now);
        Self {
            budgets,
            calendar,
            accounts: HashMap::new(),
            runs: HashMap::new(),
            learned: Learned::default(),
        }
    }

    /// Counts what was spent before the start.
    pub(super) fn restore(&mut self, spent: &Spent) {
        let name = |name: &Option<String>| name.as_deref().map(Arc::from);
        let caller = Caller {
            project: spent.project.clone(),
            user: spent.user.clone(),
            key: name(&spent.key),
            ..Caller::default()
        };
        let starts = self.calendar.starts();
        for scope in self.scopes_of(&caller, &spent.model) {
            let account = self.accounts.entry(scope).or_default();
            for (index, counter) in account.windows.iter_mut().enumerate() {
                counter.start = starts[index];
                counter.spent = counter.spent.plus(spent.windows[index]);
            }
        }
    }

    /// When the windows that are open began, by [`Window::index`].
    pub(super) fn starts(&self) -> [i64; 4] {
        self.calendar.starts()
    }

    /// A run goes on under this scope: what is counted of it stays for as long as it lives. Whether anything was.
    pub(super) fn adopt_run(&mut self, run: &Arc<RunScope>) -> bool {
        let account = self.runs.get_mut(&run.account);
        account.map(|account| account.scope = Arc::downgrade(run)).is_some()
    }

    /// Counts what a run spent before it was broken off.
    pub(super) fn restore_run(&mut self, run: &Arc<RunScope>, spent: NanoUsd) {
        let fresh = || RunAccount { scope: Arc::downgrade(run), spent, held: NanoUsd::ZERO };
        self.runs.entry(Arc::clone(&run.account)).or_insert_with(fresh);
    }

    /// New limits; counters stay.
    pub(super) fn configure(&mut self, budgets: &Budgets, now: i64) {
        // Nothing is counted yet: the zone can take effect at once.
        if self.accounts.is_empty() {
            self.calendar = Calendar::new(budgets.timezone.clone(), now);
        }
        self.calendar.set_zone(budgets.timezone.clone());
        self.budgets = budgets.clone();
    }

    pub(super) fn turn(&mut self, now: i64) {
        self.calendar.turn(now);
    }

    /// The time at which something is charged: it lies in the windows that are open.
    pub(super) fn now(&self) -> i64 {
        self.calendar.now()
    }

    /// Charges everything that applies, or nothing.
    pub(super) fn reserve(&mut self, wish: &Wish<'_>) -> Result<Granted, Exceeded> {
        let scopes = self.scopes_of(wish.caller, wish.model);
        let limits = self.applying(&scopes, wish.run);
        if !wish.priced
            && let Some(limit) = limits.iter().find(|limit| limit.unit == LimitUnit::Usd)
        {
            return Err(self.exceeded(limit, Amount::default(), Refused::NoPrice(wish.model.into())));
        }
        let most = wish.most_output.unwrap_or(LONGEST);
        let expected = self.learned.expected(wish.model, wish.task).min(most);
        let (mut left, mut share) = (u64::MAX, u64::MAX);
        for limit in &limits {
            let output = limit.output(&wish.tariff, limit.left);
            let Some(output) = output.filter(|output| *output >= most.min(SHORTEST)) else {
                return Err(self.exceeded(limit, wish.tariff.most(most.min(SHORTEST)), Refused::Spent));
            };
            left = left.min(output);
            // Whole answers cannot be stopped, so each is held in full: with others under way it gets a share, so that a few
            // long promises do not turn everybody else away.
            let part = limit.left / (u64::from(limit.open) + 2);
            share = share.min(limit.output(&wish.tariff, part).unwrap_or(0));
        }
        // What is thought unseen is billed, and nobody can stop a stream that shows nothing.
        let whole = !wish.streamed || wish.hidden;
        let (held, bound) = if limits.is_empty() {
            (expected, None)
        } else if !whole {
            (expected.min(left), (left < most).then_some(left))
        } else {
            let promised = share.max(expected.saturating_mul(AMPLE)).min(left).min(most);
            (promised, (promised < most).then_some(promised))
        };
        let charged =
            Charged { scopes, run: wish.run.cloned(), starts: self.calendar.starts(), whole, alone: false };
        self.change(&charged, |counter| {
            counter.held = counter.held.plus(wish.tariff.most(held));
            counter.open += u32::from(charged.whole);
        });
        self.change_run(&charged, |run| run.held = run.held.plus(wish.tariff.most(held).usd));
        // What of a stream goes out before it is settled must be in the file.
        let expected = if wish.streamed { held } else { expected.min(held) };
        Ok(Granted { charged, expected, held, bound })
    }

    /// What a call would be charged to.
    pub(super) fn charged(&mut self, wish: &Wish<'_>) -> Charged {
        let scopes = self.scopes_of(wish.caller, wish.model);
        let whole = !wish.streamed || wish.hidden;
        Charged { scopes, run: wish.run.cloned(), starts: self.calendar.starts(), whole, alone: false }
    }

    /// The counters of a charge: of each scope, each window.
    pub(super) fn sights(&self, charged: &Charged) -> Vec<Sight> {
        let starts = self.calendar.starts();
        let windows = charged.scopes.iter().flat_map(|scope| Window::ALL.map(|window| (scope, window)));
        let sight = |(scope, window): (&LimitScope, Window)| {
            let (start, index) = (charged.starts[window.index()], window.index());
            let open = start == starts[index];
            let limits = self.limits_of(scope).filter(|_| open);
            let usd = limits.and_then(|limits| limits.usd[index]).map(NanoUsd::nanos);
            // The server knows nothing of what is held here alone: its limit is smaller by that.
            let account = self.accounts.get(scope).map(|account| account.windows[index]);
            let alone = account.filter(|counter| counter.start == start).unwrap_or_default().alone;
            let bound = Bound {
                usd: usd.map(|limit| limit.saturating_sub(alone.usd.nanos())),
                tokens: limits
                    .and_then(|limits| limits.tokens[index])
                    .map(|l| l.saturating_sub(alone.tokens)),
            };
            // One that is over ended when the next began, or before.
            let end = if open { self.calendar.end(window) } else { starts[index] };
            Sight { scope: scope.clone(), window, start, end, bound }
        };
        windows.map(sight).collect()
    }

    /// So much output of a charge is held here alone from now on: nobody else knows of it.
    pub(super) fn alone(&mut self, charged: &mut Charged, tariff: &Tariff, held: u64) {
        charged.alone = true;
        self.change(charged, |counter| counter.alone = counter.alone.plus(tariff.most(held)));
    }

    /// Takes what counters say that are kept elsewhere, in the order of [`Self::sights`]; what is held here alone is not among
    /// it.
    pub(super) fn adopt(&mut self, charged: &Charged, seen: &[Seen]) {
        let starts = self.calendar.starts();
        for (scope, seen) in charged.scopes.iter().zip(seen.chunks_exact(Window::ALL.len())) {
            let account = self.accounts.entry(scope.clone()).or_default();
            for (index, seen) in seen.iter().enumerate() {
                if charged.starts[index] != starts[index] {
                    continue;
                }
                let counter = &mut account.windows[index];
                let before = *counter;
                let before = if before.start == starts[index] { before } else { Counter::default() };
                let Seen { spent, held, open } = *seen;
                let held = held.plus(before.alone);
                *counter = Counter { start: starts[index], spent, held, open, ..before };
            }
        }
    }

    /// A charge holds so many tokens of output in place of so many.
    pub(super) fn hold_instead(&mut self, charged: &Charged, tariff: &Tariff, old: u64, new: u64) {
        let (old, new) = (tariff.most(old), tariff.most(new));
        self.change(charged, |counter| counter.hold(charged, old, new));
        self.change_run(charged, |run| run.held = run.held.less(old.usd).plus(new.usd));
    }

    /// The longest answer that the limits have room for, of a charge that holds so many tokens of output already.
    pub(super) fn reach(&self, charged: &Charged, tariff: &Tariff, held: u64) -> u64 {
        let own = tariff.most(held);
        let output = |limit: &Applies| {
            let own = match limit.unit {
                LimitUnit::Usd => own.usd.nanos(),
                LimitUnit::Tokens => own.tokens,
            };
            limit.output(tariff, limit.left.saturating_add(own)).unwrap_or(0)
        };
        self.applying(&charged.scopes, None).iter().map(output).min().unwrap_or(u64::MAX)
    }

    /// The time zone of the windows.
    pub(super) fn zone(&self) -> TimeZone {
        self.budgets.timezone.clone()
    }

    /// Holds more for an answer that grows: `want` output tokens instead of `held`, or as many as are left, `need` at least.
    pub(super) fn grow(
        &mut self,
        charged: &Charged,
        tariff: &Tariff,
        held: u64,
        need: u64,
        want: u64,
    ) -> Result<u64, Exceeded> {
        let limits = self.applying(&charged.scopes, charged.run.as_ref());
        // A charge that began in a window before this one is charged there, and that one is over.
        let starts = self.calendar.starts();
        let open =
            |limit: &&Applies| limit.window.is_none_or(|w| starts[w.index()] == charged.starts[w.index()]);
        let mut reach = want;
        for limit in limits.iter().filter(open) {
            let now = tariff.most(held);
            let now = match limit.unit {
                LimitUnit::Usd => now.usd.nanos(),
                LimitUnit::Tokens => now.tokens,
            };
            let output = limit.output(tariff, limit.left.saturating_add(now)).unwrap_or(0);
            if output < need {
                let more = tariff.most(need).less(tariff.most(held));
                return Err(self.exceeded(limit, more, Refused::Spent));
            }
            reach = reach.min(output);
        }
        let reach = reach.max(held);
        let (old, new) = (tariff.most(held), tariff.most(reach));
        self.change(charged, |counter| counter.hold(charged, old, new));
        self.change_run(charged, |run| run.held = run.held.less(old.usd).plus(new.usd));
        Ok(reach)
    }

    /// The limit with the least room for an answer that grows to `need`; `None` where nothing limits it.
    pub(super) fn tightest(
        &self,
        charged: &Charged,
        tariff: &Tariff,
        held: u64,
        need: u64,
    ) -> Option<Exceeded> {
        let limits = self.applying(&charged.scopes, None);
        let tightest = limits.iter().min_by_key(|limit| limit.output(tariff, limit.left).unwrap_or(0))?;
        let more = tariff.most(need).less(tariff.most(held));
        Some(self.exceeded(tightest, more, Refused::Spent))
    }

    /// What was held is no more; this was spent. Gives the thresholds that were passed by it, each once in its window.
    pub(super) fn settle(&mut self, charged: &Charged, held: Amount, spent: Amount) -> Vec<Alert> {
        self.change(charged, |counter| {
            counter.hold(charged, held, Amount::default());
            counter.spent = counter.spent.plus(spent);
            counter.open = counter.open.saturating_sub(u32::from(charged.whole));
        });
        self.change_run(charged, |run| {
            run.held = run.held.less(held.usd);
            run.spent = run.spent.plus(spent.usd);
        });
        if spent == Amount::default() { Vec::new() } else { self.passed(&charged.scopes) }
    }

    /// The thresholds that these accounts passed and nobody was told of.
    fn passed(&mut self, scopes: &[LimitScope]) -> Vec<Alert> {
        let mut alerts = Vec::new();
        for limit in self.applying(scopes, None) {
            let Some(window) = limit.window.filter(|_| limit.limit > 0) else { continue };
            let (start, end) = (self.calendar.starts()[window.index()], self.calendar.end(window));
            let Some(account) = self.accounts.get_mut(&limit.scope) else { continue };
            let told = &mut account.windows[window.index()].told[limit.unit as usize];
            let used = u128::from(limit.spent) * 1_000_000;
            let reached = |threshold: u32| used >= u128::from(limit.limit) * u128::from(threshold);
            for threshold in self.budgets.thresholds.iter().copied().filter(|t| reached(*t)) {
                if threshold <= *told {
                    continue;
                }
                *told = threshold;
                let (scope, unit) = (limit.scope.clone(), limit.unit);
                let (limit, spent) = (limit.limit, limit.spent);
                alerts.push(Alert { scope, window, unit, threshold, limit, spent, start, end });
            }
        }
        alerts
    }

    /// Remembers what was told before the start.
    pub(super) fn restore_told(&mut self, alert: &Alert) {
        let index = alert.window.index();
        if let Some(account) = self.accounts.get_mut(&alert.scope)
            && account.windows[index].start == alert.start
        {
            let told = &mut account.windows[index].told[alert.unit as usize];
            *told = alert.threshold.max(*told);
        }
    }

    /// Every limit of every account, and of what has a name in the configuration.
    pub(super) fn limits(&self) -> Vec<LimitStatus> {
        let mut scopes: BTreeSet<LimitScope> = self.accounts.keys().cloned().collect();
        scopes.extend(self.standing().into_iter().map(|limit| limit.scope));
        let scopes: Vec<LimitScope> = scopes.into_iter().collect();
        let all = self.applying(&scopes, None).into_iter().filter_map(|applies| {
            let Applies { scope, window, unit, limit, used, spent, left, .. } = applies;
            let resets_at = moment(self.calendar.end(window?));
            let reserved = used.saturating_sub(spent);
            Some(LimitStatus { scope, window: window?, unit, limit, spent, reserved, left, resets_at })
        });
        all.collect()
    }

    /// Every limit that the configuration gives a name, and how it stands.
    pub(super) fn standing(&self) -> Vec<Standing> {
        let named = |limits: &NamedLimits, scope: fn(Arc<str>) -> LimitScope| -> Vec<LimitScope> {
            limits.iter().filter(|(name, _)| *name != "*").map(|(name, _)| scope(name.into())).collect()
        };
        let budgets = &self.budgets;
        let mut scopes = vec![LimitScope::Everyone];
        scopes.extend(named(&budgets.projects, LimitScope::Project));
        scopes.extend(named(&budgets.users, LimitScope::User));
        scopes.extend(named(&budgets.keys, LimitScope::Key));
        scopes.extend(named(&budgets.models, LimitScope::Model));
        let all = self.applying(&scopes, None).into_iter().filter_map(|applies| {
            let Applies { scope, window, unit, limit, used, .. } = applies;
            Some(Standing { scope, window: window?, unit, limit, used })
        });
        all.collect()
    }

    /// What a caller may still spend, in the tightest window in dollars.
    pub(super) fn headroom(&self, caller: &Caller, scope: BudgetScope) -> Option<Headroom> {
        let scope = match scope {
            BudgetScope::Global => LimitScope::Everyone,
            BudgetScope::Project => LimitScope::Project(caller.project.as_deref()?.into()),
            BudgetScope::User => LimitScope::User(caller.user.as_deref()?.into()),
        };
        let limits = self.applying(&[scope], None);
        let tightest = limits.iter().filter(|l| l.unit == LimitUnit::Usd).min_by_key(|l| l.left)?;
        let used = tightest.limit.saturating_sub(tightest.left);
        Some(Headroom {
            remaining_usd: NanoUsd::new(tightest.left).usd(),
            used_ratio: if tightest.limit == 0 { 1.0 } else { used as f64 / tightest.limit as f64 },
        })
    }

    /// What a run has spent, as far as it is counted here.
    pub(super) fn run_spent(&self, id: &str) -> Option<NanoUsd> {
        self.runs.get(id).map(|run| run.spent)
    }

    #[cfg(test)]
    pub(super) fn spent(&self, scope: &LimitScope, window: Window) -> Amount {
        self.accounts.get(scope).map_or(Amount::default(), |account| account.windows[window.index()].spent)
    }

    /// The accounts that a call is charged to.
    fn scopes_of(&mut self, caller: &Caller, model: &str) -> Vec<LimitScope> {
        let mut scopes = vec![LimitScope::Everyone];
        scopes.extend(caller.project.as_deref().map(|name| LimitScope::Project(name.into())));
        scopes.extend(caller.user.as_deref().map(|name| LimitScope::User(name.into())));
        scopes.extend(caller.key.as_ref().map(|name| LimitScope::Key(Arc::clone(name))));
        scopes.push(LimitScope::Model(model.into()));
        for scope in &mut scopes {
            if self.accounts.contains_key(scope) {
                continue;
            }
            if self.accounts.len() >= MAX_ACCOUNTS {
                let month = self.calendar.starts()[Window::Month.index()];
                let week = self.calendar.starts()[Window::Week.index()];
                let current = month.min(week);
                self.accounts.retain(|_, account| account.windows.iter().any(|w| w.start >= current));
            }
            if self.accounts.len() >= MAX_ACCOUNTS {
                *scope = match scope {
                    LimitScope::Project(_) => LimitScope::Project(OTHERS.into()),
                    LimitScope::User(_) => LimitScope::User(OTHERS.into()),
                    LimitScope::Key(_) => LimitScope::Key(OTHERS.into()),
                    LimitScope::Model(_) => LimitScope::Model(OTHERS.into()),
                    LimitScope::Everyone | LimitScope::Run(_) => continue,
                };
            }
            self.accounts.entry(scope.clone()).or_default();
        }
        scopes
    }

    fn limits_of(&self, scope: &LimitScope) -> Option<&Limits> {
        match scope {
            LimitScope::Everyone => Some(&self.budgets.everyone),
            LimitScope::Project(name) => self.budgets.projects.of(name),
            LimitScope::User(name) => self.budgets.users.of(name),
            LimitScope::Key(name) => self.budgets.keys.of(name),
            LimitScope::Model(name) => self.budgets.models.of(name),
            LimitScope::Run(_) => None,
        }
    }

    /// Every limit that applies, with what is left of it in the windows that are open now.
    fn applying(&self, scopes: &[LimitScope], run: Option<&Arc<RunScope>>) -> Vec<Applies> {
        let starts = self.calendar.starts();
        let mut all = Vec::new();
        for scope in scopes {
            let Some(limits) = self.limits_of(scope) else { continue };
            let account = self.accounts.get(scope);
            for window in Window::ALL {
                let index = window.index();
                let counter = account.map(|account| account.windows[index]);
                let counter = counter.filter(|counter| counter.start == starts[index]).unwrap_or_default();
                let (used, spent) = (counter.spent.plus(counter.held), counter.spent);
                let usd = limits.usd[index];
                let usd =
                    usd.map(|limit| (LimitUnit::Usd, limit.nanos(), used.usd.nanos(), spent.usd.nanos()));
                let tokens = limits.tokens[index];
                let tokens = tokens.map(|limit| (LimitUnit::Tokens, limit, used.tokens, spent.tokens));
                for (unit, limit, used, spent) in [usd, tokens].into_iter().flatten() {
                    let left = limit.saturating_sub(used);
                    let scope = scope.clone();
                    all.push(Applies {
                        scope,
                        window: Some(window),
                        unit,
                        limit,
                        used,
                        spent,
                        left,
                        open: counter.open,
                    });
                }
            }
        }
        // A workflow in a run first, then what it is a part of.
        let budgets = run.into_iter().flat_map(|run| run.all());
        for (run, budget) in budgets.filter_map(|run| Some((run, run.budget?))) {
            let used = self.runs.get(&run.account).map_or(NanoUsd::ZERO, |run| run.spent.plus(run.held));
            all.push(Applies {
                scope: LimitScope::Run(Arc::clone(&run.account)),
                window: None,
                unit: LimitUnit::Usd,
                limit: budget.nanos(),
                used: used.nanos(),
                spent: 0,
                left: budget.less(used).nanos(),
                open: 0,
            });
        }
        all
    }

    fn exceeded(&self, limit: &Applies, needs: Amount, why: Refused) -> Exceeded {
        Exceeded {
            scope: limit.scope.clone(),
            window: limit.window,
            unit: limit.unit,
            limit: limit.limit,
            left: limit.left,
            needs: match limit.unit {
                LimitUnit::Usd => needs.usd.nanos(),
                LimitUnit::Tokens => needs.tokens,
            },
            resets_at: limit.window.map(|window| moment(self.calendar.end(window))),
            on_exceeded: match limit.window {
                Some(_) => self.budgets.on_exceeded.clone(),
                // Every step would be downgraded from then on, and none paid for.
                None => OnExceeded::Reject,
            },
            why,
        }
    }

    /// Changes the counters of the windows that a charge belongs to, those that are still open.
    fn change(&mut self, charged: &Charged, change: impl Fn(&mut Counter)) {
        let starts = self.calendar.starts();
        for scope in &charged.scopes {
            let account = self.accounts.entry(scope.clone()).or_default();
            for (index, counter) in account.windows.iter_mut().enumerate() {
                if charged.starts[index] != starts[index] {
                    continue;
                }
                if counter.start != starts[index] {
                    *counter = Counter { start: starts[index], ..Counter::default() };
                }
                change(counter);
            }
        }
    }

    fn change_run(&mut self, charged: &Charged, change: impl Fn(&mut RunAccount)) {
        let Some(run) = &charged.run else { return };
        for run in run.all() {
            if self.runs.len() >= RUNS && !self.runs.contains_key(&run.account) {
                self.runs.retain(|_, run| run.scope.strong_count() > 0);
            }
            let fresh = || RunAccount { scope: Arc::downgrade(run), ..RunAccount::default() };
            change(self.runs.entry(Arc::clone(&run.account)).or_insert_with(fresh));
        }
    }
}
