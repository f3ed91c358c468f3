//! Contract, "Tasks": the frame of a task, C-25 to C-38; and C-49 with C-54's minimum.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use framewise_test_support as support;

use std::cell::Cell;
use std::collections::HashSet;
use std::rc::Rc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Barrier, Mutex, mpsc};
use std::task::Waker;
use std::thread;

use framewise::task::{LocalSet, block_in_place, spawn_local, yield_now};
use framewise::{ContextVar, Frame, spawn, spawn_blocking, spawn_root};
use futures::channel::oneshot;
use support::{ID, KEPT, everywhere, in_frames, on_workers, pause, while_occupied, workers_of};

static TRANSACTION: ContextVar<u64> = ContextVar::new("transaction").not_inherited();

#[test]
fn c25_the_frame_is_captured_at_spawn_and_not_at_the_first_poll() {
    everywhere(|runtime, id| {
        // No worker is free, so the first poll happens after the spawner has left its frame.
        let handles = while_occupied(runtime, workers_of(runtime), || {
            let _entered = runtime.enter();
            let here = spawn(async { ID.get() });
            let bound = ID.run(10, || spawn(async { ID.get() }));
            let captured = ID.run(11, Frame::current);
            let captured = captured.run(|| spawn(async { ID.get() }));
            (here, bound, captured)
        });
        let seen = runtime.block_on(async {
            let (here, bound, captured) = handles;
            (
                here.await.unwrap(),
                bound.await.unwrap(),
                captured.await.unwrap(),
            )
        });
        assert_eq!(seen, (id, Some(10), Some(11)));
    });
}

#[test]
fn c25_a_future_made_under_another_frame_sees_that_of_its_spawn() {
    everywhere(|runtime, id| {
        let future = ID.run(10, || async { ID.get() });
        let handle = runtime.spawn(future);
        assert_eq!(runtime.block_on(handle).unwrap(), id);
    });
}

#[test]
fn c26_the_child_keeps_its_value_when_the_handle_is_awaited_outside_of_the_scope() {
    everywhere(|runtime, id| {
        runtime.block_on(async {
            let (sender, receiver) = oneshot::channel::<()>();
            let child = ID.run(10, || {
                spawn(async move {
                    let before = ID.get();
                    receiver.await.unwrap();
                    (before, ID.get())
                })
            });
            yield_now().await;
            ID.run(11, || sender.send(()).unwrap());
            assert_eq!(ID.get(), id);
            assert_eq!(child.await.unwrap(), (Some(10), Some(10)));
            assert_eq!(ID.get(), id);
        });
    });
}

#[test]
fn c27_a_rebinding_in_the_child_is_invisible_to_parent_and_siblings() {
    everywhere(|runtime, id| {
        let parent = runtime.spawn(async move {
            let (bound, is_bound) = oneshot::channel::<()>();
            let (seen, is_seen) = oneshot::channel::<()>();
            let rebinding = spawn(ID.scope(10, async move {
                bound.send(()).unwrap();
                is_seen.await.unwrap();
                ID.get()
            }));
            let sibling = spawn(async move {
                is_bound.await.unwrap();
                let id = ID.get();
                seen.send(()).unwrap();
                id
            });
            assert_eq!(sibling.await.unwrap(), id);
            assert_eq!(ID.get(), id);
            assert_eq!(rebinding.await.unwrap(), Some(10));
            ID.get()
        });
        assert_eq!(runtime.block_on(parent).unwrap(), id);
    });
}

#[test]
fn c28_grandchildren_inherit() {
    everywhere(|runtime, id| {
        let child = runtime.spawn(async {
            spawn(async {
                let inherited = ID.get();
                let rebound = ID.scope(20, async { spawn(async { ID.get() }).await.unwrap() });
                (inherited, rebound.await)
            })
            .await
            .unwrap()
        });
        assert_eq!(runtime.block_on(child).unwrap(), (id, Some(20)));
    });
}

