//! Handles of tasks and calls, yields, and name look-ups.

use std::sync::{Arc, mpsc};

use framewise::context::bind;
use framewise::net::TcpListener;
use framewise::runtime::Runtime;
use framewise::spawn;
use framewise::task::{JoinHandle, spawn_blocking, yield_now};
use framewise::time::sleep;
use futures::lock::Mutex;

use crate::row::{End, Ends, Executor, Leaves, SHORT, made, row};
use framewise_test_support::{
    KEPT, bound_here, occupy_pool, one_pool_thread, with_workers_in_frames,
};

/// Runs a row that awaits a handle by reference.
#[track_caller]
fn joining(name: &str, spawn: impl Fn(mpsc::Receiver<()>, &Runtime) -> JoinHandle<()>) {
    row(name, Leaves::Nothing, |runtime, _| {
        let (release, released) = mpsc::channel();
        let handle = Arc::new(Mutex::new(spawn(released, runtime)));
        let wait = {
            let handle = Arc::clone(&handle);
            async move { (&mut *handle.lock().await).await.unwrap() }
        };
        made(wait, move || drop(release), handle)
    });
}

#[test]
fn c48_awaiting_a_handle_leaves_nothing_with_it() {
    joining("handle of a task", |released, runtime| {
        runtime.spawn(async move {
            while released.try_recv() == Err(mpsc::TryRecvError::Empty) {
                sleep(SHORT).await;
            }
        })
    });
    joining("handle of a blocking call", |released, runtime| {
        runtime.spawn_blocking(move || {
            let _ = released.recv();
        })
    });
}

#[test]
fn c48_a_yield_leaves_nothing() {
    row("yield_now", Leaves::Nothing, |_, _| {
        made(yield_now(), || (), ())
    });
}

#[test]
fn c48_spawning_and_joining_within_leaves_nothing() {
    row("spawn and join", Leaves::Nothing, |_, end| {
        let wait = async move {
            let task = spawn(async move {
                if end == End::Finished {
                    sleep(SHORT).await;
                }
            });
            task.await.unwrap();
            spawn_blocking(|| ()).await.unwrap();
        };
        if end == End::Dropped {
            // The child holds the frame, and ends independently.
            return made(yield_now(), || (), ());
        }
        made(wait, || (), ())
    });
}

#[test]
fn c48_a_look_up_leaves_nothing_with_the_pool() {
    row("look-up", Leaves::Nothing, |_, _| {
        let wait = async { drop(TcpListener::bind("localhost:0").await.unwrap()) };
        made(wait, || (), ())
    });
    // Dropped while it is still in the pool's queue, behind a call that does not end.
    with_workers_in_frames(|workers, _| {
        let runtime = one_pool_thread(workers);
        let (release, call) = occupy_pool(&runtime);
        for executor in Executor::ALL {
            let kept = Arc::new(());
            let (frame, site) = bound_here(bind(&KEPT, Arc::clone(&kept)));
            let ends = Ends {
                wait: Some(Box::pin(async {
                    drop(TcpListener::bind("localhost:0").await);
                })),
                then: None,
                end: End::Dropped,
            };
            let rest = executor.run(&runtime, frame, ends);
            assert_eq!(Arc::strong_count(&kept), 1, "{executor:?}");
            site.assert_live(0);
            drop(rest);
        }
        drop(release);
        runtime.block_on(call).unwrap();
    });
}
