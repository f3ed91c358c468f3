//! A clock that a test stops, moves and starts: `pause`, `advance`, `resume`, and the jump to the
//! next timer.
//!
//! The driver here is a loop on the test's thread. What a runtime adds to it is tested in
//! `executor/tests/paused_time/`.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use framewise_context::ContextVar;
use framewise_test_support::{
    CountingWaker, call_waker, in_each_start_frame, panic_message, poll_once,
};
use framewise_timers::{
    Instant, MissedTickBehavior, Timers, advance, enter, interval_at, pause, resume, set_interval,
    set_timeout, sleep, sleep_until, timeout,
};
use futures::future::{join, join_all};

static REQUEST: ContextVar<u64> = ContextVar::new("request");

const MS: Duration = Duration::from_millis(1);
const YEAR: Duration = Duration::from_secs(60 * 60 * 24 * 365);

fn stoppable() -> framewise_sync::Arc<Timers> {
    Timers::new_stoppable(2, || {})
}

/// Runs a future with these timers, like a runtime of one thread: while nothing else is to be done
/// the time jumps.
fn run<F: Future>(timers: &Timers, future: F) -> F::Output {
    let _entered = enter(&timers.handle(0));
    let (woken, waker) = CountingWaker::new();
    let mut future = pin!(future);
    loop {
        let wakes = woken.wakes();
        if let Poll::Ready(output) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
            return output;
        }
        if woken.wakes() > wakes {
            continue;
        }
        if timers.fire(1) == 0 && timers.is_clock_stopped() {
            assert!(timers.next_due().is_some(), "nothing will ever happen");
            timers.jump();
            timers.fire(1);
        }
    }
}

fn run_paused<F: Future>(future: F) -> F::Output {
    let timers = stoppable();
    timers.stop_clock();
    run(&timers, future)
}

#[test]
fn a_sleep_takes_exactly_its_duration() {
    run_paused(async {
        for duration in [MS, 5 * MS, Duration::from_nanos(1), MS / 3, 10 * YEAR] {
            let start = Instant::now();
            sleep(duration).await;
            assert_eq!(start.elapsed(), duration);
        }
    });
}

/// The time at which the clock was stopped, or to which it was moved, is no round one.
#[test]
fn a_sleep_is_exact_wherever_the_clock_stands() {
    let timers = stoppable();
    run(&timers, async {
        pause();
        for step in [1, 77, 123_457, 1_000_001] {
            advance(Duration::from_nanos(step)).await;
            let start = Instant::now();
            sleep(5 * MS).await;
            assert_eq!(start.elapsed(), 5 * MS);
        }
    });
}

#[test]
fn a_stopped_clock_stands_still() {
    run_paused(async {
        let now = Instant::now();
        let real = std::time::Instant::now();
        while real.elapsed() < MS {}
        assert_eq!(Instant::now(), now);
    });
}

#[test]
fn other_threads_and_runtimes_have_their_own_time() {
    let (paused, other) = (stoppable(), stoppable());
    paused.stop_clock();
    paused.advance_to(paused.now() + YEAR);
    let frozen = paused.now();
    run(&paused, async {
        assert_eq!(Instant::now(), frozen);
        let _other = enter(&other.handle(0));
        assert!(Instant::now() < frozen, "the innermost runtime's");
    });
    assert!(Instant::now() < frozen, "outside of a runtime the system's");
    let handle = paused.handle(1);
    let elsewhere = std::thread::spawn(move || {
        let _entered = enter(&handle);
        Instant::now()
    });
    assert_eq!(elsewhere.join().unwrap(), frozen, "the runtime's");
}

/// A sleep uses the clock and the wheel of the runtime that made it, wherever it is polled.
#[test]
fn a_sleep_goes_by_the_clock_of_its_own_runtime() {
    let (mine, other) = (stoppable(), stoppable());
    mine.stop_clock();
    other.stop_clock();
    other.advance_to(other.now() + YEAR);
    let mut made = {
        let _entered = enter(&mine.handle(0));
        sleep(MS)
    };
    let deadline = made.deadline();
    {
        let _entered = enter(&other.handle(0));
        let (_, waker) = CountingWaker::new();
        let polled = poll_once(&mut made, &waker);
        assert!(polled.is_pending(), "a year has passed, but not there");
        made.reset(deadline + MS);
    }
    run(&mine, made);
    assert_eq!(mine.now(), deadline + MS);
}

