//! The contract of frames in seeded runs: the features of the seeded loop (blocking calls on its
//! own thread, nested `block_on`, an end by deadlock) restore every frame.
//!
//! Each test runs under many seeds and in each starting frame.
#![allow(clippy::unwrap_used)]

use std::future::{Future, pending, poll_fn};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::Poll;
use std::time::Duration;

use framewise::task::{LocalSet, block_in_place, spawn_local, yield_now};
use framewise::test::{self, Explorer, preempt};
use framewise::{Frame, block_on, spawn, spawn_blocking, spawn_root, time};
use futures::StreamExt;
use futures::stream::FuturesUnordered;

use framewise_test_support::{ID, KEPT, Log, in_frames, on_drop};

const SEEDS: u64 = 40;

/// Runs a test under many seeds, in the root frame, in a bound frame and in a captured frame.
fn everywhere<F: Future>(test: impl Fn(Option<u64>) -> F) {
    in_frames(|id| {
        for seed in 0..SEEDS {
            test::run(seed, || test(id));
            assert_eq!(ID.get(), id, "seed {seed} left another frame behind");
        }
    });
}

#[test]
fn c26_each_task_has_its_own_frame_at_every_step() {
    everywhere(|id| async move {
        assert_eq!(ID.get(), id);
        let tasks: Vec<_> = (10..14)
            .map(|own| {
                ID.run(own, || {
                    spawn(async move {
                        for step in 0..3 {
                            assert_eq!(ID.get(), Some(own));
                            preempt().await;
                            assert_eq!(ID.get(), Some(own));
                            time::sleep(Duration::from_millis(step)).await;
                            let child = spawn(async { ID.get() });
                            yield_now().await;
                            assert_eq!(child.await.unwrap(), Some(own));
                        }
                    })
                })
            })
            .collect();
        for task in tasks {
            task.await.unwrap();
            assert_eq!(ID.get(), id);
        }
    });
}

#[test]
fn c32_the_loop_is_at_the_root_between_steps() {
    everywhere(|_| async {
        let log = Log::default();
        let seen = log.clone();
        let guard = on_drop(move || seen.add("the value"));
        static GUARD: framewise::ContextVar<framewise_test_support::DropCall> =
            framewise::ContextVar::new("guard");
        // The task's frame is released with the task, so the loop drops its values, in the loop's
        // frame.
        let task = ID.run(7, || GUARD.run(guard, || spawn(async { preempt().await })));
        task.await.unwrap();
        assert_eq!(log.entries(), [("the value", None)]);
    });
}

#[test]
fn c33_block_in_place_keeps_the_frame() {
    everywhere(|id| async move {
        assert_eq!(block_in_place(|| ID.get()), id);
        let task = ID.run(7, || {
            spawn(async {
                let seen =
                    block_in_place(|| (ID.get(), ID.run(8, || block_on(async { ID.get() }))));
                (seen, ID.get())
            })
        });
        assert_eq!(task.await.unwrap(), ((Some(7), Some(8)), Some(7)));
    });
}

#[test]
fn c34_local_tasks_have_their_frames() {
    everywhere(|id| async move {
        let set = LocalSet::new();
        let outside = ID.run(5, || set.spawn_local(async { ID.get() }));
        set.run_until(async {
            let tasks: Vec<_> = (10..13)
                .map(|own| {
                    ID.run(own, || {
                        spawn_local(async move {
                            preempt().await;
                            time::sleep(Duration::from_millis(1)).await;
                            assert_eq!(ID.get(), Some(own));
                        })
                    })
                })
                .collect();
            for task in tasks {
                task.await.unwrap();
                assert_eq!(ID.get(), id);
            }
            assert_eq!(outside.await.unwrap(), Some(5));
        })
        .await;
    });
}

#[test]
fn c42_aborted_tasks_are_dropped_in_their_frames() {
    everywhere(|id| async move {
        let log = Log::default();
        let tasks: Vec<_> = (0..3)
            .map(|_| {
                let tracker = log.tracker("aborted");
                ID.run(7, || {
                    spawn(async move {
                        let _tracker = tracker;
                        preempt().await;
                        pending::<()>().await;
                    })
                })
            })
            .collect();
        yield_now().await;
        for task in tasks {
            task.abort();
            assert!(task.await.unwrap_err().is_cancelled());
            assert_eq!(ID.get(), id);
        }
        assert_eq!(log.entries(), [("aborted", Some(7)); 3]);
    });
}

