//! `block_on`, whose thread is woken after the frame of the wait is released.

use std::future::poll_fn;
use std::sync::{Arc, mpsc};
use std::task::{Context, Poll, ready};

use framewise::context::bind;
use framewise::task::LocalSet;
use framewise::time::sleep;
use futures::StreamExt;
use futures::stream::FuturesUnordered;

use crate::row::SHORT;
use framewise_test_support::{HangWatch, KEPT, call_waker, everywhere, pause, runtime};

#[test]
fn c48_block_on_sees_the_frame_released_when_it_returns() {
    everywhere(|runtime, _| {
        for run in 0..50 {
            let kept = Arc::new(());
            runtime.block_on(KEPT.scope(Arc::clone(&kept), sleep(SHORT)));
            assert_eq!(Arc::strong_count(&kept), 1, "run {run}");
            let scoped = KEPT.scope(Arc::clone(&kept), sleep(SHORT));
            let mut unordered = FuturesUnordered::from_iter([scoped]);
            runtime.block_on(unordered.next()).unwrap();
            assert_eq!(Arc::strong_count(&kept), 1, "in a combinator, run {run}");
        }
    });
}

/// An external waker is called in the frame in which it was registered, even if the unpark of the
/// thread behind it is deferred.
#[test]
fn c50_an_external_waker_before_block_on_still_runs_in_its_frame() {
    everywhere(|runtime, _| {
        let kept = Arc::new(());
        let (seen, sees) = mpsc::channel();
        let wait = KEPT.scope(Arc::clone(&kept), sleep(SHORT));
        let mut wait = Box::pin(wait);
        let mut done = false;
        runtime.block_on(poll_fn(|cx| {
            let (outer, seen) = (cx.waker().clone(), seen.clone());
            let waker = call_waker(move || {
                seen.send(KEPT.is_bound()).unwrap();
                outer.wake_by_ref();
            });
            assert!(!done);
            ready!(wait.as_mut().poll(&mut Context::from_waker(&waker)));
            done = true;
            Poll::Ready(())
        }));
        assert_eq!(sees.recv(), Ok(true));
    });
}

/// An external waker that runs its own executor must not wait for a wake-up that it deferred.
#[test]
fn an_external_waker_that_blocks_on_what_it_woke_is_not_waited_for() {
    let _watch = HangWatch::new("block_on in a waker");
    let runtime = Arc::new(runtime(1));
    let set = LocalSet::new();
    let (to_main, from_waker) = futures::channel::oneshot::channel::<()>();
    let (to_waker, from_main) = futures::channel::oneshot::channel::<()>();
    let channels = Arc::new(std::sync::Mutex::new(Some((to_main, from_main))));
    let waker = call_waker({
        let runtime = Arc::clone(&runtime);
        move || {
            if let Some((to_main, from_main)) = channels.lock().unwrap().take() {
                // Wakes the main thread, and needs its reply.
                to_main.send(()).unwrap();
                runtime.block_on(from_main).unwrap();
            }
        }
    });
    let (task, left) = {
        let left = Arc::new(std::sync::Mutex::new(None));
        let task = set.spawn_local({
            let left = Arc::clone(&left);
            pause(move |waker| *left.lock().unwrap() = Some(waker.clone()))
        });
        (task, left)
    };
    // The set keeps the waker with a frame; a thread that is not a worker wakes it.
    let frame = bind(&KEPT, Arc::new(())).frame();
    let mut runs = Box::pin(set.run_until(std::future::pending::<()>()));
    frame.run(|| {
        let polled = runs.as_mut().poll(&mut Context::from_waker(&waker));
        assert!(polled.is_pending());
    });
    let task_waker = left.lock().unwrap().take().unwrap();
    let waking = std::thread::spawn(move || task_waker.wake());
    runtime.block_on(async {
        from_waker.await.unwrap();
        to_waker.send(()).unwrap();
    });
    waking.join().unwrap();
    drop(task);
}
