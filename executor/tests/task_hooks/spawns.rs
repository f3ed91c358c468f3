//! What a hook is told of a task: parent, name, and where it was spawned, for each function that
//! spawns.

use framewise::runtime::{Builder, LocalOptions};
use framewise::task::{self, JoinSet, LocalSet};
use framewise::{spawn, spawn_blocking, spawn_root};

use crate::{Calls, observed};

/// Checks that the last task was spawned in this line, and returns its call.
#[track_caller]
fn assert_spawned_here(calls: &Calls, what: &str) {
    let line = std::panic::Location::caller().line();
    let all = calls.all();
    let last = all.iter().rfind(|call| call.hook == "spawn").unwrap();
    assert_eq!(last.line, line, "{what}");
}

// rustfmt would put the calls and their checks into different lines.
#[rustfmt::skip]
#[test]
fn each_function_that_spawns_says_where_it_was_called() {
    let (builder, calls) = observed(Builder::new_current_thread());
    let runtime = builder.build_local(LocalOptions::default()).unwrap();
    let handle = runtime.handle();
    let set = {
        let _entered = runtime.enter();
        LocalSet::new()
    };
    let mut joins = JoinSet::new();
    let builder = task::Builder::new();
    runtime.block_on(async {
        drop(spawn(async {})); assert_spawned_here(&calls, "spawn");
        drop(spawn_root(async {})); assert_spawned_here(&calls, "spawn_root");
        drop(spawn_blocking(|| ())); assert_spawned_here(&calls, "spawn_blocking");
        drop(task::spawn_local(async {})); assert_spawned_here(&calls, "spawn_local");
        drop(handle.spawn(async {})); assert_spawned_here(&calls, "Handle::spawn");
        drop(handle.spawn_root(async {})); assert_spawned_here(&calls, "Handle::spawn_root");
        drop(handle.spawn_blocking(|| ())); assert_spawned_here(&calls, "Handle::spawn_blocking");
        drop(runtime.spawn_local(async {})); assert_spawned_here(&calls, "LocalRuntime::spawn_local");
        drop(runtime.spawn_blocking(|| ())); assert_spawned_here(&calls, "LocalRuntime::spawn_blocking");
        drop(set.spawn_local(async {})); assert_spawned_here(&calls, "LocalSet::spawn_local");
        drop(joins.spawn(async {})); assert_spawned_here(&calls, "JoinSet::spawn");
        drop(joins.spawn_on(async {}, handle)); assert_spawned_here(&calls, "JoinSet::spawn_on");
        drop(joins.spawn_local(async {})); assert_spawned_here(&calls, "JoinSet::spawn_local");
        drop(joins.spawn_local_on(async {}, &set)); assert_spawned_here(&calls, "JoinSet::spawn_local_on");
        drop(joins.spawn_blocking(|| ())); assert_spawned_here(&calls, "JoinSet::spawn_blocking");
        drop(joins.spawn_blocking_on(|| (), handle)); assert_spawned_here(&calls, "JoinSet::spawn_blocking_on");
        drop(joins.build_task().spawn(async {})); assert_spawned_here(&calls, "join_set::Builder::spawn");
        drop(joins.build_task().spawn_on(async {}, handle)); assert_spawned_here(&calls, "join_set::Builder::spawn_on");
        drop(joins.build_task().spawn_local(async {})); assert_spawned_here(&calls, "join_set::Builder::spawn_local");
        drop(joins.build_task().spawn_local_on(async {}, &set)); assert_spawned_here(&calls, "join_set::Builder::spawn_local_on");
        drop(joins.build_task().spawn_blocking(|| ())); assert_spawned_here(&calls, "join_set::Builder::spawn_blocking");
        drop(joins.build_task().spawn_blocking_on(|| (), handle)); assert_spawned_here(&calls, "join_set::Builder::spawn_blocking_on");
        drop(builder.spawn(async {})); assert_spawned_here(&calls, "Builder::spawn");
        drop(builder.spawn_on(async {}, handle)); assert_spawned_here(&calls, "Builder::spawn_on");
        drop(builder.spawn_local(async {})); assert_spawned_here(&calls, "Builder::spawn_local");
        drop(builder.spawn_local_on(async {}, &set)); assert_spawned_here(&calls, "Builder::spawn_local_on");
        drop(builder.spawn_blocking(|| ())); assert_spawned_here(&calls, "Builder::spawn_blocking");
        drop(builder.spawn_blocking_on(|| (), handle)); assert_spawned_here(&calls, "Builder::spawn_blocking_on");
    });
    let (builder, calls) = observed(Builder::new_current_thread());
    let runtime = builder.build().unwrap();
        drop(runtime.spawn(async {})); assert_spawned_here(&calls, "Runtime::spawn");
        drop(runtime.spawn_root(async {})); assert_spawned_here(&calls, "Runtime::spawn_root");
        drop(runtime.spawn_blocking(|| ())); assert_spawned_here(&calls, "Runtime::spawn_blocking");
}

#[test]
fn a_hook_knows_the_parent_and_the_name() {
    let (builder, calls) = observed(Builder::new().worker_threads(2));
    let runtime = builder.build().unwrap();
    let named = task::Builder::new().name("parent");
    let parent = named.spawn_on(
        async {
            let child = spawn(async {});
            let call = spawn_blocking(|| spawn(async {}).id());
            let (child_id, call_id) = (child.id(), call.id());
            child.await.unwrap();
            (child_id, call_id, call.await.unwrap())
        },
        runtime.handle(),
    );
    let parent = parent.unwrap();
    let parent_id = parent.id();
    let (child, call, grandchild) = runtime.block_on(parent).unwrap();
    let spawn_of = |id| {
        let all = calls.all();
        let spawn = all
            .iter()
            .find(|call| call.hook == "spawn" && call.id == id);
        spawn.unwrap().clone()
    };
    assert_eq!(spawn_of(parent_id).parent, None);
    assert_eq!(spawn_of(parent_id).name.as_deref(), Some("parent"));
    assert_eq!(spawn_of(child).parent, Some(parent_id));
    assert_eq!(spawn_of(child).name, None);
    assert_eq!(spawn_of(call).parent, Some(parent_id));
    assert_eq!(spawn_of(grandchild).parent, Some(call));
}

#[test]
fn the_runtimes_own_calls_are_not_observed() {
    let (builder, calls) = observed(Builder::new().worker_threads(1));
    let runtime = builder.build().unwrap();
    runtime.block_on(async {
        framewise::fs::metadata("/").await.unwrap();
        let found = framewise::net::lookup_host("localhost:1").await;
        drop(found);
    });
    assert!(calls.all().is_empty(), "{:?}", calls.all());
}