/// Makes the rest of the calling task run on another thread: `block_in_place` hands its worker's
/// core to another thread. `workers` tasks that wait for each other prove that there is one.
fn leave_this_thread(workers: usize) {
    block_in_place(|| {
        let all_run = Arc::new(Barrier::new(workers + 1));
        for _ in 0..workers {
            let all_run = Arc::clone(&all_run);
            drop(spawn_root(async move {
                all_run.wait();
            }));
        }
        all_run.wait();
    });
}

#[test]
fn c29_a_task_forced_from_thread_to_thread_keeps_its_frame() {
    everywhere(|runtime, id| {
        let workers = workers_of(runtime);
        let migrant = runtime.spawn(async move {
            let mut threads = HashSet::new();
            for _ in 0..4 {
                let before = thread::current().id();
                threads.insert(before);
                assert_eq!(ID.get(), id);
                leave_this_thread(workers);
                assert_eq!(ID.get(), id);
                assert_eq!(thread::current().id(), before);
                yield_now().await;
                assert_eq!(ID.get(), id);
                assert_ne!(thread::current().id(), before, "the task should have moved");
            }
            ID.scope(10, async {
                leave_this_thread(workers);
                yield_now().await;
                assert_eq!(ID.get(), Some(10));
            })
            .await;
            assert_eq!(ID.get(), id);
            threads.len()
        });
        assert!(runtime.block_on(migrant).unwrap() > 1);
    });
}

#[test]
fn c29_a_task_woken_from_every_thread_keeps_its_frame() {
    everywhere(|runtime, _| {
        let task = ID.run(10, || {
            runtime.spawn(async {
                for _ in 0..50 {
                    pause(|waker| {
                        let waker = waker.clone();
                        drop(spawn_blocking(move || ID.run(11, || waker.wake())));
                    })
                    .await;
                    assert_eq!(ID.get(), Some(10));
                }
            })
        });
        runtime.block_on(task).unwrap();
    });
}

#[test]
fn c30_interleaved_tasks_never_mix() {
    everywhere(|runtime, id| {
        runtime.block_on(async {
            let tasks: Vec<_> = (0..200)
                .map(|number| {
                    ID.run(number, || {
                        spawn(async move {
                            for round in 0..20 {
                                assert_eq!(ID.get(), Some(number));
                                yield_now().await;
                                assert_eq!(ID.get(), Some(number));
                                let inner = ID.scope(1000 + round, async {
                                    yield_now().await;
                                    ID.get()
                                });
                                assert_eq!(inner.await, Some(1000 + round));
                            }
                        })
                    })
                })
                .collect();
            // Tasks in the surrounding frame (also the root frame) run in between and must not see
            // the others' frames.
            let bare: Vec<_> = (0..50)
                .map(|_| {
                    spawn(async move {
                        for _ in 0..40 {
                            assert_eq!(ID.get(), id);
                            yield_now().await;
                        }
                    })
                })
                .collect();
            for task in tasks.into_iter().chain(bare) {
                task.await.unwrap();
            }
        });
    });
}

#[test]
fn c31_a_task_run_from_the_lifo_slot_sees_its_own_frame() {
    everywhere(|runtime, id| {
        let parent = runtime.spawn(async move {
            for round in 0..100 {
                // With one worker, the child runs right after this poll, from the LIFO slot.
                let child = ID.run(1000 + round, || spawn(async { ID.get() }));
                assert_eq!(child.await.unwrap(), Some(1000 + round));
                let bare = spawn_root(async { Frame::current().is_root() });
                assert!(bare.await.unwrap());
                assert_eq!(ID.get(), id);
            }
        });
        runtime.block_on(parent).unwrap();
    });
}

