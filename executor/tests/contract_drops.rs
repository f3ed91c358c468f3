//! Contract, "Tasks": the frame in which futures, outputs and values are dropped, C-39 to C-48.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use framewise_test_support as support;

use std::cell::Cell;
use std::future::{Future, pending};
use std::sync::{Arc, Mutex, mpsc};
use std::task::Waker;
use std::thread;

use framewise::runtime::Runtime;
use framewise::task::{JoinHandle, yield_now};
use framewise::{ContextVar, Frame, bind, spawn};
use futures::channel::oneshot;
use support::{
    DropCall, ID, KEPT, Log, bound_here, everywhere, on_drop, panics, pause, runtime,
    while_occupied, with_workers_in_frames, workers_of,
};

static CALL: ContextVar<DropCall> = ContextVar::new("call");

#[test]
fn c39_a_detached_tasks_output_is_dropped_in_the_tasks_frame() {
    everywhere(|runtime, id| {
        let log = Log::default();
        // Detached before its first poll.
        while_occupied(runtime, workers_of(runtime), || {
            let output = log.tracker("fresh");
            let task = runtime.spawn(async move { output });
            ID.run(90, || drop(task));
        });
        log.wait(1);
        // Detached while it is parked, after the handle was polled.
        let (release, released) = oneshot::channel::<()>();
        let output = log.tracker("parked");
        let mut task = runtime.spawn(async move {
            released.await.unwrap();
            output
        });
        let waker = Waker::noop();
        assert!(support::poll_once(&mut task, waker).is_pending());
        ID.run(91, || drop(task));
        ID.run(92, || release.send(()).unwrap());
        log.wait(2);
        // Detached while it is being polled.
        let (started, is_started) = mpsc::channel();
        let (release, released) = mpsc::channel::<()>();
        let output = log.tracker("running");
        let task = runtime.spawn(async move {
            started.send(()).unwrap();
            released.recv().unwrap();
            output
        });
        is_started.recv().unwrap();
        ID.run(93, || drop(task));
        release.send(()).unwrap();
        assert_eq!(
            log.wait(3),
            [("fresh", id), ("parked", id), ("running", id)]
        );
        // A scope in the task has ended when the output is dropped.
        let output = log.tracker("scoped");
        drop(runtime.spawn(ID.scope(94, async move { output })));
        assert_eq!(log.wait(4)[3], ("scoped", id));
    });
}

#[test]
fn c39_a_detached_blocking_calls_output_is_dropped_in_its_frame() {
    everywhere(|runtime, id| {
        let log = Log::default();
        let output = log.tracker("output");
        let (release, released) = mpsc::channel::<()>();
        let call = runtime.spawn_blocking(move || {
            released.recv().unwrap();
            ID.run(90, || output)
        });
        ID.run(91, || drop(call));
        release.send(()).unwrap();
        assert_eq!(log.wait(1), [("output", id)]);
    });
}

#[test]
fn c40_a_taken_output_is_dropped_wherever_its_taker_drops_it() {
    everywhere(|runtime, id| {
        let log = Log::default();
        let task = ID.run(90, || {
            let output = log.tracker("taken");
            runtime.spawn(async move { output })
        });
        let output = runtime.block_on(task).unwrap();
        ID.run(91, || drop(output));
        // Taken by a task, which drops it in its own frame.
        let task = ID.run(90, || {
            let output = log.tracker("awaited");
            runtime.spawn(async move { output })
        });
        let taker = runtime.spawn(async move { drop(task.await.unwrap()) });
        runtime.block_on(taker).unwrap();
        // No code took the output before the task finished, so dropping the handle drops it.
        let task = ID.run(90, || {
            let output = log.tracker("with the handle");
            runtime.spawn(async move { output })
        });
        while !task.is_finished() {
            thread::yield_now();
        }
        assert_eq!(log.entries().len(), 2, "the handle holds the output");
        ID.run(92, || drop(task));
        assert_eq!(
            log.entries(),
            [
                ("taken", Some(91)),
                ("awaited", id),
                ("with the handle", Some(92))
            ]
        );
    });
}

