//! Contract, C-93: a mirrored variable where this runtime polls, calls or drops: tasks, local
//! tasks, main futures, callbacks. (What every executor can be asked is in `framewise-conformance`;
//! the rules of the callbacks are in `context/tests/mirrored.rs`.)
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::cell::Cell;
use std::future::pending;
use std::io::Write;
use std::sync::mpsc;
use std::time::Duration;

use framewise::io::Interest;
use framewise::net::{TcpListener, TcpStream};
use framewise::runtime::{Builder, LocalRuntime};
use framewise::task::{JoinSet, LocalSet, block_in_place, spawn_local, yield_now};
use framewise::time::{set_timeout, sleep, timeout};
use framewise::{ContextVar, Frame, JoinHandle, account, spawn, spawn_blocking, spawn_root};
use framewise_test_support::{everywhere, on_drop};

thread_local! {
    /// What the callbacks told this thread. 0 while the variable is left.
    static TOLD: Cell<u64> = const { Cell::new(0) };
}

/// What [`TOLD`] becomes if a value is entered or left twice.
const BROKEN: u64 = u64::MAX;

static MIRRORED: ContextVar<u64> = ContextVar::new("mirrored").mirrored(
    |value| TOLD.set(if TOLD.get() == 0 { *value } else { BROKEN }),
    |value| TOLD.set(if TOLD.get() == *value { 0 } else { BROKEN }),
);

/// Asserts what this thread was told, and that it is the current value.
#[track_caller]
fn told(value: u64) {
    assert_eq!((TOLD.get(), MIRRORED.get().unwrap_or(0)), (value, value));
}

async fn polled_with(value: u64) {
    for _ in 0..3 {
        told(value);
        yield_now().await;
    }
    told(value);
}

#[test]
fn c93_tasks_with_different_values_take_turns() {
    everywhere(|runtime, _| {
        runtime.block_on(MIRRORED.scope(100, async {
            let tasks = (0..20).map(|value| match value {
                0 => spawn_root(polled_with(0)),
                1 => spawn(polled_with(100)),
                _ => MIRRORED.run(value, || spawn(polled_with(value))),
            });
            let mut tasks: Vec<JoinHandle<()>> = tasks.collect();
            // Detached: their outputs and frames are dropped by the worker.
            drop(tasks.split_off(10));
            for task in tasks {
                task.await.unwrap();
                told(100);
            }
        }));
        told(0);
    });
}

/// How much of a task is observed decides how it is polled.
#[test]
fn c93_in_a_runtime_that_observes_its_tasks() {
    type Observe = fn(Builder) -> Builder;
    static KEY: ContextVar<u64> = ContextVar::new("key");
    let kinds: [Observe; 5] = [
        |builder| builder.on_task_spawn(|_, _| {}).on_task_drop(|_, _| {}),
        |builder| builder.on_before_poll(|_, _| told(MIRRORED.get().unwrap_or(0))),
        |builder| builder.on_task_complete(|_, _| {}),
        |builder| builder.account(&account::by(&KEY)),
        |builder| builder.track_wakes(true),
    ];
    for observe in kinds {
        let runtime = observe(Builder::new().worker_threads(2)).build().unwrap();
        runtime.block_on(MIRRORED.scope(1, async {
            let tasks = [
                spawn(polled_with(1)),
                spawn_root(polled_with(0)),
                MIRRORED.run(2, || spawn(polled_with(2))),
                MIRRORED.run_unbound(|| spawn(polled_with(0))),
            ];
            for task in tasks {
                task.await.unwrap();
                told(1);
            }
        }));
        drop(runtime);
        told(0);
    }
}

#[test]
fn c93_local_tasks_within_a_mirrored_scope() {
    everywhere(|runtime, _| {
        let set = LocalSet::new();
        let root = Frame::root().run(|| set.spawn_local(polled_with(0)));
        MIRRORED.run(1, || {
            set.block_on(runtime, async {
                told(1);
                let own = spawn_local(polled_with(1));
                let other = MIRRORED.run(2, || spawn_local(polled_with(2)));
                let none = MIRRORED.run_unbound(|| spawn_local(polled_with(0)));
                let scoped = MIRRORED.scope(3, async {
                    own.await.unwrap();
                    told(3);
                    other.await.unwrap();
                    none.await.unwrap();
                    told(3);
                });
                scoped.await;
                root.await.unwrap();
                let parked = MIRRORED.run(4, || {
                    let at_drop = on_drop(|| told(4));
                    spawn_local(async move {
                        let _at_drop = at_drop;
                        pending::<()>().await;
                    })
                });
                yield_now().await;
                parked.abort();
                assert!(parked.await.unwrap_err().is_cancelled());
                told(1);
            });
            told(1);
        });
        told(0);
    });
}

