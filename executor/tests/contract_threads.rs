//! Contract, "Threads": C-61 to C-64, and the frame of destructors of a worker's thread-locals
//! (C-81).
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use framewise_test_support as support;

use std::cell::RefCell;
use std::sync::{Arc, Mutex, mpsc};
use std::thread;

use framewise::runtime::{Builder, Handle, Runtime};
use framewise::task::{block_in_place, yield_now};
use framewise::{ContextVar, Frame, block_on, spawn, spawn_blocking, spawn_root};
use support::{
    DropCall, ID, KEPT, Log, bound_here, everywhere, in_frames, on_drop, panics, runtime,
    with_workers_in_frames,
};

static CALL: ContextVar<DropCall> = ContextVar::new("call");

/// Builds a runtime with one thread for blocking calls.
fn one_blocking_thread(workers: usize) -> Runtime {
    Builder::new()
        .worker_threads(workers)
        .max_blocking_threads(1)
        .build()
        .unwrap()
}

#[test]
fn c61_spawn_blocking_captures_at_the_call() {
    with_workers_in_frames(|workers, id| {
        let runtime = one_blocking_thread(workers);
        // The pool's thread is busy until the spawner has left the frames.
        let (release, released) = mpsc::channel::<()>();
        let busy = runtime.spawn_blocking(move || released.recv().is_err());
        let here = runtime.spawn_blocking(|| ID.get());
        let bound = ID.run(10, || runtime.handle().spawn_blocking(|| ID.get()));
        let captured = ID.run(11, Frame::current);
        let captured = captured.run(|| {
            let _entered = runtime.enter();
            spawn_blocking(|| ID.get())
        });
        // Spawned by a task that has finished before the call starts.
        let (sender, receiver) = mpsc::channel();
        let task = runtime.spawn(ID.scope(12, async move {
            sender.send(spawn_blocking(|| ID.get())).unwrap();
        }));
        runtime.block_on(task).unwrap();
        let from_a_task = receiver.recv().unwrap();
        drop(release);
        runtime.block_on(async {
            assert!(busy.await.unwrap());
            assert_eq!(here.await.unwrap(), id);
            assert_eq!(bound.await.unwrap(), Some(10));
            assert_eq!(captured.await.unwrap(), Some(11));
            assert_eq!(from_a_task.await.unwrap(), Some(12));
        });
    });
}

#[test]
fn c61_a_pool_thread_is_at_the_root_between_and_after_its_calls() {
    thread_local! {
        static AT_THE_END: RefCell<Option<DropCall>> = const { RefCell::new(None) };
    }
    with_workers_in_frames(|workers, id| {
        for panic in [false, true] {
            let runtime = one_blocking_thread(workers);
            let (sender, receiver) = mpsc::channel();
            let sender = Mutex::new(sender);
            let saw = Arc::new(move |what| {
                let seen = (what, ID.get(), Frame::current().is_root());
                sender.lock().unwrap().send(seen).unwrap();
            });
            let (release, released) = mpsc::channel();
            // A value of the call's frame is dropped after the call, in the thread's own frame.
            let value = on_drop({
                let saw = Arc::clone(&saw);
                move || saw("between")
            });
            let call = framewise::bind(&CALL, value).and(&ID, 1).run(|| {
                runtime.spawn_blocking({
                    let saw = Arc::clone(&saw);
                    move || {
                        released.recv().unwrap();
                        let at_end = on_drop(move || saw("at the thread's end"));
                        AT_THE_END.with(|slot| *slot.borrow_mut() = Some(at_end));
                        let id = ID.run(2, || ID.get());
                        assert!(!panic, "expected");
                        (thread::current().id(), id)
                    }
                })
            });
            if panic {
                // A panic's error holds the frame. If the call is detached, the error is dropped on
                // the pool.
                drop(call);
                release.send(()).unwrap();
            } else {
                release.send(()).unwrap();
                assert_eq!(runtime.block_on(call).unwrap().1, Some(2));
            }
            assert_eq!(receiver.recv().unwrap(), ("between", None, true));
            let next = runtime.spawn_blocking(|| (CALL.is_bound(), ID.get()));
            assert_eq!(runtime.block_on(next).unwrap(), (false, id));
            drop(runtime);
            assert_eq!(
                receiver.recv().unwrap(),
                ("at the thread's end", None, true)
            );
        }
    });
}

