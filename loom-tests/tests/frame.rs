//! Models of a frame's life: alive while current, each value dropped once, all memory freed once.
//!
//! The counts are in `context/src/release.rs`, the rules in `context/src/block.rs`. A failure is
//! one of four: loom reports a use of a `CountedValue` that races with its drop; the part's own
//! check (`context/src/lifetime_check.rs`) reports the same of its memory, or a second end; the
//! count of drops is not one; or loom finds a part leaked.
#![cfg(framewise_loom)]

use framewise_context::{ContextVar, Frame, FramedWaker, bind};
use framewise_loom_tests::{CountedValue, DropCount, model};
use framewise_sync::atomic::{AtomicUsize, Ordering};
use framewise_sync::cell::UnsafeCell;
use framewise_sync::{Arc, thread};

static PROBE: ContextVar<CountedValue> = ContextVar::new("probe");
static OTHER: ContextVar<CountedValue> = ContextVar::new("other");
static NUMBER: ContextVar<u64> = ContextVar::new("number");

fn read(var: &'static ContextVar<CountedValue>) {
    var.with(|probe| probe.expect("the frame binds it").read());
}

/// Race: the last two holders of a frame drop it at the same time, each after a read.
#[test]
fn frame_held_by_two_threads_ends_once_after_both_have_read() {
    model("frame: two holders", || {
        let drops = DropCount::default();
        let frame = bind(&PROBE, CountedValue::new(&drops))
            .and(&NUMBER, 1)
            .frame();
        let other = frame.clone();
        let thread = thread::spawn(move || {
            other.run(|| read(&PROBE));
            drop(other);
        });
        frame.run(|| {
            read(&PROBE);
            assert_eq!(NUMBER.get(), Some(1));
        });
        drop(frame);
        thread.join().expect("no panic");
        assert_eq!(drops.count(), 1);
    });
}

/// Race: a thread clones the frame that it only borrows, while another thread, which borrows it
/// too, clones and drops its own.
#[test]
fn frame_is_alive_while_it_is_current() {
    model("frame: borrowed current", || {
        let drops = DropCount::default();
        let shared = Arc::new(bind(&PROBE, CountedValue::new(&drops)).frame());
        let borrowed = Arc::clone(&shared);
        let thread = thread::spawn(move || {
            let snapshot = borrowed.run(Frame::current);
            drop(borrowed);
            snapshot.run(|| read(&PROBE));
        });
        let snapshot = shared.run(Frame::current);
        drop(shared);
        snapshot.run(|| read(&PROBE));
        drop(snapshot);
        thread.join().expect("no panic");
        assert_eq!(drops.count(), 1);
    });
}

/// Race: the frame that bound a value is dropped while its child, on another thread, reads the
/// value and is dropped after that. The value's cell outlives its frame, and the memory both.
#[test]
fn cell_outlives_the_frame_that_bound_it() {
    model("frame: cell outlives frame", || {
        let drops = DropCount::default();
        let shadowed = DropCount::default();
        let parent = bind(&PROBE, CountedValue::new(&drops))
            .and(&OTHER, CountedValue::new(&shadowed))
            .frame();
        let child = parent.run(|| bind(&OTHER, CountedValue::new(&drops)).frame());
        let thread = thread::spawn(move || {
            child.run(|| {
                read(&PROBE);
                read(&OTHER);
            });
            drop(child);
        });
        parent.run(|| read(&OTHER));
        drop(parent);
        assert_eq!(shadowed.count(), 1, "the child has its own");
        thread.join().expect("no panic");
        assert_eq!(drops.count(), 2);
    });
}

/// Race: two threads bind on top of one frame, which increments the count of its value's cell, and
/// drop everything, while the main thread drops the frame.
#[test]
fn children_made_on_two_threads_share_the_value() {
    model("frame: children on two threads", || {
        let drops = DropCount::default();
        let parent = PROBE.run(CountedValue::new(&drops), Frame::current);
        let threads = [1, 2].map(|number| {
            let parent = parent.clone();
            thread::spawn(move || {
                let child = parent.run(|| NUMBER.run(number, Frame::current));
                drop(parent);
                child.run(|| {
                    read(&PROBE);
                    assert_eq!(NUMBER.get(), Some(number));
                });
            })
        });
        drop(parent);
        for thread in threads {
            thread.join().expect("no panic");
        }
        assert_eq!(drops.count(), 1);
    });
}

static IN_A_TABLE: ContextVar<CountedValue> = ContextVar::new("in a table");
static IN_ANOTHER: ContextVar<CountedValue> = ContextVar::new("in another");

/// Assigns keys until the next one is in another group of 64.
fn fill_a_chunk() {
    for _ in 0..64 {
        let var: &'static ContextVar<u64> = Box::leak(Box::new(ContextVar::new("filler")));
        drop(bind(var, 0));
    }
}

