//! Tasks that block their worker, beside the I/O and the timers of other tasks.

use std::io::Write;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};
use std::thread;

use framewise::spawn;
use framewise::time::sleep;
use framewise_test_support::{HangWatch, runtime};

use crate::{TICK, connection};

/// "Starvation", tokio 4730: a task that blocks its worker. Here the task blocks until I/O and
/// timers of other tasks are processed.
#[test]
fn a_worker_that_blocks_freezes_neither_io_nor_timers_of_the_others() {
    for workers in [2, 8] {
        for io in [false, true] {
            for round in 0..20 {
                let _watch = HangWatch::new(format!("{workers} workers, I/O {io}, {round}"));
                let runtime = runtime(workers);
                let (stream, mut peer) = runtime.block_on(connection());
                let done = Arc::new(AtomicBool::new(false));
                let (ready, is_ready) = mpsc::channel();
                let other = {
                    let done = Arc::clone(&done);
                    runtime.spawn(async move {
                        ready.send(()).unwrap();
                        if io {
                            for _ in 0..3 {
                                assert_eq!(stream.read(&mut [0]).await.unwrap(), 1);
                                ready.send(()).unwrap();
                            }
                        } else {
                            for _ in 0..3 {
                                sleep(TICK).await;
                            }
                        }
                        done.store(true, Ordering::Release);
                    })
                };
                is_ready.recv().unwrap();
                // Block all workers but one, after a sleep in which all workers park.
                let blocking: Vec<_> = (1..workers)
                    .map(|_| {
                        let done = Arc::clone(&done);
                        runtime.spawn(async move {
                            if round % 2 == 0 {
                                sleep(TICK).await;
                            }
                            while !done.load(Ordering::Acquire) {
                                thread::yield_now();
                            }
                        })
                    })
                    .collect();
                if io {
                    for _ in 0..3 {
                        peer.write_all(b"a").unwrap();
                        is_ready.recv().unwrap();
                    }
                }
                runtime.block_on(async {
                    other.await.unwrap();
                    for task in blocking {
                        task.await.unwrap();
                    }
                });
            }
        }
    }
}

/// The same for a blocking task that the driver on its own worker has just woken, or that armed the
/// timer itself.
#[test]
fn a_task_that_blocks_right_after_its_own_io_or_timer_freezes_no_others() {
    for workers in [2, 8] {
        for round in 0..20 {
            let _watch = HangWatch::new(format!("{workers} workers, round {round}"));
            let runtime = runtime(workers);
            let (one, mut one_peer) = runtime.block_on(connection());
            let (two, mut two_peer) = runtime.block_on(connection());
            let done = Arc::new(AtomicBool::new(false));
            let blocking = {
                let done = Arc::clone(&done);
                runtime.spawn(async move {
                    assert_eq!(one.read(&mut [0]).await.unwrap(), 1);
                    let armed = spawn(sleep(TICK));
                    two_peer.write_all(b"b").unwrap();
                    while !done.load(Ordering::Acquire) {
                        thread::yield_now();
                    }
                    armed.await.unwrap();
                })
            };
            let other = {
                let done = Arc::clone(&done);
                runtime.spawn(async move {
                    assert_eq!(two.read(&mut [0]).await.unwrap(), 1);
                    sleep(TICK).await;
                    done.store(true, Ordering::Release);
                })
            };
            one_peer.write_all(b"a").unwrap();
            runtime.block_on(async {
                other.await.unwrap();
                blocking.await.unwrap();
            });
        }
    }
}
