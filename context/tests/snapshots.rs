//! Contract, "Snapshots": C-15 to C-24, and what a task inherits (this crate's half of C-37). The
//! crate's documentation also has programs that must not compile, because a binding cannot be
//! leaked (C-24).
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use framewise_test_support as support;

use std::sync::mpsc;
use std::thread;

use framewise_context::{ContextVar, Frame, bind};
use support::{Drops, Tracked, bound_here, in_each_start_frame, panics};

static NUMBER: ContextVar<u64> = ContextVar::new("number");
static TEXT: ContextVar<String> = ContextVar::new("text");
static TRACKED: ContextVar<Tracked> = ContextVar::new("tracked");

#[test]
fn c15_a_snapshot_of_the_root_unbinds_inside() {
    in_each_start_frame(|| {
        // Taken while NUMBER is unbound, and of the root itself.
        for root in [Frame::current(), Frame::root()] {
            NUMBER.run(1, || {
                assert_eq!(root.run(|| NUMBER.get()), None);
                assert_eq!(NUMBER.get(), Some(1));
            });
        }
    });
}

#[test]
fn c16_a_snapshot_shows_its_own_values_and_then_those_before() {
    in_each_start_frame(|| {
        let one = NUMBER.run(1, Frame::current);
        NUMBER.run(2, || {
            assert_eq!(one.run(|| NUMBER.get()), Some(1));
            assert_eq!(NUMBER.get(), Some(2));
        });
    });
}

#[test]
fn c17_a_run_inside_an_entered_snapshot_is_restored() {
    in_each_start_frame(|| {
        let one = NUMBER.run(1, Frame::current);
        NUMBER.run(2, || {
            one.run(|| {
                NUMBER.run(3, || assert_eq!(NUMBER.get(), Some(3)));
                assert_eq!(NUMBER.get(), Some(1));
                one.run(|| assert_eq!(NUMBER.get(), Some(1)));
            });
            assert_eq!(NUMBER.get(), Some(2));
        });
    });
}

#[test]
fn c18_wrapped_closures_see_their_own_values_in_any_order_and_again() {
    in_each_start_frame(|| {
        let mut calls: Vec<Box<dyn FnMut() -> Option<u64>>> = Vec::new();
        for value in 0..4 {
            NUMBER.run(value, || {
                calls.push(Box::new(Frame::current().wrap(|| NUMBER.get())))
            });
        }
        for index in [2, 0, 3, 3, 1, 0, 2] {
            assert_eq!(calls[index](), Some(index as u64));
            assert_eq!(NUMBER.run(9, || calls[index]()), Some(index as u64));
        }
        let once = NUMBER.run(5, || Frame::current().wrap_once(|| NUMBER.get()));
        assert_eq!(NUMBER.run(6, once), Some(5));
        let mut with = NUMBER.run(7, || {
            Frame::current().wrap_with(|more: u64| NUMBER.get().unwrap() + more)
        });
        assert_eq!((with(1), with(2)), (8, 9));
    });
}

#[test]
fn c18_values_captured_by_a_wrapped_closure_are_dropped_in_its_frame() {
    in_each_start_frame(|| {
        let (sender, seen) = mpsc::channel();
        let wrapped = |number| {
            let sender = sender.clone();
            let owned = support::OnDrop(move || sender.send(NUMBER.get()).unwrap());
            NUMBER.run(number, || Frame::current().wrap_once(move || drop(owned)))
        };
        drop(wrapped(1));
        assert_eq!(seen.recv(), Ok(Some(1)), "never called");
        NUMBER.run(3, wrapped(2));
        assert_eq!(seen.recv(), Ok(Some(2)), "called");
        assert!(seen.try_recv().is_err());
    });
}

#[test]
fn c19_a_snapshot_outlives_its_scope_and_the_value_is_dropped_once_with_the_last_holder() {
    in_each_start_frame(|| {
        let drops = Drops::default();
        let (first, site) = bound_here(bind(&TRACKED, drops.tracked()));
        let second = first.clone();
        let (child, childs) = second.run(|| bound_here(bind(&NUMBER, 1)));
        assert_eq!(drops.count(), 0);
        drop(first);
        site.assert_live(1);
        drop(second);
        site.assert_live(0);
        childs.assert_live(1);
        assert_eq!(drops.count(), 0, "the child holds the value too");
        assert!(child.run(|| TRACKED.is_bound()));
        drop(child);
        assert_eq!(drops.count(), 1);
        childs.assert_live(0);
    });
}

