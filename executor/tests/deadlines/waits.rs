//! Waits for tasks and limits under a deadline or in a cancelled scope.

use std::future::{pending, ready};
use std::io;
use std::sync::Arc;
use std::time::Duration;

use framewise::task::JoinSet;
use framewise::time::{Instant, interval, sleep, timeout, timeout_at};
use framewise::{ContextVar, cancel, deadline};
use framewise_test_support::{ID, in_frames};

use crate::{HOUR, MS, paused};

#[test]
pub(crate) fn c110_a_timeout_says_what_ended_it() {
    paused().block_on(async {
        let start = Instant::now();
        let limited = deadline::within(5 * MS, async {
            let own = timeout(MS, pending::<()>()).await.unwrap_err();
            assert!(own.ended().is_none() && !deadline::is(&own));
            let frames = timeout(HOUR, pending::<()>()).await.unwrap_err();
            assert!(deadline::is(&frames));
            assert!(deadline::is(&io::Error::from(frames)));
            // It was ready in time.
            assert_eq!(timeout(HOUR, ready(7)).await, Ok(7));
            assert!(timeout_at(start, pending::<()>()).await.is_err());
        });
        limited.await;
        assert_eq!(start.elapsed(), 5 * MS);
        let (handle, scope) = cancel::scope();
        handle.cancel();
        let elapsed = scope
            .scope(timeout(HOUR, pending::<()>()))
            .await
            .unwrap_err();
        assert!(cancel::is(&elapsed));
        assert_eq!(io::Error::from(elapsed).kind(), io::ErrorKind::Other);
    });
}

#[test]
pub(crate) fn c110_a_plain_sleep_and_a_tick_wait_on() {
    paused().block_on(async {
        let start = Instant::now();
        let waits_on = deadline::within(MS, async {
            sleep(5 * MS).await;
            let mut ticks = interval(5 * MS);
            ticks.tick().await;
            ticks.tick().await;
            assert!(deadline::enforce(ticks.tick()).await.is_err());
        });
        waits_on.await;
        assert_eq!(start.elapsed(), 10 * MS);
    });
}

#[test]
pub(crate) fn c110_a_join_fails_and_the_task_runs_on() {
    in_frames(|outer| {
        paused().block_on(async {
            let start = Instant::now();
            let mut slow = framewise::spawn(async {
                sleep(10 * MS).await;
                ID.get()
            });
            let limited = deadline::within(MS, async {
                let error = (&mut slow).await.unwrap_err();
                assert!(error.is_timed_out() && !error.is_cancelled() && !error.is_panic());
                assert_eq!(error.id(), slow.id());
                assert!(deadline::is(&error));
                assert_eq!(io::Error::from(error).kind(), io::ErrorKind::TimedOut);
                assert_eq!(start.elapsed(), MS);
                assert!((&mut slow).await.is_err(), "it is past the deadline");
                assert_eq!(deadline::shield(&mut slow).await.unwrap(), outer);
                assert_eq!(start.elapsed(), 10 * MS);
                // A task that has finished is joined.
                let finished = framewise::spawn(async { 7 });
                deadline::shield(framewise::task::yield_now()).await;
                assert_eq!(finished.await.unwrap(), 7);
            });
            limited.await;
        });
    });
}

#[test]
fn a_join_fails_in_a_cancelled_scope_alone() {
    paused().block_on(async {
        let (handle, scope) = cancel::scope_labeled("upload");
        let slow = framewise::spawn(sleep(HOUR));
        framewise::time::set_timeout(MS, move || _ = handle.cancel_with("gone"));
        let error = scope.scope(slow).await.unwrap_err();
        assert!(!error.is_timed_out());
        assert_eq!(error.ended().unwrap().label(), Some("upload"));
        assert!(cancel::is(&error));
        assert_eq!(framewise::spawn(async { 7 }).await.unwrap(), 7);
    });
}

#[test]
pub(crate) fn a_set_reports_the_end_once_and_keeps_its_tasks() {
    paused().block_on(async {
        let start = Instant::now();
        let mut set = JoinSet::new();
        let limited = deadline::within(MS, async {
            set.spawn(async {
                sleep(5 * MS).await;
                1
            });
            let error = set.join_next().await.unwrap().unwrap_err();
            assert!(error.is_timed_out());
            assert_eq!((start.elapsed(), set.len()), (MS, 1));
            // A loop over the set ends with its tasks.
            assert_eq!(set.join_next().await.unwrap().unwrap(), 1);
            assert_eq!(start.elapsed(), 5 * MS);
            set.spawn(pending());
            set.shutdown().await;
            let all: JoinSet<u32> = [7].into_iter().map(|n| async move { n }).collect();
            assert_eq!(all.join_all().await, [7]);
        });
        limited.await;
        // In another scope it is reported again.
        set.spawn(pending());
        let other = deadline::within(MS, set.join_next()).await;
        assert!(other.unwrap().unwrap_err().is_timed_out());
    });
}

