//! Timers: several wheels, many timers, and a driver that parks between them.
//!
//! The shipped wheels, park state and sleeps. Time is a tick of the model. The driver really parks:
//! until it is unparked, or until its tick, which comes only if it is near. A driver that is parked
//! past a timer is a deadlock.
#![cfg(framewise_shuttle)]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::pin::Pin;
use std::task::{Context, Waker};
use std::time::Duration;

use framewise_loom_tests::{PoisoningAllocator, TestWaker, TimerDriver, below, finds, schedules};
use framewise_sync::atomic::{AtomicUsize, Ordering};
use framewise_sync::{Arc, Condvar, Mutex, thread};
use framewise_timers::model::{ArmError, Published, Rearmed};
use framewise_timers::{Timers, enter, sleep};

#[global_allocator]
static ALLOCATOR: PoisoningAllocator = PoisoningAllocator;

const WHEELS: usize = 4;
const ARMERS: usize = 4;
const TIMERS: usize = 4;

/// A tick that never comes: a driver that is parked until then must be unparked.
const FAR: u64 = 1 << 30;

/// The wheels, and where the driver parks.
struct Clocked {
    driven: Arc<TimerDriver<WHEELS>>,
    /// `true` if the driver was unparked and has not seen it.
    unparked: Mutex<bool>,
    woken: Condvar,
    /// Timers that have not fired and were not cancelled.
    left: AtomicUsize,
}

impl Clocked {
    fn new(timers: usize) -> Arc<Self> {
        Arc::new(Self {
            driven: TimerDriver::new(),
            unparked: Mutex::new(false),
            woken: Condvar::new(),
            left: AtomicUsize::new(timers),
        })
    }

    fn unpark(&self) {
        *self.unparked.lock() = true;
        self.woken.notify_one();
    }

    fn announce(&self, published: Published) {
        self.driven.park_state.armed(published, || self.unpark());
    }

    /// Ends so many timers.
    fn settle(&self, count: usize) {
        if self.left.fetch_sub(count, Ordering::Relaxed) == count {
            self.unpark();
        }
    }

    /// Parks and fires until every timer has ended. Returns the last tick.
    fn drive(&self) {
        let mut now = 0;
        while self.left.load(Ordering::Relaxed) > 0 {
            let until = self.driven.park();
            if until > now {
                let mut unparked = self.unparked.lock();
                let mut is_late = false;
                while !*unparked && !is_late {
                    (unparked, is_late) = if until < FAR {
                        self.woken.wait_timeout(unparked, Duration::ZERO)
                    } else {
                        (self.woken.wait(unparked), false)
                    };
                }
                *unparked = false;
                if is_late {
                    now = until;
                }
            }
            self.driven.park_state.unparked();
            for queue in &self.driven.queues {
                let fired = queue.take_due(now).len();
                if fired > 0 {
                    self.settle(fired);
                }
            }
        }
    }

    /// Arms timers one after the other, cancels some and moves some. `after_arm` is called after
    /// the arming.
    fn arm_and_change(&self, after_arm: impl Fn(&Self, Published)) {
        for _ in 0..TIMERS {
            // Sometimes so long that the driver has no timer left and parks.
            (0..below(2) * below(100)).for_each(|_| thread::yield_now());
            let queue = &self.driven.queues[below(WHEELS)];
            // Some are armed for a tick that does not come, and moved to one that does.
            let is_far = below(4) == 0;
            let when = if is_far {
                FAR + 1
            } else {
                1 + below(40) as u64
            };
            let key = match queue.arm(when, ()) {
                Ok((key, published)) => {
                    after_arm(self, published);
                    key
                }
                Err(ArmError::Elapsed(())) => {
                    self.settle(1);
                    continue;
                }
                Err(ArmError::Closed(())) => panic!("no thread closes"),
            };
            if is_far || below(3) == 0 {
                match queue.rearm(key, 1 + below(40) as u64) {
                    Rearmed::Armed(_, published) => after_arm(self, published),
                    Rearmed::Elapsed(()) => self.settle(1),
                    Rearmed::Gone => {}
                }
            } else if below(3) == 0 && queue.cancel(key).is_some() {
                self.settle(1);
            }
        }
    }
}

fn many_timers(after_arm: impl Fn(&Clocked, Published) + Copy + Send + 'static) {
    let clocked = Clocked::new(ARMERS * TIMERS);
    let armers: Vec<_> = (0..ARMERS)
        .map(|_| {
            let clocked = clocked.clone();
            thread::spawn(move || clocked.arm_and_change(after_arm))
        })
        .collect();
    clocked.drive();
    join(armers);
    assert!(clocked.driven.queues.iter().all(|queue| queue.is_empty()));
}

