//! The ids of tasks: `Id`, and which handle and error has which.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::HashSet;
use std::future::pending;
use std::hash::Hash;
use std::sync::mpsc;
use std::time::Duration;

use framewise::JoinHandle;
use framewise::runtime::Builder;
use framewise::task::{Id, LocalSet};
use framewise::time::set_timeout;
use framewise_test_support::{on_drop, on_workers, one_pool_thread, while_occupied, with_workers};

#[test]
fn ids_tell_tasks_apart_that_exist_at_the_same_time() {
    fn is_a_key<T: Copy + Hash + Ord + Send + Sync>() {}
    is_a_key::<Id>();
    on_workers(|runtime| {
        let set = LocalSet::new();
        let mut tasks: Vec<_> = (0..50).map(|_| runtime.spawn(pending())).collect();
        tasks.extend((0..50).map(|_| runtime.spawn(async {})));
        tasks.extend((0..50).map(|_| runtime.spawn_blocking(|| ())));
        tasks.extend((0..50).map(|_| set.spawn_local(async {})));
        let ids: HashSet<_> = tasks.iter().map(JoinHandle::id).collect();
        assert_eq!(ids.len(), tasks.len());
        let shown: HashSet<_> = ids.iter().map(ToString::to_string).collect();
        assert_eq!(shown.len(), tasks.len());
        for task in &tasks {
            assert_eq!(task.abort_handle().id(), task.id());
            assert_eq!(format!("{:?}", task.id()), format!("Id({})", task.id()));
        }
    });
}

#[test]
fn an_error_has_the_id_of_its_task() {
    with_workers(|workers| {
        let runtime = one_pool_thread(workers);
        let join = |task: JoinHandle<()>| {
            let (id, error) = (task.id(), runtime.block_on(task).unwrap_err());
            assert_eq!(error.id(), id);
            error
        };
        assert!(join(runtime.spawn(async { panic!("in a poll") })).is_panic());
        assert!(join(runtime.spawn_blocking(|| panic!("in a call"))).is_panic());
        let fresh = while_occupied(&runtime, workers, || {
            let bomb = on_drop(|| panic!("in a destructor"));
            let task = runtime.spawn(async move {
                let _bomb = bomb;
                pending::<()>().await;
            });
            task.abort();
            task
        });
        assert!(join(fresh).is_panic());
        let parked = runtime.spawn(pending());
        parked.abort();
        let error = join(parked);
        let id = error.id();
        assert_eq!(error.try_into_panic().unwrap_err().id(), id);
        // A call that waits for the only thread.
        let (release, released) = mpsc::channel::<()>();
        let call = runtime.spawn_blocking(move || {
            let _ = released.recv();
        });
        let queued = runtime.spawn_blocking(|| ());
        queued.abort();
        assert!(join(queued).is_cancelled());
        drop(release);
        runtime.block_on(call).unwrap();
        // Tasks of a set that ends, and that has ended.
        let set = LocalSet::new();
        let local = set.spawn_local(pending());
        drop(set);
        assert!(join(local).is_cancelled());
        // A runtime that has ended cancels at the spawn.
        let handle = runtime.handle().clone();
        drop(runtime);
        for task in [handle.spawn(async {}), handle.spawn_blocking(|| ())] {
            let id = task.id();
            let error = framewise_test_support::at_once(task).unwrap_err();
            assert!(error.is_cancelled());
            assert_eq!(error.id(), id);
        }
    });
}

#[test]
fn the_hook_of_panics_sees_the_tasks_id_and_none_of_a_task_for_a_callback() {
    with_workers(|workers| {
        let (report, reports) = mpsc::channel();
        let runtime = Builder::new()
            .worker_threads(workers)
            .on_unhandled_panic(move |error| report.send((error.to_string(), error.id())).unwrap())
            .build()
            .unwrap();
        let task = runtime.spawn(async { panic!("a task") });
        let id = task.id();
        drop(task);
        let (message, reported) = reports.recv().unwrap();
        assert!(message.ends_with("a task"), "{message}");
        assert_eq!(reported, id);
        let living: Vec<_> = (0..100).map(|_| runtime.spawn(pending::<()>())).collect();
        let entered = runtime.enter();
        let _callback = set_timeout(Duration::ZERO, || panic!("a callback"));
        drop(entered);
        let (message, reported) = reports.recv().unwrap();
        assert!(message.ends_with("a callback"), "{message}");
        assert!(living.iter().all(|task| task.id() != reported));
    });
}