#[test]
fn c41_a_task_aborted_before_its_first_poll_is_dropped_in_its_frame() {
    everywhere(|runtime, id| {
        let log = Log::default();
        let (here, bound, scoped) = while_occupied(runtime, workers_of(runtime), || {
            let (a, b, c) = (
                log.tracker("here"),
                log.tracker("bound"),
                log.tracker("scoped"),
            );
            let here = runtime.spawn(async move { drop(a) });
            let bound = ID.run(10, || runtime.spawn(async move { drop(b) }));
            let scoped = runtime.spawn(ID.scope(11, async move { drop(c) }));
            here.abort();
            ID.run(90, || bound.abort());
            ID.run(91, || scoped.abort_handle().abort());
            assert_eq!(log.entries(), [], "the aborting thread must not drop them");
            (here, bound, scoped)
        });
        runtime.block_on(async {
            for task in [here, bound, scoped] {
                assert!(task.await.unwrap_err().is_cancelled());
            }
        });
        let mut seen = log.entries();
        seen.sort_unstable();
        assert_eq!(
            seen,
            [("bound", Some(10)), ("here", id), ("scoped", Some(11))]
        );
    });
}

/// Spawns a task that is parked in a scope, with one drop tracker inside and one outside of the
/// scope.
fn parked_task(runtime: &Runtime, log: &Log) -> JoinHandle<()> {
    let (outer, inner) = (log.tracker("outer"), log.tracker("inner"));
    let (parked, is_parked) = mpsc::channel();
    let task = runtime.spawn(async move {
        let _outer = outer;
        ID.scope(50, async move {
            let _inner = inner;
            yield_now().await;
            pause(|_| parked.send(()).unwrap()).await;
        })
        .await;
    });
    is_parked.recv().unwrap();
    task
}

#[test]
fn c42_a_task_aborted_while_parked_is_dropped_in_its_frame() {
    everywhere(|runtime, id| {
        // Abort from here, from another frame, from another thread, from a task, from the blocking
        // pool.
        for from in 0..5 {
            let log = Log::default();
            let task = parked_task(runtime, &log);
            let abort = task.abort_handle();
            match from {
                0 => abort.abort(),
                1 => ID.run(90, || abort.abort()),
                2 => thread::spawn(move || ID.run(91, || abort.abort()))
                    .join()
                    .unwrap(),
                3 => drop(ID.run(92, || runtime.spawn(async move { abort.abort() }))),
                _ => drop(ID.run(93, || runtime.spawn_blocking(move || abort.abort()))),
            }
            assert!(runtime.block_on(task).unwrap_err().is_cancelled());
            assert_eq!(
                log.entries(),
                [("inner", Some(50)), ("outer", id)],
                "from {from}"
            );
        }
    });
}

#[test]
fn c42_a_task_aborted_while_it_is_polled_is_dropped_in_its_frame_after_that_poll() {
    everywhere(|runtime, id| {
        let log = Log::default();
        let tracker = log.tracker("aborted");
        let (started, is_started) = mpsc::channel();
        let (release, released) = mpsc::channel::<()>();
        let task = runtime.spawn(async move {
            let _tracker = tracker;
            started.send(()).unwrap();
            released.recv().unwrap();
            pending::<()>().await;
        });
        is_started.recv().unwrap();
        ID.run(90, || task.abort());
        assert_eq!(log.entries(), []);
        release.send(()).unwrap();
        assert!(runtime.block_on(task).unwrap_err().is_cancelled());
        assert_eq!(log.entries(), [("aborted", id)]);
    });
}