#[test]
fn advance_fires_what_is_due_in_order_and_nothing_else() {
    run_paused(async {
        let order = Arc::new(Mutex::new(Vec::new()));
        let start = Instant::now();
        let mut sleeps = Vec::new();
        for after in [30, 10, 41, 20, 40] {
            let woken = Arc::clone(&order);
            let waker = call_waker(move || woken.lock().unwrap().push(after));
            let mut sleep = sleep_until(start + after * MS);
            assert!(poll_once(&mut sleep, &waker).is_pending());
            sleeps.push(sleep);
        }
        advance(5 * MS).await;
        assert!(order.lock().unwrap().is_empty());
        advance(35 * MS).await;
        assert_eq!(*order.lock().unwrap(), [10, 20, 30, 40]);
        assert_eq!(start.elapsed(), 40 * MS, "the time moved no further");
    });
}

/// Steps of less than a tick of an ordinary wheel.
#[test]
fn advance_by_parts_of_a_millisecond_meets_the_deadline() {
    run_paused(async {
        let (woken, waker) = CountingWaker::new();
        let mut sleep = sleep(MS);
        let mut poll = || poll_once(&mut sleep, &waker);
        assert!(poll().is_pending());
        for _ in 0..99 {
            advance(MS / 100).await;
            assert!(poll().is_pending());
        }
        advance(MS / 100 - Duration::from_nanos(1)).await;
        assert_eq!(woken.wakes(), 0);
        advance(Duration::from_nanos(1)).await;
        assert_eq!(woken.wakes(), 1);
        assert!(poll().is_ready());
    });
}

#[test]
fn what_was_woken_runs_before_advance_returns() {
    run_paused(async {
        let order = Mutex::new(Vec::new());
        let sleeps = join_all([2, 1].map(|after| {
            let order = &order;
            async move {
                sleep(after * MS).await;
                order.lock().unwrap().push(after);
            }
        }));
        let advancing = async {
            advance(3 * MS).await;
            assert_eq!(order.lock().unwrap().len(), 2);
        };
        join(sleeps, advancing).await;
    });
}

#[test]
fn advance_has_moved_the_time_after_its_first_poll() {
    run_paused(async {
        let start = Instant::now();
        let (_, waker) = CountingWaker::new();
        let mut advancing = Box::pin(advance(MS));
        assert_eq!(start.elapsed(), Duration::ZERO);
        assert!(poll_once(&mut advancing, &waker).is_pending());
        drop(advancing);
        assert_eq!(start.elapsed(), MS);
        sleep(MS).await;
        assert_eq!(start.elapsed(), 2 * MS);
    });
}

#[test]
fn a_canceled_timer_does_not_move_the_time() {
    let timers = stoppable();
    timers.stop_clock();
    let start = timers.now();
    {
        let _entered = enter(&timers.handle(0));
        let (_, waker) = CountingWaker::new();
        let mut canceled = [MS, 70 * MS, YEAR].map(sleep);
        for sleep in &mut canceled {
            assert!(poll_once(sleep, &waker).is_pending());
        }
    }
    assert_eq!(timers.next_due(), None);
    timers.jump();
    assert_eq!(timers.now(), start);
    assert_eq!(timers.before_park(), None, "the driver waits for no timer");
    timers.after_park();
}

/// tokio 3710, and its tests of wheels that have run for long.
#[test]
fn far_timers_do_not_disturb_near_ones() {
    run_paused(async {
        let start = Instant::now();
        let far = sleep(21 * YEAR);
        let near = async {
            advance(Duration::from_millis((1 << 30) - 1)).await;
            for _ in 0..10 {
                let before = Instant::now();
                sleep(10 * MS).await;
                assert_eq!(before.elapsed(), 10 * MS);
            }
            advance(Duration::from_millis(1 << 31)).await;
        };
        join(far, near).await;
        assert_eq!(start.elapsed(), 21 * YEAR);
    });
}

#[test]
fn an_endless_wait_ends_after_thirty_years() {
    run_paused(async {
        let start = Instant::now();
        let limited = timeout(Duration::MAX, std::future::pending::<()>());
        let other = sleep(Duration::MAX - MS);
        advance(10 * YEAR).await;
        assert!(limited.await.is_err());
        other.await;
        assert_eq!(start.elapsed(), 30 * YEAR);
    });
}

#[test]
fn intervals_tick_at_the_multiples_and_each_behavior_is_exact() {
    let behaviors = [
        (MissedTickBehavior::Burst, [0, 300, 600, 900, 1200]),
        (MissedTickBehavior::Delay, [0, 300, 1250, 1550, 1850]),
        (MissedTickBehavior::Skip, [0, 300, 1200, 1500, 1800]),
    ];
    for (behavior, expected) in behaviors {
        run_paused(async {
            let start = Instant::now();
            let mut interval = interval_at(start, 300 * MS);
            interval.set_missed_tick_behavior(behavior);
            interval.tick().await;
            // The second tick is taken 650 ms late.
            advance(950 * MS).await;
            for after in &expected[1..] {
                assert_eq!(interval.tick().await, start + *after * MS);
            }
        });
    }
}

