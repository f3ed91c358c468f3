//! Contract, "Values": C-76 to C-81. The byte counts of C-79 are in `allocations.rs`.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use framewise_test_support as support;

use std::cell::RefCell;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::thread;

use framewise_context::{ContextVar, DefaultVar, Frame, bind, frame_stats};
use futures::executor::ThreadPool;
use support::{DropCall, Drops, Tracked, bound_here, in_each_start_frame, on_drop, panics};

static NUMBER: ContextVar<u64> = ContextVar::new("number");
static TRACKED: ContextVar<Tracked> = ContextVar::new("tracked");
static CALL: ContextVar<DropCall> = ContextVar::new("call");

#[test]
fn c76_a_value_is_dropped_in_the_droppers_frame() {
    in_each_start_frame(|| {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let record = |seen: &Arc<Mutex<Vec<_>>>| {
            let seen = Arc::clone(seen);
            on_drop(move || seen.lock().unwrap().push((NUMBER.get(), CALL.is_bound())))
        };
        // At the end of its own run: the previous frame.
        NUMBER.run(1, || bind(&CALL, record(&seen)).and(&NUMBER, 2).run(|| ()));
        // By the last holder of a snapshot, in another frame.
        let held = bind(&CALL, record(&seen)).and(&NUMBER, 3).frame();
        NUMBER.run(4, move || drop(held));
        // On another thread.
        let held = bind(&CALL, record(&seen)).frame();
        thread::spawn(move || NUMBER.run(5, move || drop(held)))
            .join()
            .unwrap();
        // While a panic unwinds.
        assert!(panics(
            || NUMBER.run(6, || CALL.run(record(&seen), || panic!("expected")))
        ));
        assert_eq!(
            *seen.lock().unwrap(),
            [
                (Some(1), false),
                (Some(4), false),
                (Some(5), false),
                (Some(6), false)
            ]
        );
    });
}

#[test]
fn c76_get_run_and_spawn_are_legal_in_a_values_drop() {
    in_each_start_frame(|| {
        let around = Frame::current().id();
        let pool = ThreadPool::builder().pool_size(1).create().unwrap();
        let (sender, receiver) = mpsc::channel();
        let sender = Mutex::new(sender);
        let value = on_drop(move || {
            let in_run = NUMBER.run(7, || NUMBER.with(|number| number.copied()));
            let in_scope = futures::executor::block_on(NUMBER.scope(8, async { NUMBER.get() }));
            let snapshot = Frame::current();
            let nested = CALL.run(on_drop(|| ()), || snapshot.run(|| NUMBER.get()));
            let sender = sender.lock().unwrap().clone();
            pool.spawn_ok(snapshot.scope(async move {
                sender
                    .send((in_run, in_scope, nested, NUMBER.get()))
                    .unwrap();
            }));
        });
        NUMBER.run(1, || CALL.run(value, || ()));
        assert_eq!(receiver.recv(), Ok((Some(7), Some(8), Some(1), Some(1))));
        assert_eq!(Frame::current().id(), around);
    });
}

#[test]
fn c77_a_value_whose_drop_panics_leaves_the_others_dropped_once() {
    in_each_start_frame(|| {
        let around = Frame::current().id();
        static FIRST: ContextVar<Tracked> = ContextVar::new("first");
        static LAST: ContextVar<Tracked> = ContextVar::new("last");
        let drops = Drops::default();
        let attempts = Arc::new(AtomicUsize::new(0));
        let bomb = || {
            let attempts = Arc::clone(&attempts);
            on_drop(move || {
                attempts.fetch_add(1, Ordering::SeqCst);
                panic!("expected");
            })
        };
        static SECOND_BOMB: ContextVar<DropCall> = ContextVar::new("second_bomb");
        assert!(panics(|| {
            bind(&FIRST, drops.tracked())
                .and(&CALL, bomb())
                .and(&LAST, drops.tracked())
                .run(|| ());
        }));
        assert_eq!((drops.count(), attempts.load(Ordering::SeqCst)), (2, 1));
        assert_eq!(Frame::current().id(), around);
        // Two of them: the first panic resumes.
        assert!(panics(|| {
            bind(&FIRST, drops.tracked())
                .and(&CALL, bomb())
                .and(&SECOND_BOMB, bomb())
                .and(&LAST, drops.tracked())
                .run(|| ());
        }));
        assert_eq!((drops.count(), attempts.load(Ordering::SeqCst)), (4, 3));
        // Deep in a chain of frames, where destruction is deferred.
        static LINK: ContextVar<(Frame, Tracked)> = ContextVar::new("link");
        let mut last = bind(&CALL, bomb()).frame();
        for _ in 0..1_000 {
            last = bind(&LINK, (last, drops.tracked())).frame();
        }
        assert!(panics(move || drop(last)));
        assert_eq!((drops.count(), attempts.load(Ordering::SeqCst)), (1_004, 4));
        // And nothing is left for the next frame.
        TRACKED.run(drops.tracked(), || ());
        assert_eq!(drops.count(), 1_005);
    });
}