#[test]
fn c43_a_panic_drops_locals_in_the_frames_in_which_they_lived() {
    everywhere(|runtime, id| {
        let log = Log::default();
        let (a, b, c, d) = (
            log.tracker("task's"),
            log.tracker("scope's"),
            log.tracker("inner scope's"),
            log.tracker("run's"),
        );
        let task = runtime.spawn(async move {
            let _a = a;
            ID.scope(10, async move {
                let _b = b;
                yield_now().await;
                ID.scope(11, async move {
                    let _c = c;
                    yield_now().await;
                    ID.run(12, || {
                        let _d = d;
                        panic!("expected");
                    })
                })
                .await
            })
            .await
        });
        let error = runtime.block_on(task).unwrap_err();
        assert_eq!(
            log.entries(),
            [
                ("run's", Some(12)),
                ("inner scope's", Some(11)),
                ("scope's", Some(10)),
                ("task's", id),
            ]
        );
        // The error's frame is the innermost one, in which the panic began (C-83).
        assert_eq!(error.frame().unwrap().run(|| ID.get()), Some(12));
    });
}

#[test]
fn c43_a_hand_written_futures_parts_are_dropped_in_the_tasks_frame_after_a_panic() {
    everywhere(|runtime, id| {
        let log = Log::default();
        let tracker = log.tracker("part");
        // A panic out of `poll` itself leaves the future intact; it is dropped afterwards.
        let task = runtime.spawn(std::future::poll_fn(move |_| -> std::task::Poll<()> {
            let _keep = &tracker;
            ID.run(90, || panic!("expected"))
        }));
        assert!(runtime.block_on(task).unwrap_err().is_panic());
        assert_eq!(log.entries(), [("part", id)]);
    });
}

#[test]
fn c44_at_normal_completion_the_future_is_dropped_in_the_tasks_frame() {
    everywhere(|runtime, id| {
        let log = Log::default();
        let (argument, local) = (log.tracker("argument"), log.tracker("local"));
        let part = log.tracker("part");
        let task = runtime.spawn(async move {
            let _argument = argument;
            let _local = local;
            yield_now().await;
        });
        ID.run(90, || runtime.block_on(task)).unwrap();
        // A part that is still in the future when it is ready.
        let task = runtime.spawn(std::future::poll_fn(move |_| {
            let _keep = &part;
            std::task::Poll::Ready(())
        }));
        ID.run(91, || runtime.block_on(task)).unwrap();
        assert_eq!(
            log.entries(),
            [("local", id), ("argument", id), ("part", id)]
        );
    });
}

#[test]
fn c45_at_shutdown_each_task_is_dropped_in_its_own_frame() {
    with_workers_in_frames(|workers, id| {
        for how in 0..3 {
            let log = Log::default();
            let runtime = runtime(workers);
            let parked = ID.run(10, || parked_task(&runtime, &log));
            let (a, b, c) = (
                log.tracker("fresh"),
                log.tracker("sleeping"),
                log.tracker("queued"),
            );
            let (asleep, is_asleep) = mpsc::channel();
            let sleeping = ID.run(12, || {
                runtime.spawn(async move {
                    let _b = b;
                    asleep.send(()).unwrap();
                    framewise::time::sleep(std::time::Duration::MAX).await;
                })
            });
            is_asleep.recv().unwrap();
            let (fresh, queued) = while_occupied(&runtime, workers, || {
                let fresh = ID.run(11, || runtime.spawn(async move { drop(a) }));
                let queued = runtime.spawn(async move {
                    let _c = c;
                    pending::<()>().await;
                });
                // Shut down before any worker is free: workers poll no more tasks after the
                // shutdown has begun.
                fresh.abort();
                (fresh, queued)
            });
            ID.run(90, || match how {
                0 => drop(runtime),
                1 => assert!(runtime.shutdown_timeout(std::time::Duration::MAX)),
                _ => {
                    // From another thread.
                    thread::spawn(move || ID.run(91, || drop(runtime)))
                        .join()
                        .unwrap();
                }
            });
            let mut seen = log.entries();
            seen.sort_unstable();
            let mut expected = vec![
                ("inner", Some(50)),
                ("outer", Some(10)),
                ("fresh", Some(11)),
                ("sleeping", Some(12)),
                ("queued", id),
            ];
            expected.sort_unstable();
            assert_eq!(seen, expected, "shut down in way {how}");
            for task in [parked, fresh, sleeping, queued] {
                assert!(support::at_once(task).unwrap_err().is_cancelled());
            }
        }
    });
}

