//! Names of tasks, and the task that runs: `task::Builder`, `task::id`, `try_id`, `name`.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::future::{pending, ready};
use std::mem::size_of_val;
use std::pin::Pin;
use std::sync::mpsc;

use framewise::runtime::{Builder as RuntimeBuilder, Runtime};
use framewise::task::{self, Id, JoinSet, LocalSet, block_in_place, spawn_local, yield_now};
use framewise::{ContextVar, Frame, JoinHandle};
use framewise_test_support::{
    ID, occupy_pool, on_drop, on_workers, one_pool_thread, panic_message, while_occupied,
    with_workers, workers_of,
};
use futures::channel::oneshot;

/// Returns a value that sends the current task's id when it is dropped, and the receiver.
fn id_at_drop() -> (impl Send + Sync + 'static, mpsc::Receiver<Option<Id>>) {
    let (sender, ids) = mpsc::channel();
    (on_drop(move || sender.send(task::try_id()).unwrap()), ids)
}

#[test]
fn the_code_of_a_task_knows_its_id_in_each_poll() {
    on_workers(|runtime| {
        let ids = |_| async {
            let first = task::id();
            yield_now().await;
            let second = framewise::Frame::root().run(task::id);
            (first, second)
        };
        let tasks: Vec<_> = (0..50).map(|n| runtime.spawn(ids(n))).collect();
        for task in tasks {
            let id = task.id();
            assert_eq!(runtime.block_on(task).unwrap(), (id, id));
        }
        let call = runtime.spawn_blocking(task::id);
        let id = call.id();
        assert_eq!(runtime.block_on(call).unwrap(), id);
    });
}

#[test]
fn what_is_polled_inside_of_a_task_and_is_a_task_itself_has_its_own_id() {
    on_workers(|runtime| {
        let outer = runtime.spawn(async {
            let outer = task::id();
            let set = LocalSet::new();
            let inner = set.spawn_local(async { task::id() });
            let inner_id = inner.id();
            // A set that is awaited is polled by this task.
            let polled = set.run_until(async move {
                let of_until = task::id();
                let nested = spawn_local(async { task::id() });
                let nested_id = nested.id();
                assert_eq!(nested.await.unwrap(), nested_id);
                (of_until, inner.await.unwrap())
            });
            assert_eq!(futures::executor::block_on(polled), (outer, inner_id));
            block_in_place(|| assert_eq!(task::id(), outer));
            // A panic that is caught inside of the task leaves it the one that runs.
            let caught = framewise::context::catch_unwind(|| panic!("{}", task::id()));
            assert!(caught.is_err());
            outer == task::id()
        });
        assert!(runtime.block_on(outer).unwrap());
    });
}

#[test]
fn destructors_of_futures_and_outputs_know_the_task() {
    with_workers(|workers| {
        let runtime = RuntimeBuilder::new()
            .worker_threads(workers)
            .build()
            .unwrap();
        // Completed, aborted while idle, aborted before its first poll, panicked.
        let (value, ids) = id_at_drop();
        let completed = runtime.spawn(async move { drop(value) });
        assert_eq!(ids.recv().unwrap(), Some(completed.id()));
        let (value, ids) = id_at_drop();
        let (started, has_started) = oneshot::channel();
        let idle = runtime.spawn(async move {
            let _value = value;
            started.send(()).unwrap();
            pending::<()>().await;
        });
        runtime.block_on(has_started).unwrap();
        idle.abort();
        assert_eq!(ids.recv().unwrap(), Some(idle.id()));
        let (value, ids) = id_at_drop();
        let fresh = while_occupied(&runtime, workers, || {
            let fresh = runtime.spawn(async move { drop(value) });
            fresh.abort();
            fresh
        });
        assert_eq!(ids.recv().unwrap(), Some(fresh.id()));
        let (value, ids) = id_at_drop();
        let panicked = runtime.spawn(async move {
            let _value = value;
            panic!("on purpose");
        });
        assert_eq!(ids.recv().unwrap(), Some(panicked.id()));
        // An output whose handle is dropped before the task's end, and after it.
        let (value, ids) = id_at_drop();
        let (go, gone) = oneshot::channel::<()>();
        let detached = runtime.spawn(async move {
            gone.await.unwrap();
            value
        });
        let id = detached.id();
        drop(detached);
        go.send(()).unwrap();
        assert_eq!(ids.recv().unwrap(), Some(id));
        let (value, ids) = id_at_drop();
        let unread = runtime.spawn(ready(value));
        let id = unread.id();
        while !unread.is_finished() {
            std::thread::yield_now();
        }
        drop(unread);
        assert_eq!(ids.recv().unwrap(), Some(id));
        assert_eq!(task::try_id(), None, "the handle's owner is in no task");
        // A queued call that its aborter drops, and a task that the shutdown drops.
        let (value, ids) = id_at_drop();
        let left = runtime.spawn(async move {
            let _value = value;
            pending::<()>().await;
        });
        drop(runtime);
        assert_eq!(ids.recv().unwrap(), Some(left.id()));
    });
}

