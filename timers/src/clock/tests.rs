//! Conversions at the limits of their ranges.

use std::time::Duration;

use super::{Clock, TICK};
use crate::instant::Instant;
use crate::wheel::FAR_TICK;

/// Returns a clock that was started at `start`.
fn starting(start: Instant) -> Clock {
    Clock {
        start,
        ..Clock::start()
    }
}

#[test]
fn a_deadline_rounds_up_and_the_time_rounds_down() {
    let start = Instant::now();
    let clock = starting(start);
    let nano = Duration::from_nanos(1);
    assert_eq!(clock.ticks_reached(start), 0);
    assert_eq!(clock.ticks_reached(start + nano), 1);
    assert_eq!(clock.ticks_reached(start + TICK), 1);
    assert_eq!(clock.ticks_reached(start + TICK + nano), 2);
    assert_eq!(clock.ticks_begun(start + TICK - nano), 0);
    assert_eq!(clock.ticks_begun(start + TICK), 1);
    assert_eq!(clock.ticks_begun(start + TICK * 2 - nano), 1);
}

/// tokio 4494: an instant before the clock was started.
#[test]
fn an_instant_before_the_start_has_elapsed() {
    let now = Instant::now();
    let clock = starting(now + Duration::from_secs(1));
    assert_eq!(clock.ticks_reached(now), 0);
    assert_eq!(clock.ticks_begun(now), 0);
}

#[test]
fn until_never_ends_before_the_tick_begins() {
    let clock = Clock::start();
    let ticks = clock.now_ticks() + 1_000;
    let before = Instant::now();
    let until = clock.until(ticks);
    assert!(before + until <= clock.start + TICK * ticks as u32);
    assert!(Instant::now() + until >= clock.start + TICK * ticks as u32);
    assert_eq!(clock.until(0), Duration::ZERO);
}

/// tokio 6634, 8384: a duration that overflows the clock.
#[test]
fn far_futures_saturate() {
    let clock = Clock::start();
    let far = clock.start.saturating_add(Duration::MAX);
    assert!(far > clock.start + Duration::from_secs(86_400 * 365 * 30));
    assert!(far.saturating_add(Duration::MAX) >= far);
    if far > clock.start + Duration::from_secs(86_400 * 365 * 300) {
        assert_eq!(clock.ticks_reached(far), FAR_TICK);
        assert_eq!(clock.ticks_begun(far), FAR_TICK);
    }
    assert!(clock.until(u64::MAX) > Duration::from_secs(86_400 * 365 * 290));
    let century = clock.start + Duration::from_secs(86_400 * 365 * 100);
    assert!(clock.ticks_reached(century) < FAR_TICK);
}
