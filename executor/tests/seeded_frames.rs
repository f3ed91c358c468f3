//! The contract of frames in seeded runs, for what only the seeded loop does: nested `block_on`
//! within a run, the end of a run by a deadlock, and what is dropped then. The random programs of
//! `programs/` run in seeded runs, too, and cover everything else.
//!
//! Each test runs under many seeds and in each starting frame.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::future::{Future, pending, poll_fn};
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use framewise::task::{LocalSet, block_in_place, spawn_local, yield_now};
use framewise::test::{self, Explorer, preempt};
use framewise::{block_on, spawn, spawn_blocking, time};
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
            let mut interval = time::interval_at(time::Instant::now() + ms, ms);
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
