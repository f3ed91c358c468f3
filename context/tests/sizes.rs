//! Contract, C-13: every size boundary of the representation. It is the only test in this process,
//! so the variables' keys are 0, 1, 2 and so on (in the first start frame; in the others they
//! continue from the previous one's).
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use framewise_test_support as support;

use framewise_context::{ContextVar, Frame};
use support::{Drops, Tracked, in_each_start_frame};

/// Even variables live in their slots, odd ones in cells.
enum Var {
    Plain(&'static ContextVar<u64>),
    Boxed(&'static ContextVar<(u64, Tracked)>),
}

impl Var {
    fn new(index: usize) -> Var {
        if index.is_multiple_of(2) {
            Var::Plain(Box::leak(Box::new(ContextVar::new("plain"))))
        } else {
            Var::Boxed(Box::leak(Box::new(ContextVar::new("boxed"))))
        }
    }

    fn get(&self) -> Option<u64> {
        match self {
            Var::Plain(var) => var.get(),
            Var::Boxed(var) => var.with(|value| value.map(|value| value.0)),
        }
    }

    fn bind(&self, value: u64, drops: &Drops) -> Frame {
        match self {
            Var::Plain(var) => var.run(value, Frame::current),
            Var::Boxed(var) => var.run((value, drops.tracked()), Frame::current),
        }
    }
}

#[test]
fn c13_correct_at_every_size_boundary() {
    in_each_start_frame(|| {
        let drops = Drops::default();
        let vars: Vec<Var> = (0..1_100).map(Var::new).collect();
        // Bound one after another, each in a child of the previous frame.
        let mut frames = vec![Frame::current()];
        for (index, var) in vars.iter().enumerate() {
            let frame = frames[index].run(|| var.bind(index as u64, &drops));
            frames.push(frame);
        }
        let sizes = [
            1, 2, 7, 8, 9, 15, 16, 17, 31, 32, 33, 63, 64, 65, 66, 127, 128, 129, 192, 193, 999,
        ]
        .into_iter()
        .chain([1_000, 1_001, 1_024, 1_025, 1_100]);
        for size in sizes {
            let frame = &frames[size];
            frame.run(|| {
                for (index, var) in vars.iter().enumerate() {
                    let expected = (index < size).then_some(index as u64);
                    assert_eq!(var.get(), expected, "{index} of {size}");
                }
            });
            // Rebound one at a time, at the boundaries of key groups and in the middle.
            for changed in [
                0,
                1,
                size / 2,
                size.saturating_sub(2),
                size - 1,
                size,
                size + 63,
            ] {
                let Some(var) = vars.get(changed) else {
                    continue;
                };
                let dropped = drops.count();
                let rebound = frame.run(|| var.bind(5_000_000, &drops));
                rebound.run(|| {
                    for (index, var) in vars.iter().enumerate() {
                        let expected = match index {
                            _ if index == changed => Some(5_000_000),
                            _ => (index < size).then_some(index as u64),
                        };
                        assert_eq!(
                            var.get(),
                            expected,
                            "{index} of {size} with {changed} rebound"
                        );
                    }
                });
                drop(rebound);
                assert_eq!(
                    drops.count(),
                    dropped + changed % 2,
                    "only the new value was dropped"
                );
            }
        }
        // The largest frame keeps all values alive, although none of the others is held.
        let last = frames.pop().unwrap();
        frames.clear();
        let before = drops.count();
        last.run(|| {
            for (index, var) in vars.iter().enumerate() {
                assert_eq!(var.get(), Some(index as u64));
            }
        });
        drop(last);
        assert_eq!(drops.count(), before + 550);

        a_scope_over_tables_keeps_its_own_and_follows_its_poller(&vars);
        inheritance_over_tables();
    });
}

/// C-71 for frames that share tables.
fn a_scope_over_tables_keeps_its_own_and_follows_its_poller(vars: &[Var]) {
    use std::pin::pin;
    use std::task::{Context, Poll, Waker};
    let plain = |index: usize| match vars[index] {
        Var::Plain(var) => var,
        Var::Boxed(_) => unreachable!("even variables are plain"),
    };
    let observe = || [0, 70, 72, 200, 202, 400].map(|index| plain(index).get());
    let seen = std::cell::Cell::new([None; 6]);
    let future = std::future::poll_fn(|_| {
        seen.set(observe());
        Poll::<()>::Pending
    });
    let mut scope = pin!(
        framewise_context::bind(plain(0), 1)
            .and(plain(70), 2)
            .and(plain(200), 3)
            .scope(future)
    );
    let mut cx = Context::from_waker(Waker::noop());
    let _ = plain(72).run(10, || {
        plain(400).run(12, || plain(0).run(13, || scope.as_mut().poll(&mut cx)))
    });
    assert_eq!(
        seen.get(),
        [Some(1), Some(2), Some(10), Some(3), None, Some(12)]
    );
    let _ = plain(202).run(11, || scope.as_mut().poll(&mut cx));
    assert_eq!(
        seen.get(),
        [Some(1), Some(2), None, Some(3), Some(11), None]
    );
    let _ = plain(72).run(14, || scope.as_mut().poll(&mut cx));
    assert_eq!(
        seen.get(),
        [Some(1), Some(2), Some(14), Some(3), None, None]
    );
    let _ = scope.as_mut().poll(&mut cx);
    assert_eq!(seen.get(), [Some(1), Some(2), None, Some(3), None, None]);
}

/// A variable that is not inherited, in a group beyond the first.
fn inheritance_over_tables() {
    let leak = |var: ContextVar<u64>| -> &'static ContextVar<u64> { Box::leak(Box::new(var)) };
    let kept = leak(ContextVar::new("kept"));
    let lost = leak(ContextVar::new("lost").not_inherited());
    kept.run(1, || {
        assert_eq!(Frame::current().inherited().id(), Frame::current().id());
        lost.run(2, || {
            let inherited = Frame::current().inherited();
            assert_eq!(inherited.run(|| (kept.get(), lost.get())), (Some(1), None));
            assert_eq!((kept.get(), lost.get()), (Some(1), Some(2)));
            assert_eq!(inherited.inherited().id(), inherited.id());
        });
    });
    let alone = Frame::root().run(|| lost.run(2, Frame::current));
    assert!(alone.inherited().is_root());
}