#[test]
fn c62_a_blocking_call_cancelled_in_the_queue_is_dropped_in_its_frame() {
    with_workers_in_frames(|workers, id| {
        let runtime = one_blocking_thread(workers);
        let log = Log::default();
        let kept = Arc::new(());
        let (started, is_started) = mpsc::channel();
        let (release, released) = mpsc::channel::<()>();
        let busy = runtime.spawn_blocking(move || {
            started.send(()).unwrap();
            let _ = released.recv();
        });
        is_started.recv().unwrap();
        let (a, b) = (log.tracker("here"), log.tracker("bound"));
        let here = runtime.spawn_blocking(move || drop(a));
        let bindings = framewise::bind(&ID, 10).and(&KEPT, Arc::clone(&kept));
        let (frame, site) = bound_here(bindings);
        let bound = frame.run(|| runtime.spawn_blocking(move || drop(b)));
        drop(frame);
        site.assert_live(1);
        ID.run(90, || here.abort());
        let abort = bound.abort_handle();
        thread::spawn(move || ID.run(91, || abort.abort()))
            .join()
            .unwrap();
        drop(release);
        runtime.block_on(async {
            busy.await.unwrap();
            assert!(here.await.unwrap_err().is_cancelled());
            let mut bound = bound;
            assert!((&mut bound).await.unwrap_err().is_cancelled());
            assert_eq!(Arc::strong_count(&kept), 1);
            site.assert_live(0);
        });
        assert_eq!(log.entries(), [("here", id), ("bound", Some(10))]);
    });
}

#[test]
fn c63_a_thread_starts_at_the_root_and_the_runtimes_own_helpers_inherit() {
    everywhere(|runtime, id| {
        let task = runtime.spawn(ID.scope(10, async {
            let bare = thread::spawn(|| ID.get()).join().unwrap();
            let wrapped = thread::spawn(Frame::current().wrap_once(|| ID.get()))
                .join()
                .unwrap();
            let scoped = thread::scope(|scope| scope.spawn(|| ID.get()).join().unwrap());
            (
                bare,
                wrapped,
                scoped,
                spawn_blocking(|| ID.get()).await.unwrap(),
            )
        }));
        assert_eq!(
            runtime.block_on(task).unwrap(),
            (None, Some(10), None, Some(10))
        );
        assert_eq!(
            runtime
                .block_on(runtime.spawn_blocking(|| ID.get()))
                .unwrap(),
            id
        );
    });
}

#[test]
fn c64_block_on_inherits_and_restores() {
    everywhere(|runtime, id| {
        let seen = runtime.block_on(async {
            let before = ID.get();
            yield_now().await;
            let child = spawn(async { ID.get() }).await.unwrap();
            let inner = ID.scope(10, async {
                yield_now().await;
                ID.get()
            });
            (before, ID.get(), child, inner.await)
        });
        assert_eq!(seen, (id, id, id, Some(10)));
        assert_eq!(
            ID.run(11, || runtime.handle().block_on(async { ID.get() })),
            Some(11)
        );
        assert!(panics(
            || runtime.block_on(ID.scope(12, async { panic!("expected") }))
        ));
        assert_eq!(ID.get(), id);
    });
}

/// On the runtime that `block_on` creates for itself, so the number of workers cannot vary.
#[test]
fn c64_a_block_on_without_a_runtime_inherits_and_restores() {
    in_frames(|id| {
        let seen = block_on(async {
            yield_now().await;
            (ID.get(), spawn(async { ID.get() }).await.unwrap())
        });
        assert_eq!(seen, (id, id));
        assert_eq!(ID.get(), id);
    });
}

