//! Child processes: their exits, by descriptors and by SIGCHLD, and their pipes.

use std::io::Read;
use std::process::Stdio;
use std::sync::Arc;

use framewise::process::{Child, ChildStdin, ChildStdout, Command};
use framewise::runtime::Runtime;
use futures::lock::Mutex;

use crate::row::{End, Leaves, made, row};

/// Starts a process that ends when its input does, and that writes what it reads.
fn cat(runtime: &Runtime) -> (Child, ChildStdin, ChildStdout) {
    let _entered = runtime.enter();
    let mut child = Command::new("cat")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let (input, output) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
    (child, input, output)
}

#[test]
fn c48_waiting_for_an_exit_leaves_nothing_with_the_child() {
    row("wait", Leaves::Nothing, |runtime, _| {
        let (child, input, output) = cat(runtime);
        let child = Arc::new(Mutex::new(child));
        let waits = Arc::clone(&child);
        let wait = async move { assert!(waits.lock().await.wait().await.unwrap().success()) };
        made(wait, move || drop(input), (child, output))
    });
    row("kill", Leaves::Nothing, |runtime, _| {
        let (child, input, output) = cat(runtime);
        let child = Arc::new(Mutex::new(child));
        let waits = Arc::clone(&child);
        let wait = async move { waits.lock().await.kill().await.unwrap() };
        made(wait, || (), (child, input, output))
    });
}

#[test]
fn c48_waiting_for_output_leaves_nothing() {
    row("wait_with_output", Leaves::Nothing, |runtime, _| {
        let (child, input, output) = cat(runtime);
        let mut child = child;
        child.stdout = Some(output);
        let wait = async move { drop(child.wait_with_output().await.unwrap()) };
        made(wait, move || drop(input), ())
    });
    // Each is started by the call, outside of the frame, and waits for the end of a pipe.
    let held = || {
        let (reads, writes) = std::io::pipe().unwrap();
        let mut command = Command::new("cat");
        command.stdin(reads).stdout(Stdio::null());
        (command, writes)
    };
    row("status", Leaves::Nothing, |runtime, _| {
        let (mut command, writes) = held();
        let _entered = runtime.enter();
        let status = command.status();
        // Its end of the pipe is closed here, and in other children.
        drop(command);
        let wait = async move { assert!(status.await.unwrap().success()) };
        made(wait, move || drop(writes), ())
    });
    row("output", Leaves::Nothing, |runtime, _| {
        let (mut command, writes) = held();
        let _entered = runtime.enter();
        let output = command.output();
        drop(command);
        let wait = async move { assert!(output.await.unwrap().status.success()) };
        made(wait, move || drop(writes), ())
    });
}

#[test]
fn c48_the_pipes_of_a_child_keep_what_streams_keep() {
    row("read", Leaves::Nothing, |runtime, _| {
        let (child, input, output) = cat(runtime);
        let output = Arc::new(output);
        let reads = Arc::clone(&output);
        let wait = async move { assert_eq!(reads.read(&mut [0; 8]).await.unwrap(), 0) };
        made(wait, move || drop(input), (child, output))
    });
    row("tokio's read", Leaves::Slot, |runtime, _| {
        let (child, input, output) = cat(runtime);
        let output = Arc::new(Mutex::new(output));
        let reads = Arc::clone(&output);
        let wait = async move {
            let reads = &mut *reads.lock().await;
            let mut buffer = [0; 8];
            let read = tokio::io::AsyncReadExt::read(reads, &mut buffer).await;
            assert_eq!(read.unwrap(), 0);
        };
        made(wait, move || drop(input), (child, output))
    });
    row("write", Leaves::Nothing, |runtime, end| {
        let (child, input, output) = cat(runtime);
        // `cat` stops when its own output is full.
        runtime.block_on(input.writable()).unwrap();
        while input.try_write(&[0; 1 << 16]).is_ok() {}
        let input = Arc::new(input);
        let writes = Arc::clone(&input);
        let wait = async move { drop(writes.write(&[0; 8]).await) };
        let mut drained = std::fs::File::from(output.into_owned_fd().unwrap());
        let then = move || {
            if end == End::Finished {
                std::thread::spawn(move || {
                    let mut sink = [0; 1 << 16];
                    while drained.read(&mut sink).is_ok_and(|count| count > 0) {}
                });
            }
        };
        made(wait, then, (child, input))
    });
}