/// Race: frames that share a second-level table are dropped on two threads; the table lies in the
/// memory of one of them.
#[test]
fn leaf_shared_by_two_frames_ends_once() {
    static KEYS: std::sync::Once = std::sync::Once::new();
    model("frame: shared table", || {
        KEYS.call_once(|| {
            fill_a_chunk();
            drop(bind(&IN_A_TABLE, CountedValue::new(&DropCount::default())));
            fill_a_chunk();
            drop(bind(&IN_ANOTHER, CountedValue::new(&DropCount::default())));
        });
        let drops = DropCount::default();
        let parent = bind(&IN_A_TABLE, CountedValue::new(&drops)).frame();
        // The second of the tables is new, the first is the parent's.
        let child = parent.run(|| bind(&IN_ANOTHER, CountedValue::new(&drops)).frame());
        let thread = thread::spawn(move || {
            child.run(|| {
                read(&IN_A_TABLE);
                read(&IN_ANOTHER);
            });
            drop(child);
        });
        parent.run(|| read(&IN_A_TABLE));
        drop(parent);
        thread.join().expect("no panic");
        assert_eq!(drops.count(), 2);
    });
}

/// Race: a scope is polled on one thread and then on another, under another current frame, while
/// the first current frame is dropped.
#[test]
fn scope_that_moves_between_threads_shares_its_value_and_lets_go_of_the_rest() {
    use std::pin::Pin;
    use std::task::{Context, Poll, Waker};
    model("frame: scope moves", || {
        let (own, outer) = (DropCount::default(), DropCount::default());
        let never = std::future::poll_fn(|_| {
            read(&PROBE);
            Poll::<()>::Pending
        });
        let mut scope = Box::pin(PROBE.scope(CountedValue::new(&own), never));
        let poll = |scope: &mut Pin<Box<_>>| {
            let scope: &mut Pin<Box<framewise_context::Scope<_, _>>> = scope;
            assert!(
                scope
                    .as_mut()
                    .poll(&mut Context::from_waker(Waker::noop()))
                    .is_pending()
            );
        };
        let first = OTHER.run(CountedValue::new(&outer), || {
            poll(&mut scope);
            Frame::current()
        });
        let thread = thread::spawn(move || {
            NUMBER.run(1, || poll(&mut scope));
            drop(scope);
        });
        first.run(|| read(&OTHER));
        drop(first);
        thread.join().expect("no panic");
        assert_eq!((own.count(), outer.count()), (1, 1));
    });
}

/// Race: a driver calls a waker that was registered in a frame, while the task that registered it
/// drops the frame.
#[test]
fn framed_waker_keeps_its_frame_until_it_has_woken() {
    /// A waker whose code reads the frame in which it runs.
    struct Reads;

    // `std`'s trait requires `std`'s `Arc`; loom need not see this count.
    impl std::task::Wake for Reads {
        fn wake(self: std::sync::Arc<Self>) {
            read(&PROBE);
        }
    }

    model("frame: framed waker", || {
        let drops = DropCount::default();
        let frame = PROBE.run(CountedValue::new(&drops), Frame::current);
        let waker = std::task::Waker::from(std::sync::Arc::new(Reads));
        let registered = frame.run(|| FramedWaker::new(&waker));
        let driver = thread::spawn(move || registered.wake());
        frame.run(|| read(&PROBE));
        drop(frame);
        driver.join().expect("no panic");
        assert_eq!(drops.count(), 1);
    });
}

/// A copy of the count, with the fault that the models must notice.
struct Miscounted {
    count: AtomicUsize,
    probe: UnsafeCell<()>,
}

// SAFETY: like for `CountedValue`.
unsafe impl Sync for Miscounted {}

impl Miscounted {
    fn release(&self, order: Ordering) {
        self.probe.with(|_| ());
        if self.count.fetch_sub(1, order) == 1 {
            framewise_sync::atomic::fence(Ordering::Acquire);
            self.probe.with_mut(|_| ());
        }
    }

    fn in_two_threads(order: Ordering) {
        let counted = Arc::new(Miscounted {
            count: AtomicUsize::new(2),
            probe: UnsafeCell::new(()),
        });
        let other = Arc::clone(&counted);
        let thread = thread::spawn(move || other.release(order));
        counted.release(order);
        thread.join().expect("no panic");
    }
}

/// Control: the uses before a Relaxed decrement are not published, and loom reports that.
#[test]
#[should_panic(expected = "Causality violation")]
fn control_a_relaxed_release_is_noticed() {
    model("frame: control, relaxed", || {
        Miscounted::in_two_threads(Ordering::Relaxed)
    });
}

/// The same copy without the fault passes: the model notices the ordering.
#[test]
fn control_a_release_is_accepted() {
    model("frame: control, release", || {
        Miscounted::in_two_threads(Ordering::Release)
    });
}

/// Control, on the shipped code: a reference that is never dropped is a leak.
#[test]
#[should_panic(expected = "leaked")]
fn control_a_forgotten_frame_is_noticed() {
    model("frame: control, forgotten", || {
        std::mem::forget(NUMBER.run(1, Frame::current));
    });
}