fn join(threads: impl IntoIterator<Item = thread::JoinHandle<()>>) {
    for thread in threads {
        thread.join().unwrap();
    }
}

/// Four threads arm, move and cancel sixteen timers in four wheels, against a driver that parks.
#[test]
fn no_timer_is_slept_past() {
    schedules("16 timers in 4 wheels × parking driver", 800, || {
        many_timers(|clocked, published| clocked.announce(published));
    });
}

/// Longer than any model runs, by the real clock.
const LONG: Duration = Duration::from_secs(100_000);

/// A tick by which [`LONG`] has passed.
const LONG_AFTER: u64 = 1 << 40;

/// Eight threads sleep, in four wheels, poll again while they wait, change their wakers or drop
/// their sleeps, while two threads fire: each sleep that stays is woken.
#[test]
fn many_sleepers_are_woken() {
    const SLEEPERS: usize = 8;
    schedules("8 sleepers in 4 wheels × 2 firing threads", 500, || {
        let timers = Timers::new(WHEELS, || ());
        let left = Arc::new(AtomicUsize::new(SLEEPERS));
        let test_wakers = Arc::new(Mutex::new(Vec::new()));
        let sleepers: Vec<_> = (0..SLEEPERS)
            .map(|sleeper| {
                let (timers, left, test_wakers) =
                    (timers.clone(), left.clone(), test_wakers.clone());
                thread::spawn(move || {
                    let _entered = enter(&timers.handle(sleeper % WHEELS));
                    let mut sleep = sleep(LONG);
                    let test_waker = TestWaker::new();
                    match below(4) {
                        0 => {
                            let mut cx = Context::from_waker(Waker::noop());
                            let _ = Pin::new(&mut sleep).poll(&mut cx);
                        }
                        1 => {
                            let other = TestWaker::new();
                            if other.poll(&mut sleep).is_pending() {
                                test_waker.block_on(&mut sleep);
                            }
                        }
                        _ => test_waker.block_on(&mut sleep),
                    }
                    drop(sleep);
                    test_wakers.lock().push(test_waker);
                    left.fetch_sub(1, Ordering::Relaxed);
                })
            })
            .collect();
        let firers: Vec<_> = (0..2)
            .map(|firer| {
                let (timers, left) = (timers.clone(), left.clone());
                thread::spawn(move || {
                    while left.load(Ordering::Relaxed) > 0 {
                        timers.fire_at(firer, LONG_AFTER);
                        thread::yield_now();
                    }
                })
            })
            .collect();
        join(sleepers);
        join(firers);
        assert!(timers.is_empty());
        for test_waker in &*test_wakers.lock() {
            let holders = std::sync::Arc::strong_count(test_waker);
            assert_eq!(holders, 1, "a waker is left over");
        }
    });
}

/// The timers are closed while sleeps are dropped and fired on many threads: no waker is left in a
/// wheel, or called twice. (No thread polls any more: a sleep of a runtime that has ended panics.)
#[test]
fn closing_during_sleeps_leaves_nothing() {
    const SLEEPERS: usize = 8;
    schedules(
        "8 sleepers dropped × firing × close × close",
        800,
        || {
            let timers = Timers::new(WHEELS, || ());
            let test_waker = TestWaker::new();
            let polled = Arc::new(AtomicUsize::new(0));
            let sleepers: Vec<_> = (0..SLEEPERS)
                .map(|sleeper| {
                    let (timers, test_waker, polled) =
                        (timers.clone(), test_waker.clone(), polled.clone());
                    thread::spawn(move || {
                        let _entered = enter(&timers.handle(sleeper % WHEELS));
                        let mut sleep = sleep(LONG);
                        assert!(test_waker.poll(&mut sleep).is_pending());
                        polled.fetch_add(1, Ordering::Relaxed);
                        (0..below(20)).for_each(|_| thread::yield_now());
                    })
                })
                .collect();
            while polled.load(Ordering::Relaxed) < SLEEPERS {
                thread::yield_now();
            }
            let firer = thread::spawn({
                let timers = timers.clone();
                move || {
                    timers.fire_at(below(WHEELS), LONG_AFTER);
                }
            });
            let closer = thread::spawn({
                let timers = timers.clone();
                move || timers.close()
            });
            timers.close();
            join(sleepers);
            join([firer, closer]);
            assert!(timers.is_empty());
            let holders = std::sync::Arc::strong_count(&test_waker);
            assert_eq!(holders, 1, "a waker is left over");
        },
    );
}

// ---- controls ----

#[test]
fn control_arming_in_silence_is_noticed() {
    finds(
        "control: one timer in four does not unpark",
        500,
        "deadlock",
        || {
            many_timers(|clocked, published| {
                if below(4) > 0 {
                    clocked.announce(published);
                }
            });
        },
    );
}
