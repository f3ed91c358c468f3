//! Contract, C-94 to C-96: unbinding, what a task gets, and spawns that inherit nothing.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use framewise_test_support as support;

use std::pin::pin;
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::{Context, Poll, Waker};

use framewise_context::{ContextVar, DefaultVar, Frame, bind, frame_stats, without};
use support::{Drops, Tracked, in_each_start_frame, panics};

static NUMBER: ContextVar<u64> = ContextVar::new("number");
static TEXT: ContextVar<String> = ContextVar::new("text");
static TRACKED: ContextVar<Tracked> = ContextVar::new("tracked");
static LEVEL: DefaultVar<u32> = DefaultVar::new("level", 3);

#[test]
fn c94_unbound_has_no_value_whatever_is_bound_around() {
    in_each_start_frame(|| {
        NUMBER.run_unbound(|| assert_eq!(NUMBER.get(), None, "bound nowhere"));
        NUMBER.run(1, || {
            TEXT.run("a".into(), || {
                NUMBER.run(2, || {
                    NUMBER.run_unbound(|| {
                        assert!(!NUMBER.is_bound());
                        assert_eq!(TEXT.get().as_deref(), Some("a"));
                        NUMBER.run(3, || assert_eq!(NUMBER.get(), Some(3)));
                        assert_eq!(NUMBER.get(), None);
                        NUMBER.run_unbound(|| assert_eq!(NUMBER.get(), None));
                        assert_eq!(Frame::current().inherited().run(|| NUMBER.get()), None);
                    });
                    assert_eq!(NUMBER.get(), Some(2));
                });
                assert!(panics(|| NUMBER.run_unbound(|| panic!("expected"))));
                assert_eq!(NUMBER.get(), Some(1));
            });
        });
    });
}

#[test]
fn c94_an_unbound_default_variable_reads_as_its_default() {
    LEVEL.run(5, || {
        assert_eq!(LEVEL.run_unbound(|| LEVEL.get()), 3);
        assert_eq!(without(&LEVEL).run(|| LEVEL.get()), 3);
        assert_eq!(LEVEL.get(), 5);
    });
}

#[test]
fn c94_the_last_entry_of_a_list_wins() {
    in_each_start_frame(|| {
        let drops = Drops::default();
        let list = || bind(&TRACKED, drops.tracked()).and(&NUMBER, 1);
        NUMBER.run(9, || {
            let frame = list().without(&TRACKED).without(&NUMBER).frame();
            assert_eq!(drops.count(), 1, "a value that is removed is dropped");
            frame.run(|| assert!(!TRACKED.is_bound() && !NUMBER.is_bound()));
            let frame = list().without(&NUMBER).and(&NUMBER, 2).frame();
            frame.run(|| assert!(TRACKED.is_bound() && NUMBER.get() == Some(2)));
            let frame = without(&NUMBER).and(&TEXT, "b".into()).frame();
            frame.run(|| assert_eq!((NUMBER.get(), TEXT.get().as_deref()), (None, Some("b"))));
        });
        assert_eq!(drops.count(), 2);
    });
    Frame::root().run(|| {
        let nothing = NUMBER.run(1, || without(&NUMBER).frame());
        assert!(nothing.is_root(), "nothing is left");
    });
}

#[test]
fn c94_an_unbound_value_is_not_held() {
    let drops = Drops::default();
    let frame = NUMBER.run(1, || {
        TRACKED.run(drops.tracked(), || without(&TRACKED).frame())
    });
    assert_eq!(drops.count(), 1);
    assert_eq!(frame.run(|| NUMBER.get()), Some(1));
}

#[test]
fn c94_an_unbound_scope_follows_its_poller() {
    in_each_start_frame(|| {
        let mut scope = pin!(NUMBER.scope_unbound(std::future::poll_fn(|_| {
            assert!(!NUMBER.is_bound());
            Poll::<Option<String>>::Ready(TEXT.get())
        })));
        let mut cx = Context::from_waker(Waker::noop());
        let mut poll = || scope.as_mut().poll(&mut cx);
        assert_eq!(poll(), Poll::Ready(None));
        assert_eq!(NUMBER.run(1, &mut poll), Poll::Ready(None));
        // The scope is bound by now, and is derived again from another frame.
        bind(&NUMBER, 2).and(&TEXT, "a".into()).run(|| {
            assert_eq!(poll(), Poll::Ready(Some("a".into())));
        });
        let list = without(&NUMBER).and(&TEXT, "mine".into());
        let mut scope = pin!(list.scope(std::future::poll_fn(|_| {
            Poll::Ready((NUMBER.get(), TEXT.get().unwrap()))
        })));
        for number in 0..3 {
            let polled = NUMBER.run(number, || scope.as_mut().poll(&mut cx));
            assert_eq!(polled, Poll::Ready((None, "mine".into())));
        }
    });
}

/// Each call of `halve`.
static HALVED: AtomicU32 = AtomicU32::new(0);

fn halve(value: &u32) -> Option<u32> {
    HALVED.fetch_add(1, Ordering::Relaxed);
    assert_ne!(*value, 13, "expected");
    assert_eq!(CREDIT.get(), Some(*value), "in the spawner's frame");
    (*value > 1).then_some(*value / 2)
}

static CREDIT: ContextVar<u32> = ContextVar::new("credit").inherit_with(halve);

