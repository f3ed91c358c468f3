//! Timeouts and timers beside a task whose operations are always ready.

use std::future::{Future, pending};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use framewise::spawn;
use framewise::task::{LocalSet, consume_budget, coop, spawn_local};
use framewise::time::{Instant, sleep, sleep_until, timeout, timeout_at};
use framewise_test_support::{HangWatch, runtime};
use futures::StreamExt;

use crate::{LIMIT, TICK, UNITS, count_operation, counted, hour_behind, never, readable_stream};

/// Runs `future` as the future of `block_on`, as a task, and as a task of a local set.
fn everywhere<F>(make: impl Fn() -> F)
where
    F: Future<Output = ()> + Send + 'static,
{
    for workers in [1, 2] {
        let _watch = HangWatch::new(format!("{workers} workers"));
        let runtime = runtime(workers);
        runtime.block_on(make());
        runtime.block_on(async { spawn(make()).await.unwrap() });
        LocalSet::new().block_on(&runtime, async { spawn_local(make()).await.unwrap() });
    }
}

/// The first bug report: `timeout(limit, async { loop { sleep(Duration::ZERO).await } })` never
/// ended.
#[test]
fn a_timeout_ends_a_loop_of_sleeps_that_are_over() {
    everywhere(|| async {
        let forever = async {
            loop {
                sleep(Duration::ZERO).await;
            }
        };
        assert!(timeout(LIMIT, never(forever)).await.is_err());
    });
    everywhere(|| async {
        let past = Instant::now();
        let forever = async {
            loop {
                sleep_until(past).await;
            }
        };
        assert!(timeout_at(past + LIMIT, never(forever)).await.is_err());
    });
}

/// The second bug report: the same with an interval that is an hour behind.
#[test]
fn a_timeout_ends_a_loop_over_an_interval_that_is_an_hour_behind() {
    everywhere(|| async {
        let mut ticks = hour_behind();
        let forever = async {
            loop {
                ticks.tick().await;
            }
        };
        assert!(timeout(LIMIT, never(forever)).await.is_err());
    });
    everywhere(|| async {
        // The same as a stream.
        let drain = hour_behind().for_each(|_| async {});
        assert!(timeout(LIMIT, drain).await.is_err());
    });
}

/// A timeout in a loop is itself ready at once, and consumes a unit.
#[test]
fn a_timeout_ends_a_loop_of_timeouts_that_are_over() {
    everywhere(|| async {
        let forever = async {
            loop {
                let inner = timeout(Duration::ZERO, pending::<()>());
                assert!(inner.await.is_err());
            }
        };
        assert!(timeout(LIMIT, never(forever)).await.is_err());
    });
    everywhere(|| async {
        // The inner future exhausts the budget in each poll.
        let forever = async {
            loop {
                let spin = async {
                    loop {
                        consume_budget().await;
                    }
                };
                assert!(timeout(Duration::ZERO, never(spin)).await.is_err());
            }
        };
        assert!(timeout(LIMIT, never(forever)).await.is_err());
    });
}

/// The third bug report: tasks that drain channels that are never empty starved a timer. Here each
/// message is sent again, so without a budget the test would not end.
#[test]
fn tasks_that_drain_channels_through_coop_do_not_delay_timers() {
    for workers in [1, 2] {
        let _watch = HangWatch::new(format!("{workers} workers"));
        let runtime = runtime(workers);
        let over = Arc::new(AtomicBool::new(false));
        let drains: Vec<_> = (0..4)
            .map(|_| {
                let over = Arc::clone(&over);
                let (sender, mut receiver) = tokio::sync::mpsc::unbounded_channel();
                for message in 0..1000 {
                    sender.send(message).unwrap();
                }
                runtime.spawn(counted(async move {
                    while !over.load(Ordering::Relaxed) {
                        let message = coop(receiver.recv()).await.unwrap();
                        count_operation();
                        sender.send(message).unwrap();
                    }
                }))
            })
            .collect();
        runtime.block_on(async {
            for _ in 0..10 {
                spawn(sleep(TICK)).await.unwrap();
            }
            over.store(true, Ordering::Relaxed);
            for drain in drains {
                assert!(drain.await.unwrap() <= UNITS);
            }
        });
    }
}

/// Without a budget the test would not end: `peek` leaves the data in the socket, so every call is
/// ready, and the only worker never polls the timer.
#[test]
fn a_socket_that_is_always_ready_does_not_starve_timers() {
    let _watch = HangWatch::new("1 worker");
    let runtime = runtime(1);
    runtime.block_on(async {
        let (stream, _peer) = readable_stream().await;
        let over = Arc::new(AtomicBool::new(false));
        let busy = spawn({
            let over = Arc::clone(&over);
            async move {
                let mut peeked = 0_u64;
                while !over.load(Ordering::Relaxed) {
                    assert!(stream.peek(&mut [0; 4]).await.unwrap() > 0);
                    peeked += 1;
                }
                peeked
            }
        });
        spawn(async move {
            sleep(Duration::from_millis(2)).await;
            over.store(true, Ordering::Relaxed);
        })
        .await
        .unwrap();
        assert!(busy.await.unwrap() > 0);
    });
}