#[test]
fn a_queued_call_that_a_task_aborts_is_dropped_with_its_own_id() {
    let runtime = one_pool_thread(1);
    let (release, occupied) = occupy_pool(&runtime);
    let (value, ids) = id_at_drop();
    let queued = runtime.spawn_blocking(move || drop(value));
    let queued_id = queued.id();
    let aborter = runtime.spawn(async move {
        queued.abort();
        task::id()
    });
    let id = aborter.id();
    assert_eq!(runtime.block_on(aborter).unwrap(), id);
    assert_eq!(ids.recv().unwrap(), Some(queued_id));
    drop(release);
    runtime.block_on(occupied).unwrap();
}

#[test]
fn outside_of_a_task_there_is_no_id() {
    assert_eq!((task::try_id(), task::name()), (None, None));
    assert!(panic_message(|| task::id()).contains("task::id"));
    on_workers(|runtime| {
        runtime.block_on(async { assert_eq!(task::try_id(), None) });
        // A timer's callback belongs to no task, though a worker that polls tasks calls it.
        let (sender, ids) = mpsc::channel();
        let entered = runtime.enter();
        let callback = framewise::time::set_timeout(std::time::Duration::ZERO, move || {
            sender.send(task::try_id()).unwrap();
        });
        drop(entered);
        assert_eq!(ids.recv().unwrap(), None);
        drop(callback);
    });
}

#[test]
fn a_task_has_the_name_that_it_was_given() {
    type Observed = (Option<std::sync::Arc<str>>, Option<u64>);
    static SHARD: ContextVar<u64> = ContextVar::new("shard");
    on_workers(|runtime| {
        let join = |task: std::io::Result<JoinHandle<Observed>>| {
            let task = task.unwrap();
            assert_eq!(task.name(), Some("named"));
            assert_eq!(task.abort_handle().name(), Some("named"));
            let shown = format!("{task:?}");
            assert!(shown.contains("named"), "{shown}");
            let (name, shard) = runtime.block_on(task).unwrap();
            assert_eq!((name.as_deref(), shard), (Some("named"), Some(7)));
        };
        let observe = || (task::name(), SHARD.get());
        let builder = task::Builder::new().name("named");
        SHARD.run(7, || {
            join(builder.spawn_on(async move { observe() }, runtime.handle()));
            join(builder.spawn_blocking_on(observe, runtime.handle()));
            let _entered = runtime.enter();
            join(builder.spawn(async move { observe() }));
            join(builder.spawn_blocking(observe));
            let set = LocalSet::new();
            let local = builder.spawn_local_on(async move { observe() }, &set);
            set.block_on(runtime, async {
                assert_eq!(local.unwrap().await.unwrap().1, Some(7));
                let local = builder.spawn_local(async move { observe() }).unwrap();
                assert_eq!(local.name(), Some("named"));
                assert_eq!(local.await.unwrap().0.as_deref(), Some("named"));
            });
        });
        let unnamed = runtime.spawn(async { task::name() });
        assert_eq!(unnamed.name(), None);
        assert_eq!(runtime.block_on(unnamed).unwrap(), None);
    });
}

