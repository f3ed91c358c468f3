//! Children that are dropped before their exits are known: no zombie stays.

use std::process::Stdio;

use framewise::process::{Child, Command};
use framewise::runtime::Builder;
use framewise_test_support::{Drops, give_up, runtime, with_workers};

use crate::{both_ways, exists, sh, wait_until_collected, waiting};

#[test]
fn a_dropped_child_runs_on_and_is_collected() {
    both_ways(|runtime| {
        let (id, input) = runtime.block_on(async {
            let mut child = waiting();
            let input = child.stdin.take().unwrap();
            let id = child.id().unwrap();
            drop(child);
            // It is not killed: it still reads.
            input.write_all(b"hello").await.unwrap();
            assert!(exists(id));
            (id, input)
        });
        drop(input);
        wait_until_collected(id);
    });
}

#[test]
fn a_child_that_has_ended_is_collected_by_the_drop() {
    both_ways(|runtime| {
        runtime.block_on(async {
            let mut child = sh("exit 0").stdout(Stdio::piped()).spawn().unwrap();
            let id = child.id().unwrap();
            let output = child.stdout.take().unwrap();
            assert_eq!(output.read(&mut [0]).await.unwrap(), 0);
            drop(child);
            wait_until_collected(id);
        });
    });
}

#[test]
fn a_child_is_killed_by_the_drop_on_request() {
    both_ways(|runtime| {
        let kept = |mut command: Command| -> (u32, Child) {
            let _entered = runtime.enter();
            let child = command.kill_on_drop(true).spawn().unwrap();
            (child.id().unwrap(), child)
        };
        // On a thread that is in no runtime.
        let (id, child) = kept(sh("exec sleep 1000"));
        drop(child);
        wait_until_collected(id);
        // In a wait.
        let (id, mut child) = kept(sh("exec sleep 1000"));
        let task = runtime.spawn(async move { child.wait().await });
        task.abort();
        assert!(runtime.block_on(task).unwrap_err().is_cancelled());
        wait_until_collected(id);
    });
}

/// A child of which only the output is kept.
fn held_by_its_input(child: &mut Child) -> framewise::process::ChildStdin {
    child.stdin.take().unwrap()
}

#[test]
fn a_child_that_outlives_its_runtime_is_collected_in_the_current_one() {
    with_workers(|workers| {
        let first = runtime(workers);
        let second = runtime(1);
        let mut child = first.block_on(async { waiting() });
        let id = child.id().unwrap();
        let input = held_by_its_input(&mut child).into_owned_fd().unwrap();
        drop(first);
        second.block_on(async { drop(child) });
        assert!(exists(id));
        drop(input);
        wait_until_collected(id);
    });
}

#[test]
fn an_orphan_that_outlives_its_runtime_is_collected_at_the_next_start() {
    with_workers(|workers| {
        let first = runtime(workers);
        let mut child = first.block_on(async { waiting() });
        let id = child.id().unwrap();
        let input = held_by_its_input(&mut child).into_owned_fd().unwrap();
        drop(child);
        drop(first);
        assert!(exists(id));
        drop(input);
        let second = runtime(1);
        while exists(id) {
            second.block_on(async { assert!(sh("exit 0").status().await.unwrap().success()) });
        }
        // A drop after the runtime's end, outside of any.
        let mut child = second.block_on(async { waiting() });
        let id = child.id().unwrap();
        let input = held_by_its_input(&mut child).into_owned_fd().unwrap();
        drop(second);
        drop(child);
        drop(input);
        let third = runtime(1);
        while exists(id) {
            third.block_on(async { drop(sh("exit 0").spawn().unwrap()) });
        }
    });
}

/// The list of those that have outlived their runtimes keeps no descriptor and no memory of one.
#[test]
fn an_orphan_keeps_nothing_of_its_ended_runtime() {
    both_ways(|_| {
        let drops = Drops::default();
        let tracked = drops.tracked();
        let ends = Builder::new()
            .worker_threads(1)
            .on_unhandled_panic(move |_| {
                let _ = &tracked;
            })
            .build()
            .unwrap();
        let mut child = ends.block_on(async { waiting() });
        let id = child.id().unwrap();
        let input = held_by_its_input(&mut child).into_owned_fd().unwrap();
        ends.block_on(async {
            give_up(child.wait());
        });
        drop(child);
        drop(ends);
        assert!(exists(id));
        assert_eq!(drops.count(), 1);
        drop(input);
    });
}

#[test]
fn a_child_that_cannot_be_returned_is_killed() {
    with_workers(|workers| {
        let ends = runtime(workers);
        let handle = ends.handle().clone();
        drop(ends);
        let _entered = handle.enter();
        let mut id = None;
        let error = Command::new("sleep")
            .arg("1000")
            .stdin(Stdio::piped())
            .spawn_with(|command| {
                let child = command.spawn()?;
                id = Some(child.id());
                Ok(child)
            })
            .unwrap_err();
        assert!(error.to_string().contains("shutting down"), "{error}");
        let other = runtime(1);
        while exists(id.unwrap()) {
            other.block_on(async { drop(sh("exit 0").spawn().unwrap()) });
        }
    });
}
