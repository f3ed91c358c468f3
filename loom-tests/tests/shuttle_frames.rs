//! Frames on many threads: cloned, made current, bound on, moved to other threads and dropped.
//!
//! A value that is dropped twice or never is a wrong count. The check of each part of a frame
//! (`context/src/lifetime_check.rs`) asserts that the part is not used or destroyed after its end.
#![cfg(framewise_shuttle)]

use framewise_context::{ContextVar, Frame, FramedWaker, bind};
use framewise_loom_tests::{CountedValue, DropCount, PoisoningAllocator, below, finds, schedules};
use framewise_sync::atomic::{AtomicUsize, Ordering};
use framewise_sync::{Arc, Mutex, thread};

#[global_allocator]
static ALLOCATOR: PoisoningAllocator = PoisoningAllocator;

static FIRST: ContextVar<CountedValue> = ContextVar::new("first");
static SECOND: ContextVar<CountedValue> = ContextVar::new("second");
static THIRD: ContextVar<CountedValue> = ContextVar::new("third");
static VARS: [&ContextVar<CountedValue>; 3] = [&FIRST, &SECOND, &THIRD];

const THREADS: usize = 6;
const STEPS: usize = 12;

/// What the threads pass to each other.
#[derive(Default)]
struct Shared {
    frames: Mutex<Vec<Frame>>,
    wakers: Mutex<Vec<FramedWaker>>,
    bound: AtomicUsize,
    drops: DropCount,
}

impl Shared {
    fn value(&self) -> CountedValue {
        self.bound.fetch_add(1, Ordering::Relaxed);
        CountedValue::new(&self.drops)
    }

    /// A clone of any frame, or that frame itself.
    fn any_frame(&self) -> Frame {
        let mut frames = self.frames.lock();
        match frames.len() {
            0 => Frame::root(),
            len if below(2) == 0 => frames[below(len)].clone(),
            len => frames.swap_remove(below(len)),
        }
    }

    fn step(&self) {
        let frame = self.any_frame();
        frame.run(|| match below(5) {
            // One value on top of it, or two.
            0 => {
                let made = VARS[below(3)].run(self.value(), Frame::current);
                self.frames.lock().push(made);
            }
            1 => {
                let made = bind(VARS[0], self.value())
                    .and(VARS[1], self.value())
                    .frame();
                self.frames.lock().push(made);
            }
            // A waker that holds it, called or dropped by another thread.
            2 => {
                let waker = FramedWaker::new(std::task::Waker::noop());
                self.wakers.lock().push(waker);
            }
            3 => {
                let waker = self.wakers.lock().pop();
                if let Some(waker) = waker {
                    waker.wake();
                }
            }
            _ => self.frames.lock().push(Frame::current()),
        });
        frame.run(|| {
            for var in VARS {
                var.with(|probe| {
                    if let Some(probe) = probe {
                        probe.read();
                    }
                });
            }
        });
    }
}

fn on_many_threads() -> Arc<Shared> {
    let shared = Arc::new(Shared::default());
    let threads: Vec<_> = (0..THREADS)
        .map(|_| {
            let shared = shared.clone();
            thread::spawn(move || (0..STEPS).for_each(|_| shared.step()))
        })
        .collect();
    for thread in threads {
        thread.join().expect("no panic");
    }
    shared
}

#[test]
fn values_end_once_each() {
    schedules("frames: 6 threads × 12 steps", 500, || {
        let shared = on_many_threads();
        shared.frames.lock().clear();
        shared.wakers.lock().clear();
        let bound = shared.bound.load(Ordering::Relaxed);
        assert_eq!(shared.drops.count(), bound, "each value is dropped once");
    });
}

/// One frame, whose holders on many threads drop it at once, while others bind on it.
#[test]
fn the_last_of_many_holders_ends_it() {
    schedules("frames: 8 holders drop it", 1500, || {
        let drops = DropCount::default();
        let frame = bind(&FIRST, CountedValue::new(&drops))
            .and(&SECOND, CountedValue::new(&drops))
            .frame();
        let threads: Vec<_> = (0..8)
            .map(|number| {
                let (frame, drops) = (frame.clone(), drops.clone());
                thread::spawn(move || {
                    if number % 2 == 0 {
                        frame.run(|| FIRST.with(|probe| probe.expect("bound").read()));
                        return;
                    }
                    let child = frame.run(|| THIRD.run(CountedValue::new(&drops), Frame::current));
                    drop(frame);
                    child.run(|| SECOND.with(|probe| probe.expect("inherited").read()));
                })
            })
            .collect();
        drop(frame);
        for thread in threads {
            thread.join().expect("no panic");
        }
        assert_eq!(drops.count(), 2 + 4);
    });
}

// ---- controls ----

/// Control, on the shipped code: a reference that is never dropped leaves a value.
#[test]
fn control_a_forgotten_frame_is_noticed() {
    finds(
        "control: a frame is forgotten",
        2,
        "each value is dropped once",
        || {
            let shared = on_many_threads();
            std::mem::forget(VARS[0].run(shared.value(), Frame::current));
            shared.frames.lock().clear();
            shared.wakers.lock().clear();
            let bound = shared.bound.load(Ordering::Relaxed);
            assert_eq!(shared.drops.count(), bound, "each value is dropped once");
        },
    );
}

/// Control: a count that is read and written in two steps. Two holders that drop it at once both
/// take the other for alive, or themselves for the last.
#[test]
fn control_a_count_in_two_steps_is_noticed() {
    finds(
        "control: a count that is no read-modify-write",
        500,
        "it is dropped once",
        || {
            let shared = Arc::new((AtomicUsize::new(8), AtomicUsize::new(0)));
            let threads: Vec<_> = (0..8)
                .map(|_| {
                    let shared = shared.clone();
                    thread::spawn(move || {
                        let (count, ends) = &*shared;
                        let left = count.load(Ordering::Acquire) - 1;
                        count.store(left, Ordering::Release);
                        if left == 0 {
                            ends.fetch_add(1, Ordering::Relaxed);
                        }
                    })
                })
                .collect();
            for thread in threads {
                thread.join().expect("no panic");
            }
            assert_eq!(shared.1.load(Ordering::Relaxed), 1, "it is dropped once");
        },
    );
}