#[test]
fn c20_snapshots_work_on_any_thread() {
    in_each_start_frame(|| {
        fn assert_send_sync<T: Send + Sync>() {}
        assert_send_sync::<Frame>();
        let drops = Drops::default();
        let frame = bind(&TEXT, "x".into())
            .and(&TRACKED, drops.tracked())
            .frame();
        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..1_000 {
                        let mine = frame.clone();
                        let child = mine.run(|| NUMBER.run(1, Frame::current));
                        drop(mine);
                        assert_eq!(child.run(|| TEXT.get()).as_deref(), Some("x"));
                    }
                });
            }
        });
        assert_eq!(drops.count(), 0);
        thread::spawn(move || drop(frame)).join().unwrap();
        assert_eq!(drops.count(), 1);
    });
}

#[test]
fn c21_a_panic_inside_an_entered_snapshot_restores() {
    in_each_start_frame(|| {
        let one = NUMBER.run(1, Frame::current);
        NUMBER.run(2, || {
            assert!(panics(|| one.run(|| panic!("expected"))));
            assert_eq!(NUMBER.get(), Some(2));
        });
        assert_eq!(
            one.run(|| NUMBER.get()),
            Some(1),
            "and the snapshot can still be used"
        );
    });
}

#[test]
fn c23_of_two_wraps_the_first_capture_wins() {
    in_each_start_frame(|| {
        let inner = NUMBER.run(1, || Frame::current().wrap(|| NUMBER.get()));
        let mut outer = NUMBER.run(2, || Frame::current().wrap(inner));
        assert_eq!(outer(), Some(1));
    });
}

#[test]
fn c24_forgetting_values_of_the_api_leaves_no_binding_behind() {
    in_each_start_frame(|| {
        let around = Frame::current().id();
        use std::pin::Pin;
        use std::task::{Context, Poll, Waker};
        let never = || std::future::poll_fn(|_| Poll::<()>::Pending);
        let mut scope = Box::pin(NUMBER.scope(1, never()));
        let mut cx = Context::from_waker(Waker::noop());
        assert!(Pin::new(&mut scope).poll(&mut cx).is_pending());
        std::mem::forget(scope);
        assert_eq!(Frame::current().id(), around);
        let snapshot = NUMBER.run(2, || {
            std::mem::forget(Frame::current());
            std::mem::forget(Frame::current().wrap(|| ()));
            std::mem::forget(Frame::current().scope(never()));
            Frame::current()
        });
        std::mem::forget(bind(&TEXT, "x".into()));
        assert_eq!(Frame::current().id(), around);
        std::mem::forget(snapshot);
        assert_eq!(Frame::current().id(), around);
    });
}

#[test]
fn c37_a_variable_that_is_not_inherited_is_absent_in_a_tasks_frame() {
    in_each_start_frame(|| {
        static TOKEN: ContextVar<String> = ContextVar::new("token").not_inherited();
        static PLAIN: ContextVar<u64> = ContextVar::new("plain").not_inherited();
        let drops = Drops::default();
        bind(&NUMBER, 1)
            .and(&TOKEN, "t".into())
            .and(&PLAIN, 2)
            .run(|| {
                let inherited = Frame::current().inherited();
                assert_eq!(inherited.parent_id(), Some(Frame::current().id()));
                inherited.run(|| {
                    assert_eq!(
                        (NUMBER.get(), TOKEN.get(), PLAIN.get()),
                        (Some(1), None, None)
                    );
                    assert_eq!(
                        Frame::current().inherited().id(),
                        Frame::current().id(),
                        "nothing to strip"
                    );
                    TOKEN.run("own".into(), || assert!(TOKEN.is_bound()));
                });
                assert_eq!((TOKEN.get().as_deref(), PLAIN.get()), (Some("t"), Some(2)));
            });
        TOKEN.run("alone".into(), || {
            let inherited = Frame::current().inherited();
            inherited.run(|| assert!(!TOKEN.is_bound()));
        });
        // Rebinding a variable does not change its declaration, and other frames do not hold it.
        static HELD: ContextVar<Tracked> = ContextVar::new("held").not_inherited();
        let inherited = NUMBER.run(1, || {
            HELD.run(drops.tracked(), || Frame::current().inherited())
        });
        assert_eq!(
            drops.count(),
            1,
            "a value that is not inherited is not held"
        );
        assert_eq!(inherited.run(|| NUMBER.get()), Some(1));
        assert!(Frame::root().inherited().is_root());
        let alone = Frame::root().run(|| TOKEN.run("alone".into(), Frame::current));
        assert!(alone.inherited().is_root(), "no frame without bindings");
    });
}
