//! Frames: waits are awaited in their tasks' frames, and no child keeps one.

use std::process::Stdio;
use std::sync::Arc;

use framewise::ContextVar;
use framewise::process::Command;
use framewise_test_support::{ID, in_frames};

use crate::{both_ways, sh, wait_until_collected, waiting};

#[test]
fn c59_after_a_wait_the_frame_is_the_awaiting_tasks() {
    both_ways(|runtime| {
        in_frames(|id| {
            let mut child = ID.run(90, || {
                let _entered = runtime.enter();
                waiting()
            });
            let input = child.stdin.take().unwrap();
            let task = runtime.spawn(async move {
                let outer = ID.get();
                let inner = ID.scope(7, async {
                    let closes = framewise::spawn(async move { drop(input) });
                    assert!(child.wait().await.unwrap().success());
                    closes.await.unwrap();
                    ID.get()
                });
                (outer, inner.await, ID.get())
            });
            assert_eq!(runtime.block_on(task).unwrap(), (id, Some(7), id));
        });
    });
}

#[test]
fn c59_output_is_read_in_the_awaiting_tasks_frame() {
    both_ways(|runtime| {
        let task = runtime.spawn(ID.scope(5, async {
            let output = sh("echo 1").output().await.unwrap();
            (output.stdout, ID.get())
        }));
        assert_eq!(runtime.block_on(task).unwrap(), (b"1\n".to_vec(), Some(5)));
    });
}

/// The function that starts a process runs at once, in the caller's frame; so does the call before
/// `exec`, in the child.
#[test]
fn c2_the_calls_that_start_a_process_see_the_callers_frame() {
    both_ways(|runtime| {
        runtime.block_on(ID.scope(6, async {
            let mut command = Command::new("true");
            // SAFETY: it reads a thread-local and makes an error of a number.
            unsafe {
                command.pre_exec(|| match ID.get() {
                    Some(6) => Ok(()),
                    _ => Err(std::io::Error::from_raw_os_error(libc::EDOM)),
                });
            }
            let mut seen = None;
            let child = command.spawn_with(|command| {
                seen = ID.get();
                command.spawn()
            });
            assert!(child.unwrap().wait().await.unwrap().success());
            assert_eq!(seen, Some(6));
        }));
    });
}

/// C-90: neither the child, nor what collects it after its drop, keeps a request's frame.
#[test]
fn c90_a_child_keeps_nothing_of_the_request_that_started_it() {
    static REQUEST: ContextVar<Arc<u8>> = ContextVar::new("request");
    both_ways(|runtime| {
        let value = Arc::new(7);
        let mut child = REQUEST.run(Arc::clone(&value), || {
            let _entered = runtime.enter();
            let mut child = waiting();
            let mut wait = std::pin::pin!(child.wait());
            // The wait closes the input: this is the first one.
            let _ = framewise_test_support::poll_once(&mut wait, std::task::Waker::noop());
            waiting()
        });
        assert_eq!(Arc::strong_count(&value), 1);
        let (id, input) = (child.id().unwrap(), child.stdin.take());
        REQUEST.run(Arc::clone(&value), || drop(child));
        assert_eq!(
            Arc::strong_count(&value),
            1,
            "the orphan's task is at the root"
        );
        drop(input);
        wait_until_collected(id);
        let stdin = Stdio::null();
        runtime.block_on(async { sh("exit 0").stdin(stdin).status().await.unwrap() });
    });
}