#[test]
fn c78_a_shadowed_value_is_dropped_with_its_own_scope_even_if_rebound_children_live() {
    in_each_start_frame(|| {
        let (shadowed, kept) = (Drops::default(), Drops::default());
        static KEPT: ContextVar<Tracked> = ContextVar::new("kept");
        let bindings = bind(&TRACKED, shadowed.tracked()).and(&KEPT, kept.tracked());
        let (outer, outers) = bound_here(bindings);
        let (child, childs) = outer.run(|| {
            TRACKED.run(shadowed.tracked(), || {
                NUMBER.run(1, || bound_here(bind(&NUMBER, 2)))
            })
        });
        assert_eq!(shadowed.count(), 0);
        outers.assert_live(1);
        drop(outer);
        outers.assert_live(0);
        assert_eq!(
            (shadowed.count(), kept.count()),
            (1, 0),
            "only the shadowed value"
        );
        assert!(child.run(|| TRACKED.is_bound() && KEPT.is_bound()));
        childs.assert_live(1);
        drop(child);
        assert_eq!((shadowed.count(), kept.count()), (2, 1));
        childs.assert_live(0);
    });
}

#[test]
fn c80_a_value_that_holds_its_own_frame_leaks_and_the_statistics_name_it() {
    type Own = Arc<Mutex<Option<Frame>>>;
    static OWN: ContextVar<(Own, Tracked)> = ContextVar::new("own");
    in_each_start_frame(|| {
        let (drops, slot) = (Drops::default(), Own::default());
        let bindings = bind(&OWN, (Arc::clone(&slot), drops.tracked()));
        let (frame, site) = bound_here(bindings);
        frame.run(|| OWN.with(|own| *own.unwrap().0.lock().unwrap() = Some(Frame::current())));
        drop(frame);
        assert_eq!(drops.count(), 0, "a cycle of counts is not collected");
        site.assert_live(1);
        if let Some(stats) = frame_stats() {
            let line = format!("1 live frame, bound at {}:{}:", file!(), site.line);
            assert!(
                stats.to_string().contains(&line),
                "{line} is not in {stats}"
            );
        }
        // Code that can reach the cycle can break it.
        drop(slot.lock().unwrap().take());
        assert_eq!(drops.count(), 1);
        site.assert_live(0);
        if let Some(stats) = frame_stats() {
            let line = format!("bound at {}:{}:", file!(), site.line);
            assert!(!stats.to_string().contains(&line), "{line} is in {stats}");
        }
    });
}

#[test]
fn c81_get_in_a_thread_locals_destructor_gives_the_default() {
    in_each_start_frame(|| {
        static SETTING: DefaultVar<u64> = DefaultVar::new("setting", 3);
        struct AtExit(mpsc::Sender<(u64, Option<u64>, u64)>);
        impl Drop for AtExit {
            fn drop(&mut self) {
                let bound = SETTING.run(5, || SETTING.get());
                self.0.send((SETTING.get(), NUMBER.get(), bound)).unwrap();
            }
        }
        thread_local! {
            static EARLY: RefCell<Option<AtExit>> = const { RefCell::new(None) };
            static LATE: RefCell<Option<AtExit>> = const { RefCell::new(None) };
        }
        let (sender, receiver) = mpsc::channel();
        thread::spawn(move || {
            // One registered before this thread's first use of a frame, one after it.
            EARLY.with(|cell| *cell.borrow_mut() = Some(AtExit(sender.clone())));
            NUMBER.run(1, || {
                LATE.with(|cell| *cell.borrow_mut() = Some(AtExit(sender)));
                assert_eq!(SETTING.get(), 3);
            });
        })
        .join()
        .unwrap();
        let seen: Vec<_> = receiver.iter().collect();
        assert_eq!(seen, [(3, None, 5); 2]);
    });
}