#[test]
fn an_interval_is_reset_from_the_paused_time() {
    run_paused(async {
        let start = Instant::now();
        let mut interval = interval_at(start, 300 * MS);
        interval.tick().await;
        advance(100 * MS).await;
        interval.reset();
        assert_eq!(interval.tick().await, start + 400 * MS);
        interval.reset_immediately();
        assert_eq!(interval.tick().await, start + 400 * MS);
        interval.reset_after(20 * MS);
        assert_eq!(interval.tick().await, start + 420 * MS);
        interval.reset_at(start + 1_000 * MS);
        assert_eq!(interval.tick().await, start + 1_000 * MS);
        assert_eq!(start.elapsed(), 1_000 * MS);
    });
}

#[test]
fn the_time_goes_on_where_it_was_paused() {
    let timers = stoppable();
    run(&timers, async {
        let start = Instant::now();
        pause();
        advance(YEAR).await;
        resume();
        let resumed = Instant::now();
        assert!(resumed - start >= YEAR && resumed - start < YEAR + Duration::from_secs(100));
        sleep(MS).await;
        assert!(resumed.elapsed() >= MS);
        pause();
        let paused = Instant::now();
        assert!(paused >= resumed + MS);
        advance(MS).await;
        assert_eq!(paused.elapsed(), MS);
    });
}

/// A clock that is not stopped, but could be, is the system's.
#[test]
fn a_running_clock_is_the_systems_and_fires_no_timer_early() {
    let timers = stoppable();
    run(&timers, async {
        let before = std::time::Instant::now();
        let now = Instant::now().into_std();
        assert!(before <= now && now <= std::time::Instant::now());
        for micros in [1, 33, 100, 2_200] {
            let start = std::time::Instant::now();
            sleep(Duration::from_micros(micros)).await;
            assert!(start.elapsed() >= Duration::from_micros(micros));
        }
    });
}

#[test]
fn misuse_panics_at_the_caller_and_says_what_is_wrong() {
    let message = |call: fn()| panic_message(call);
    assert!(message(pause).contains("in a runtime"));
    assert!(message(resume).contains("in a runtime"));
    let ordinary = Timers::new(1, || {});
    {
        let _entered = enter(&ordinary.handle(0));
        assert!(message(pause).contains("current-thread runtime only"));
    }
    let timers = stoppable();
    let _entered = enter(&timers.handle(0));
    assert!(message(resume).contains("not paused"));
    let unpaused = catch_unwind(AssertUnwindSafe(|| run(&timers, advance(MS))));
    assert!(unpaused.is_err(), "it is not paused");
    pause();
    assert!(message(pause).contains("already paused"));
    resume();
    timers.drive_clock(|| false);
    assert!(message(pause).contains("virtual"));
    assert!(message(resume).contains("virtual"));
}

#[test]
fn c50_a_waker_runs_in_its_frame_when_the_time_is_moved() {
    in_each_start_frame(|| {
        let timers = stoppable();
        timers.stop_clock();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let _entered = enter(&timers.handle(0));
        let mut sleeps = Vec::new();
        for request in [7, 8] {
            let woken = Arc::clone(&seen);
            let waker = call_waker(move || woken.lock().unwrap().push(REQUEST.get()));
            let mut sleep = sleep(MS);
            REQUEST.run(request, || {
                assert!(poll_once(&mut sleep, &waker).is_pending());
            });
            sleeps.push(sleep);
        }
        REQUEST.run(9, || run(&timers, advance(MS)));
        assert_eq!(*seen.lock().unwrap(), [Some(7), Some(8)]);
    });
}

#[test]
fn c53_callbacks_run_in_their_frame_when_the_time_is_moved() {
    in_each_start_frame(|| {
        let timers = stoppable();
        timers.stop_clock();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let calls = |seen: &Arc<Mutex<Vec<_>>>| {
            let seen = Arc::clone(seen);
            move || seen.lock().unwrap().push(REQUEST.get())
        };
        let _entered = enter(&timers.handle(0));
        let ticking = REQUEST.run(7, || set_interval(2 * MS, calls(&seen)));
        REQUEST.run(8, || set_timeout(3 * MS, calls(&seen)));
        // Auto-advance: each at its own time.
        REQUEST.run(9, || run(&timers, sleep(4 * MS)));
        assert_eq!(*seen.lock().unwrap(), [Some(7), Some(8), Some(7)]);
        ticking.cancel();
    });
}
