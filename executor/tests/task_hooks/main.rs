//! The hooks of a runtime (`Builder::on_task_spawn` and the four others), and what it records of
//! wakes: when each is called, for which tasks, in which frame.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod ends;
mod hook_code;
mod spawns;
mod wakes;

use std::sync::{Arc, Mutex};
use std::thread::{self, ThreadId};

use framewise::Frame;
use framewise::runtime::{Builder, TaskMeta};
use framewise::task::{self, Id, yield_now};
use framewise_test_support::{ID, with_workers};

/// A call of a hook.
#[derive(Clone, Debug)]
struct Call {
    hook: &'static str,
    id: Id,
    parent: Option<Id>,
    name: Option<String>,
    line: u32,
    is_blocking: bool,
    /// The value of `ID` where the hook ran.
    bound: Option<u64>,
    thread: ThreadId,
}

/// The calls of the hooks, in order.
#[derive(Clone, Default)]
struct Calls(Arc<Mutex<Vec<Call>>>);

impl Calls {
    fn all(&self) -> Vec<Call> {
        self.0.lock().unwrap().clone()
    }

    /// Returns the hooks that were called for a task, in order.
    fn of(&self, id: Id) -> Vec<&'static str> {
        let calls = self.all().into_iter().filter(|call| call.id == id);
        calls.map(|call| call.hook).collect()
    }

    fn add(&self, hook: &'static str, task: &TaskMeta<'_>, frame: &Frame) {
        assert_eq!(frame.id(), Frame::current().id(), "the frame is current");
        assert_eq!(
            task::try_id(),
            Some(task.id()),
            "the hook is the task's code"
        );
        let call = Call {
            hook,
            id: task.id(),
            parent: task.parent_id(),
            name: task.name().map(str::to_owned),
            line: task.spawned_at().line(),
            is_blocking: task.is_blocking(),
            bound: ID.get(),
            thread: thread::current().id(),
        };
        self.0.lock().unwrap().push(call);
    }
}

/// Sets all hooks of a runtime to record their calls.
fn observed(builder: Builder) -> (Builder, Calls) {
    let calls = Calls::default();
    let hook = |name| {
        let calls = calls.clone();
        move |task: &TaskMeta<'_>, frame: &Frame| calls.add(name, task, frame)
    };
    let builder = builder
        .on_task_spawn(hook("spawn"))
        .on_before_poll(hook("before"))
        .on_after_poll(hook("after"))
        .on_task_complete(hook("complete"))
        .on_task_drop(hook("drop"));
    (builder, calls)
}

/// Returns a builder of each kind of runtime, with its name.
fn kinds() -> [(&'static str, Builder); 3] {
    [
        ("one worker", Builder::new().worker_threads(1)),
        ("two workers", Builder::new().worker_threads(2)),
        ("current thread", Builder::new_current_thread()),
    ]
}

const ONE_POLL: [&str; 5] = ["spawn", "before", "after", "complete", "drop"];

#[test]
fn c100_each_hook_is_called_in_its_place_and_in_the_tasks_frame() {
    for (kind, builder) in kinds() {
        let (builder, calls) = observed(builder);
        let runtime = builder.build().unwrap();
        let spawn = |value| ID.run(value, || runtime.spawn(yield_now()));
        let tasks = [spawn(1), spawn(2)];
        let ids = tasks.each_ref().map(|task| task.id());
        for task in tasks {
            runtime.block_on(ID.scope(9, task)).unwrap();
        }
        // Both are complete, so their hooks have been called.
        for (id, value) in ids.into_iter().zip([1, 2]) {
            let expected = [
                "spawn", "before", "after", "before", "after", "complete", "drop",
            ];
            assert_eq!(calls.of(id), expected, "{kind}");
            let of_task = calls.all().into_iter().filter(|call| call.id == id);
            assert!(of_task.into_iter().all(|call| call.bound == Some(value)));
        }
        assert_eq!(calls.all().len(), 14, "{kind}");
    }
}

#[test]
fn hooks_are_separate_and_unset_ones_are_not_called() {
    let (_, all) = observed(Builder::new());
    type Set = fn(Builder, Calls) -> Builder;
    let set: [(&str, Set); 5] = [
        ("spawn", |builder, calls| {
            builder.on_task_spawn(move |task, frame| calls.add("spawn", task, frame))
        }),
        ("before", |builder, calls| {
            builder.on_before_poll(move |task, frame| calls.add("before", task, frame))
        }),
        ("after", |builder, calls| {
            builder.on_after_poll(move |task, frame| calls.add("after", task, frame))
        }),
        ("complete", |builder, calls| {
            builder.on_task_complete(move |task, frame| calls.add("complete", task, frame))
        }),
        ("drop", |builder, calls| {
            builder.on_task_drop(move |task, frame| calls.add("drop", task, frame))
        }),
    ];
    for (hook, set) in set {
        let calls = Calls::default();
        let runtime = set(Builder::new().worker_threads(1), calls.clone());
        let runtime = runtime.build().unwrap();
        let task = runtime.spawn(async {});
        let id = task.id();
        runtime.block_on(task).unwrap();
        assert_eq!(calls.of(id), [hook]);
    }
    assert!(all.all().is_empty(), "a builder calls no hook");
}

#[test]
fn the_calls_for_one_task_do_not_overlap_wherever_it_runs() {
    with_workers(|workers| {
        let (builder, calls) = observed(Builder::new().worker_threads(workers));
        let runtime = builder.build().unwrap();
        let tasks: Vec<_> = (0..50)
            .map(|_| {
                runtime.spawn(async {
                    for _ in 0..5 {
                        yield_now().await;
                    }
                })
            })
            .collect();
        let ids: Vec<_> = tasks.iter().map(|task| task.id()).collect();
        for task in tasks {
            runtime.block_on(task).unwrap();
        }
        for id in ids {
            let mut expected = vec!["spawn"];
            expected.extend(["before", "after"].repeat(6));
            expected.extend(["complete", "drop"]);
            assert_eq!(calls.of(id), expected);
            // A pair is on one thread.
            let calls = calls.all().into_iter().filter(|call| call.id == id);
            let polls: Vec<_> = calls.skip(1).map(|call| call.thread).collect();
            assert!(polls[..12].chunks(2).all(|pair| pair[0] == pair[1]));
        }
    });
}
