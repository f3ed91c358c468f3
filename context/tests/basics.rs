//! Contract, "Basics": C-1 to C-12 and C-14. Allocations are counted in `allocations.rs`; C-13 is
//! in `sizes.rs`.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use framewise_test_support as support;

use std::sync::{Arc, Barrier};
use std::thread;

use framewise_context::{ContextVar, DefaultVar, Frame, bind};
use support::{in_each_start_frame, panics};

static NUMBER: ContextVar<u64> = ContextVar::new("number");
static TEXT: ContextVar<String> = ContextVar::new("text");
static WITH_DEFAULT: DefaultVar<&'static str> = DefaultVar::new("with_default", "none");

#[test]
fn c01_unbound_gives_the_default_or_none() {
    in_each_start_frame(|| {
        static NEVER: ContextVar<u8> = ContextVar::new("never");
        assert_eq!(NEVER.get(), None);
        assert!(NEVER.with(|value| value.is_none()));
        assert_eq!(WITH_DEFAULT.get(), "none");
        assert!(!WITH_DEFAULT.is_bound());
        // The same under a frame that binds other variables.
        NUMBER.run(1, || {
            assert_eq!(NEVER.get(), None);
            assert_eq!(WITH_DEFAULT.get(), "none");
        });
        WITH_DEFAULT.run("some", || {
            assert_eq!(WITH_DEFAULT.get(), "some");
            assert!(WITH_DEFAULT.is_bound());
        });
    });
}

#[test]
fn c02_run_binds_inside_and_restores_after() {
    in_each_start_frame(|| {
        NUMBER.run(1, || assert_eq!(NUMBER.get(), Some(1)));
        assert_eq!(NUMBER.get(), None);
        TEXT.run("x".into(), || {
            TEXT.with(|text| assert_eq!(text.map(String::as_str), Some("x")))
        });
        assert_eq!(TEXT.get(), None);
    });
}

#[test]
fn c03_nested_runs_shadow_and_each_level_is_restored() {
    in_each_start_frame(|| {
        NUMBER.run(1, || {
            NUMBER.run(2, || {
                NUMBER.run(3, || assert_eq!(NUMBER.get(), Some(3)));
                assert_eq!(NUMBER.get(), Some(2));
            });
            assert_eq!(NUMBER.get(), Some(1));
        });
        assert_eq!(NUMBER.get(), None);
    });
}

#[test]
fn c03_the_later_of_two_bindings_in_one_frame_holds() {
    in_each_start_frame(|| {
        let drops = support::Drops::default();
        static TRACKED: ContextVar<(u8, support::Tracked)> = ContextVar::new("tracked");
        bind(&TRACKED, (1, drops.tracked()))
            .and(&NUMBER, 1)
            .and(&TRACKED, (2, drops.tracked()))
            .run(|| {
                assert_eq!(TRACKED.with(|value| value.map(|value| value.0)), Some(2));
                assert_eq!(
                    drops.count(),
                    1,
                    "a value replaced in the same list is dropped at once"
                );
            });
        assert_eq!(drops.count(), 2);
    });
}

#[test]
fn c04_variables_are_independent() {
    in_each_start_frame(|| {
        NUMBER.run(1, || {
            assert_eq!(TEXT.get(), None);
            TEXT.run("x".into(), || {
                assert_eq!(NUMBER.get(), Some(1));
                NUMBER.run(2, || assert_eq!(TEXT.get().as_deref(), Some("x")));
            });
            assert_eq!(NUMBER.get(), Some(1));
        });
        bind(&NUMBER, 3).and(&TEXT, "y".into()).run(|| {
            assert_eq!((NUMBER.get(), TEXT.get().as_deref()), (Some(3), Some("y")));
        });
    });
}

#[test]
fn c05_run_returns_what_the_closure_returns() {
    in_each_start_frame(|| {
        assert_eq!(NUMBER.run(1, || "returned"), "returned");
        let borrowed = String::from("borrowed");
        assert_eq!(NUMBER.run(1, || borrowed.as_str()), "borrowed");
        assert_eq!(bind(&NUMBER, 1).and(&TEXT, String::new()).run(|| 5), 5);
        assert_eq!(Frame::root().run(|| 6), 6);
    });
}