#[test]
fn the_error_of_a_task_has_its_name() {
    on_workers(|runtime| {
        fn fail() {
            panic!("no space");
        }
        let builder = task::Builder::new().name("named");
        let spawn = |future: Pin<Box<dyn Future<Output = ()> + Send>>| {
            builder.spawn_on(future, runtime.handle()).unwrap()
        };
        let failed = spawn(Box::pin(async { fail() }));
        let error = runtime.block_on(failed).unwrap_err();
        assert_eq!(error.to_string(), "the task `named` panicked: no space");
        let endless = spawn(Box::pin(pending()));
        endless.abort();
        let error = runtime.block_on(endless).unwrap_err();
        assert_eq!(error.name(), Some("named"));
        assert_eq!(error.to_string(), "the task `named` was cancelled");
        assert_eq!(error.try_into_panic().unwrap_err().name(), Some("named"));
        let unnamed = runtime.spawn(pending::<()>());
        unnamed.abort();
        assert_eq!(runtime.block_on(unnamed).unwrap_err().name(), None);
    });
}

#[test]
fn the_hooks_of_panics_can_tell_the_name() {
    let (report, reports) = mpsc::channel();
    let runtime = RuntimeBuilder::new()
        .on_unhandled_panic(move |error| report.send(error.name().map(str::to_owned)).unwrap())
        .build()
        .unwrap();
    let named = task::Builder::new().name("named");
    let (in_hook, seen) = mpsc::channel();
    let before = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        let of_this_test = panic.payload_as_str() == Some("of the named task");
        if of_this_test {
            in_hook.send(task::name()).unwrap();
        }
        before(panic);
    }));
    let task = named.spawn_on(async { panic!("of the named task") }, runtime.handle());
    drop(task.unwrap());
    assert_eq!(reports.recv().unwrap().as_deref(), Some("named"));
    assert_eq!(seen.recv().unwrap().as_deref(), Some("named"));
}

#[test]
fn members_of_a_set_can_have_names() {
    on_workers(|runtime| {
        let mut set = JoinSet::new();
        let handle = runtime.handle();
        let _entered = runtime.enter();
        let name = || async { (task::name(), ID.get()) };
        let call = || (task::name(), ID.get());
        ID.run(7, || {
            let first = set.build_task().name("one").spawn(name()).unwrap();
            assert_eq!(first.name(), Some("one"));
            set.build_task()
                .name("two")
                .spawn_on(name(), handle)
                .unwrap();
            set.build_task().name("three").spawn_blocking(call).unwrap();
            let four = set.build_task().name("four");
            assert!(format!("{four:?}").contains("four"));
            four.spawn_blocking_on(call, handle).unwrap();
            let local = LocalSet::new();
            set.build_task()
                .name("five")
                .spawn_local_on(name(), &local)
                .unwrap();
            local.block_on(runtime, async {
                set.build_task().name("six").spawn_local(name()).unwrap();
                let mut names = Vec::new();
                while let Some(joined) = set.join_next().await {
                    let (name, id) = joined.unwrap();
                    assert_eq!(id, Some(7));
                    names.push(name.unwrap().to_string());
                }
                names.sort_unstable();
                assert_eq!(names, ["five", "four", "one", "six", "three", "two"]);
            });
        });
    });
}

#[test]
fn a_name_outlives_what_it_was_made_of() {
    fn spawn(runtime: &Runtime) -> JoinHandle<usize> {
        let name = format!("task of {} workers", workers_of(runtime));
        let builder = task::Builder::new().name(&name);
        let future = async { task::name().unwrap().len() };
        builder.spawn_on(future, runtime.handle()).unwrap()
    }
    on_workers(|runtime| {
        let task = spawn(runtime);
        assert!(task.name().unwrap().ends_with("workers"));
        let length = task.name().unwrap().len();
        assert_eq!(runtime.block_on(task).unwrap(), length);
    });
    let borrowed = size_of::<(&str, Option<&Frame>)>();
    assert_eq!(size_of_val(&task::Builder::new()), borrowed);
}