#[test]
fn c31_two_tasks_that_wake_each_other_in_turn_see_their_own_frames() {
    everywhere(|runtime, _| {
        let (to_b, from_a) = async_channel::bounded::<Option<u64>>(1);
        let (to_a, from_b) = async_channel::bounded::<Option<u64>>(1);
        let a = ID.run(1, || {
            runtime.spawn(async move {
                for _ in 0..500 {
                    to_b.send(ID.get()).await.unwrap();
                    assert_eq!(from_b.recv().await.unwrap(), Some(2));
                    assert_eq!(ID.get(), Some(1));
                }
            })
        });
        let b = ID.run(2, || {
            runtime.spawn(async move {
                while let Ok(id) = from_a.recv().await {
                    assert_eq!((id, ID.get()), (Some(1), Some(2)));
                    to_a.send(ID.get()).await.unwrap();
                }
            })
        });
        runtime.block_on(async {
            a.await.unwrap();
            b.await.unwrap();
        });
    });
}

/// Sends the current frame when it is dropped. As a value of a task's frame it is dropped after the
/// poll, so it sends the worker's frame.
struct WorkersFrame(mpsc::Sender<(Option<u64>, bool)>);

impl Drop for WorkersFrame {
    fn drop(&mut self) {
        self.0.send((ID.get(), Frame::current().is_root())).unwrap();
    }
}

static WORKERS_FRAME: ContextVar<Mutex<WorkersFrame>> = ContextVar::new("workers_frame");

#[test]
fn c32_a_workers_frame_is_the_root_between_polls() {
    everywhere(|runtime, id| {
        let (sender, receiver) = mpsc::channel();
        for end in 0..3 {
            let (release, released) = oneshot::channel::<()>();
            // The task's frame is released after its last poll, on the worker, so its values are
            // dropped in the worker's frame.
            let task = framewise::bind(&WORKERS_FRAME, Mutex::new(WorkersFrame(sender.clone())))
                .and(&ID, 7)
                .run(|| {
                    let (started, is_started) = mpsc::channel::<()>();
                    let task = runtime.spawn(async move {
                        yield_now().await;
                        started.send(()).unwrap();
                        released.await.unwrap();
                        match end {
                            0 => {}
                            1 => panic!("expected"),
                            _ => std::future::pending().await,
                        }
                    });
                    is_started.recv().unwrap();
                    task
                });
            match end {
                0 => {
                    release.send(()).unwrap();
                    runtime.block_on(task).unwrap();
                }
                1 => {
                    // A panic's error holds the frame. If the task is detached, the error is
                    // dropped on the worker.
                    drop(task);
                    release.send(()).unwrap();
                }
                _ => {
                    task.abort();
                    assert!(runtime.block_on(task).unwrap_err().is_cancelled());
                }
            }
            assert_eq!(receiver.recv().unwrap(), (None, true), "end {end}");
            assert_eq!(
                runtime.block_on(runtime.spawn(async { ID.get() })).unwrap(),
                id
            );
        }
    });
}

#[test]
fn c33_block_in_place_keeps_the_callers_frame_and_its_replacement_starts_at_the_root() {
    everywhere(|runtime, id| {
        let workers = workers_of(runtime);
        let task = runtime.spawn(async move {
            let inside = block_in_place(|| {
                assert_eq!(ID.get(), id);
                // All other workers are busy, so the replacement thread runs one of these.
                let (sender, receiver) = mpsc::channel();
                let all_run = Arc::new(Barrier::new(workers));
                for _ in 0..workers {
                    let (sender, all_run) = (sender.clone(), Arc::clone(&all_run));
                    drop(spawn_root(async move {
                        all_run.wait();
                        let before = Frame::current().is_root();
                        yield_now().await;
                        sender.send(before && Frame::current().is_root()).unwrap();
                    }));
                }
                for _ in 0..workers {
                    assert!(receiver.recv().unwrap(), "a replacement had a frame");
                }
                let bound = ID.run(10, || block_in_place(|| ID.get()));
                assert_eq!(bound, Some(10));
                ID.get()
            });
            assert_eq!(inside, id);
            assert_eq!(ID.get(), id);
            yield_now().await;
            assert_eq!(ID.get(), id);
            spawn(async { ID.get() }).await.unwrap()
        });
        assert_eq!(runtime.block_on(task).unwrap(), id);
    });
}