#[test]
fn c93_a_runtime_of_one_thread_in_a_mirrored_frame() {
    let runtime = Builder::new_current_thread().build().unwrap();
    let local: LocalRuntime = Builder::new_current_thread()
        .build_local(Default::default())
        .unwrap();
    MIRRORED.run(1, || {
        for _ in 0..2 {
            runtime.block_on(async {
                told(1);
                let tasks = [
                    spawn(polled_with(1)),
                    spawn_root(polled_with(0)),
                    MIRRORED.run(2, || spawn(polled_with(2))),
                ];
                for task in tasks {
                    task.await.unwrap();
                    told(1);
                }
            });
            local.block_on(async {
                let tasks = [
                    spawn_local(polled_with(1)),
                    MIRRORED.run(3, || spawn_local(polled_with(3))),
                    Frame::root().run(|| spawn_local(polled_with(0))),
                ];
                for task in tasks {
                    task.await.unwrap();
                    told(1);
                }
            });
        }
        // What the end drops.
        let at_drop = on_drop(|| told(5));
        MIRRORED.run(5, || {
            drop(runtime.spawn(async move {
                let _at_drop = at_drop;
                pending::<()>().await;
            }));
        });
        drop(runtime);
        told(1);
    });
    told(0);
}

#[test]
fn c93_callbacks_of_timers_and_sockets_and_blocking_calls() {
    everywhere(|runtime, _| {
        runtime.block_on(async {
            let (sender, receiver) = async_channel::unbounded();
            MIRRORED.run(1, || {
                let sender = sender.clone();
                set_timeout(Duration::ZERO, move || sender.try_send(TOLD.get()).unwrap());
            });
            assert_eq!(receiver.recv().await, Ok(1));

            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let address = listener.local_addr().unwrap();
            let mut peer = std::net::TcpStream::connect(address).unwrap();
            let (stream, _) = listener.accept().await.unwrap();
            let readable = MIRRORED.run(2, || on_readable(&stream, sender.clone()));
            peer.write_all(b"x").unwrap();
            assert_eq!(receiver.recv().await, Ok(2));
            drop(readable);

            let call = MIRRORED.run(3, || spawn_blocking(|| told(3)));
            call.await.unwrap();
            spawn_blocking(|| told(0)).await.unwrap();
            let limited = MIRRORED.scope(4, async {
                let late = timeout(Duration::from_micros(50), pending::<()>()).await;
                assert!(late.is_err());
                told(4);
                sleep(Duration::from_micros(50)).await;
                told(4);
            });
            spawn(limited).await.unwrap();
            told(0);
        });
    });
}

/// Sends what the thread is told when the stream is readable.
fn on_readable(stream: &TcpStream, sender: async_channel::Sender<u64>) -> impl Sized {
    let call = move |_| sender.try_send(TOLD.get()).unwrap();
    stream.on_ready(Interest::READABLE, call).unwrap()
}

#[test]
fn c93_block_in_place_and_panics_and_sets() {
    everywhere(|runtime, _| {
        runtime.block_on(async {
            let mut set = JoinSet::new();
            for value in 1..=8 {
                MIRRORED.run(value, || {
                    set.spawn(async move {
                        told(value);
                        block_in_place(|| {
                            told(value);
                            MIRRORED.run(value + 100, || told(value + 100));
                        });
                        told(value);
                        yield_now().await;
                        told(value);
                        if value % 2 == 0 {
                            MIRRORED.scope(50, async { panic!("expected") }).await
                        }
                    });
                });
            }
            let mut panics = 0;
            while let Some(ended) = set.join_next().await {
                if let Err(error) = ended {
                    assert_eq!(error.frame().unwrap().run(|| TOLD.get()), 50);
                    panics += 1;
                }
                told(0);
            }
            assert_eq!(panics, 4);
            let roots: Vec<_> = (0..8).map(|_| spawn_root(polled_with(0))).collect();
            for root in roots {
                root.await.unwrap();
            }
        });
    });
}

#[test]
fn c93_an_observed_runtime() {
    let (sender, hooked) = mpsc::channel();
    let before = sender.clone();
    let runtime = Builder::new()
        .worker_threads(2)
        .on_before_poll(move |_, frame| {
            told(frame.run(|| MIRRORED.get()).unwrap_or(0));
            before.send(TOLD.get()).unwrap();
        })
        .on_after_poll(move |_, _| sender.send(TOLD.get()).unwrap())
        .build()
        .unwrap();
    let task = MIRRORED.run(1, || runtime.spawn(polled_with(1)));
    runtime.block_on(task).unwrap();
    runtime.block_on(runtime.spawn(polled_with(0))).unwrap();
    drop(runtime);
    let hooked: Vec<u64> = hooked.iter().collect();
    assert_eq!(hooked.iter().filter(|told| **told == 1).count(), 8);
    assert_eq!(hooked.iter().filter(|told| **told == 0).count(), 8);
}

#[test]
fn c93_a_task_is_told_on_each_thread_that_it_moves_to() {
    everywhere(|runtime, _| {
        runtime.block_on(async {
            let tasks: Vec<_> = (1..=32)
                .map(|value| {
                    MIRRORED.run(value, || {
                        spawn(async move {
                            for _ in 0..50 {
                                told(value);
                                yield_now().await;
                            }
                        })
                    })
                })
                .collect();
            for task in tasks {
                task.await.unwrap();
            }
        });
    });
}