#[test]
fn c45_what_is_left_at_the_end_is_dropped_in_its_own_frame() {
    in_frames(|id| {
        for seed in 0..SEEDS {
            let log = Log::default();
            let kept = Arc::new(());
            let leave_behind = || async {
                for own in [1, 2] {
                    let (tracker, kept) = (log.tracker("left"), Arc::clone(&kept));
                    let future = async move {
                        let _tracker = tracker;
                        time::sleep(Duration::MAX).await;
                    };
                    drop(ID.run(own, || KEPT.run(kept, || spawn(future))));
                }
                let tracker = log.tracker("callback");
                ID.run(3, || {
                    time::set_timeout(Duration::from_secs(1), move || drop(tracker));
                });
                yield_now().await;
            };
            test::run(seed, leave_behind);
            let mut entries = log.entries();
            entries.sort_unstable();
            let expected = [("callback", Some(3)), ("left", Some(1)), ("left", Some(2))];
            assert_eq!(entries, expected, "seed {seed}");
            assert_eq!(Arc::strong_count(&kept), 1, "a frame was kept");
            assert_eq!(ID.get(), id);
        }
    });
}

/// Like `c45`, for runs that end with a deadlock, too many steps, or a panic.
#[test]
fn c45_runs_that_fail_drop_what_is_left_in_its_own_frame() {
    #[derive(Clone, Copy, Debug, PartialEq)]
    enum End {
        Deadlock,
        Steps,
        Panic,
    }
    in_frames(|id| {
        for seed in 0..SEEDS {
            for end in [End::Deadlock, End::Steps, End::Panic] {
                let log = Log::default();
                let kept = Arc::new(());
                let run = Explorer::new().step_limit(200).run(seed, || {
                    let (left, main) = (log.tracker("left"), log.tracker("main"));
                    let kept = Arc::clone(&kept);
                    async move {
                        let _main = main;
                        let future = async move {
                            let _left = left;
                            pending::<()>().await;
                        };
                        drop(ID.run(7, || KEPT.run(kept, || spawn(future))));
                        match end {
                            End::Deadlock => pending::<()>().await,
                            End::Steps => loop {
                                yield_now().await;
                            },
                            End::Panic => panic!("on purpose"),
                        }
                    }
                });
                let failure = run.into_result().unwrap_err();
                assert_eq!(failure.is_deadlock(), end == End::Deadlock, "{failure}");
                assert_eq!(failure.is_step_limit(), end == End::Steps, "{failure}");
                assert_eq!(failure.is_panic(), end == End::Panic, "{failure}");
                let mut entries = log.entries();
                entries.sort_unstable();
                assert_eq!(entries, [("left", Some(7)), ("main", id)], "{end:?}");
                assert_eq!(Arc::strong_count(&kept), 1, "a frame was kept");
                assert_eq!(ID.get(), id);
            }
        }
    });
}

#[test]
fn c46_panicking_polls_and_destructors_restore() {
    in_frames(|id| {
        let explorer = Explorer::new().ignore_unhandled_panics();
        for seed in 0..4 {
            let run = explorer.run(seed, || async move {
                let panics = ID.run(7, || {
                    spawn(async {
                        let _bomb = on_drop(|| assert!(std::thread::panicking(), "as it unwinds"));
                        ID.run(8, || panic!("on purpose"));
                    })
                });
                let error = panics.await.unwrap_err();
                // C-83: the innermost frame at the panic.
                assert_eq!(error.frame().unwrap().run(|| ID.get()), Some(8));
                assert_eq!(ID.get(), id);
                let task = spawn(async {
                    let _bomb = on_drop(|| panic!("in a destructor"));
                });
                assert!(task.await.unwrap_err().is_panic());
                assert_eq!(ID.get(), id);
            });
            run.unwrap();
            assert_eq!(ID.get(), id);
        }
    });
}

#[test]
fn c52_every_tick_is_in_the_tasks_frame() {
    everywhere(|id| async move {
        let task = ID.run(7, || {
            spawn(async {
                let mut interval = time::interval(Duration::from_millis(10));
                for _ in 0..5 {
                    interval.tick().await;
                    assert_eq!(ID.get(), Some(7));
                }
            })
        });
        let limited = time::timeout(Duration::from_millis(15), pending::<()>());
        assert!(limited.await.is_err());
        assert_eq!(ID.get(), id);
        task.await.unwrap();
    });
}

