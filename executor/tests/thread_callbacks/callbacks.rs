//! `on_thread_start`, `on_thread_stop`, `on_thread_park`, `on_thread_unpark`.

use std::collections::HashSet;
use std::future::pending;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::thread::{self, ThreadId};
use std::time::Duration;

use framewise::runtime::{Builder, Handle};
use framewise::task::block_in_place;
use framewise::{ContextVar, Frame};
use framewise_test_support::{ID, with_workers, with_workers_in_frames};

/// The threads that called a callback, in order.
#[derive(Clone, Default)]
struct Calls(Arc<Mutex<Vec<ThreadId>>>);

impl Calls {
    fn callback(&self) -> impl Fn() + Send + Sync + 'static {
        let calls = Arc::clone(&self.0);
        move || calls.lock().unwrap().push(thread::current().id())
    }

    fn get(&self) -> Vec<ThreadId> {
        self.0.lock().unwrap().clone()
    }
}

#[test]
fn c121_each_thread_starts_and_stops_once() {
    with_workers(|workers| {
        let (starts, stops) = (Calls::default(), Calls::default());
        let runtime = Builder::new()
            .worker_threads(workers)
            .on_thread_start(starts.callback())
            .on_thread_stop(stops.callback())
            .build()
            .unwrap();
        let seen = runtime.block_on(async {
            let here = || thread::current().id();
            let call = framewise::spawn_blocking(here).await.unwrap();
            // The worker's core goes on on a thread of the pool, which has started before or does
            // so now, once.
            let in_place = framewise::spawn(async move { block_in_place(here) });
            let in_place = in_place.await.unwrap();
            let after = framewise::spawn(async move { here() }).await.unwrap();
            [call, in_place, after]
        });
        drop(runtime);
        let (starts, stops) = (starts.get(), stops.get());
        assert!(starts.len() > workers, "{starts:?}");
        let started: HashSet<_> = starts.iter().collect();
        assert_eq!(started.len(), starts.len(), "once each");
        assert!(seen.iter().all(|thread| started.contains(thread)));
        assert_eq!(started, stops.iter().collect());
        assert_eq!(starts.len(), stops.len());
    });
}

#[test]
fn a_thread_of_the_pool_that_was_idle_for_long_stops_with_its_callback() {
    let (stopped, stops) = mpsc::channel();
    let runtime = Builder::new()
        .worker_threads(1)
        .thread_keep_alive(Duration::ZERO)
        .on_thread_stop(move || stopped.send(thread::current().id()).unwrap())
        .build()
        .unwrap();
    let call = runtime.spawn_blocking(|| thread::current().id());
    let thread = runtime.block_on(call).unwrap();
    assert_eq!(stops.recv().unwrap(), thread);
}

#[test]
fn the_threads_of_a_runtime_that_cannot_start_stop_with_their_callback() {
    let (starts, stops) = (Calls::default(), Calls::default());
    let names = AtomicUsize::new(0);
    let built = Builder::new()
        .worker_threads(3)
        .on_thread_start(starts.callback())
        .on_thread_stop(stops.callback())
        .thread_name_fn(move || match names.fetch_add(1, Ordering::Relaxed) {
            2 => "with a \0".to_owned(),
            _ => "worker".to_owned(),
        })
        .build();
    assert!(built.is_err());
    let (mut starts, mut stops) = (starts.get(), stops.get());
    assert_eq!(starts.len(), 2);
    starts.sort_unstable_by_key(|id| format!("{id:?}"));
    stops.sort_unstable_by_key(|id| format!("{id:?}"));
    assert_eq!(starts, stops);
}

#[test]
fn c121_callbacks_of_threads_run_at_the_root_within_the_runtime() {
    with_workers_in_frames(|workers, _| {
        let (sender, seen) = mpsc::channel();
        let observe = |what| {
            let sender = sender.clone();
            move || {
                // The runtime, the frame; and operations are not limited by a poll's budget.
                let inside = Handle::try_current().is_ok();
                let _ = sender.send((what, inside, Frame::current().is_root()));
            }
        };
        let runtime = Builder::new()
            .worker_threads(workers)
            .on_thread_start(observe("start"))
            .on_thread_stop(observe("stop"))
            .on_thread_park(observe("park"))
            .on_thread_unpark(observe("unpark"))
            .build()
            .unwrap();
        drop(sender);
        ID.run(9, || {
            let call = runtime.spawn_blocking(|| ID.get());
            assert_eq!(runtime.block_on(call).unwrap(), Some(9));
        });
        let mut all: HashSet<_> = seen.iter().take(workers).collect();
        all.extend(seen.iter().find(|(what, ..)| *what == "park"));
        // The callbacks, and with them their senders, are dropped with the last handle.
        drop(runtime);
        all.extend(seen.iter());
        let seen = all;
        let expected = ["start", "stop", "park", "unpark"].map(|what| (what, true, true));
        assert!(seen.is_superset(&expected.into()), "{seen:?}");
        assert_eq!(seen.len(), expected.len(), "{seen:?}");
    });
}

#[test]
fn callbacks_can_spawn_and_the_thread_runs_it() {
    static BOUND: ContextVar<u64> = ContextVar::new("bound");
    with_workers(|workers| {
        let (sender, ran) = mpsc::channel();
        let spawn = move || {
            let sender = sender.clone();
            drop(framewise::spawn(async move { sender.send(BOUND.get()) }));
        };
        let runtime = Builder::new()
            .worker_threads(workers)
            .on_thread_start(spawn)
            .build()
            .unwrap();
        for _ in 0..workers {
            assert_eq!(ran.recv().unwrap(), None);
        }
        drop(runtime);
    });
}