#[test]
fn c06_a_panic_in_run_restores() {
    in_each_start_frame(|| {
        let around = Frame::current().id();
        let drops = support::Drops::default();
        static TRACKED: ContextVar<support::Tracked> = ContextVar::new("tracked");
        NUMBER.run(1, || {
            let before = Frame::current().id();
            assert!(panics(
                || NUMBER.run(2, || TRACKED.run(drops.tracked(), || panic!("expected")))
            ));
            assert_eq!(NUMBER.get(), Some(1));
            assert_eq!(Frame::current().id(), before);
            assert_eq!(drops.count(), 1, "a panic leaks no value");
        });
        assert_eq!(Frame::current().id(), around);
    });
}

#[test]
fn c06_destructors_that_run_while_a_panic_unwinds_see_their_own_level() {
    in_each_start_frame(|| {
        let mut seen = Vec::new();
        let seen_inside = &mut seen;
        assert!(panics(|| {
            NUMBER.run(1, || {
                let _outer = support::OnDrop(|| seen_inside.push(NUMBER.get()));
                NUMBER.run(2, || panic!("expected"));
            });
        }));
        assert_eq!(seen, [Some(1)]);
    });
}

#[test]
fn c07_after_the_outermost_run_the_variable_is_unbound() {
    in_each_start_frame(|| {
        let around = Frame::current().id();
        NUMBER.run(1, || ());
        assert!(!NUMBER.is_bound());
        assert_eq!(Frame::current().id(), around);
        WITH_DEFAULT.run("some", || ());
        assert_eq!(WITH_DEFAULT.get(), "none");
    });
}

#[test]
fn c08_binding_none_differs_from_being_unbound() {
    in_each_start_frame(|| {
        static MAYBE: DefaultVar<Option<u64>> = DefaultVar::new("maybe", Some(1));
        assert_eq!(MAYBE.get(), Some(1));
        MAYBE.run(None, || {
            assert!(MAYBE.is_bound());
            assert_eq!(MAYBE.get(), None);
        });
        static UNIT: ContextVar<()> = ContextVar::new("unit");
        assert_eq!(UNIT.run((), || UNIT.get()), Some(()));
        assert_eq!(UNIT.get(), None);
    });
}

#[test]
fn c09_two_variables_with_the_same_name_are_two() {
    in_each_start_frame(|| {
        static ONE: ContextVar<u64> = ContextVar::new("same");
        static TWO: ContextVar<u64> = ContextVar::new("same");
        ONE.run(1, || {
            assert_eq!(TWO.get(), None);
            TWO.run(2, || assert_eq!((ONE.get(), TWO.get()), (Some(1), Some(2))));
        });
    });
}

#[test]
fn c10_threads_that_race_for_the_first_use_agree_on_the_key() {
    in_each_start_frame(|| {
        const THREADS: usize = 4;
        const ROUNDS: usize = 50;
        let vars: Vec<&'static ContextVar<usize>> = (0..ROUNDS)
            .map(|_| &*Box::leak(Box::new(ContextVar::new("raced"))))
            .collect();
        let vars = Arc::new(vars);
        let barrier = Arc::new(Barrier::new(THREADS));
        let threads: Vec<_> = (0..THREADS)
            .map(|me| {
                let (vars, barrier) = (Arc::clone(&vars), Arc::clone(&barrier));
                thread::spawn(move || {
                    let bind_own = |var: &&'static ContextVar<usize>| {
                        barrier.wait();
                        bind(*var, me).frame()
                    };
                    vars.iter().map(bind_own).collect::<Vec<_>>()
                })
            })
            .collect();
        let frames: Vec<_> = threads
            .into_iter()
            .map(|thread| thread.join().unwrap())
            .collect();
        for (me, frames) in frames.iter().enumerate() {
            for (round, frame) in frames.iter().enumerate() {
                frame.run(|| {
                    for (other, var) in vars.iter().enumerate() {
                        assert_eq!(var.get(), (other == round).then_some(me));
                    }
                });
            }
        }
    });
}