#[test]
fn c53_callbacks_run_in_the_registering_frame_and_let_it_go() {
    everywhere(|_| async {
        let kept = Arc::new(());
        let log = Log::default();
        let register = |own: u64| {
            let (once, often) = (log.clone(), log.clone());
            ID.run(own, || {
                KEPT.run(Arc::clone(&kept), || {
                    time::set_timeout(Duration::from_millis(3), move || once.add("once"));
                    time::set_interval(Duration::from_millis(3), move || often.add("often"))
                })
            })
        };
        let (first, second) = (register(1), register(2));
        time::sleep(Duration::from_millis(10)).await;
        first.cancel();
        second.cancel();
        let count = |entry| log.entries().iter().filter(|&&seen| seen == entry).count();
        for own in [Some(1), Some(2)] {
            assert_eq!(count(("once", own)), 1);
            assert!(count(("often", own)) >= 2, "{:?}", log.entries());
        }
        // A timer that was due when it was cancelled may still be queued.
        yield_now().await;
        assert_eq!(Arc::strong_count(&kept), 1, "a callback keeps its frame");
    });
}

#[test]
fn c61_a_blocking_call_runs_in_its_frame_and_leaves_the_loops() {
    everywhere(|id| async move {
        let call = ID.run(7, || spawn_blocking(|| ID.get()));
        let panics = ID.run(8, || spawn_blocking(|| panic!("on purpose")));
        let inner = ID.run(9, || spawn_blocking(|| ID.run(10, Frame::current)));
        let at_root = spawn_root(async { ID.get() });
        assert_eq!(call.await.unwrap(), Some(7));
        assert!(panics.await.unwrap_err().is_panic());
        assert_eq!(inner.await.unwrap().run(|| ID.get()), Some(10));
        assert_eq!(at_root.await.unwrap(), None);
        assert_eq!(ID.get(), id);
    });
}

#[test]
fn c62_a_blocking_call_that_is_cancelled_is_dropped_in_its_frame() {
    everywhere(|id| async move {
        let log = Log::default();
        let tracker = log.tracker("the call");
        let ran = Arc::new(AtomicU64::new(0));
        let runs = Arc::clone(&ran);
        let call = ID.run(7, || {
            spawn_blocking(move || {
                let _tracker = tracker;
                runs.fetch_add(1, Ordering::Relaxed);
            })
        });
        call.abort();
        let error = call.await.unwrap_err();
        assert!(error.is_cancelled());
        assert_eq!(ran.load(Ordering::Relaxed), 0);
        assert_eq!(log.entries(), [("the call", Some(7))]);
        assert_eq!(ID.get(), id);
    });
}

#[test]
fn c64_block_on_within_a_run_inherits_and_restores() {
    everywhere(|id| async move {
        // In the run's own future,
        assert_eq!(block_on(async { ID.get() }), id);
        // in a blocking call whose future depends on other tasks,
        let other = ID.run(5, || {
            spawn(async {
                time::sleep(Duration::from_millis(1)).await;
                ID.get()
            })
        });
        let call = ID.run(7, || {
            spawn_blocking(move || {
                let other = block_on(async {
                    assert_eq!(ID.get(), Some(7));
                    let other = other.await.unwrap();
                    assert_eq!(ID.get(), Some(7));
                    other
                });
                (other, ID.get())
            })
        });
        assert_eq!(call.await.unwrap(), (Some(5), Some(7)));
        // and with a future that borrows.
        let text = "borrowed".to_owned();
        let seen = ID.run(8, || {
            block_on(async {
                preempt().await;
                (text.as_str(), ID.get())
            })
        });
        assert_eq!(seen, ("borrowed", Some(8)));
        assert_eq!(ID.get(), id);
    });
}

#[test]
fn c64_block_on_in_a_task_is_rejected() {
    test::check(|| async {
        let task = spawn(async { framewise_test_support::panic_message(|| block_on(async {})) });
        let message = task.await.unwrap();
        assert!(
            message.contains("block_on was called on a worker"),
            "{message}"
        );
    });
}

#[test]
fn c83_a_panic_keeps_its_frame_through_a_block_on() {
    in_frames(|id| {
        for seed in 0..8 {
            test::run(seed, || async move {
                let task = spawn(async {
                    block_in_place(|| block_on(async { ID.run(7, || panic!("on purpose")) }))
                });
                let error = task.await.unwrap_err();
                assert_eq!(error.frame().unwrap().run(|| ID.get()), Some(7));
                assert_eq!(ID.get(), id);
            });
        }
    });
}

#[test]
fn c67_a_scope_sees_its_poller() {
    everywhere(|id| async move {
        let scope = KEPT.scope(Arc::new(()), async {
            preempt().await;
            (ID.get(), KEPT.get().is_some())
        });
        assert_eq!(scope.await, (id, true));
        let scope = KEPT.scope(Arc::new(()), async { (ID.get(), KEPT.get().is_some()) });
        let task = ID.run(7, || spawn(scope));
        assert_eq!(task.await.unwrap(), (Some(7), true));
        assert!(KEPT.get().is_none());
    });
}

