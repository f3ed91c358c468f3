//! tokio's task hooks as carriers of frames: `RUSTFLAGS="--cfg tokio_unstable" cargo test -p
//! framewise-context --features tokio --test tokio_hooks`, with a target directory of its own.
#![cfg(all(feature = "tokio", tokio_unstable))]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::future::{pending, poll_fn};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::task::Poll;
use std::time::Duration;

use framewise_context::{ContextVar, bind};
use framewise_test_support::{HangWatch, ID, KEPT, in_frames, on_drop};
use tokio::runtime::{Builder, Runtime};
use tokio::task::{JoinSet, block_in_place, yield_now};

static LOCK: ContextVar<u64> = ContextVar::new("lock").not_inherited();

/// Runs a test on a runtime with hooks of each kind.
fn on_runtimes(test: impl Fn(&Runtime)) {
    let _watch = HangWatch::new("a runtime with hooks".to_owned());
    for workers in [0, 1, 2, 8] {
        let mut builder = match workers {
            0 => Builder::new_current_thread(),
            _ => Builder::new_multi_thread(),
        };
        framewise_context::tokio::install(&mut builder);
        if workers > 0 {
            builder.worker_threads(workers);
        }
        test(&builder.enable_time().build().unwrap());
    }
}

/// What a task sees before and after it has waited.
async fn seen() -> [Option<u64>; 2] {
    let before = ID.get();
    yield_now().await;
    [before, ID.get()]
}

#[test]
fn every_spawn_of_tokio_inherits_the_callers_frame() {
    on_runtimes(|runtime| {
        in_frames(|id| {
            let spawned = runtime.spawn(seen());
            assert_eq!(runtime.block_on(spawned).unwrap(), [id; 2]);
            runtime.block_on(async {
                assert_eq!(tokio::spawn(seen()).await.unwrap(), [id; 2]);
                let mut set = JoinSet::new();
                ID.run(7, || set.spawn(seen()));
                assert_eq!(set.join_next().await.unwrap().unwrap(), [Some(7); 2]);
                // A grandchild, of a child that has bound another value.
                let child = tokio::spawn(ID.scope(8, async { tokio::spawn(seen()).await }));
                assert_eq!(child.await.unwrap().unwrap(), [Some(8); 2]);
                assert_eq!(ID.get(), id);
            });
        });
    });
}

#[test]
fn the_frame_is_that_of_the_call_without_what_is_not_inherited() {
    on_runtimes(|runtime| {
        let read = async { (ID.get(), LOCK.get()) };
        let task = bind(&ID, 7).and(&LOCK, 1).run(|| runtime.spawn(read));
        assert_eq!(
            ID.run(8, || runtime.block_on(task)).unwrap(),
            (Some(7), None)
        );
    });
}

#[test]
fn many_tasks_at_once_see_their_own_frame_at_each_poll() {
    on_runtimes(|runtime| {
        let tasks: Vec<_> = (0..200)
            .map(|id| {
                let work = async move {
                    for round in 0..20 {
                        assert_eq!(ID.get(), Some(id));
                        match round % 4 {
                            0 => tokio::time::sleep(Duration::from_micros(id)).await,
                            _ => yield_now().await,
                        }
                    }
                };
                ID.run(id, || runtime.spawn(work))
            })
            .collect();
        for task in tasks {
            runtime.block_on(task).unwrap();
        }
        // Without a frame: at the root, in every thread.
        let tasks: Vec<_> = (0..20).map(|_| runtime.spawn(seen())).collect();
        for task in tasks {
            assert_eq!(runtime.block_on(task).unwrap(), [None; 2]);
        }
    });
}

#[test]
fn a_panic_leaves_the_frame_and_keeps_no_value() {
    on_runtimes(|runtime| {
        for id in 0..50 {
            let kept = Arc::new(());
            let task = bind(&ID, id).and(&KEPT, Arc::clone(&kept)).run(|| {
                runtime.spawn(async {
                    yield_now().await;
                    ID.run(99, || panic!("in an inner frame"));
                })
            });
            assert!(runtime.block_on(task).unwrap_err().is_panic());
            assert_eq!(runtime.block_on(runtime.spawn(seen())).unwrap(), [None; 2]);
            wait_until_released(&kept);
        }
    });
}

/// Waits until only the test holds the value: a task releases its frame after it wakes its joiner.
fn wait_until_released(kept: &Arc<()>) {
    while Arc::strong_count(kept) > 1 {
        std::thread::yield_now();
    }
}