#[test]
pub(crate) fn c110_a_task_is_spawned_and_its_operations_fail() {
    paused().block_on(async {
        let late = deadline::within(Duration::ZERO, async {
            framewise::spawn(async {
                let ended = timeout(HOUR, pending::<()>()).await.unwrap_err();
                assert!(deadline::is(&ended));
                "to its end"
            })
        });
        assert_eq!(late.await.await.unwrap(), "to its end");
    });
}

#[test]
pub(crate) fn c110_what_a_blocking_function_waits_for_obeys() {
    let builder = framewise::runtime::Builder::new_multi_thread().worker_threads(1);
    let runtime = builder.build().unwrap();
    let _entered = runtime.enter();
    let handle = runtime.handle().clone();
    deadline::run(5 * MS, move || {
        let endless = handle.spawn(pending::<()>());
        let waits = async move {
            let error = endless.await.unwrap_err();
            assert!(deadline::is(&error));
            sleep(MS).await;
            "to its end"
        };
        assert_eq!(handle.block_on(waits), "to its end");
        // In the frame that has ended.
        let blocks = handle.clone().spawn(async move {
            framewise::task::block_in_place(|| {
                let ended = handle.block_on(timeout(HOUR, pending::<()>())).unwrap_err();
                assert!(deadline::is(&ended));
                "to its end"
            })
        });
        let joined = runtime.block_on(deadline::shield(blocks));
        assert_eq!(joined.unwrap(), "to its end");
    });
}

#[test]
pub(crate) fn c110_what_knows_no_frames_waits_on() {
    paused().block_on(async {
        let start = Instant::now();
        let lock = Arc::new(tokio::sync::Mutex::new(()));
        let (sender, receiver) = async_channel::bounded(1);
        let guard = Arc::clone(&lock).lock_owned().await;
        let releases = framewise::spawn(async move {
            sleep(5 * MS).await;
            drop(guard);
            sleep(5 * MS).await;
            sender.send(7).await.unwrap();
            sender
        });
        let waits_on = deadline::within(MS, async {
            let _guard = lock.lock().await;
            assert_eq!(start.elapsed(), 5 * MS);
            assert_eq!(receiver.recv().await, Ok(7));
            assert_eq!(start.elapsed(), 10 * MS);
            assert!(deadline::enforce(lock.lock()).await.is_err());
            assert!(deadline::enforce(receiver.recv()).await.is_err());
        });
        waits_on.await;
        drop(releases.await.unwrap());
    });
}

#[test]
fn c48_a_wait_keeps_nothing_of_a_deadline_that_is_over() {
    static HELD: ContextVar<Arc<()>> = ContextVar::new("held");
    paused().block_on(async {
        let value = Arc::new(());
        let mut endless = framewise::spawn(pending::<()>());
        let mut set = JoinSet::new();
        set.spawn(pending::<()>());
        let waits = HELD.scope(
            Arc::clone(&value),
            deadline::within(MS, async {
                assert!((&mut endless).await.is_err());
                assert!(set.join_next().await.unwrap().is_err());
                assert!(timeout(HOUR, pending::<()>()).await.is_err());
                assert!(deadline::enforce(pending::<()>()).await.is_err());
            }),
        );
        waits.await;
        assert_eq!(Arc::strong_count(&value), 1);
        // Nor of one that is still to come, when the wait is dropped.
        let waits = HELD.scope(
            Arc::clone(&value),
            deadline::within(HOUR, async {
                assert!(timeout(MS, &mut endless).await.is_err());
                assert!(timeout(MS, set.join_next()).await.is_err());
            }),
        );
        waits.await;
        assert_eq!(Arc::strong_count(&value), 1);
        assert!(!endless.is_finished());
    });
}

#[test]
fn waits_of_several_workers_end_with_one_deadline() {
    let runtime = framewise::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .build()
        .unwrap();
    let endless = Arc::new(runtime.spawn(pending::<()>()));
    runtime.block_on(async {
        let started = deadline::within(5 * MS, async {
            (0..100)
                .map(|n| {
                    framewise::spawn(async move {
                        match n % 3 {
                            0 => {
                                deadline::is(&framewise::spawn(pending::<()>()).await.unwrap_err())
                            }
                            1 => deadline::is(
                                &timeout(Duration::MAX, pending::<()>()).await.unwrap_err(),
                            ),
                            _ => cancel::cancelled().await.is_deadline(),
                        }
                    })
                })
                .collect::<Vec<_>>()
        });
        for task in started.await {
            assert!(task.await.unwrap());
        }
    });
    endless.abort();
}
