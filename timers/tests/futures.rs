//! `timeout` and `interval`.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::io;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use framewise_timers::{
    Instant, Interval, MissedTickBehavior, enter, interval, interval_at, sleep, timeout, timeout_at,
};
use futures::StreamExt;

use common::{LONG, LONG_AFTER, TestRuntime, poll, undriven};

const PERIOD: Duration = Duration::from_millis(2);

fn poll_tick(interval: &mut Interval) -> Poll<Instant> {
    interval.poll_tick(&mut Context::from_waker(Waker::noop()))
}

#[test]
fn a_future_in_time_gives_its_output() {
    let runtime = TestRuntime::start();
    let output = runtime.block_on(timeout(LONG, async {
        sleep(Duration::from_millis(1)).await;
        7
    }));
    assert_eq!(output, Ok(7));
    assert!(runtime.timers.is_empty());
}

#[test]
fn a_future_too_late_is_elapsed() {
    let runtime = TestRuntime::start();
    let before = Instant::now();
    let elapsed = runtime
        .block_on(timeout(PERIOD, std::future::pending::<()>()))
        .unwrap_err();
    assert!(before.elapsed() >= PERIOD);
    assert_eq!(elapsed.to_string(), "the time limit ran out");
    let error = io::Error::from(elapsed);
    assert_eq!(error.kind(), io::ErrorKind::TimedOut);
}

#[test]
fn the_future_is_polled_first() {
    let (timers, _) = undriven(1);
    let _entered = enter(&timers.handle(0));
    assert_eq!(
        poll(&mut timeout(Duration::ZERO, std::future::ready(7))),
        Poll::Ready(Ok(7))
    );
    let mut limited = timeout(Duration::ZERO, std::future::pending::<()>());
    assert!(matches!(poll(&mut limited), Poll::Ready(Err(_))));
    let before = Instant::now();
    assert_eq!(
        poll(&mut timeout_at(before, std::future::ready(7))),
        Poll::Ready(Ok(7))
    );
    assert!(timers.is_empty());
}

#[test]
fn a_ready_future_needs_no_runtime() {
    assert_eq!(
        poll(&mut timeout(LONG, std::future::ready(7))),
        Poll::Ready(Ok(7))
    );
}

#[test]
fn a_limit_can_be_infinite() {
    let (timers, _) = undriven(1);
    let _entered = enter(&timers.handle(0));
    let mut limited = timeout(Duration::MAX, std::future::pending::<()>());
    assert!(poll(&mut limited).is_pending());
    assert_eq!(timers.fire_at(0, u64::MAX), 0);
    assert_eq!(timers.len(), 1);
    drop(limited.into_inner());
    assert!(timers.is_empty());
}

#[test]
fn the_first_tick_is_at_once() {
    let (timers, _) = undriven(1);
    let _entered = enter(&timers.handle(0));
    let before = Instant::now();
    let mut interval = interval(LONG);
    let Poll::Ready(due) = poll_tick(&mut interval) else {
        panic!("the first tick is at once")
    };
    assert!(due >= before && due <= Instant::now());
    assert!(poll_tick(&mut interval).is_pending());
    assert_eq!(timers.fire_at(0, LONG_AFTER), 1);
    assert_eq!(poll_tick(&mut interval), Poll::Ready(due + LONG));
}

#[test]
fn ticks_are_multiples_of_the_period() {
    let runtime = TestRuntime::start();
    let start = Instant::now() + PERIOD;
    let ticks = runtime.block_on(interval_at(start, PERIOD).take(5).collect::<Vec<_>>());
    let expected: Vec<Instant> = (0..5).map(|number| start + PERIOD * number).collect();
    assert_eq!(ticks, expected);
}

/// A tick that was not taken is taken later, by another future of `tick`.
#[test]
fn dropping_a_tick_loses_none() {
    let (timers, _) = undriven(1);
    let _entered = enter(&timers.handle(0));
    let start = Instant::now();
    let mut interval = interval_at(start, LONG);
    assert!(poll_tick(&mut interval).is_ready());
    for _ in 0..3 {
        let mut tick = Box::pin(interval.tick());
        assert!(poll(&mut tick).is_pending());
    }
    timers.fire_at(0, LONG_AFTER);
    assert_eq!(poll_tick(&mut interval), Poll::Ready(start + LONG));
}

