//! Readiness with many waiters, callbacks called from many threads, and the driver's unpark.
//!
//! The kernel is a count of bytes that the model holds: an event is reported after they arrived.
//! Bytes that stay while all readers sleep are a deadlock.
#![cfg(framewise_shuttle)]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::task::{Context, Waker};

use framewise_io::model::ControlledWaker;
use framewise_io::model::{CallbackEntry, Readiness, ReadyEvent, Unpark, WakeDevice};
use framewise_io::{Direction, Interest, Ready};
use framewise_loom_tests::{
    PoisoningAllocator, below, drive, finds, schedules, wait_in_list, wait_in_slot,
};
use framewise_sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use framewise_sync::{Arc, Condvar, Mutex, thread};

#[global_allocator]
static ALLOCATOR: PoisoningAllocator = PoisoningAllocator;

fn join(threads: impl IntoIterator<Item = thread::JoinHandle<()>>) {
    for thread in threads {
        thread.join().unwrap();
    }
}

/// A source with bytes to read and room to write.
struct Source {
    readiness: Readiness,
    bytes: AtomicUsize,
    room: AtomicUsize,
    /// The bytes that are still to be moved, both ways.
    left: AtomicUsize,
}

impl Source {
    /// Reads or writes all that it can. Zero: it would block.
    fn transfer(&self, direction: Direction) -> usize {
        match direction {
            Direction::Read => self.bytes.swap(0, Ordering::Relaxed),
            Direction::Write => self.room.swap(0, Ordering::Relaxed),
        }
    }

    /// Like a stream: tries if it is ready, and clears the readiness if the attempt would have
    /// blocked. `observe` returns the event to clear.
    fn turn(
        &self,
        direction: Direction,
        observe: impl Fn(&Self, ReadyEvent) -> ReadyEvent,
    ) -> bool {
        let interest = interest(direction);
        let observed = self.readiness.word().load();
        if !observed.ready().satisfies(interest) {
            return false;
        }
        let count = self.transfer(direction);
        if count == 0 {
            let observed = observe(self, observed);
            self.readiness
                .word()
                .clear_if_would_block(observed, interest);
        } else if self.left.fetch_sub(count, Ordering::Relaxed) == count {
            let mut wakers = Vec::new();
            self.readiness.set_shutdown(&mut wakers);
            wakers.into_iter().for_each(ControlledWaker::wake);
        }
        true
    }
}

fn interest(direction: Direction) -> Interest {
    match direction {
        Direction::Read => Interest::READABLE,
        Direction::Write => Interest::WRITABLE,
    }
}

/// Two readers and two writers in the list, one of each in the slots, waiters that are dropped, and
/// two threads that report events.
fn many_waiters(observe: impl Fn(&Source, ReadyEvent) -> ReadyEvent + Copy + Send + 'static) {
    const EVENTS: usize = 6;
    let source = Arc::new(Source {
        readiness: Readiness::new(Ready::EMPTY),
        bytes: AtomicUsize::new(0),
        room: AtomicUsize::new(0),
        left: AtomicUsize::new(2 * EVENTS),
    });
    let waiters: Vec<_> = (0..6)
        .map(|number| {
            let source = source.clone();
            let direction = [Direction::Read, Direction::Write][number % 2];
            thread::spawn(move || {
                while source.left.load(Ordering::Relaxed) > 0 {
                    if source.turn(direction, observe) {
                        continue;
                    }
                    let is_shutdown = match number {
                        0 | 1 => wait_in_slot(&source.readiness, direction),
                        2 => {
                            wait_in_list(&source.readiness, Interest::READABLE | Interest::WRITABLE)
                                || {
                                    // Ready for the other direction: it must not keep the others
                                    // from it.
                                    thread::yield_now();
                                    false
                                }
                        }
                        _ => wait_in_list(&source.readiness, interest(direction)),
                    };
                    if is_shutdown {
                        return;
                    }
                }
            })
        })
        .collect();
    let drivers: Vec<_> = [Direction::Read, Direction::Write]
        .into_iter()
        .map(|direction| {
            let source = source.clone();
            thread::spawn(move || {
                for _ in 0..EVENTS {
                    let (count, ready) = match direction {
                        Direction::Read => (&source.bytes, Ready::READABLE),
                        Direction::Write => (&source.room, Ready::WRITABLE),
                    };
                    count.fetch_add(1, Ordering::Relaxed);
                    drive(&source.readiness, ready);
                }
            })
        })
        .collect();
    let quitter = thread::spawn({
        let source = source.clone();
        move || {
            for _ in 0..3 {
                let mut cx = Context::from_waker(Waker::noop());
                let mut wait = Box::pin(source.readiness.wait(Interest::READABLE));
                let _ = wait.as_mut().poll(&mut cx);
            }
        }
    });
    join(drivers);
    join([quitter]);
    join(waiters);
    assert_eq!(source.left.load(Ordering::Relaxed), 0);
}

