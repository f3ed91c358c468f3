//! What a runtime tells of itself: `worker_index`, `Id`, `RuntimeMetrics`, `is_rt_shutdown_err`.

use std::collections::HashSet;
use std::future::pending;
use std::io;
use std::sync::{Arc, Barrier, mpsc};

use framewise::net::{TcpListener, lookup_host};
use framewise::runtime::{self, Builder, Handle, Runtime, is_rt_shutdown_err};
use framewise::task::block_in_place;
use framewise_test_support::{on_workers, with_workers, workers_of};

#[test]
fn each_worker_has_an_index_and_no_other_thread_does() {
    on_workers(|runtime| {
        let workers = workers_of(runtime);
        assert_eq!(runtime::worker_index(), None);
        assert_eq!(runtime.block_on(async { runtime::worker_index() }), None);
        let call = runtime.spawn_blocking(runtime::worker_index);
        assert_eq!(runtime.block_on(call).unwrap(), None);
        let all_run = Arc::new(Barrier::new(workers));
        let meet = |_| {
            let all_run = Arc::clone(&all_run);
            runtime.spawn(async move {
                all_run.wait();
                let index = runtime::worker_index().unwrap();
                assert_eq!(block_in_place(runtime::worker_index), None);
                index
            })
        };
        let tasks: Vec<_> = (0..workers).map(meet).collect();
        let indices: HashSet<_> = tasks
            .into_iter()
            .map(|task| runtime.block_on(task).unwrap())
            .collect();
        assert_eq!(indices, (0..workers).collect());
    });
}

#[test]
fn the_thread_that_drives_a_runtime_is_its_worker() {
    let runtime = Builder::new_current_thread().build().unwrap();
    assert_eq!(runtime.block_on(async { runtime::worker_index() }), Some(0));
    let task = runtime.spawn(async { runtime::worker_index() });
    assert_eq!(runtime.block_on(task).unwrap(), Some(0));
    let waits = runtime.handle().block_on(async { runtime::worker_index() });
    assert_eq!(waits, None);
    assert_eq!(runtime.metrics().num_workers(), 1);
}

#[test]
fn ids_tell_runtimes_apart() {
    let runtimes: Vec<_> = (0..4)
        .map(|_| Builder::new().worker_threads(1).build().unwrap())
        .collect();
    let ids: HashSet<_> = runtimes.iter().map(Runtime::id).collect();
    assert_eq!(ids.len(), runtimes.len());
    for runtime in &runtimes {
        let id = runtime.id();
        assert_eq!(runtime.handle().id(), id);
        let task = runtime.spawn(async { Handle::current().id() });
        assert_eq!(runtime.block_on(task).unwrap(), id);
        assert_eq!(format!("{id:?}"), format!("Id({id})"));
    }
}

#[test]
fn metrics_count_workers_tasks_and_the_pool() {
    with_workers(|workers| {
        let runtime = Builder::new()
            .worker_threads(workers)
            .max_blocking_threads(2)
            .build()
            .unwrap();
        let metrics = runtime.metrics();
        assert_eq!(metrics.num_workers(), workers);
        let tasks: Vec<_> = (0..10).map(|_| runtime.spawn(pending::<()>())).collect();
        assert_eq!(metrics.num_alive_tasks(), 10);
        tasks[..4].iter().for_each(|task| task.abort());
        for task in tasks.into_iter().take(4) {
            assert!(runtime.block_on(task).is_err());
        }
        assert_eq!(runtime.handle().metrics().num_alive_tasks(), 6);
        assert_eq!(metrics.num_blocking_threads(), 0);
        let (release, released) = mpsc::channel::<()>();
        let released = Arc::new(std::sync::Mutex::new(released));
        let wait = |_| {
            let released = Arc::clone(&released);
            runtime.spawn_blocking(move || released.lock().unwrap().recv().is_err())
        };
        let calls: Vec<_> = (0..5).map(wait).collect();
        assert_eq!(metrics.num_blocking_threads(), 2);
        assert_eq!(metrics.num_idle_blocking_threads(), 0);
        assert_eq!(metrics.blocking_queue_depth(), 3);
        drop(release);
        for call in calls {
            assert!(runtime.block_on(call).unwrap());
        }
        assert_eq!(metrics.blocking_queue_depth(), 0);
        // Tasks of other threads wait while each worker is in a poll.
        let waiting = framewise_test_support::while_occupied(&runtime, workers, || {
            drop((0..3).map(|_| runtime.spawn(async {})).collect::<Vec<_>>());
            metrics.global_queue_depth()
        });
        assert_eq!(waiting, 3);
        assert!(format!("{metrics:?}").contains("num_workers"));
        drop(runtime);
        assert_eq!(
            (metrics.num_alive_tasks(), metrics.num_blocking_threads()),
            (0, 0)
        );
    });
}

#[test]
fn the_error_of_a_runtimes_end_can_be_told_from_others() {
    on_workers(|other| {
        let runtime = Builder::new().worker_threads(1).build().unwrap();
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
        let handle = runtime.handle().clone();
        // A wait that the end ends, and one that begins afterwards.
        let (sender, result) = mpsc::channel();
        let waiting = runtime.spawn(async move {
            struct AcceptAtDrop(TcpListener, mpsc::Sender<io::Error>);
            impl Drop for AcceptAtDrop {
                fn drop(&mut self) {
                    let accepted = futures::executor::block_on(self.0.accept());
                    self.1.send(accepted.unwrap_err()).unwrap();
                }
            }
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let _accept = AcceptAtDrop(listener, sender);
            pending::<()>().await;
        });
        while !waiting.is_finished() && runtime.metrics().num_alive_tasks() == 0 {}
        runtime
            .block_on(async { framewise::spawn(async {}).await })
            .unwrap();
        drop(runtime);
        assert!(is_rt_shutdown_err(&result.recv().unwrap()));
        let error = other.block_on(listener.accept()).unwrap_err();
        assert!(is_rt_shutdown_err(&error), "{error}");
        let _entered = handle.enter();
        let bound = futures::executor::block_on(TcpListener::bind("127.0.0.1:0"));
        assert!(is_rt_shutdown_err(&bound.unwrap_err()));
        let looked_up = futures::executor::block_on(async {
            lookup_host("localhost:1").await.map(|found| found.count())
        });
        assert!(is_rt_shutdown_err(&looked_up.unwrap_err()));

        assert!(!is_rt_shutdown_err(&io::Error::other("something else")));
        assert!(!is_rt_shutdown_err(&io::Error::other(error.to_string())));
        assert!(!is_rt_shutdown_err(&io::ErrorKind::NotConnected.into()));
    });
}
