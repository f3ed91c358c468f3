//! `JoinHandle` and `AbortHandle`.

use std::future::{pending, poll_fn};
use std::pin::Pin;
use std::sync::{Arc, mpsc};
use std::task::Poll;
use std::thread;

use framewise::task::{AbortHandle, yield_now};
use framewise::{JoinError, JoinHandle, spawn};
use framewise_test_support::{
    CountingWaker, call_waker, on_workers, panic_message, pause, poll_once, while_occupied,
    with_workers, workers_of,
};
use futures::channel::oneshot;
use futures::stream::{FuturesUnordered, StreamExt};

use crate::wait_until_finished;

#[test]
fn a_handle_may_go_where_its_output_may_go() {
    fn is_send_and_sync<T: Send + Sync + Unpin>() {}
    is_send_and_sync::<JoinHandle<u64>>();
    is_send_and_sync::<JoinHandle<std::cell::Cell<u64>>>();
    is_send_and_sync::<AbortHandle>();
    is_send_and_sync::<JoinError>();
}

#[test]
fn awaiting_gives_the_output_and_is_finished_says_so_before() {
    on_workers(|runtime| {
        let (release, released) = oneshot::channel::<u64>();
        let task = runtime.spawn(released);
        assert!(!task.is_finished());
        let shown = format!(
            "JoinHandle {{ id: {:?}, name: None, is_finished: false }}",
            task.id()
        );
        assert_eq!(format!("{task:?}"), shown);
        release.send(7).unwrap();
        wait_until_finished(&task);
        let shown = format!(
            "JoinHandle {{ id: {:?}, name: None, is_finished: true }}",
            task.id()
        );
        assert_eq!(format!("{task:?}"), shown);
        assert_eq!(framewise_test_support::at_once(task).unwrap(), Ok(7));
    });
}

#[test]
fn a_handle_polled_again_after_it_was_ready_says_so() {
    let runtime = framewise_test_support::runtime(1);
    let mut task = runtime.spawn(async { 1 });
    assert_eq!(runtime.block_on(&mut task).unwrap(), 1);
    let message = panic_message(|| framewise_test_support::at_once(&mut task));
    assert!(
        message.contains("polled again after it was ready"),
        "{message}"
    );
}

#[test]
fn abort_reaches_a_task_in_every_state() {
    on_workers(|runtime| {
        // A task that was never polled.
        let fresh = while_occupied(runtime, workers_of(runtime), || {
            let task = runtime.spawn(async { unreachable!("it was aborted before") });
            task.abort();
            task.abort();
            task
        });
        let fresh: Result<(), _> = runtime.block_on(fresh);
        assert!(fresh.unwrap_err().is_cancelled());
        // A parked task.
        let (parked, is_parked) = mpsc::channel();
        let task = runtime.spawn(pause(move |_| parked.send(()).unwrap()));
        is_parked.recv().unwrap();
        task.abort_handle().abort();
        assert!(runtime.block_on(task).unwrap_err().is_cancelled());
        // A task that was woken and is in a queue.
        let (parked, is_parked) = mpsc::channel();
        let task = runtime.spawn(async move {
            pause(move |waker| parked.send(waker.clone()).unwrap()).await;
            unreachable!("it was aborted before it could run again");
        });
        let waker = is_parked.recv().unwrap();
        while_occupied(runtime, workers_of(runtime), || {
            waker.wake();
            task.abort();
        });
        let joined: Result<(), _> = runtime.block_on(task);
        assert!(joined.unwrap_err().is_cancelled());
        // A task that is being polled: it ends after that poll, with its output if it is ready.
        for ready in [false, true] {
            let (started, is_started) = mpsc::channel();
            let (release, released) = mpsc::channel::<()>();
            let task = runtime.spawn(async move {
                started.send(()).unwrap();
                released.recv().unwrap();
                if !ready {
                    pending::<()>().await;
                }
                7
            });
            is_started.recv().unwrap();
            task.abort();
            assert!(!task.is_finished());
            release.send(()).unwrap();
            match runtime.block_on(task) {
                Ok(7) if ready => {}
                Err(error) if !ready && error.is_cancelled() => {}
                other => panic!("ready: {ready}, {other:?}"),
            }
        }
        // A task that aborts itself in its poll.
        let (sender, receiver) = mpsc::channel::<AbortHandle>();
        let task = runtime.spawn(async move {
            receiver.recv().unwrap().abort();
            yield_now().await;
            unreachable!("it had aborted itself");
        });
        sender.send(task.abort_handle()).unwrap();
        let joined: Result<(), _> = runtime.block_on(task);
        assert!(joined.unwrap_err().is_cancelled());
        // A finished task.
        let task = runtime.spawn(async { 7 });
        wait_until_finished(&task);
        task.abort();
        assert_eq!(runtime.block_on(task).unwrap(), 7);
    });
}