#[test]
fn c45_a_blocking_call_in_the_queue_is_dropped_in_its_own_frame() {
    with_workers_in_frames(|workers, _| {
        let log = Log::default();
        let runtime = framewise::runtime::Builder::new()
            .worker_threads(workers)
            .max_blocking_threads(1)
            .build()
            .unwrap();
        let (started, is_started) = mpsc::channel();
        let (release, released) = mpsc::channel::<()>();
        let running = runtime.spawn_blocking(move || {
            started.send(()).unwrap();
            released.recv().unwrap();
        });
        is_started.recv().unwrap();
        let tracker = log.tracker("queued");
        let queued = ID.run(5, || runtime.spawn_blocking(move || drop(tracker)));
        ID.run(90, || runtime.shutdown_background());
        assert_eq!(log.wait(1), [("queued", Some(5))]);
        assert!(support::at_once(queued).unwrap_err().is_cancelled());
        release.send(()).unwrap();
        futures::executor::block_on(running).unwrap();
    });
}

#[test]
fn c46_a_destructor_that_panics_still_restores() {
    everywhere(|runtime, id| {
        // A destructor that panics after an abort, after completion, and in a detached output.
        let bomb = || on_drop(|| ID.run(90, || panic!("expected: a destructor")));
        let parked_bomb = bomb();
        let (parked, is_parked) = mpsc::channel();
        let task = runtime.spawn(async move {
            let _bomb = parked_bomb;
            pause(|_| parked.send(()).unwrap()).await;
        });
        is_parked.recv().unwrap();
        task.abort();
        assert!(runtime.block_on(task).unwrap_err().is_panic());

        let part = bomb();
        let task = runtime.spawn(std::future::poll_fn(move |_| {
            let _keep = &part;
            std::task::Poll::Ready(())
        }));
        let error = runtime.block_on(task).unwrap_err();
        assert_eq!(error.frame().unwrap().run(|| ID.get()), Some(90));

        let output = bomb();
        let (release, released) = oneshot::channel::<()>();
        drop(runtime.spawn(async move { released.await.map(|()| output) }));
        release.send(()).unwrap();

        // A destructor of a value of the frame.
        let (release, released) = oneshot::channel::<()>();
        let task = CALL.run(bomb(), || runtime.spawn(released));
        release.send(()).unwrap();
        runtime.block_on(task).unwrap().unwrap();

        // Every worker still runs, in the root frame between polls, and polls its next tasks in
        // their own frames.
        for _ in 0..20 {
            let tasks = (
                runtime.spawn_root(async { Frame::current().is_root() }),
                runtime.spawn(async { ID.get() }),
            );
            runtime.block_on(async {
                assert!(tasks.0.await.unwrap());
                assert_eq!(tasks.1.await.unwrap(), id);
            });
        }
        while_occupied(runtime, workers_of(runtime), || ());
        assert_eq!(ID.get(), id);
    });
}

#[test]
fn c46_a_destructor_that_panics_at_shutdown_keeps_no_other_task_from_its_end() {
    with_workers_in_frames(|workers, _| {
        let log = Log::default();
        let runtime = runtime(workers);
        for number in 0..10 {
            let tracker = log.tracker("task");
            let (parked, is_parked) = mpsc::channel();
            drop(ID.run(number, || {
                runtime.spawn(async move {
                    let _tracker = tracker;
                    let _bomb = on_drop(|| panic!("expected: a destructor"));
                    pause(|_| parked.send(()).unwrap()).await;
                })
            }));
            is_parked.recv().unwrap();
        }
        drop(runtime);
        let mut seen = log.entries();
        seen.sort_unstable();
        assert_eq!(
            seen,
            (0..10)
                .map(|number| ("task", Some(number)))
                .collect::<Vec<_>>()
        );
    });
}