/// Makes an interval whose first tick was due three and a half periods ago; returns its next three
/// ticks.
fn late(behavior: MissedTickBehavior) -> Option<(Instant, Instant, Vec<Instant>)> {
    let (timers, _) = undriven(1);
    let _entered = enter(&timers.handle(0));
    let start = Instant::now().checked_sub(LONG * 7 / 2)?;
    let mut interval = interval_at(start, LONG);
    interval.set_missed_tick_behavior(behavior);
    assert_eq!(interval.missed_tick_behavior(), behavior);
    let before = Instant::now();
    let mut ticks = Vec::new();
    for round in 1.. {
        match poll_tick(&mut interval) {
            Poll::Ready(tick) => ticks.push(tick),
            Poll::Pending if ticks.len() >= 6 => break,
            Poll::Pending => {
                timers.fire_at(0, round * LONG_AFTER);
            }
        }
    }
    ticks.truncate(6);
    Some((start, before, ticks))
}

#[test]
fn missed_ticks_in_a_burst() {
    let Some((start, _, ticks)) = late(MissedTickBehavior::Burst) else {
        return;
    };
    let expected: Vec<Instant> = (0..6).map(|number| start + LONG * number).collect();
    assert_eq!(ticks, expected);
}

#[test]
fn missed_ticks_skipped() {
    let Some((start, _, ticks)) = late(MissedTickBehavior::Skip) else {
        return;
    };
    assert_eq!(ticks[0], start);
    assert_eq!(ticks[1], start + LONG * 4);
    assert_eq!(ticks[2], start + LONG * 5);
}

#[test]
fn missed_ticks_delay_the_following_ones() {
    let Some((start, before, ticks)) = late(MissedTickBehavior::Delay) else {
        return;
    };
    assert_eq!(ticks[0], start);
    assert!(ticks[1] >= before + LONG && ticks[1] <= Instant::now() + LONG);
}

/// tokio 8384: a period that overflows the clock, with missed ticks.
#[test]
fn a_missed_tick_of_an_endless_period_does_not_overflow() {
    let (timers, _) = undriven(1);
    let _entered = enter(&timers.handle(0));
    let Some(past) = Instant::now().checked_sub(Duration::from_secs(1)) else {
        return;
    };
    let behaviors = [
        MissedTickBehavior::Burst,
        MissedTickBehavior::Delay,
        MissedTickBehavior::Skip,
    ];
    for behavior in behaviors {
        for period in [
            Duration::MAX,
            Duration::from_secs(u64::MAX / 2),
            Duration::new(1 << 62, 1),
        ] {
            let mut interval = interval_at(past, period);
            interval.set_missed_tick_behavior(behavior);
            assert_eq!(interval.period(), period);
            assert_eq!(poll_tick(&mut interval), Poll::Ready(past));
            assert!(poll_tick(&mut interval).is_pending());
        }
    }
}

#[test]
fn an_interval_can_be_reset() {
    let (timers, _) = undriven(1);
    let _entered = enter(&timers.handle(0));
    let mut interval = interval(LONG);
    assert!(poll_tick(&mut interval).is_ready());
    interval.reset_immediately();
    assert!(poll_tick(&mut interval).is_ready());
    assert!(poll_tick(&mut interval).is_pending());
    let deadline = Instant::now() + LONG * 2;
    interval.reset_at(deadline);
    timers.fire_at(0, LONG_AFTER * 2);
    assert_eq!(poll_tick(&mut interval), Poll::Ready(deadline));
    let before = Instant::now();
    interval.reset();
    timers.fire_at(0, LONG_AFTER * 3);
    let Poll::Ready(due) = poll_tick(&mut interval) else {
        panic!("the interval has fired")
    };
    assert!(due >= before + LONG && due <= Instant::now() + LONG);
}

#[test]
#[should_panic(expected = "longer than zero")]
fn a_period_of_zero_is_rejected() {
    let _ = interval(Duration::ZERO);
}
