//! Who woke a task, and its lineage (C-88).

use std::thread;
use std::time::Duration;

use framewise::context::FrameId;
use framewise::runtime::Builder;
use framewise::task::{self, LocalSet, Wake, WakeSource, spawn_local, yield_now};
use framewise::{Frame, JoinHandle, spawn, spawn_blocking};
use framewise_test_support::{ID, bound_here};
use futures::channel::oneshot;

use crate::kinds;

/// Spawns a task that waits for a value and returns what it knows of its last wake then. Returns
/// when the task waits.
async fn waiting() -> (oneshot::Sender<()>, JoinHandle<Option<Wake>>) {
    let (sender, receiver) = oneshot::channel();
    let (waits, waiting) = oneshot::channel();
    let task = spawn(async move {
        let mut receiver = receiver;
        assert_eq!(
            task::last_wake(),
            None,
            "the first poll follows from the spawn"
        );
        assert!(futures::poll!(&mut receiver).is_pending());
        let _ = waits.send(());
        receiver.await.unwrap();
        task::last_wake()
    });
    waiting.await.unwrap();
    (sender, task)
}

#[test]
fn c88_a_task_knows_the_frame_and_the_task_of_its_last_wake() {
    for (kind, builder) in kinds() {
        let runtime = builder.track_wakes(true).build().unwrap();
        runtime.block_on(async {
            // By a task, in a frame of its own.
            let (sender, task) = waiting().await;
            let waker = spawn(ID.scope(1, async move {
                sender.send(()).unwrap();
                Frame::current().id()
            }));
            let id = waker.id();
            let frame = waker.await.unwrap();
            let wake = task.await.unwrap().unwrap();
            assert_eq!(
                (wake.frame, wake.source),
                (frame, WakeSource::Task(id)),
                "{kind}"
            );
            assert_eq!(wake.task(), Some(id));
            // By a blocking call, at the root.
            let (sender, task) = waiting().await;
            let waker = spawn_blocking(move || sender.send(()).unwrap());
            let id = waker.id();
            let wake = task.await.unwrap().unwrap();
            assert_eq!(
                (wake.frame, wake.task()),
                (FrameId::ROOT, Some(id)),
                "{kind}"
            );
            // By another thread.
            let (sender, task) = waiting().await;
            let thread = thread::spawn(move || {
                ID.run(2, || {
                    sender.send(()).unwrap();
                    Frame::current().id()
                })
            });
            let frame = thread.join().unwrap();
            let wake = task.await.unwrap().unwrap();
            assert_eq!(
                (wake.frame, wake.source),
                (frame, WakeSource::Outside),
                "{kind}"
            );
            assert_eq!(wake.task(), None);
            // By the future of `block_on`.
            let (sender, task) = waiting().await;
            sender.send(()).unwrap();
            let wake = task.await.unwrap().unwrap();
            assert_eq!(wake.source, WakeSource::Outside, "{kind}");
        });
    }
}

#[test]
fn c88_a_timer_wakes_from_the_driver_at_the_root() {
    for (kind, builder) in kinds() {
        let runtime = builder.track_wakes(true).build().unwrap();
        let sleeps = ID.run(1, || {
            runtime.spawn(async {
                framewise::time::sleep(Duration::from_millis(1)).await;
                task::last_wake()
            })
        });
        let wake = runtime.block_on(sleeps).unwrap().unwrap();
        assert_eq!(wake.source, WakeSource::Driver, "{kind}");
        assert_eq!(wake.frame, FrameId::ROOT, "{kind}");
    }
}

#[test]
fn c88_a_task_that_wakes_itself_during_its_poll_knows_it() {
    for (kind, builder) in kinds() {
        let runtime = builder.track_wakes(true).build().unwrap();
        let yields = ID.run(1, || {
            runtime.spawn(async {
                yield_now().await;
                (Frame::current().id(), task::last_wake())
            })
        });
        let id = yields.id();
        let (frame, wake) = runtime.block_on(yields).unwrap();
        let wake = wake.unwrap();
        assert_eq!(
            (wake.frame, wake.source),
            (frame, WakeSource::Task(id)),
            "{kind}"
        );
    }
}

