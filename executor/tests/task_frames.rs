//! The frames of tasks, as far as only this runtime's handles and workers show them. (What every
//! executor can be asked is in the suite `framewise-conformance`, which `conformance/tests` runs on
//! this runtime.)
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::HashSet;
use std::future::pending;
use std::sync::{Arc, Barrier, Mutex, mpsc};
use std::thread;

use framewise::runtime::Builder;
use framewise::task::{self, JoinHandle, JoinSet, LocalSet, block_in_place, yield_now};
use framewise::{Frame, bind, spawn_root};
use framewise_test_support::{
    ID, KEPT, Log, call_waker, everywhere, poll_once, with_workers, workers_of,
};
use futures::channel::oneshot;

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
fn c29_a_task_leaves_its_thread_after_block_in_place_and_keeps_its_frame() {
    everywhere(|runtime, id| {
        let workers = workers_of(runtime);
        let migrant = runtime.spawn(async move {
            let mut threads = HashSet::new();
            for _ in 0..4 {
                let before = thread::current().id();
                threads.insert(before);
                leave_this_thread(workers);
                assert_eq!(ID.get(), id);
                assert_eq!(thread::current().id(), before);
                yield_now().await;
                assert_eq!(ID.get(), id);
                assert_ne!(thread::current().id(), before, "the task should have moved");
            }
            threads.len()
        });
        assert!(runtime.block_on(migrant).unwrap() > 1);
    });
}

#[test]
fn c40_an_output_that_was_not_taken_is_dropped_with_its_handle() {
    everywhere(|runtime, _| {
        let log = Log::default();
        let task = ID.run(90, || {
            let output = log.tracker("output");
            runtime.spawn(async move { output })
        });
        wait_until_finished(&task);
        assert_eq!(log.entries(), [], "the handle holds the output");
        ID.run(92, || drop(task));
        assert_eq!(log.entries(), [("output", Some(92))]);
    });
}

/// Spins until the task has finished.
fn wait_until_finished<T>(task: &JoinHandle<T>) {
    while !task.is_finished() {
        thread::yield_now();
    }
}

/// A task that has finished holds nothing, while its handle is held and its output waits.
#[test]
fn c47_the_frame_is_gone_when_is_finished_says_so() {
    everywhere(|runtime, _| {
        for round in 0..50 {
            let kept = Arc::new(());
            let bound = || bind(&KEPT, Arc::clone(&kept));
            let alone = |what: &str| {
                assert_eq!(Arc::strong_count(&kept), 1, "{what}, round {round}");
            };
            let done = bound().run(|| {
                runtime.spawn(async {
                    yield_now().await;
                    vec![1, 2, 3]
                })
            });
            wait_until_finished(&done);
            alone("done");
            let aborted = bound().run(|| runtime.spawn(pending::<()>()));
            aborted.abort();
            wait_until_finished(&aborted);
            alone("aborted");
            let panicked = bound().run(|| {
                runtime.spawn(async { Frame::root().run(|| panic!("expected: at the root")) })
            });
            wait_until_finished(&panicked);
            alone("panicked");
            let call = bound().run(|| runtime.spawn_blocking(|| KEPT.is_bound()));
            wait_until_finished(&call);
            alone("a blocking call");
            assert_eq!(runtime.block_on(done).unwrap(), [1, 2, 3]);
            let panicked: JoinHandle<()> = panicked;
            drop((aborted, panicked, call));
        }
    });
}

#[test]
fn c50_a_joiners_waker_is_called_in_the_workers_frame() {
    everywhere(|runtime, _| {
        let (sender, woken) = mpsc::channel();
        let sender = Mutex::new(sender);
        let waker = call_waker(move || {
            let seen = (ID.get(), Frame::current().is_root());
            sender.lock().unwrap().send(seen).unwrap();
        });
        let (release, released) = oneshot::channel::<()>();
        let mut task = ID.run(10, || runtime.spawn(async { released.await.unwrap() }));
        assert!(ID.run(11, || poll_once(&mut task, &waker)).is_pending());
        ID.run(12, || release.send(()).unwrap());
        assert_eq!(woken.recv().unwrap(), (None, true));
        assert!(poll_once(&mut task, &waker).is_ready());
    });
}

#[test]
fn a_builder_spawns_into_the_frame_that_it_is_given() {
    with_workers(|workers| {
        let runtime = Builder::new().worker_threads(workers).build().unwrap();
        let frame = ID.run(1, Frame::current);
        let builder = task::Builder::new().name("in a frame").frame(&frame);
        let seen = || (ID.get(), task::name().as_deref() == Some("in a frame"));
        let expected = (Some(1), true);
        ID.run(2, || {
            let handle = runtime.handle();
            let task = builder.spawn_on(async move { seen() }, handle).unwrap();
            assert_eq!(runtime.block_on(task).unwrap(), expected);
            let call = builder.spawn_blocking_on(seen, handle).unwrap();
            assert_eq!(runtime.block_on(call).unwrap(), expected);
            let set = LocalSet::new();
            let local = builder.spawn_local_on(async move { seen() }, &set).unwrap();
            assert_eq!(runtime.block_on(set.run_until(local)).unwrap(), expected);
            let mut joins = JoinSet::new();
            let of_set = joins.build_task().frame(&frame);
            of_set.spawn_on(async { ID.get() }, handle).unwrap();
            let joined = runtime.block_on(joins.join_next()).unwrap();
            assert_eq!(joined.unwrap(), Some(1));
            // The root is a frame, too.
            let at_root = task::Builder::new()
                .frame(&Frame::root())
                .spawn_on(async { ID.get() }, handle);
            assert_eq!(runtime.block_on(at_root.unwrap()).unwrap(), None);
            assert_eq!(ID.get(), Some(2));
        });
    });
}