#[test]
fn an_abort_handle_outlives_task_handle_and_runtime() {
    with_workers(|workers| {
        let runtime = framewise_test_support::runtime(workers);
        let task = runtime.spawn(pending::<()>());
        let abort = task.abort_handle();
        let twin = abort.clone();
        assert!(!abort.is_finished());
        twin.abort();
        assert!(runtime.block_on(task).unwrap_err().is_cancelled());
        assert!(abort.is_finished());
        let shown = format!(
            "AbortHandle {{ id: {:?}, name: None, is_finished: true }}",
            abort.id()
        );
        assert_eq!(format!("{abort:?}"), shown);
        let left = runtime.spawn(pending::<()>()).abort_handle();
        drop(runtime);
        assert!(left.is_finished());
        left.abort();
        drop((abort, twin));
    });
}

#[test]
fn a_dropped_handle_detaches_the_task() {
    on_workers(|runtime| {
        let (sender, receiver) = mpsc::channel();
        for _ in 0..100 {
            let sender = sender.clone();
            drop(runtime.spawn(async move {
                yield_now().await;
                sender.send(()).unwrap();
            }));
        }
        drop(sender);
        assert_eq!(receiver.iter().count(), 100);
    });
}

#[test]
fn the_last_waker_that_polled_a_handle_is_the_one_that_is_woken() {
    on_workers(|runtime| {
        let (release, released) = oneshot::channel::<()>();
        let mut task = runtime.spawn(released);
        let (first_count, first) = CountingWaker::new();
        let (last_count, last) = CountingWaker::new();
        assert!(poll_once(&mut task, &first).is_pending());
        assert!(poll_once(&mut task, &first).is_pending());
        assert!(poll_once(&mut task, &last).is_pending());
        release.send(()).unwrap();
        while last_count.wakes() == 0 {
            thread::yield_now();
        }
        assert!(poll_once(&mut task, &first).is_ready());
        assert_eq!(first_count.wakes(), 0);
        assert_eq!(last_count.wakes(), 1);
        drop(task);
        // Registered wakers are dropped.
        for waker in [first, last] {
            let kept = Arc::new(());
            let held = Arc::clone(&kept);
            let own = call_waker(move || drop(Arc::clone(&held)));
            let mut task = runtime.spawn(async {});
            wait_until_finished(&task);
            assert!(poll_once(&mut task, &own).is_ready());
            drop((task, own, waker));
            assert_eq!(Arc::strong_count(&kept), 1);
        }
    });
}

#[test]
fn a_handle_may_be_polled_by_one_task_and_awaited_by_another() {
    on_workers(|runtime| {
        for _ in 0..50 {
            let (release, released) = oneshot::channel::<()>();
            let mut task = runtime.spawn(async {
                released.await.unwrap();
                7
            });
            let (sender, receiver) = mpsc::channel();
            let first = runtime.spawn(async move {
                poll_fn(|cx| {
                    assert!(Pin::new(&mut task).poll(cx).is_pending());
                    Poll::Ready(())
                })
                .await;
                sender.send(task).unwrap();
            });
            runtime.block_on(first).unwrap();
            let task = receiver.recv().unwrap();
            let second = runtime.spawn(async move { task.await.unwrap() });
            release.send(()).unwrap();
            assert_eq!(runtime.block_on(second).unwrap(), 7);
        }
    });
}

#[test]
fn a_dropped_joiner_lets_its_waker_go_and_the_task_run_on() {
    on_workers(|runtime| {
        let (release, released) = oneshot::channel::<()>();
        let (done, is_done) = mpsc::channel();
        let mut task = runtime.spawn(async move {
            released.await.unwrap();
            done.send(()).unwrap();
        });
        let kept = Arc::new(());
        let held = Arc::clone(&kept);
        let waker = call_waker(move || {
            unreachable!("the task is not joined: {}", Arc::strong_count(&held))
        });
        assert!(poll_once(&mut task, &waker).is_pending());
        drop((task, waker));
        assert_eq!(Arc::strong_count(&kept), 1);
        release.send(()).unwrap();
        is_done.recv().unwrap();
    });
}

#[test]
fn many_handles_are_joined_in_whatever_order_they_end() {
    on_workers(|runtime| {
        let seen = runtime.block_on(async {
            let mut tasks: FuturesUnordered<_> = (0..200)
                .map(|number| {
                    spawn(async move {
                        for _ in 0..number % 7 {
                            yield_now().await;
                        }
                        number
                    })
                })
                .collect();
            let mut seen = Vec::new();
            while let Some(number) = tasks.next().await {
                seen.push(number.unwrap());
            }
            seen.sort_unstable();
            seen
        });
        assert_eq!(seen, (0..200).collect::<Vec<_>>());
    });
}