/// Spins until the task has finished.
fn wait_until_finished<T>(task: &JoinHandle<T>) {
    while !task.is_finished() {
        thread::yield_now();
    }
}

#[test]
fn c47_the_frame_is_released_at_completion_even_while_the_handle_is_held() {
    everywhere(|runtime, _| {
        for round in 0..50 {
            let kept = Arc::new(());
            let site = Cell::new(None);
            let bound = || {
                let (frame, here) = bound_here(bind(&KEPT, Arc::clone(&kept)));
                site.set(Some(here));
                frame
            };
            let alone = |what: &str| {
                assert_eq!(Arc::strong_count(&kept), 1, "{what}, round {round}");
                site.get().unwrap().assert_live(0);
            };
            let done = bound().run(|| runtime.spawn(yield_now()));
            wait_until_finished(&done);
            alone("done");
            let aborted = bound().run(|| runtime.spawn(pending::<()>()));
            aborted.abort();
            wait_until_finished(&aborted);
            alone("aborted");
            let call = bound().run(|| runtime.spawn_blocking(|| KEPT.is_bound()));
            wait_until_finished(&call);
            alone("a blocking call");
            // The task is joined, and the handle is still held.
            let mut joined = bound().run(|| runtime.spawn(async { KEPT.is_bound() }));
            assert!(runtime.block_on(&mut joined).unwrap());
            alone("joined");
            let abort = aborted.abort_handle();
            drop((done, aborted, call, joined));
            drop(abort);
            // A panic's error keeps the frame in which the panic began until the error is dropped.
            let panicked = bound().run(|| runtime.spawn(async { panic!("expected") }));
            let error: Result<(), _> = runtime.block_on(panicked);
            assert!(
                error
                    .as_ref()
                    .unwrap_err()
                    .frame()
                    .unwrap()
                    .run(|| KEPT.is_bound())
            );
            drop(error);
            alone("the error of a panic");
        }
    });
}

#[test]
fn c47_the_joiner_is_woken_when_the_frame_is_gone_already() {
    everywhere(|runtime, _| {
        for _ in 0..50 {
            let kept = Arc::new(());
            let (release, released) = oneshot::channel::<()>();
            let (frame, site) = bound_here(bind(&KEPT, Arc::clone(&kept)));
            let task = frame.run(|| runtime.spawn(released));
            drop(frame);
            let joiner = runtime.spawn_root(async move {
                task.await.unwrap().unwrap();
                (Arc::strong_count(&kept), site.live().unwrap_or(0))
            });
            release.send(()).unwrap();
            assert_eq!(runtime.block_on(joiner).unwrap(), (1, 0));
        }
    });
}

#[test]
fn c47_a_local_tasks_frame_is_released_at_completion() {
    everywhere(|runtime, _| {
        let set = framewise::task::LocalSet::new();
        let kept = Arc::new(());
        let (frame, site) = bound_here(bind(&KEPT, Arc::clone(&kept)));
        let task = frame.run(|| set.spawn_local(yield_now()));
        drop(frame);
        site.assert_live(1);
        set.block_on(runtime, async {
            while !task.is_finished() {
                yield_now().await;
            }
        });
        assert_eq!(Arc::strong_count(&kept), 1);
        site.assert_live(0);
        drop(task);
    });
}

/// How a task ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum TaskEnd {
    Finished,
    Panicked,
    Aborted,
    AbortedUnpolled,
    PanicsInItsDestructor,
}