#[test]
fn a_task_that_ends_in_any_way_is_dropped_in_its_frame_and_keeps_no_value() {
    on_runtimes(|runtime| {
        let (drops, dropped) = mpsc::channel();
        for polled in [false, true] {
            for ends in [false, true] {
                let (kept, drops) = (Arc::new(()), drops.clone());
                let (begun, begins) = mpsc::channel();
                let local = on_drop(move || drops.send(ID.get()).unwrap());
                let task = bind(&ID, 7).and(&KEPT, Arc::clone(&kept)).run(|| {
                    runtime.spawn(async move {
                        let _local = local;
                        begun.send(()).unwrap();
                        if !ends {
                            pending::<()>().await;
                        }
                    })
                });
                if polled {
                    runtime.block_on(async {
                        while begins.try_recv().is_err() {
                            yield_now().await;
                        }
                    });
                }
                task.abort();
                // It may have ended before.
                let _ = runtime.block_on(task);
                assert_eq!(dropped.recv().unwrap(), Some(7));
                wait_until_released(&kept);
            }
        }
    });
}

/// Tasks of a runtime that ends, some of which were never polled, and those that are spawned then.
#[test]
fn a_shutdown_releases_the_frames_of_all_tasks() {
    let kept = Arc::new(());
    on_runtimes(|runtime| {
        let handle = runtime.handle().clone();
        KEPT.run(Arc::clone(&kept), || {
            for _ in 0..20 {
                let (handle, held) = (handle.clone(), Arc::clone(&kept));
                runtime.spawn(async move {
                    // Spawns while the runtime ends.
                    let _late = on_drop(move || {
                        let _held = &held;
                        drop(handle.spawn(pending::<()>()));
                    });
                    pending::<()>().await;
                });
            }
        });
    });
    assert_eq!(Arc::strong_count(&kept), 1);
}

/// A runtime inside of a poll of another one, on the same thread.
#[test]
fn nested_runtimes_return_to_the_outer_tasks_frame() {
    on_runtimes(|inner| {
        let mut outer = Builder::new_multi_thread();
        framewise_context::tokio::install(&mut outer);
        let outer = outer.worker_threads(2).build().unwrap();
        std::thread::scope(|scope| {
            let inner = inner.handle();
            scope.spawn(|| {
                let (seen_inside, seen_outside) = mpsc::channel();
                let inner = inner.clone();
                let task = ID.run(1, || {
                    outer.spawn(async move {
                        block_in_place(|| {
                            let task = ID.run(2, || inner.spawn(seen()));
                            if inner.runtime_flavor() == tokio::runtime::RuntimeFlavor::MultiThread
                            {
                                seen_inside.send(inner.block_on(task).unwrap()).unwrap();
                            }
                        });
                        seen_inside.send([ID.get(); 2]).unwrap();
                    })
                });
                outer.block_on(task).unwrap();
                let seen: Vec<_> = seen_outside.try_iter().collect();
                assert_eq!(seen.last(), Some(&[Some(1); 2]));
                assert!(seen.len() == 1 || seen[0] == [Some(2); 2]);
            });
        });
    });
}

/// A value whose destructor panics ends neither the worker nor a later task.
#[test]
fn a_value_that_panics_when_it_is_dropped_ends_no_worker() {
    static BOMB: ContextVar<Arc<Bomb>> = ContextVar::new("bomb");
    struct Bomb(Mutex<()>);
    impl Drop for Bomb {
        fn drop(&mut self) {
            let _unlocked = self.0.lock();
            panic!("a value panics");
        }
    }
    on_runtimes(|runtime| {
        for _ in 0..20 {
            let bomb = Arc::new(Bomb(Mutex::new(())));
            // The task ends after `run`, which would otherwise drop the value, and panic, here.
            let is_left = Arc::new(AtomicBool::new(false));
            let mut polls = 0;
            let task = BOMB.run(bomb, || {
                let is_left = Arc::clone(&is_left);
                runtime.spawn(poll_fn(move |cx| {
                    polls += 1;
                    cx.waker().wake_by_ref();
                    if polls >= 3 && is_left.load(Ordering::Acquire) {
                        Poll::Ready(())
                    } else {
                        Poll::Pending
                    }
                }))
            });
            is_left.store(true, Ordering::Release);
            runtime.block_on(task).unwrap();
            assert_eq!(runtime.block_on(runtime.spawn(seen())).unwrap(), [None; 2]);
        }
    });
}
