//! How many polls are left until a busy worker looks at the driver, and at the injector.
//!
//! Owns the two intervals. A poll counts one number down; the rest is worked out where that is
//! zero. The numbers that are the default, 61 polls for both, are tokio's and Go's.

/// The default of both intervals.
const POLLS: u32 = 61;

/// The polls between two looks.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Intervals {
    /// At the driver and the clock.
    pub(crate) events: u32,
    /// At the injector.
    pub(crate) injector: u32,
}

impl Default for Intervals {
    fn default() -> Self {
        Self {
            events: POLLS,
            injector: POLLS,
        }
    }
}

/// A worker's count.
pub(crate) struct Ticks {
    /// Polls until either is due.
    left: u32,
    /// What `left` was at the last tick.
    step: u32,
    to_events: u32,
    to_injector: u32,
    intervals: Intervals,
}

/// What is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Due {
    pub(crate) events: bool,
    pub(crate) injector: bool,
}

impl Ticks {
    pub(crate) fn new(intervals: Intervals) -> Self {
        let step = intervals.events.min(intervals.injector);
        Self {
            left: step,
            step,
            to_events: intervals.events,
            to_injector: intervals.injector,
            intervals,
        }
    }

    /// Returns the polls between two looks at the driver and the clock.
    pub(crate) fn event_interval(&self) -> u32 {
        self.intervals.events
    }

    /// Counts a poll. Returns what is due before it, if anything is.
    #[inline]
    pub(crate) fn count(&mut self) -> Option<Due> {
        self.left -= 1;
        (self.left == 0).then(|| self.take_due())
    }

    /// Makes everything due at the next poll.
    pub(crate) fn hurry(&mut self) {
        self.left = 1;
        (self.to_events, self.to_injector) = (self.step, self.step);
    }

    fn take_due(&mut self) -> Due {
        self.to_events -= self.step;
        self.to_injector -= self.step;
        let due = Due {
            events: self.to_events == 0,
            injector: self.to_injector == 0,
        };
        if due.events {
            self.to_events = self.intervals.events;
        }
        if due.injector {
            self.to_injector = self.intervals.injector;
        }
        self.step = self.to_events.min(self.to_injector);
        self.left = self.step;
        due
    }
}

#[cfg(all(test, not(any(framewise_loom, framewise_shuttle))))]
mod tests {
    use super::*;

    /// Returns the polls at which something is due, and what.
    fn due(ticks: &mut Ticks, polls: u32) -> Vec<(u32, bool, bool)> {
        let due = |poll| {
            let due = ticks.count()?;
            Some((poll, due.events, due.injector))
        };
        (1..=polls).filter_map(due).collect()
    }

    fn ticks(events: u32, injector: u32) -> Ticks {
        Ticks::new(Intervals { events, injector })
    }

    #[test]
    fn by_default_both_are_due_every_61_polls() {
        let mut ticks = Ticks::new(Intervals::default());
        let expected = [(61, true, true), (122, true, true)];
        assert_eq!(due(&mut ticks, 122), expected);
    }

    #[test]
    fn each_is_due_at_its_own_interval() {
        let expected = [
            (2, false, true),
            (3, true, false),
            (4, false, true),
            (6, true, true),
            (8, false, true),
        ];
        assert_eq!(due(&mut ticks(3, 2), 8), expected);
        let each = due(&mut ticks(1, 1), 3);
        assert_eq!(each, [(1, true, true), (2, true, true), (3, true, true)]);
    }

    #[test]
    fn a_worker_in_a_hurry_does_both_and_starts_again() {
        let mut ticks = ticks(4, 6);
        assert_eq!(due(&mut ticks, 5), [(4, true, false)]);
        ticks.hurry();
        let expected = [(1, true, true), (5, true, false), (7, false, true)];
        assert_eq!(due(&mut ticks, 7), expected);
    }
}