#[test]
fn c88_local_tasks_know_their_wakes() {
    let runtime = Builder::new_current_thread().track_wakes(true).build();
    let runtime = runtime.unwrap();
    LocalSet::new().block_on(&runtime, async {
        let (sender, receiver) = oneshot::channel();
        let waits = spawn_local(async move {
            receiver.await.unwrap();
            task::last_wake()
        });
        let waker = spawn_local(async move { sender.send(()).unwrap() });
        let id = waker.id();
        assert_eq!(waits.await.unwrap().unwrap().task(), Some(id));
    });
}

#[test]
fn c88_the_record_retains_neither_a_frame_nor_a_task() {
    let runtime = Builder::new_current_thread().track_wakes(true).build();
    let runtime = runtime.unwrap();
    runtime.block_on(async {
        let (sender, receiver) = oneshot::channel();
        let (waits, waiting) = oneshot::channel();
        let (end, ends) = oneshot::channel::<()>();
        let woken = spawn(async move {
            let mut receiver = receiver;
            assert!(futures::poll!(&mut receiver).is_pending());
            let _ = waits.send(());
            receiver.await.unwrap();
            let _ = ends.await;
        });
        waiting.await.unwrap();
        let (frame, site) = bound_here(framewise::context::bind(&ID, 1));
        let waker = frame.run(|| spawn(async move { sender.send(()).unwrap() }));
        drop(frame);
        waker.await.unwrap();
        yield_now().await;
        site.assert_live(0);
        end.send(()).unwrap();
        woken.await.unwrap();
    });
}

#[test]
fn without_the_option_there_is_no_record() {
    for (kind, builder) in kinds() {
        // Observed, but not for wakes.
        let runtime = builder.on_task_drop(|_, _| ()).build().unwrap();
        let task = runtime.spawn(async {
            yield_now().await;
            (task::last_wake(), task::lineage().len())
        });
        assert_eq!(runtime.block_on(task).unwrap(), (None, 0), "{kind}");
    }
    assert_eq!((task::last_wake(), task::lineage().len()), (None, 0));
}

/// Spawns a task that spawns one, and so on, and returns the ids of the line with the lineage that
/// the last one sees, the last one first.
fn line(length: usize) -> futures::future::BoxFuture<'static, (Vec<task::Id>, Vec<task::Id>)> {
    Box::pin(async move {
        let (mut line, lineage) = if length == 1 {
            let lineage = task::lineage();
            (Vec::new(), lineage.iter().map(|task| task.id).collect())
        } else {
            spawn(line(length - 1)).await.unwrap()
        };
        line.push(task::id());
        (line, lineage)
    })
}

#[test]
fn c88_a_lineage_has_the_nearest_eight_ancestors() {
    for (kind, builder) in kinds() {
        let runtime = builder.track_wakes(true).build().unwrap();
        for length in [1, 2, 9, 10, 20] {
            let task = runtime.spawn(line(length));
            let (mut ids, lineage) = runtime.block_on(task).unwrap();
            ids.truncate(9);
            assert_eq!(lineage, ids, "{kind}, {length} tasks");
        }
    }
}

#[test]
fn c88_a_lineage_says_where_each_task_was_spawned_though_they_have_ended() {
    let runtime = Builder::new_current_thread().track_wakes(true).build();
    let runtime = runtime.unwrap();
    let (end, ended) = oneshot::channel::<()>();
    let first = line!() + 1;
    let parent = runtime.spawn(async move {
        let child = spawn(async move {
            // The parent is gone.
            let _ = ended.await;
            task::lineage()
        });
        (line!() - 5, child)
    });
    let (second, child) = runtime.block_on(parent).unwrap();
    end.send(()).unwrap();
    let lineage = runtime.block_on(child).unwrap();
    let lines: Vec<_> = lineage.iter().map(|task| task.spawned_at.line()).collect();
    assert_eq!(lines, [second, first]);
}