#[test]
fn a_worker_does_not_park_over_what_its_callback_has_spawned_or_woken() {
    with_workers(|workers| {
        let left = Arc::new(AtomicUsize::new(100));
        let (sender, ran) = mpsc::channel();
        let runtime = Builder::new()
            .worker_threads(workers)
            .on_thread_park(move || {
                // Two: one for the LIFO slot, and one for the deque.
                let take = |left: usize| left.checked_sub(2);
                if left
                    .fetch_update(Ordering::Relaxed, Ordering::Relaxed, take)
                    .is_ok()
                {
                    for _ in 0..2 {
                        let sender = sender.clone();
                        drop(framewise::spawn(async move { sender.send(()) }));
                    }
                }
            })
            .build()
            .unwrap();
        for _ in 0..100 {
            ran.recv().unwrap();
        }
        drop(runtime);
    });
}

#[test]
fn a_thread_that_drives_does_not_wait_for_what_its_callback_wakes() {
    // What the callback spawns, and the future of `block_on` itself.
    for spawns in [false, true] {
        let (sender, mut waiting) = futures::channel::mpsc::unbounded();
        let runtime = Builder::new_current_thread()
            .on_thread_park(move || {
                let sender = sender.clone();
                if spawns {
                    drop(framewise::spawn(async move { sender.unbounded_send(()) }));
                } else {
                    let _ = sender.unbounded_send(());
                }
            })
            .build()
            .unwrap();
        runtime.block_on(async {
            for _ in 0..10 {
                assert_eq!(futures::StreamExt::next(&mut waiting).await, Some(()));
            }
        });
    }
}

#[test]
fn the_thread_that_drives_a_runtime_is_not_started_by_it() {
    let (starts, parks) = (Calls::default(), Calls::default());
    let runtime = Builder::new_current_thread()
        .on_thread_start(starts.callback())
        .on_thread_park(parks.callback())
        .build()
        .unwrap();
    let call = runtime.spawn_blocking(|| thread::current().id());
    let call = runtime.block_on(async {
        framewise::time::sleep(Duration::from_millis(1)).await;
        call.await.unwrap()
    });
    assert_eq!(starts.get(), [call]);
    assert!(parks.get().contains(&thread::current().id()));
}

#[test]
fn c121_parks_and_unparks_alternate_on_each_thread_until_all_are_parked() {
    with_workers(|workers| {
        let depths: Arc<Mutex<Vec<(ThreadId, isize)>>> = Arc::default();
        let (sender, parks) = mpsc::channel();
        let count = |step: isize| {
            let (depths, sender) = (Arc::clone(&depths), sender.clone());
            move || {
                let here = thread::current().id();
                let mut depths = depths.lock().unwrap();
                match depths.iter_mut().find(|(thread, _)| *thread == here) {
                    Some((_, depth)) => {
                        *depth += step;
                        assert!((0..=1).contains(depth), "{depth}");
                    }
                    None => {
                        assert_eq!(step, 1, "a park comes first");
                        depths.push((here, 1));
                    }
                }
                let _ = sender.send(depths.iter().map(|(_, depth)| depth).sum());
            }
        };
        let (on_park, on_unpark) = (count(1), count(-1));
        let runtime = Builder::new()
            .worker_threads(workers)
            .on_unhandled_panic(|error| panic!("a callback failed: {error}"))
            .on_thread_park(on_park)
            .on_thread_unpark(on_unpark)
            .build()
            .unwrap();
        drop(sender);
        for _ in 0..50 {
            let task = runtime.spawn(async { framewise::task::yield_now().await });
            runtime.block_on(task).unwrap();
        }
        // Idle workers do not wake each other: at some time all are parked.
        let all = isize::try_from(workers).unwrap();
        assert!(parks.iter().any(|parked: isize| parked == all));
        drop(runtime);
        assert!(depths.lock().unwrap().iter().all(|(_, depth)| *depth == 0));
    });
}

#[test]
fn c121_a_panic_in_a_callback_is_reported_and_nothing_else_is_lost() {
    with_workers(|workers| {
        let (report, reports) = mpsc::channel();
        let bomb = |what: &'static str| move || panic!("{what}");
        let runtime = Builder::new()
            .worker_threads(workers)
            .on_unhandled_panic(move |error| {
                assert!(error.is_panic());
                assert!(error.frame().unwrap().is_root());
                report.send(error.to_string()).unwrap();
                panic!("and so does the hook");
            })
            .on_thread_start(bomb("start"))
            .on_thread_stop(bomb("stop"))
            .on_thread_park(bomb("park"))
            .on_thread_unpark(bomb("unpark"))
            .build()
            .unwrap();
        let task = runtime.spawn(async {
            framewise::time::sleep(Duration::from_millis(1)).await;
            framewise::spawn_blocking(|| 6 * 7).await.unwrap()
        });
        assert_eq!(runtime.block_on(task).unwrap(), 42);
        let left = runtime.spawn(pending::<()>());
        drop(runtime);
        assert!(left.is_finished());
        drop(left); // it holds the hook
        let reports: HashSet<_> = reports.iter().collect();
        let expected = ["start", "stop", "park", "unpark"];
        let expected = expected.map(|what| format!("the task panicked: {what}"));
        assert_eq!(reports, expected.into());
    });
}