#[test]
fn c33_a_panic_in_block_in_place_restores() {
    everywhere(|runtime, id| {
        let task = ID.run(1, || {
            runtime.spawn(async {
                assert!(support::panics(|| block_in_place(
                    || ID.run(2, || panic!("expected"))
                )));
                let here = ID.get();
                yield_now().await;
                (here, ID.get())
            })
        });
        assert_eq!(runtime.block_on(task).unwrap(), (Some(1), Some(1)));
        assert_eq!(
            runtime.block_on(runtime.spawn(async { ID.get() })).unwrap(),
            id
        );
    });
}

#[test]
fn c34_spawn_local_captures_at_the_call_and_inherits() {
    everywhere(|runtime, id| {
        let set = LocalSet::new();
        // The set is not running yet: the first poll is later, in another frame.
        let early = ID.run(10, || set.spawn_local(async { ID.get() }));
        let (here, bound, grand, transaction) = ID.run(50, || {
            set.block_on(runtime, async {
                let captured = ID.run(11, Frame::current);
                let here = spawn_local(async { ID.get() });
                let bound = captured.run(|| spawn_local(async { ID.get() }));
                let grand = ID.run(12, || {
                    spawn_local(async {
                        let local = Rc::new(Cell::new(ID.get()));
                        let child = spawn_local({
                            let local = Rc::clone(&local);
                            async move { (local.get(), ID.get()) }
                        });
                        child.await.unwrap()
                    })
                });
                let transaction = TRANSACTION.scope(1, async {
                    spawn_local(async { TRANSACTION.get() }).await.unwrap()
                });
                (
                    here.await.unwrap(),
                    bound.await.unwrap(),
                    grand.await.unwrap(),
                    transaction.await,
                )
            })
        });
        assert_eq!((here, bound), (Some(50), Some(11)));
        assert_eq!(grand, (Some(12), Some(12)));
        assert_eq!(transaction, None);
        assert_eq!(set.block_on(runtime, early).unwrap(), Some(10));
        assert_eq!(ID.get(), id);
    });
}

#[test]
fn c34_local_tasks_interleave_without_mixing_and_their_ends_run_in_their_frames() {
    everywhere(|runtime, _| {
        let log = support::Log::default();
        let set = LocalSet::new();
        ID.run(100, || {
            set.block_on(runtime, async {
                let tasks: Vec<_> = (0..20)
                    .map(|number| {
                        ID.run(number, || {
                            spawn_local(async move {
                                let not_send = Rc::new(number);
                                for _ in 0..10 {
                                    yield_now().await;
                                    assert_eq!(ID.get(), Some(*not_send));
                                    // A worker wakes it, in another frame.
                                    let other = spawn(yield_now());
                                    other.await.unwrap();
                                    assert_eq!(ID.get(), Some(*not_send));
                                }
                            })
                        })
                    })
                    .collect();
                for task in tasks {
                    task.await.unwrap();
                    assert_eq!(ID.get(), Some(100));
                }
                // A task that is done, aborted while parked, aborted before its first poll,
                // panicked, or detached.
                let done = log.tracker("done");
                ID.run(1, || spawn_local(async move { drop(done) }))
                    .await
                    .unwrap();
                let parked = log.tracker("parked");
                let task = ID.run(2, || {
                    spawn_local(async move {
                        let _parked = parked;
                        std::future::pending::<()>().await;
                    })
                });
                yield_now().await;
                task.abort();
                assert!(task.await.unwrap_err().is_cancelled());
                let fresh = log.tracker("fresh");
                let task = ID.run(3, || spawn_local(async move { drop(fresh) }));
                task.abort();
                assert!(task.await.unwrap_err().is_cancelled());
                let panicked = log.tracker("panicked");
                let task = ID.run(4, || {
                    spawn_local(async move {
                        let _panicked = panicked;
                        panic!("expected");
                    })
                });
                assert!(task.await.unwrap_err().is_panic());
                let output = log.tracker("output");
                drop(ID.run(5, || spawn_local(async move { output })));
                yield_now().await;
                yield_now().await;
                let left = log.tracker("left");
                drop(ID.run(6, || {
                    spawn_local(async move {
                        let _left = left;
                        std::future::pending::<()>().await;
                    })
                }));
            });
        });
        ID.run(101, || drop(set));
        assert_eq!(
            log.entries(),
            [
                ("done", Some(1)),
                ("parked", Some(2)),
                ("fresh", Some(3)),
                ("panicked", Some(4)),
                ("output", Some(5)),
                ("left", Some(6)),
            ]
        );
    });
}

