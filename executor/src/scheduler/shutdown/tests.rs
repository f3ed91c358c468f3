//! The counts of what is still at work, and the end that follows them: each thread's step is a call
//! on the test's thread. In a runtime a wrong count is an end that comes too early, or twice, in
//! few schedules.

use std::future;
use std::io;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use framewise_context::Frame;
use framewise_io::IoDriver;

use super::Shared;
use crate::blocking::BlockingPool;
use crate::runtime::{Flavor, ThreadSettings};
use crate::scheduler::queue::LocalQueue;
use crate::scheduler::spawner::Spawner;
use crate::task::JoinHandle;
use crate::task::header::TaskRef;

/// The common state of two workers, which are not started, and their queues.
fn shared_with_queues() -> (Arc<Shared>, Vec<LocalQueue>) {
    let blocking = BlockingPool::new(1, Duration::ZERO, ThreadSettings::default(), None);
    let no_look_ups = Arc::new(|_| Err(io::Error::other("no look-ups here")));
    let (driver, io) = IoDriver::new(no_look_ups).expect("descriptors are left");
    Shared::new(2, driver, io, blocking, None, Flavor::MultiThread)
}

fn shared() -> Arc<Shared> {
    shared_with_queues().0
}

impl Shared {
    /// Takes the task that was spawned last, like a worker that polls it.
    fn take_runnable(&self) -> TaskRef {
        let task = self.queues.injector.steal().success();
        task.expect("it was just spawned")
    }

    fn has_ended(&self) -> bool {
        self.wait_for_end(Some(Instant::now()))
    }
}

/// Calls its closure when it is dropped.
struct AtDrop<F: FnMut()>(F);

impl<F: FnMut()> Drop for AtDrop<F> {
    fn drop(&mut self) {
        (self.0)();
    }
}

/// A task that waits, and calls `at_end` when it is dropped.
fn task_with(shared: &Arc<Shared>, at_end: impl FnMut() + Send + 'static) -> JoinHandle<()> {
    let spawner = Spawner::new(Arc::clone(shared), shared.outside());
    let at_end = AtDrop(at_end);
    spawner.spawn(
        async move {
            let _at_end = at_end;
            future::pending::<()>().await;
        },
        Frame::root(),
        (),
    )
}

fn task(shared: &Arc<Shared>) -> JoinHandle<()> {
    task_with(shared, || ())
}

#[test]
fn tasks_are_cancelled_for_a_blocked_thread_when_the_last_core_is_gone() {
    let shared = shared();
    let task = task(&shared);
    shared.register_worker();
    shared.register_worker();
    // One of them blocks in place, and a third thread goes on with its core.
    shared.register_replacement();
    shared.close();
    assert!(!task.is_finished(), "two cores are at work");
    shared.deregister_worker(true);
    assert!(!task.is_finished(), "one core is at work");
    shared.deregister_worker(true);
    assert!(task.is_finished(), "the blocked thread may wait for it");
    assert!(!shared.has_ended(), "the blocked thread is still there");
    shared.deregister_worker(false);
    assert!(shared.has_ended());
}

#[test]
fn a_thread_that_leaves_without_a_core_leaves_the_cores_counted() {
    let shared = shared();
    let task = task(&shared);
    shared.register_worker();
    shared.register_worker();
    shared.register_replacement();
    shared.deregister_worker(false);
    shared.close();
    shared.deregister_worker(true);
    assert!(!task.is_finished(), "one core is at work");
    shared.deregister_worker(true);
    assert!(task.is_finished() && shared.has_ended());
}

#[test]
fn threads_that_leave_an_open_runtime_end_nothing() {
    let shared = shared();
    let task = task(&shared);
    shared.register_worker();
    shared.register_replacement();
    shared.deregister_worker(true);
    assert!(!task.is_finished(), "no core, one blocked thread, and open");
    shared.deregister_worker(false);
    assert!(
        !task.is_finished() && !shared.has_ended(),
        "no thread, and open"
    );
    shared.close();
    assert!(task.is_finished() && shared.has_ended());
}