/// Ends a task in each way, with `spawn` to start it. The joiner has its own waker; the result has
/// what the joiner saw when it was woken: how many references to the frame's value were left.
fn joiners_see(
    runtime: &Runtime,
    end: TaskEnd,
    spawn: impl FnOnce(std::pin::Pin<Box<dyn Future<Output = ()> + Send>>) -> JoinHandle<()>,
    run: impl FnOnce(&JoinHandle<()>),
) -> usize {
    let kept = Arc::new(());
    let (release, released) = oneshot::channel::<()>();
    let frame = bind(&KEPT, Arc::clone(&kept)).frame();
    // A part of the future even before its first poll.
    let on_drop = on_drop(move || {
        if end == TaskEnd::PanicsInItsDestructor {
            // The error exposes the frame of the panic, and holds only that frame.
            Frame::root().run(|| panic!("of the destructor"));
        }
    });
    let future = async move {
        let _on_drop = on_drop;
        let _ = released.await;
        if end == TaskEnd::Panicked {
            Frame::root().run(|| panic!("of the task"));
        }
    };
    let mut task = frame.run(|| spawn(Box::pin(future)));
    drop(frame);
    let (woken, wakes) = mpsc::channel();
    let seen = Arc::downgrade(&kept);
    // The test itself holds one reference.
    let waker = support::call_waker(move || woken.send(seen.strong_count() - 1).unwrap());
    assert!(support::poll_once(&mut task, &waker).is_pending());
    match end {
        TaskEnd::Finished | TaskEnd::Panicked => release.send(()).unwrap(),
        _ => task.abort(),
    }
    run(&task);
    let seen = wakes.recv().unwrap();
    let joined = runtime.block_on(task);
    assert_eq!(joined.is_ok(), end == TaskEnd::Finished, "{end:?}");
    drop((joined, waker));
    assert_eq!(Arc::strong_count(&kept), 1, "{end:?}");
    seen
}

const TASK_ENDS: [TaskEnd; 5] = [
    TaskEnd::Finished,
    TaskEnd::Panicked,
    TaskEnd::Aborted,
    TaskEnd::AbortedUnpolled,
    TaskEnd::PanicsInItsDestructor,
];

#[test]
fn c47_a_frame_is_released_before_the_joiner_is_woken_however_the_task_ends() {
    everywhere(|runtime, _| {
        for end in TASK_ENDS {
            let spawn = |future| runtime.spawn(future);
            let seen = if end == TaskEnd::AbortedUnpolled {
                let (occupied, free) = mpsc::channel::<()>();
                let free = Arc::new(Mutex::new(free));
                let (started, starts) = mpsc::channel();
                for _ in 0..workers_of(runtime) {
                    let (free, started) = (Arc::clone(&free), started.clone());
                    drop(runtime.spawn_root(async move {
                        started.send(()).unwrap();
                        let _ = free.lock().unwrap().recv();
                    }));
                }
                for _ in 0..workers_of(runtime) {
                    starts.recv().unwrap();
                }
                // The task is aborted while all workers are occupied, and finishes as soon as one
                // can poll it.
                joiners_see(runtime, end, spawn, |_| drop(occupied))
            } else {
                joiners_see(runtime, end, spawn, |_| ())
            };
            assert_eq!(seen, 0, "{end:?}");
        }
    });
}

#[test]
fn c47_a_local_tasks_frame_is_released_before_the_joiner_is_woken_however_it_ends() {
    everywhere(|runtime, _| {
        for end in TASK_ENDS {
            let set = framewise::task::LocalSet::new();
            let seen = joiners_see(
                runtime,
                end,
                |future| {
                    let task = set.spawn_local(future);
                    if end != TaskEnd::AbortedUnpolled {
                        support::at_once(set.run_until(async {}));
                    }
                    task
                },
                |task| {
                    set.block_on(runtime, async {
                        while !task.is_finished() {
                            yield_now().await;
                        }
                    });
                },
            );
            assert_eq!(seen, 0, "{end:?}");
        }
    });
}