#[test]
fn c62_blocking_calls_that_wait_at_the_end_are_dropped_in_their_frames() {
    in_frames(|_| {
        let mut dropped = 0;
        for seed in 0..SEEDS {
            let log = Log::default();
            let kept = Arc::new(());
            test::run(seed, || async {
                for _ in 0..3 {
                    let (tracker, seen) = (log.tracker("call"), log.clone());
                    let call = move || {
                        let _tracker = tracker;
                        seen.add("ran");
                    };
                    let kept = Arc::clone(&kept);
                    drop(ID.run(7, || KEPT.run(kept, || spawn_blocking(call))));
                }
                preempt().await;
            });
            let entries = log.entries();
            let calls = entries.iter().filter(|&&entry| entry == ("call", Some(7)));
            assert_eq!(calls.count(), 3, "{entries:?}");
            assert!(entries.iter().all(|&(_, id)| id == Some(7)), "{entries:?}");
            assert_eq!(Arc::strong_count(&kept), 1, "a frame was kept");
            dropped += usize::from(entries.len() < 6);
        }
        assert!(dropped > 0, "no call was left at the end of any run");
    });
}

#[test]
fn c53_callbacks_that_are_due_at_the_end_are_dropped_in_their_frames() {
    in_frames(|_| {
        let mut dropped = 0;
        for seed in 0..SEEDS {
            let log = Log::default();
            let kept = Arc::new(());
            test::run(seed, || async {
                for _ in 0..3 {
                    let (tracker, seen) = (log.tracker("callback"), log.clone());
                    let callback = move || {
                        let _tracker = tracker;
                        seen.add("ran");
                    };
                    let (kept, delay) = (Arc::clone(&kept), Duration::from_millis(1));
                    ID.run(7, || KEPT.run(kept, || time::set_timeout(delay, callback)));
                }
                // This sleep is due at the same time, so the run ends while some callbacks are
                // still queued.
                time::sleep(Duration::from_millis(1)).await;
            });
            let entries = log.entries();
            let callbacks = entries
                .iter()
                .filter(|&&entry| entry == ("callback", Some(7)));
            assert_eq!(callbacks.count(), 3, "{entries:?}");
            assert_eq!(Arc::strong_count(&kept), 1, "a frame was kept");
            dropped += usize::from(entries.len() < 6);
        }
        assert!(dropped > 0, "no callback was left at the end of any run");
    });
}

/// Runs each kind of wait, once to its end and once dropped after its first poll, while the object
/// of the wait stays alive.
#[test]
fn c48_a_wait_leaves_nothing_when_it_ends_or_is_dropped() {
    async fn ends(
        wait: impl Future<Output = ()>,
        kept: &Arc<()>,
        dropped: bool,
        what: &'static str,
    ) {
        let mut scoped = Box::pin(KEPT.scope(Arc::clone(kept), wait));
        if dropped {
            poll_fn(|cx| {
                let _ = scoped.as_mut().poll(cx);
                Poll::Ready(())
            })
            .await;
            drop(scoped);
        } else {
            // A combinator's waker is a foreign waker.
            let mut unordered = FuturesUnordered::from_iter([scoped]);
            unordered.next().await.unwrap();
        }
        assert_eq!(Arc::strong_count(kept), 1, "{what}, dropped: {dropped}");
    }

    everywhere(|_| async {
        let kept = Arc::new(());
        let ms = Duration::from_millis(1);
        let set = LocalSet::new();
        for dropped in [false, true] {
            ends(time::sleep(ms), &kept, dropped, "sleep").await;
            let limited = async { assert!(time::timeout(ms, pending::<()>()).await.is_err()) };
            ends(limited, &kept, dropped, "timeout").await;
            let mut interval = time::interval_at(time::now() + ms, ms);
            let tick = async {
                interval.tick().await;
            };
            ends(tick, &kept, dropped, "interval").await;
            let task = spawn(time::sleep(ms));
            ends(async { task.await.unwrap() }, &kept, dropped, "handle").await;
            let call = spawn_blocking(|| ());
            ends(async { call.await.unwrap() }, &kept, dropped, "call").await;
            let local = set.run_until(async { spawn_local(yield_now()).await.unwrap() });
            if !dropped {
                ends(local, &kept, dropped, "local set").await;
            } else {
                // The spawned task holds the frame; the set runs it to its end.
                drop(local);
                ends(set.run_until(pending()), &kept, dropped, "local set").await;
            }
            ends(yield_now(), &kept, dropped, "yield").await;
        }
        let inner = Arc::clone(&kept);
        block_on(KEPT.scope(inner, time::sleep(ms)));
        assert_eq!(Arc::strong_count(&kept), 1, "block_on");
    });
}