#[test]
fn no_waiter_sleeps_over_an_event() {
    schedules(
        "6 waiters × 12 events × waiters that are dropped",
        500,
        || {
            many_waiters(|_, observed| observed);
        },
    );
}

/// A callback that four threads call with an event each, and that is cancelled at some time or not
/// at all: until then no event is left uncalled, and it is dropped once.
#[test]
fn a_callback_is_called_for_every_event_until_it_is_cancelled() {
    schedules("callback: 4 threads × 3 events × cancel", 1500, || {
        let bytes = Arc::new(AtomicUsize::new(0));
        let is_running = Arc::new(AtomicBool::new(false));
        let held = Arc::new(());
        let entry = Arc::new(CallbackEntry::new(Interest::READABLE, {
            let (bytes, is_running, held) = (bytes.clone(), is_running.clone(), held.clone());
            move |_| {
                let _ = &held;
                assert!(
                    !is_running.swap(true, Ordering::Relaxed),
                    "it runs twice at a time"
                );
                bytes.swap(0, Ordering::Relaxed);
                is_running.store(false, Ordering::Relaxed);
            }
        }));
        let threads: Vec<_> = (0..4)
            .map(|_| {
                let (entry, bytes) = (entry.clone(), bytes.clone());
                thread::spawn(move || {
                    for _ in 0..3 {
                        bytes.fetch_add(1, Ordering::Relaxed);
                        entry.call(Ready::READABLE).unwrap();
                    }
                })
            })
            .collect();
        let is_cancelled = below(2) == 0;
        if is_cancelled {
            entry.cancel();
        }
        join(threads);
        if !is_cancelled {
            assert_eq!(
                bytes.load(Ordering::Relaxed),
                0,
                "an event was not called for"
            );
            entry.cancel();
        }
        assert!(entry.is_gone());
        assert_eq!(Arc::strong_count(&held), 1, "the closure is still there");
    });
}

/// An eventfd: it counts writes, and the driver waits for one.
#[derive(Default)]
struct Device {
    writes: Mutex<usize>,
    written: Condvar,
}

impl WakeDevice for Device {
    fn wake(&self) -> std::io::Result<()> {
        *self.writes.lock() += 1;
        self.written.notify_one();
        Ok(())
    }
}

impl Device {
    fn wait(&self) {
        let mut writes = self.writes.lock();
        while *writes == 0 {
            writes = self.written.wait(writes);
        }
        *writes -= 1;
    }
}

/// Five threads publish work and unpark the driver, four times each, which waits in between. With
/// `check_first`, it acknowledges after it has checked.
fn unparks(check_first: bool) {
    const THREADS: usize = 5;
    const TIMES: usize = 4;
    let unpark = Arc::new(Unpark::new(Device::default()));
    let work = Arc::new(AtomicUsize::new(0));
    let threads: Vec<_> = (0..THREADS)
        .map(|_| {
            let (unpark, work) = (unpark.clone(), work.clone());
            thread::spawn(move || {
                for _ in 0..TIMES {
                    work.fetch_add(1, Ordering::Relaxed);
                    unpark.unpark();
                }
            })
        })
        .collect();
    let mut seen = 0;
    while seen < THREADS * TIMES {
        unpark.device().wait();
        if check_first {
            seen += work.swap(0, Ordering::Relaxed);
            unpark.acknowledge();
        } else {
            unpark.acknowledge();
            seen += work.swap(0, Ordering::Relaxed);
        }
    }
    join(threads);
}

#[test]
fn unparks_are_coalesced_and_not_lost() {
    schedules("20 unparks of 5 threads × acknowledge", 1500, || {
        unparks(false)
    });
}

// ---- controls ----

#[test]
fn control_an_acknowledgement_after_the_scan_is_noticed() {
    finds(
        "control: the driver acknowledges after it has checked",
        1000,
        "deadlock",
        || {
            unparks(true);
        },
    );
}

/// Control: the cleared event is of after the attempt, so an event in between is erased.
#[test]
fn control_a_readiness_observed_too_late_is_noticed() {
    finds(
        "control: readiness that is observed too late",
        1000,
        "deadlock",
        || {
            many_waiters(|source, _| source.readiness.word().load());
        },
    );
}
