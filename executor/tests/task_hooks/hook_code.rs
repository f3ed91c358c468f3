//! What hooks do themselves: they spawn, bind, panic, abort.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use framewise::panics::{self, Handled};
use framewise::runtime::{Builder, Handle, TaskMeta};
use framewise::task::{self, yield_now};
use framewise::{Frame, JoinError};
use framewise_test_support::ID;

use crate::{Calls, kinds, observed};

#[test]
fn c100_a_hook_that_spawns_is_not_called_for_what_it_spawns() {
    for (kind, builder) in kinds() {
        let spawned = Arc::new(Mutex::new(Vec::new()));
        let calls = Arc::new(AtomicUsize::new(0));
        let hook = {
            let (spawned, calls) = (Arc::clone(&spawned), Arc::clone(&calls));
            move |_: &framewise::runtime::TaskMeta<'_>, _: &framewise::Frame| {
                calls.fetch_add(1, Ordering::Relaxed);
                let child = Handle::current().spawn(async { (ID.get(), task::id()) });
                spawned.lock().unwrap().push(child);
            }
        };
        let runtime = builder
            .on_task_spawn(hook.clone())
            .on_before_poll(hook.clone())
            .on_after_poll(hook.clone())
            .on_task_complete(hook.clone())
            .on_task_drop(hook)
            .build()
            .unwrap();
        let task = {
            let _entered = runtime.enter();
            ID.run(1, || runtime.spawn(async { 7 }))
        };
        assert_eq!(runtime.block_on(task).unwrap(), 7, "{kind}");
        let children = std::mem::take(&mut *spawned.lock().unwrap());
        assert_eq!(children.len(), 5);
        for child in children {
            let id = child.id();
            assert_eq!(runtime.block_on(child).unwrap(), (Some(1), id), "{kind}");
        }
        assert_eq!(calls.load(Ordering::Relaxed), 5, "{kind}");
    }
}

#[test]
fn c100_a_hook_that_panics_is_reported_and_the_task_goes_on() {
    for (kind, builder) in kinds() {
        let reports = Arc::new(Mutex::new(Vec::new()));
        let hook = |_: &framewise::runtime::TaskMeta<'_>, _: &framewise::Frame| {
            ID.run(5, || panic!("a hook"));
        };
        let runtime = builder
            .on_unhandled_panic({
                let reports = Arc::clone(&reports);
                move |error| {
                    assert!(error.is_panic());
                    reports.lock().unwrap().push(ID.get());
                }
            })
            .on_task_spawn(hook)
            .on_before_poll(hook)
            .on_after_poll(hook)
            .on_task_complete(hook)
            .on_task_drop(hook)
            .build()
            .unwrap();
        let task = ID.run(1, || {
            runtime.spawn(async {
                yield_now().await;
                ID.get()
            })
        });
        assert_eq!(runtime.block_on(task).unwrap(), Some(1), "{kind}");
        // Each in the innermost frame of its panic: two polls, so seven calls.
        assert_eq!(*reports.lock().unwrap(), [Some(5); 7], "{kind}");
    }
}

#[test]
fn c100_a_hook_that_binds_or_takes_budget_leaves_the_task_as_it_is() {
    for (kind, builder) in kinds() {
        let hook = |_: &framewise::runtime::TaskMeta<'_>, _: &framewise::Frame| {
            ID.run(5, || assert_eq!(ID.get(), Some(5)));
            for _ in 0..1000 {
                // Outside of a poll there is no budget to take.
                assert!(task::has_budget_remaining());
            }
        };
        let runtime = builder.on_before_poll(hook).on_after_poll(hook).build();
        let runtime = runtime.unwrap();
        let task = ID.run(1, || {
            runtime.spawn(async {
                yield_now().await;
                (ID.get(), task::has_budget_remaining())
            })
        });
        assert_eq!(runtime.block_on(task).unwrap(), (Some(1), true), "{kind}");
    }
}

#[test]
fn a_hook_may_abort_the_task_that_it_is_called_for() {
    let target = Arc::new(Mutex::new(None::<task::AbortHandle>));
    let abort = {
        let target = Arc::clone(&target);
        move |task: &framewise::runtime::TaskMeta<'_>, _: &framewise::Frame| {
            if let Some(target) = &*target.lock().unwrap()
                && target.id() == task.id()
            {
                target.abort();
            }
        }
    };
    let (builder, calls) = observed(Builder::new_current_thread());
    let runtime = builder.on_after_poll(abort).build().unwrap();
    let task = runtime.spawn(std::future::pending::<()>());
    let id = task.id();
    *target.lock().unwrap() = Some(task.abort_handle());
    assert!(runtime.block_on(task).unwrap_err().is_cancelled());
    assert_eq!(calls.of(id), ["spawn", "before", "drop"]);
}

/// Sets all hooks: each records its call, and panics.
fn panicking(builder: Builder) -> (Builder, Calls) {
    let calls = Calls::default();
    let hook = |hook| {
        let calls = calls.clone();
        move |task: &TaskMeta<'_>, frame: &Frame| {
            calls.add(hook, task, frame);
            panic!("a hook");
        }
    };
    let builder = builder
        .on_task_spawn(hook("spawn"))
        .on_before_poll(hook("before"))
        .on_after_poll(hook("after"))
        .on_task_complete(hook("complete"))
        .on_task_drop(hook("drop"));
    (builder, calls)
}

type Tasks = Arc<Mutex<Vec<task::JoinHandle<()>>>>;

/// A function that spawns a task, for a handler or the runtime's hook.
fn spawner() -> (Tasks, impl Fn(&JoinError) + Clone) {
    let tasks = Tasks::default();
    let spawned = Arc::clone(&tasks);
    (tasks, move |error| {
        assert!(error.is_panic());
        let task = Handle::current().spawn(async {});
        spawned.lock().unwrap().push(task);
    })
}

/// The handler answers each panic by a task under itself, like a supervisor.
#[test]
fn c100_a_hook_that_always_panics_comes_to_an_end_whatever_is_spawned_for_it() {
    for (kind, builder) in kinds() {
        let (builder, calls) = panicking(builder);
        let (by_hook, spawn) = spawner();
        let runtime = builder.on_unhandled_panic(spawn).build().unwrap();
        let (by_handler, spawn) = spawner();
        let handler = panics::handle(move |error| {
            error.frame().unwrap().run(|| spawn(error));
            Handled::No
        });
        let task = {
            let _entered = runtime.enter();
            handler.run(|| runtime.spawn(async {}))
        };
        runtime.block_on(task).unwrap();
        for tasks in [by_handler, by_hook] {
            let tasks = std::mem::take(&mut *tasks.lock().unwrap());
            assert_eq!(tasks.len(), 5, "{kind}: one for each hook");
            for task in tasks {
                runtime.block_on(task).unwrap();
            }
        }
        // A later task may have an earlier one's id, so all are counted together.
        assert_eq!(calls.all().len(), 5, "{kind}: those of the one task");
    }
}
