//! The threads of a runtime: they have exited when the drop returns, those that `block_in_place`
//! blocks, too.

use std::cell::RefCell;
use std::future::pending;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::thread;
use std::time::Duration;

use framewise::runtime::Builder;
use framewise::spawn;
use framewise::task::block_in_place;
use framewise_test_support::{
    DropCall, Drops, HangWatch, ID, Log, on_drop, one_pool_thread, runtime, with_workers,
};

#[test]
fn workers_threads_are_gone_when_the_drop_returns_with_their_thread_locals() {
    thread_local! {
        static AT_THE_END: RefCell<Vec<DropCall>> = const { RefCell::new(Vec::new()) };
    }
    with_workers(|workers| {
        let runtime = runtime(workers);
        let count = Drops::default();
        for _ in 0..workers * 2 {
            let counted = Mutex::new(Some(count.tracked()));
            let end = on_drop(move || drop(counted.lock().unwrap().take()));
            let task = runtime.spawn(async move {
                AT_THE_END.with(|slot| slot.borrow_mut().push(end));
            });
            runtime.block_on(task).unwrap();
        }
        let counted = Mutex::new(Some(count.tracked()));
        let end = on_drop(move || drop(counted.lock().unwrap().take()));
        let call =
            runtime.spawn_blocking(move || AT_THE_END.with(|slot| slot.borrow_mut().push(end)));
        runtime.block_on(call).unwrap();
        drop(runtime);
        assert_eq!(count.count(), workers * 2 + 1);
    });
}

/// A thread of the pool exits by itself, another one is started and exits, and the first is still
/// in the destructor of a thread-local.
#[test]
fn threads_of_the_pool_that_ended_before_are_gone_with_their_thread_locals() {
    thread_local! {
        static AT_THE_END: RefCell<Option<DropCall>> = const { RefCell::new(None) };
    }
    let _watch = HangWatch::new("a thread that ended before");
    let runtime = Builder::new()
        .worker_threads(1)
        .thread_keep_alive(Duration::from_millis(1))
        .build()
        .unwrap();
    let (ends, has_ended) = mpsc::channel();
    let dropping = Arc::new(AtomicBool::new(false));
    let gone = Arc::new(AtomicBool::new(false));
    let end = on_drop({
        let (dropping, gone) = (Arc::clone(&dropping), Arc::clone(&gone));
        move || {
            ends.send(()).unwrap();
            while !dropping.load(Ordering::SeqCst) {
                thread::yield_now();
            }
            for _ in 0..300 {
                thread::yield_now();
            }
            gone.store(true, Ordering::SeqCst);
        }
    });
    let call = runtime.spawn_blocking(move || AT_THE_END.with(|slot| slot.replace(Some(end))));
    assert!(runtime.block_on(call).unwrap().is_none());
    has_ended.recv().unwrap();
    runtime.block_on(runtime.spawn_blocking(|| ())).unwrap();
    dropping.store(true, Ordering::SeqCst);
    drop(runtime);
    assert!(gone.load(Ordering::SeqCst));
}

#[test]
fn a_shutdown_ends_what_block_in_place_left_behind() {
    with_workers(|workers| {
        // The pool is full, so no thread can take over the core of a worker that blocks.
        let runtime = one_pool_thread(workers);
        let log = Log::default();
        let (started, is_started) = mpsc::channel();
        let gate = Arc::new(std::sync::Barrier::new(2));
        let pool = {
            let (started, gate) = (started.clone(), Arc::clone(&gate));
            runtime.spawn_blocking(move || {
                started.send(()).unwrap();
                gate.wait();
            })
        };
        is_started.recv().unwrap();
        let (release, released) = mpsc::channel::<()>();
        let parked = log.tracker("parked");
        drop(ID.run(1, || {
            runtime.spawn(async move {
                let _parked = parked;
                pending::<()>().await;
            })
        }));
        let in_place = log.tracker("in place");
        drop(ID.run(2, || {
            runtime.spawn(async move {
                let _in_place = in_place;
                block_in_place(|| {
                    started.send(()).unwrap();
                    released.recv().unwrap();
                });
                pending::<()>().await;
            })
        }));
        is_started.recv().unwrap();
        runtime.shutdown_background();
        release.send(()).unwrap();
        gate.wait();
        let mut seen = log.wait(2);
        seen.sort_unstable();
        assert_eq!(seen, [("in place", Some(2)), ("parked", Some(1))]);
        drop(pool);
    });
}

/// A core for which the closed pool has no thread keeps nothing alive: the objects for which the
/// blocked task waits are dropped.
#[test]
fn a_task_that_blocks_in_place_after_the_end_began_finds_what_it_waits_for_ended() {
    with_workers(|workers| {
        let runtime = runtime(workers);
        let (started, is_started) = mpsc::channel();
        let (release, released) = mpsc::channel::<()>();
        let (heard, is_heard) = mpsc::channel();
        drop(runtime.spawn(async move {
            let child = spawn(pending::<()>());
            started.send(()).unwrap();
            released.recv().unwrap();
            block_in_place(|| {
                let joined = futures::executor::block_on(child);
                heard.send(joined.unwrap_err().is_cancelled()).unwrap();
            });
        }));
        is_started.recv().unwrap();
        runtime.shutdown_background();
        release.send(()).unwrap();
        assert_eq!(is_heard.recv(), Ok(true));
    });
}
