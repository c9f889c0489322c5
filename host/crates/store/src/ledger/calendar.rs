//! Which hour, day, week and month it is, in the budgets' time zone.

use jackfield_core::config::Window;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan as _, Zoned};

/// Milliseconds in an hour.
const HOUR: i64 = 3_600_000;

/// When a window begins and ends, in milliseconds since 1970.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Span {
    pub(super) start: i64,
    pub(super) end: i64,
}

/// The windows that are open now. A new time zone takes effect window by window, as each ends, so that
/// a change of it neither forgets nor repeats what was counted.
#[derive(Clone, Debug)]
pub(super) struct Calendar {
    zone: TimeZone,
    windows: [Span; 4],
    /// The latest moment that was seen.
    now: i64,
}

impl Calendar {
    pub(super) fn new(zone: TimeZone, now: i64) -> Self {
        let windows = Window::ALL.map(|window| span(window, &zone, now));
        Self { zone, windows, now }
    }

    /// The latest moment that was seen: no clock that is set back takes a charge out of the windows that are open.
    pub(super) fn now(&self) -> i64 {
        self.now
    }

    pub(super) fn set_zone(&mut self, zone: TimeZone) {
        self.zone = zone;
    }

    /// Opens the windows that hold `now`. A clock that was set back keeps the later ones.
    pub(super) fn turn(&mut self, now: i64) {
        self.now = self.now.max(now);
        for window in Window::ALL {
            let open = &mut self.windows[window.index()];
            if now >= open.end {
                *open = span(window, &self.zone, now);
            }
        }
    }

    pub(super) fn starts(&self) -> [i64; 4] {
        self.windows.map(|span| span.start)
    }

    pub(super) fn end(&self, window: Window) -> i64 {
        self.windows[window.index()].end
    }
}

/// The window that holds `now`.
pub(super) fn span(window: Window, zone: &TimeZone, now: i64) -> Span {
    // Beyond what a calendar has (year 9999), hours in UTC are counted.
    let hour = |offset: i64| {
        let start = now - (now + offset).rem_euclid(HOUR);
        Span { start, end: start + HOUR }
    };
    let Ok(at) = Timestamp::from_millisecond(now) else { return hour(0) };
    let here = at.to_zoned(zone.clone());
    if window == Window::Hour {
        return hour(i64::from(here.offset().seconds()) * 1_000);
    }
    days(window, &here).unwrap_or_else(|| hour(0))
}

/// From midnight to midnight, where there is one: on some days of some zones the day begins later.
fn days(window: Window, here: &Zoned) -> Option<Span> {
    let today = here.date();
    let (first, next) = match window {
        Window::Hour | Window::Day => (today, today.tomorrow().ok()?),
        Window::Week => {
            let since = i64::from(today.weekday().to_monday_zero_offset());
            let monday = today.checked_sub(since.days()).ok()?;
            (monday, monday.checked_add(7.days()).ok()?)
        }
        Window::Month => {
            let first = today.first_of_month();
            (first, first.checked_add(1.month()).ok()?)
        }
    };
    let begin = |date: Date| {
        let midnight = date.to_zoned(here.time_zone().clone()).ok()?.start_of_day().ok()?;
        Some(midnight.timestamp().as_millisecond())
    };
    Some(Span { start: begin(first)?, end: begin(next)? })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(window: Window, zone: &str, now: &str) -> (String, String) {
        let zone = TimeZone::get(zone).unwrap();
        let now: Timestamp = now.parse().unwrap();
        let span = span(window, &zone, now.as_millisecond());
        let show = |ms| Timestamp::from_millisecond(ms).unwrap().to_string();
        (show(span.start), show(span.end))
    }

    #[test]
    fn windows_are_the_calendars_in_the_zone() {
        use Window::{Day, Hour, Month, Week};
        let berlin = "Europe/Berlin";
        for (window, zone, now, start, end) in [
            (Hour, "UTC", "2026-11-22T06:38:25Z", "2026-11-22T06:00:00Z", "2026-11-22T07:00:00Z"),
            (Hour, "Asia/Kolkata", "2026-11-22T06:38:25Z", "2026-11-22T06:30:00Z", "2026-11-22T07:30:00Z"),
            (Day, berlin, "2026-11-22T23:30:00Z", "2026-11-22T23:00:00Z", "2026-11-23T23:00:00Z"),
            // 23 hours in spring, 25 in autumn.
            (Day, berlin, "2026-03-29T10:00:00Z", "2026-03-28T23:00:00Z", "2026-03-29T22:00:00Z"),
            (Day, berlin, "2026-10-25T10:00:00Z", "2026-10-24T22:00:00Z", "2026-10-25T23:00:00Z"),
            // No midnight on this day: the clocks went from 24:00 to 01:00.
            (Day, "Africa/Cairo", "2026-04-24T10:00:00Z", "2026-04-23T22:00:00Z", "2026-04-24T21:00:00Z"),
            (Week, "UTC", "2026-11-22T06:38:25Z", "2026-11-16T00:00:00Z", "2026-11-23T00:00:00Z"),
            (Week, "UTC", "2026-11-23T00:00:00Z", "2026-11-23T00:00:00Z", "2026-11-30T00:00:00Z"),
            (Month, berlin, "2026-10-31T23:30:00Z", "2026-10-31T23:00:00Z", "2026-11-30T23:00:00Z"),
            (Month, "UTC", "2026-12-31T23:59:59.999Z", "2026-12-01T00:00:00Z", "2027-01-01T00:00:00Z"),
        ] {
            assert_eq!(shown(window, zone, now), (start.into(), end.into()), "{window:?} {zone} {now}");
        }
    }

    #[test]
    fn a_clock_set_back_opens_no_old_window_and_a_new_zone_waits_for_the_end() {
        let at = |text: &str| text.parse::<Timestamp>().unwrap().as_millisecond();
        let mut calendar = Calendar::new(TimeZone::UTC, at("2026-11-22T12:00:00Z"));
        let before = calendar.starts();
        calendar.turn(at("2026-11-20T12:00:00Z"));
        assert_eq!(calendar.starts(), before);
        calendar.set_zone(TimeZone::get("America/New_York").unwrap());
        calendar.turn(at("2026-11-22T23:59:00Z"));
        assert_eq!(calendar.starts()[1], before[1]);
        calendar.turn(at("2026-11-23T00:00:00Z"));
        assert_eq!(calendar.starts()[1], at("2026-11-22T05:00:00Z"));
    }
}