#[test]
fn c95_a_variable_decides_what_a_task_gets() {
    in_each_start_frame(|| {
        bind(&CREDIT, 5).and(&NUMBER, 1).run(|| {
            let before = HALVED.load(Ordering::Relaxed);
            let child = Frame::current().inherited();
            assert_eq!(HALVED.load(Ordering::Relaxed), before + 1, "once");
            assert_eq!(child.parent_id(), Some(Frame::current().id()));
            assert_eq!(
                child.run(|| (CREDIT.get(), NUMBER.get())),
                (Some(2), Some(1))
            );
            let grandchild = child.inherited();
            assert_eq!(grandchild.run(|| CREDIT.get()), Some(1));
            let last = grandchild.inherited();
            last.run(|| assert_eq!((CREDIT.get(), NUMBER.get()), (None, Some(1))));
            last.inherited().run(|| assert!(!CREDIT.is_bound()));
            assert_eq!(HALVED.load(Ordering::Relaxed), before + 3);
            assert_eq!(CREDIT.get(), Some(5));
            assert!(panics(
                || CREDIT.run(13, || drop(Frame::current().inherited()))
            ));
            assert_eq!(CREDIT.get(), Some(5));
        });
    });
}

#[test]
fn c95_values_of_any_type_are_handed_over() {
    static NAME: ContextVar<String> =
        ContextVar::new("name").inherit_with(|name| Some(format!("{name}'s child")));
    static SECRET: ContextVar<String> = ContextVar::new("secret").inherit_with(|_| None);
    static TOKEN: ContextVar<String> = ContextVar::new("token")
        .inherit_with(|_| panic!("replaced"))
        .not_inherited();
    static LIMIT: DefaultVar<u32> =
        DefaultVar::new("limit", 3).inherit_with(|limit| limit.checked_sub(1));

    in_each_start_frame(|| {
        let drops = Drops::default();
        let frame = bind(&NAME, "ada".into())
            .and(&SECRET, "s".into())
            .and(&TRACKED, drops.tracked())
            .and(&TOKEN, "t".into())
            .and(&LIMIT, 1)
            .frame();
        let child = frame.inherited();
        drop(frame);
        assert_eq!(drops.count(), 0);
        child.run(|| {
            assert_eq!(NAME.get().as_deref(), Some("ada's child"));
            assert!(!SECRET.is_bound() && !TOKEN.is_bound() && TRACKED.is_bound());
            assert_eq!(LIMIT.get(), 0);
        });
        let grandchild = child.inherited();
        assert_eq!(grandchild.run(|| LIMIT.get()), 3, "dropped: the default");
    });
    let alone = Frame::root().run(|| SECRET.run("s".into(), Frame::current));
    assert!(alone.inherited().is_root(), "no frame without bindings");
}

#[test]
fn c95_a_snapshot_has_the_value_as_it_is() {
    CREDIT.run(8, || {
        assert_eq!(Frame::current().run(|| CREDIT.get()), Some(8));
        let mut wrapped = Frame::current().wrap(|| CREDIT.get());
        assert_eq!(wrapped(), Some(8));
    });
}

#[test]
fn c96_without_flow_a_task_starts_at_the_root() {
    in_each_start_frame(|| {
        bind(&NUMBER, 1).and(&CREDIT, 4).run(|| {
            let calls = HALVED.load(Ordering::Relaxed);
            Frame::without_flow(|| {
                assert_eq!(NUMBER.get(), Some(1), "the code keeps its frame");
                assert!(Frame::current().inherited().is_root());
                TEXT.run("inside".into(), || {
                    assert!(Frame::current().inherited().is_root());
                });
                let snapshot = Frame::current();
                assert_eq!(snapshot.run(|| NUMBER.get()), Some(1));
                assert!(snapshot.inherited().is_root());
            });
            assert_eq!(HALVED.load(Ordering::Relaxed), calls, "nothing to decide");
            let inherited = Frame::current().inherited();
            assert_eq!(inherited.run(|| NUMBER.get()), Some(1));
        });
    });
}

#[test]
fn c96_a_future_without_flow() {
    let mut future = pin!(Frame::scope_without_flow(std::future::poll_fn(|_| {
        assert!(Frame::current().inherited().is_root());
        Poll::Ready(NUMBER.get())
    })));
    let mut cx = Context::from_waker(Waker::noop());
    for number in 0..3 {
        let polled = NUMBER.run(number, || future.as_mut().poll(&mut cx));
        assert_eq!(polled, Poll::Ready(Some(number)));
    }
}

#[test]
fn names_are_in_the_order_of_the_first_binds_and_hide_internal_ones() {
    static FIRST: ContextVar<u64> = ContextVar::new("first");
    static SECOND: ContextVar<String> = ContextVar::new("second");
    static INTERNAL: ContextVar<u64> = ContextVar::new("framewise.test");
    FIRST.run(0, || SECOND.run("".into(), || ()));
    in_each_start_frame(|| {
        let around = Frame::current().names();
        let frame = bind(&SECOND, "b".into())
            .and(&INTERNAL, 1)
            .and(&FIRST, 2)
            .frame();
        let mut names = frame.names();
        let shown = format!("{frame:?}");
        assert!(
            shown.ends_with(&format!("bindings: {names:?} }}")),
            "{shown}"
        );
        names.retain(|name| !around.contains(name));
        assert_eq!(names, ["first", "second"]);
        Frame::without_flow(|| assert_eq!(Frame::current().names(), around));
    });
}

#[test]
fn frames_without_a_binding_are_counted_where_they_are_made() {
    let Some(before) = frame_stats() else { return };
    NUMBER.run(1, || {
        TEXT.run("a".into(), || {
            let (kept, line) = (without(&TEXT).frame(), line!());
            let stats = frame_stats().unwrap();
            assert_eq!(stats.at(file!(), line), before.at(file!(), line) + 1);
            drop(kept);
        });
    });
}