#[test]
fn c35_handle_spawn_off_the_runtime_captures_the_calling_threads_frame() {
    on_workers(|runtime| {
        let handle = runtime.handle().clone();
        thread::spawn(move || {
            in_frames(|id| {
                let seen = futures::executor::block_on(async {
                    (
                        handle.spawn(async { ID.get() }).await.unwrap(),
                        handle.spawn_blocking(|| ID.get()).await.unwrap(),
                        handle.spawn_root(async { ID.get() }).await.unwrap(),
                    )
                });
                assert_eq!(seen, (id, id, None));
            });
        })
        .join()
        .unwrap();
    });
}

#[test]
fn c36_spawning_at_the_root_shows_nothing_and_keeps_nothing_alive() {
    everywhere(|runtime, _| {
        let kept = Arc::new(());
        let (sender, receiver) = oneshot::channel::<()>();
        let task = framewise::bind(&ID, 1)
            .and(&KEPT, Arc::clone(&kept))
            .run(|| {
                let _entered = runtime.enter();
                spawn_root(async move {
                    assert!(Frame::current().is_root());
                    receiver.await.unwrap();
                    // Its children are in the root frame, too.
                    spawn(async { Frame::current().is_root() && !KEPT.is_bound() })
                        .await
                        .unwrap()
                })
            });
        assert_eq!(
            Arc::strong_count(&kept),
            1,
            "the task is alive and keeps its spawner's value"
        );
        sender.send(()).unwrap();
        assert!(runtime.block_on(task).unwrap());
    });
}

#[test]
fn c37_a_variable_that_is_not_inherited_stays_in_its_task() {
    everywhere(|runtime, id| {
        let task = runtime.spawn(TRANSACTION.scope(5, async move {
            let mut seen = vec![TRANSACTION.get()];
            yield_now().await;
            seen.push(TRANSACTION.get());
            block_in_place(|| seen.push(TRANSACTION.get()));
            spawn_root(async {}).await.unwrap();
            seen.push(TRANSACTION.get());
            framewise::time::sleep(std::time::Duration::from_millis(1)).await;
            seen.push(TRANSACTION.get());
            assert_eq!(seen, [Some(5); 5]);

            let child = spawn(async { (TRANSACTION.get(), TRANSACTION.is_bound(), ID.get()) });
            assert_eq!(child.await.unwrap(), (None, false, id));
            let blocking = spawn_blocking(|| (TRANSACTION.get(), ID.get()));
            assert_eq!(blocking.await.unwrap(), (None, id));
            let handle = framewise::runtime::Handle::current();
            assert_eq!(
                handle.spawn(async { TRANSACTION.get() }).await.unwrap(),
                None
            );
            // An explicit snapshot carries it.
            let frame = Frame::current();
            let asked_for = spawn(frame.scope(async { TRANSACTION.get() }));
            assert_eq!(asked_for.await.unwrap(), Some(5));
            assert_eq!(TRANSACTION.get(), Some(5));
        }));
        runtime.block_on(task).unwrap();
        // `block_on` does not spawn, so the future runs in the caller's frame.
        TRANSACTION.run(6, || {
            assert_eq!(runtime.block_on(async { TRANSACTION.get() }), Some(6));
            let task = runtime.spawn(async { TRANSACTION.get() });
            assert_eq!(runtime.block_on(task).unwrap(), None);
        });
    });
}