/// The blocked thread leaves while the thread that had the last core cancels the tasks.
#[test]
fn the_end_waits_for_the_thread_that_cancels() {
    let shared = shared();
    let has_ended = Arc::new(Mutex::new(Vec::new()));
    let task = task_with(&shared, {
        let (shared, has_ended) = (Arc::clone(&shared), Arc::clone(&has_ended));
        move || {
            shared.deregister_worker(false);
            has_ended.lock().expect("no panic").push(shared.has_ended());
        }
    });
    shared.register_worker();
    shared.register_replacement();
    shared.close();
    shared.deregister_worker(true);
    assert_eq!(*has_ended.lock().expect("no panic"), [false]);
    assert!(task.is_finished() && shared.has_ended());
}

/// A blocked thread leaves while the thread that had the last core cancels the tasks. What the
/// latter runs may wait for the task of the former.
#[test]
fn a_blocked_thread_that_leaves_while_tasks_are_cancelled_drops_its_own() {
    let shared = shared();
    let own = task(&shared);
    let runnable = shared.take_runnable();
    let was_dropped = Arc::new(Mutex::new(Vec::new()));
    let cancelled = task_with(&shared, {
        let (shared, was_dropped) = (Arc::clone(&shared), Arc::clone(&was_dropped));
        move || {
            shared.queues.injector.push(runnable);
            shared.deregister_worker(false);
            let mut was_dropped = was_dropped.lock().expect("no panic");
            was_dropped.push(own.is_finished());
        }
    });
    shared.register_worker();
    shared.register_replacement();
    shared.close();
    shared.deregister_worker(true);
    assert_eq!(*was_dropped.lock().expect("no panic"), [true]);
    assert!(cancelled.is_finished() && shared.has_ended());
}

/// A worker leaves after the tasks were cancelled because of another one, whose poll blocks and may
/// be waiting for the task that the former was running.
#[test]
fn a_worker_that_leaves_beside_a_blocked_poll_drops_its_own_task() {
    let shared = shared();
    let own = task(&shared);
    let runnable = shared.take_runnable();
    shared.register_worker();
    shared.register_worker();
    shared.close();
    shared.cancel_for_blocked_polls();
    assert!(!own.is_finished(), "a worker is running it");
    shared.queues.injector.push(runnable);
    shared.deregister_worker(true);
    assert!(own.is_finished(), "the blocked poll may wait for it");
    assert!(!shared.has_ended());
    shared.deregister_worker(true);
    assert!(shared.has_ended());
}

/// A destructor lets the blocked poll go on, which pushes tasks into its worker's queue.
#[test]
fn what_a_blocked_poll_pushes_while_tasks_are_dropped_is_dropped_with_them() {
    let (shared, queues) = shared_with_queues();
    let pushed = [(); 2].map(|()| (task(&shared), shared.take_runnable()));
    let runnables = [0, 1].map(|index| pushed[index].1);
    let dropped = task_with(&shared, move || {
        for runnable in runnables {
            // The second one displaces the first one from the LIFO slot.
            let _ = queues[0].push(runnable);
        }
    });
    shared.register_worker();
    shared.close();
    shared.cancel_for_blocked_polls();
    assert!(dropped.is_finished());
    assert!(pushed.iter().all(|(task, _)| task.is_finished()));
    shared.deregister_worker(true);
    assert!(shared.has_ended());
}

/// A destructor that the end runs closes the runtime once more.
#[test]
fn the_end_runs_once_and_is_over_after_the_last_destructor() {
    let shared = shared();
    let has_ended = Arc::new(Mutex::new(Vec::new()));
    let [first, second] = [(); 2].map(|()| {
        let (own, has_ended) = (Arc::clone(&shared), Arc::clone(&has_ended));
        task_with(&shared, move || {
            own.close();
            has_ended.lock().expect("no panic").push(own.has_ended());
        })
    });
    shared.close();
    assert_eq!(*has_ended.lock().expect("no panic"), [false, false]);
    assert!(first.is_finished() && second.is_finished() && shared.has_ended());
}

#[test]
fn a_process_that_did_not_make_the_runtime_is_a_forked_child() {
    let mut shared = shared();
    assert!(!shared.is_in_forked_child());
    let alone = Arc::get_mut(&mut shared).expect("no other thread has it");
    alone.lifecycle.process += 1;
    assert!(shared.is_in_forked_child());
}