#[test]
fn c48_stale_wakers_do_not_retain_the_frame() {
    everywhere(|runtime, _| {
        let kept = Arc::new(());
        let wakers: Arc<Mutex<Vec<Waker>>> = Arc::default();
        for end in 0..3 {
            let (parked, is_parked) = mpsc::channel();
            let (frame, site) = bound_here(bind(&KEPT, Arc::clone(&kept)));
            let task = frame.run(|| {
                runtime.spawn({
                    let wakers = Arc::clone(&wakers);
                    async move {
                        pause(|waker| {
                            let mut wakers = wakers.lock().unwrap();
                            wakers.extend([waker.clone(), waker.clone()]);
                            drop(wakers);
                            parked.send(()).unwrap();
                        })
                        .await;
                        assert!(end != 1, "expected");
                    }
                })
            });
            drop(frame);
            is_parked.recv().unwrap();
            site.assert_live(1);
            if end == 2 {
                task.abort();
            } else {
                let waker = wakers.lock().unwrap()[2 * end].clone();
                waker.wake();
            }
            let joined = runtime.block_on(task);
            assert_eq!(joined.is_ok(), end == 0);
            drop(joined);
            assert_eq!(Arc::strong_count(&kept), 1, "end {end}");
            site.assert_live(0);
        }
        // The wakers have no effect, and stay safe to use after the runtime's shutdown (see
        // `runtime.rs`).
        for waker in wakers.lock().unwrap().drain(..) {
            waker.wake_by_ref();
            waker.wake();
        }
        assert_eq!(Arc::strong_count(&kept), 1);
    });
}

#[test]
fn c48_wakers_in_timers_and_sockets_do_not_retain_the_frame() {
    everywhere(|runtime, _| {
        let kept = Arc::new(());
        // The sleep and the stream outlive the task that waited for them.
        let (frame, site) = bound_here(bind(&KEPT, Arc::clone(&kept)));
        let (sleep, stream) = runtime.block_on(async {
            let mut sleep = framewise::time::sleep(std::time::Duration::MAX);
            let listener = framewise::net::TcpListener::bind("127.0.0.1:0")
                .await
                .unwrap();
            let peer = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
            let (stream, _) = listener.accept().await.unwrap();
            let task = frame.run(|| {
                spawn(async move {
                    std::future::poll_fn(|cx| {
                        assert!(support::poll_once(&mut sleep, cx.waker()).is_pending());
                        assert!(stream.poll_read_ready(cx).is_pending());
                        std::task::Poll::Ready(())
                    })
                    .await;
                    (sleep, stream, peer)
                })
            });
            drop(frame);
            let (sleep, stream, peer) = task.await.unwrap();
            (sleep, (stream, peer))
        });
        assert_eq!(Arc::strong_count(&kept), 1);
        site.assert_live(0);
        drop((sleep, stream));
    });
}

#[test]
fn c48_an_output_that_waits_to_be_taken_does_not_retain_the_frame() {
    everywhere(|runtime, _| {
        let kept = Arc::new(());
        let (frame, site) = bound_here(bind(&KEPT, Arc::clone(&kept)));
        let task = frame.run(|| runtime.spawn(async { vec![1, 2, 3] }));
        let call = frame.run(|| runtime.spawn_blocking(|| assert!(KEPT.is_bound())));
        drop(frame);
        wait_until_finished(&task);
        // Nor does a blocking call whose handle is held.
        wait_until_finished(&call);
        assert_eq!(Arc::strong_count(&kept), 1);
        site.assert_live(0);
        assert_eq!(runtime.block_on(task).unwrap(), [1, 2, 3]);
        drop(call);
    });
}

#[test]
fn c46_a_frame_whose_value_panics_at_its_end_leaves_the_joiner_its_output() {
    everywhere(|runtime, _| {
        let (release, released) = oneshot::channel::<()>();
        let task = bind(&CALL, on_drop(|| panic!("expected: a value's destructor")))
            .and(&ID, 3)
            .run(|| runtime.spawn(async { released.await.map(|()| ID.get()) }));
        // Only the task holds the frame now.
        release.send(()).unwrap();
        assert_eq!(runtime.block_on(task).unwrap(), Ok(Some(3)));
        assert!(panics(|| drop(
            CALL.run(on_drop(|| panic!("expected")), Frame::current)
        )));
    });
}