#[test]
fn c38_joining_a_task_leaves_the_awaiters_frame_as_it_was() {
    everywhere(|runtime, id| {
        runtime.block_on(async move {
            for end in 0..4 {
                let task = ID.run(10, || {
                    spawn(ID.scope(11, async move {
                        yield_now().await;
                        assert!(end != 1, "expected");
                        if end == 2 {
                            std::future::pending::<()>().await;
                        }
                    }))
                });
                if end == 2 {
                    task.abort();
                }
                if end == 3 {
                    while !task.is_finished() {
                        yield_now().await;
                    }
                }
                let before = Frame::current().id();
                let joined = task.await;
                assert_eq!(joined.is_ok(), end == 0 || end == 3);
                assert_eq!((ID.get(), Frame::current().id()), (id, before));
                let in_scope = ID.scope(12, async {
                    drop(ID.run(13, || spawn(async { ID.get() })).await);
                    ID.get()
                });
                assert_eq!(in_scope.await, Some(12));
            }
        });
    });
}

#[test]
fn c49_a_task_runs_in_its_own_frame_with_any_waker() {
    everywhere(|runtime, id| {
        let waker: Arc<Mutex<Option<Waker>>> = Arc::default();
        let (parked, is_parked) = mpsc::channel();
        let task = runtime.spawn({
            let waker = Arc::clone(&waker);
            async move {
                for _ in 0..3 {
                    pause(|own| {
                        *waker.lock().unwrap() = Some(own.clone());
                        parked.send(()).unwrap();
                    })
                    .await;
                    assert_eq!(ID.get(), id);
                }
                ID.get()
            }
        });
        let take = || {
            is_parked.recv().unwrap();
            waker.lock().unwrap().take().unwrap()
        };
        // Woken by this thread, by another thread and by a task, each in its own frame.
        ID.run(20, || take().wake());
        let own = take();
        thread::spawn(move || ID.run(21, || own.wake_by_ref()))
            .join()
            .unwrap();
        let own = take();
        drop(ID.run(22, || {
            runtime.spawn(async move { ID.run(23, || own.wake()) })
        }));
        assert_eq!(runtime.block_on(task).unwrap(), id);
    });
}

#[test]
fn c49_every_poll_of_a_task_woken_from_many_frames_is_in_its_own() {
    everywhere(|runtime, _| {
        let (sender, receiver) = async_channel::bounded::<u64>(4);
        let polls = Arc::new(AtomicUsize::new(0));
        let task = ID.run(7, || {
            runtime.spawn({
                let polls = Arc::clone(&polls);
                async move {
                    while let Ok(from) = receiver.recv().await {
                        assert_eq!(ID.get(), Some(7), "woken by {from}");
                        polls.fetch_add(1, Ordering::Relaxed);
                    }
                }
            })
        });
        let senders: Vec<_> = (100..110)
            .map(|number| {
                let sender = sender.clone();
                ID.run(number, || {
                    runtime.spawn(async move {
                        for _ in 0..20 {
                            sender.send(ID.get().unwrap()).await.unwrap();
                        }
                        ID.get()
                    })
                })
            })
            .collect();
        drop(sender);
        runtime.block_on(async {
            for (sender, number) in senders.into_iter().zip(100..) {
                assert_eq!(sender.await.unwrap(), Some(number));
            }
            task.await.unwrap();
        });
        assert_eq!(polls.load(Ordering::Relaxed), 200);
    });
}