#[test]
fn c11_a_thousand_nested_runs_work() {
    in_each_start_frame(|| {
        let around = Frame::current().id();
        fn nest(level: u64) {
            if level == 1_000 {
                return;
            }
            NUMBER.run(level, || {
                TEXT.run(level.to_string(), || nest(level + 1));
                assert_eq!(NUMBER.get(), Some(level));
            });
        }
        nest(0);
        assert_eq!(Frame::current().id(), around);
    });
}

#[test]
fn c12_dropping_frames_chained_through_their_values_needs_no_stack() {
    in_each_start_frame(|| {
        #[allow(dead_code, reason = "the fields are only dropped")]
        struct Link(Frame, support::Tracked);
        static LINK: ContextVar<Link> = ContextVar::new("link");
        let drops = support::Drops::default();
        let drops_inside = drops.clone();
        thread::Builder::new()
            .stack_size(2 << 20)
            .spawn(move || {
                let mut last = Frame::root();
                for _ in 0..100_000 {
                    last = bind(&LINK, Link(last, drops_inside.tracked())).frame();
                }
                assert_eq!(drops_inside.count(), 0);
                drop(last);
                assert_eq!(
                    drops_inside.count(),
                    100_000,
                    "all are dropped when the last drop returns"
                );
            })
            .unwrap()
            .join()
            .unwrap();
        assert_eq!(drops.count(), 100_000);
    });
}

#[test]
fn c14_get_and_run_inside_with_of_the_same_variable_work() {
    in_each_start_frame(|| {
        TEXT.run("outer".into(), || {
            TEXT.with(|outer| {
                let outer = outer.unwrap();
                assert_eq!(TEXT.get().as_ref(), Some(outer));
                TEXT.run("inner".into(), || {
                    TEXT.with(|inner| assert_eq!(inner.map(String::as_str), Some("inner")));
                    assert_eq!(outer, "outer");
                });
                assert_eq!(outer, "outer");
            });
        });
    });
}

#[test]
fn an_over_aligned_value_is_aligned() {
    #[repr(align(256))]
    struct Aligned(u8);
    static ALIGNED: ContextVar<Aligned> = ContextVar::new("aligned");
    static ALSO: ContextVar<(Aligned, String)> = ContextVar::new("also");
    bind(&ALIGNED, Aligned(1))
        .and(&TEXT, "x".into())
        .and(&ALSO, (Aligned(2), "y".into()))
        .run(|| {
            ALIGNED.with(|value| {
                let value = value.unwrap();
                assert_eq!((value.0, std::ptr::from_ref(value).addr() % 256), (1, 0));
            });
            ALSO.with(|value| {
                let value = value.unwrap();
                assert_eq!((value.0.0, value.1.as_str()), (2, "y"));
                assert_eq!(std::ptr::from_ref(value).addr() % 256, 0);
            });
            assert_eq!(TEXT.get().as_deref(), Some("x"));
        });
}

#[test]
fn a_value_with_interior_mutability_is_one_value_in_parent_and_child() {
    use std::sync::atomic::{AtomicU64, Ordering};
    static SHARED: ContextVar<AtomicU64> = ContextVar::new("shared");
    let add = || SHARED.with(|value| value.unwrap().fetch_add(1, Ordering::Relaxed) + 1);
    SHARED.run(AtomicU64::new(0), || {
        assert_eq!(add(), 1);
        NUMBER.run(1, || assert_eq!(add(), 2));
        assert_eq!(add(), 3);
    });
}

#[test]
fn a_frame_has_an_id_a_parent_and_a_debug_format() {
    assert_eq!(Frame::root().id().as_u64(), 0);
    assert_eq!(Frame::root().parent_id(), None);
    NUMBER.run(1, || {
        let outer = Frame::current();
        assert_eq!(outer.parent_id(), Some(Frame::root().id()));
        assert_eq!(outer.clone().id(), outer.id());
        TEXT.run("secret".into(), || {
            let inner = Frame::current();
            assert_ne!(inner.id(), outer.id());
            assert_eq!(inner.parent_id(), Some(outer.id()));
            let shown = format!("{inner:?}");
            assert!(
                shown.contains("\"number\"") && shown.contains("\"text\""),
                "{shown}"
            );
            assert!(!shown.contains("secret"), "{shown}");
        });
    });
    assert_eq!(size_of::<Frame>(), size_of::<usize>());
}
