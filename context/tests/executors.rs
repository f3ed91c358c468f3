//! The parts for executors and drivers: wakers with frames (C-48, C-50), a panic's frame (C-82,
//! C-83).
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use framewise_test_support as support;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{RawWaker, RawWakerVTable, Wake, Waker};

use framewise_context::{
    ContextVar, Frame, FramedWaker, add_context_free_vtable, bind, catch_unwind,
};
use support::{DropCall, Drops, OnDrop, Tracked, bound_here, in_each_start_frame, on_drop, panics};

static NUMBER: ContextVar<u64> = ContextVar::new("number");
static TRACKED: ContextVar<Tracked> = ContextVar::new("tracked");

/// An external waker that records the frame in which its code runs.
#[derive(Default)]
struct Noting(Mutex<Vec<Option<u64>>>);

impl Wake for Noting {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.0.lock().unwrap().push(NUMBER.get());
    }
}

#[test]
fn c50_a_registered_waker_is_called_in_the_frame_that_registered_it() {
    in_each_start_frame(|| {
        let noting = Arc::new(Noting::default());
        let waker = Waker::from(Arc::clone(&noting));
        let registered = NUMBER.run(1, || FramedWaker::new(&waker));
        NUMBER.run(2, || registered.wake_by_ref());
        NUMBER.run(3, || registered.clone().wake());
        registered.wake();
        FramedWaker::new(&waker).wake();
        assert_eq!(*noting.0.lock().unwrap(), [Some(1), Some(1), Some(1), None]);
    });
}

#[test]
fn c50_will_wake_asks_for_the_same_waker_and_the_same_frame() {
    in_each_start_frame(|| {
        let (one, two) = (
            Waker::from(Arc::<Noting>::default()),
            Waker::from(Arc::<Noting>::default()),
        );
        NUMBER.run(1, || {
            let registered = FramedWaker::new(&one);
            assert!(registered.will_wake(&one));
            assert!(registered.will_wake(&one.clone()));
            assert!(!registered.will_wake(&two));
            NUMBER.run(1, || assert!(!registered.will_wake(&one), "another frame"));
        });
    });
}

#[test]
fn c48_waking_releases_the_frame_outside_of_it() {
    in_each_start_frame(|| {
        let drops = Drops::default();
        let noting = Arc::new(Noting::default());
        let (frame, site) = bound_here(bind(&TRACKED, drops.tracked()));
        let registered = frame.run(|| FramedWaker::new(&Waker::from(Arc::clone(&noting))));
        drop(frame);
        assert_eq!(drops.count(), 0);
        site.assert_live(1);
        registered.wake();
        assert_eq!(drops.count(), 1);
        site.assert_live(0);
    });
}

#[test]
fn c48_wakers_of_a_context_free_vtable_hold_no_frame() {
    in_each_start_frame(|| {
        static WOKEN: AtomicUsize = AtomicUsize::new(0);
        WOKEN.store(0, Ordering::SeqCst);
        fn count(_: *const ()) {
            WOKEN.fetch_add(1, Ordering::SeqCst);
        }
        static VTABLE: RawWakerVTable =
            RawWakerVTable::new(|data| RawWaker::new(data, &VTABLE), count, count, |_| ());
        add_context_free_vtable(&VTABLE);
        // SAFETY: the functions ignore the data.
        let waker = unsafe { Waker::new(std::ptr::null(), &VTABLE) };
        let drops = Drops::default();
        let (frame, site) = bound_here(bind(&TRACKED, drops.tracked()));
        let registered = frame.run(|| FramedWaker::new(&waker));
        drop(frame);
        assert_eq!(drops.count(), 1, "a stale registration retains no values");
        site.assert_live(0);
        NUMBER.run(1, || {
            assert!(registered.will_wake(&waker), "its frame does not matter")
        });
        registered.wake_by_ref();
        registered.wake();
        assert_eq!(WOKEN.load(Ordering::SeqCst), 2);
    });
}

#[test]
fn c82_the_panic_hook_sees_the_innermost_frame() {
    static SEEN: Mutex<Vec<Option<u64>>> = Mutex::new(Vec::new());
    static HOOKED: ContextVar<()> = ContextVar::new("hooked");
    let before = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        // The other tests of this process panic as well.
        if HOOKED.is_bound() {
            SEEN.lock().unwrap().push(NUMBER.get());
        } else {
            before(info);
        }
    }));
    in_each_start_frame(|| {
        HOOKED.run((), || {
            assert!(panics(
                || NUMBER.run(1, || NUMBER.run(2, || panic!("expected")))
            ));
            assert!(panics(|| NUMBER.run(3, || panic!("expected"))));
            let held = NUMBER.run(4, Frame::current);
            assert!(panics(|| NUMBER.run(5, || held.run(|| panic!("expected")))));
            assert!(panics(|| panic!("expected")));
        });
        let seen = std::mem::take(&mut *SEEN.lock().unwrap());
        assert_eq!(seen, [Some(2), Some(3), Some(4), None]);
    });
}

#[test]
fn c83_a_caught_panic_has_the_innermost_frame_in_which_it_began() {
    in_each_start_frame(|| {
        let number = |frame: &Frame| frame.run(|| NUMBER.get());
        NUMBER.run(1, || {
            let caught = catch_unwind(|| NUMBER.run(2, || NUMBER.run(3, || panic!("expected"))));
            let (payload, frame) = caught.unwrap_err().into_parts();
            assert_eq!(payload.downcast_ref::<&str>(), Some(&"expected"));
            assert_eq!(number(&frame), Some(3));

            let caught = catch_unwind(|| panic!("expected")).unwrap_err();
            assert_eq!(
                number(caught.frame()),
                Some(1),
                "in the catcher's own frame"
            );

            let caught = catch_unwind(|| Frame::root().run(|| panic!("expected"))).unwrap_err();
            assert!(caught.frame().is_root(), "the root is a frame too");
            assert_eq!(NUMBER.get(), Some(1));
        });
        assert_eq!(catch_unwind(|| 5).unwrap(), 5);
    });
}

