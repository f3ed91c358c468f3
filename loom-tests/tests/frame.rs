//! Models of a frame's life: alive while current, every value and all memory given back once.
//!
//! The counts are `context/src/release.rs`'s, the rules `context/src/block.rs`'s. A failure shows
//! in one of four ways: the probe in a value sees an access that its drop does not follow; a
//! part's own watch (`context/src/watch.rs`) sees the same of the memory, or that it ends twice;
//! the count of drops is not one; loom finds a part's token leaked.
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

/// Race: the last two holders let go at the same time, each after reading.
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

/// Race: a thread takes snapshots of the frame that it only borrows, while another one, which
/// borrows it too, takes and drops its own.
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

/// Race: the frame that bound a value ends while its child, on another thread, still reads the
/// value and then ends too. The value's cell outlives its frame, and the memory both.
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

/// Race: two threads bind on top of one frame, so that both raise the count of its value's cell,
/// and let go of everything, while the main thread lets go of the frame.
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

static IN_A_LEAF: ContextVar<CountedValue> = ContextVar::new("in a leaf");
static IN_ANOTHER: ContextVar<CountedValue> = ContextVar::new("in another");

/// Gives keys away until the next one is in another chunk of 64.
fn fill_a_chunk() {
    for _ in 0..64 {
        let var: &'static ContextVar<u64> = Box::leak(Box::new(ContextVar::new("filler")));
        drop(bind(var, 0));
    }
}

/// Race: frames that share a leaf end on two threads; one of them is the frame in whose memory the
/// leaf is.
#[test]
fn leaf_shared_by_two_frames_ends_once() {
    static KEYS: std::sync::Once = std::sync::Once::new();
    model("frame: shared leaf", || {
        KEYS.call_once(|| {
            fill_a_chunk();
            drop(bind(&IN_A_LEAF, CountedValue::new(&DropCount::default())));
            fill_a_chunk();
            drop(bind(&IN_ANOTHER, CountedValue::new(&DropCount::default())));
        });
        let drops = DropCount::default();
        let parent = bind(&IN_A_LEAF, CountedValue::new(&drops)).frame();
        // The second of the leaves is new, the first is the parent's.
        let child = parent.run(|| bind(&IN_ANOTHER, CountedValue::new(&drops)).frame());
        let thread = thread::spawn(move || {
            child.run(|| {
                read(&IN_A_LEAF);
                read(&IN_ANOTHER);
            });
            drop(child);
        });
        parent.run(|| read(&IN_A_LEAF));
        drop(parent);
        thread.join().expect("no panic");
        assert_eq!(drops.count(), 2);
    });
}

/// Race: a scope is polled on one thread and then on another, in other surroundings, while what it
/// was polled under first ends.
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

/// Race: a waker registered in a frame is called by a driver while the task that registered it
/// lets the frame go.
#[test]
fn framed_waker_keeps_its_frame_until_it_has_woken() {
    /// A waker whose code reads the frame that it runs in.
    struct Reads;

    // `std`'s trait wants `std`'s `Arc`; loom need not see this count.
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

/// A copy of the count with the mistake that the models are to notice.
struct Miscounted {
    count: AtomicUsize,
    probe: UnsafeCell<()>,
}

// SAFETY: as for `CountedValue`.
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

/// Negative control: the uses before a Relaxed decrement are not published, and loom says so.
#[test]
#[should_panic(expected = "Causality violation")]
fn control_a_relaxed_release_is_noticed() {
    model("frame: control, relaxed", || {
        Miscounted::in_two_threads(Ordering::Relaxed)
    });
}

/// The same copy without the mistake passes: it is the ordering that is noticed.
#[test]
fn control_a_release_is_accepted() {
    model("frame: control, release", || {
        Miscounted::in_two_threads(Ordering::Release)
    });
}

/// Negative control on the shipped code: a reference that is never given back is a leak.
#[test]
#[should_panic(expected = "leaked")]
fn control_a_forgotten_frame_is_noticed() {
    model("frame: control, forgotten", || {
        std::mem::forget(NUMBER.run(1, Frame::current));
    });
}