#[test]
fn c64_nested_where_it_is_legal_block_on_inherits_and_restores() {
    everywhere(|runtime, id| {
        let nested = || {
            let here = ID.get();
            let inner = block_on(async {
                yield_now().await;
                let twice = ID.scope(20, async {
                    let child = spawn(async { ID.get() });
                    child.await.unwrap()
                });
                (ID.get(), twice.await)
            });
            assert_eq!(ID.get(), here);
            (here, inner)
        };
        let on_the_pool =
            runtime.block_on(ID.scope(10, async move { spawn_blocking(nested).await.unwrap() }));
        assert_eq!(on_the_pool, (Some(10), (Some(10), Some(20))));
        let in_place = runtime.spawn(async move {
            let seen = block_in_place(nested);
            yield_now().await;
            (seen, ID.get())
        });
        assert_eq!(
            runtime.block_on(in_place).unwrap(),
            ((id, (id, Some(20))), id)
        );
        // On another runtime's handle, inside a `block_on` of this runtime.
        let other = support::runtime(1);
        let seen = runtime.block_on(ID.scope(30, async {
            other.block_on(async { (ID.get(), spawn(async { ID.get() }).await.unwrap()) })
        }));
        assert_eq!(seen, (Some(30), Some(30)));
        assert_eq!(ID.get(), id);
    });
}

#[test]
fn c64_a_future_is_dropped_by_block_on_in_the_callers_frame() {
    everywhere(|runtime, id| {
        let log = Log::default();
        let (done, panicked) = (log.tracker("done"), log.tracker("panicked"));
        runtime.block_on(std::future::poll_fn(move |_| {
            let _keep = &done;
            std::task::Poll::Ready(())
        }));
        assert!(panics(|| {
            runtime.block_on(std::future::poll_fn(move |_| -> std::task::Poll<()> {
                let _keep = &panicked;
                ID.run(90, || panic!("expected"))
            }));
        }));
        assert_eq!(log.entries(), [("done", id), ("panicked", id)]);
    });
}

#[test]
fn c81_a_workers_thread_locals_end_at_the_root_where_reading_and_asking_are_legal() {
    thread_local! {
        static AT_THE_END: RefCell<Option<DropCall>> = const { RefCell::new(None) };
    }
    with_workers_in_frames(|workers, _| {
        let runtime = runtime(workers);
        let (sender, receiver) = mpsc::channel();
        let handle = runtime.handle().clone();
        let task = ID.run(1, || {
            runtime.spawn(async move {
                let sender = Mutex::new(sender);
                let at_end = on_drop(move || {
                    let in_run = ID.run(2, || ID.get());
                    // The runtime is shutting down, so a spawned task is cancelled.
                    let spawned = ID.run(3, || handle.spawn(std::future::pending::<()>()));
                    let entered = Handle::try_current().is_some();
                    let seen = (ID.get(), in_run, entered);
                    sender.lock().unwrap().send((seen, spawned)).unwrap();
                });
                AT_THE_END.with(|slot| *slot.borrow_mut() = Some(at_end));
            })
        });
        runtime.block_on(task).unwrap();
        drop(runtime);
        let (seen, spawned) = receiver.recv().unwrap();
        assert_eq!(seen, (None, Some(2), false));
        assert!(support::at_once(spawned).unwrap_err().is_cancelled());
    });
}

#[test]
fn c61_and_block_in_place_leave_no_frame_behind_on_the_threads_that_they_change() {
    everywhere(|runtime, _| {
        // A worker's core moves to a thread of the pool, and back until that thread ends.
        for _ in 0..10 {
            let task = ID.run(1, || {
                runtime.spawn(async {
                    block_in_place(|| {
                        let call = ID.run(2, || spawn_blocking(|| ID.get()));
                        assert_eq!(block_on(call).unwrap(), Some(2));
                    });
                    yield_now().await;
                    ID.get()
                })
            });
            assert_eq!(runtime.block_on(task).unwrap(), Some(1));
            let bare = runtime.block_on(async {
                let task = spawn_root(async { Frame::current().is_root() });
                let call = Frame::root().run(|| spawn_blocking(|| Frame::current().is_root()));
                task.await.unwrap() && call.await.unwrap()
            });
            assert!(bare);
        }
    });
}