#[test]
fn c83_an_earlier_panic_that_was_caught_is_not_mistaken_for_it() {
    in_each_start_frame(|| {
        let number = |frame: &Frame| frame.run(|| NUMBER.get());
        let caught = catch_unwind(|| {
            NUMBER.run(1, || {
                assert!(panics(|| NUMBER.run(2, || panic!("expected"))));
                NUMBER.run(3, || NUMBER.run(4, || panic!("expected")))
            })
        });
        assert_eq!(number(caught.unwrap_err().frame()), Some(4));
        // The same without a bind in between.
        let (two, three) = (bind(&NUMBER, 2).frame(), bind(&NUMBER, 3).frame());
        let caught = catch_unwind(|| {
            assert!(panics(|| two.run(|| panic!("expected"))));
            three.run(|| panic!("expected"))
        });
        assert_eq!(number(caught.unwrap_err().frame()), Some(3));
        // In a destructor, while another panic unwinds.
        let caught = catch_unwind(|| {
            NUMBER.run(1, || {
                let _catches = OnDrop(|| {
                    NUMBER.run(5, || {
                        let inner = catch_unwind(|| NUMBER.run(6, || panic!("expected")));
                        assert_eq!(number(inner.unwrap_err().frame()), Some(6));
                    });
                });
                NUMBER.run(2, || panic!("expected"))
            })
        });
        assert_eq!(number(caught.unwrap_err().frame()), Some(2));
    });
}

#[test]
fn c83_a_record_holds_no_values_longer_than_needed() {
    in_each_start_frame(|| {
        let drops = Drops::default();
        let fail = || {
            assert!(panics(
                || TRACKED.run(drops.tracked(), || panic!("expected"))
            ))
        };
        fail();
        assert_eq!(drops.count(), 1, "nothing is held outside a catch");
        catch_unwind(fail).unwrap();
        assert_eq!(drops.count(), 2, "nothing is held after the catch");
        catch_unwind(|| {
            fail();
            assert_eq!(drops.count(), 2);
            // On this path a record is still held, until the next bind.
            NUMBER.run(1, || ());
            assert_eq!(drops.count(), 3);
        })
        .unwrap();
        drop(catch_unwind(|| {
            TRACKED.run(drops.tracked(), || panic!("expected"))
        }));
        assert_eq!(drops.count(), 4);
        fail();
        assert_eq!(
            drops.count(),
            5,
            "nothing is held after the outermost catch"
        );
    });
}

/// The record of a panic that was caught inside can be the last holder of a value.
#[test]
fn c83_a_value_that_panics_as_its_record_is_thrown_away_breaks_nothing() {
    in_each_start_frame(|| {
        static BOMB: ContextVar<DropCall> = ContextVar::new("bomb");
        let number = |frame: &Frame| frame.run(|| NUMBER.get());
        let drops = Arc::new(AtomicUsize::new(0));
        let dropped = || drops.swap(0, Ordering::SeqCst);
        // Its destructor panics in a frame of its own, which must not be reported either.
        let fail = || {
            let drops = Arc::clone(&drops);
            let bomb = on_drop(move || {
                drops.fetch_add(1, Ordering::SeqCst);
                NUMBER.run(9, || panic!("expected"))
            });
            assert!(panics(|| BOMB.run(bomb, || panic!("expected"))));
        };
        // Discarded at the end of the catch.
        assert_eq!(
            catch_unwind(|| {
                fail();
                5
            })
            .unwrap(),
            5
        );
        assert_eq!(dropped(), 1);
        let caught = catch_unwind(|| NUMBER.run(1, || Frame::root().run(fail)));
        caught.unwrap();
        assert_eq!(dropped(), 1);
        // Discarded at the next bind, which makes its frame nevertheless.
        let bound = catch_unwind(|| {
            fail();
            NUMBER.run(1, || NUMBER.get())
        });
        assert_eq!((bound.unwrap(), dropped()), (Some(1), 1));
        // Discarded while another panic unwinds: that panic's frame is reported, and the process
        // does not abort.
        let (one, two) = (bind(&NUMBER, 1).frame(), bind(&NUMBER, 2).frame());
        let caught = catch_unwind(|| {
            one.run(|| {
                fail();
                two.run(|| panic!("expected"))
            })
        });
        assert_eq!(
            (number(caught.unwrap_err().frame()), dropped()),
            (Some(2), 1)
        );
        // Discarded at a catch to which it does not lead.
        let caught = catch_unwind(|| {
            one.run(fail);
            panic!("expected")
        });
        assert_eq!((number(caught.unwrap_err().frame()), dropped()), (None, 1));
    });
}

#[test]
fn c83_a_bind_in_a_destructor_does_not_prolong_a_record() {
    in_each_start_frame(|| {
        let drops = Drops::default();
        catch_unwind(|| {
            assert!(panics(|| {
                let _binds = OnDrop(|| NUMBER.run(1, || ()));
                TRACKED.run(drops.tracked(), || panic!("expected"))
            }));
            assert_eq!(drops.count(), 0, "the record holds the value");
            NUMBER.run(1, || ());
            assert_eq!(
                drops.count(),
                1,
                "the next bind without a panic discards it"
            );
        })
        .unwrap();
    });
}
