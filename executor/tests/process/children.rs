//! The exit of a child: waiting, asking, killing.

use std::io::{ErrorKind, Read};
use std::os::unix::process::ExitStatusExt;
use std::pin::pin;
use std::process::Stdio;
use std::task::Waker;

use framewise::process::Command;
use framewise::spawn;
use framewise_test_support::{CountingWaker, give_up, poll_once};
use futures::future::join_all;

use crate::{both_ways, exists, sh, waiting};

#[test]
fn the_status_is_returned_again() {
    both_ways(|runtime| {
        runtime.block_on(async {
            let mut child = sh("exit 3").spawn().unwrap();
            assert!(exists(child.id().unwrap()));
            for _ in 0..2 {
                assert_eq!(child.wait().await.unwrap().code(), Some(3));
            }
            assert_eq!(child.id(), None);
            assert_eq!(child.try_wait().unwrap().unwrap().code(), Some(3));
            child.start_kill().unwrap();
            child.kill().await.unwrap();
            assert_eq!(child.wait().await.unwrap().code(), Some(3));
        });
    });
}

#[test]
fn try_wait_does_not_wait_and_leaves_the_input_open() {
    both_ways(|runtime| {
        runtime.block_on(async {
            let mut child = waiting();
            assert_eq!(child.try_wait().unwrap(), None);
            child.stdin.as_ref().unwrap().write_all(b"1").await.unwrap();
            assert_eq!(child.try_wait().unwrap(), None);
            drop(child.stdin.take());
            let status = loop {
                match child.try_wait().unwrap() {
                    Some(status) => break status,
                    None => std::thread::yield_now(),
                }
            };
            assert!(status.success());
            assert_eq!(child.id(), None);
            assert_eq!(child.wait().await.unwrap(), status);
        });
    });
}

#[test]
fn wait_closes_the_input_first() {
    both_ways(|runtime| {
        runtime.block_on(async {
            assert!(waiting().wait().await.unwrap().success());
            // If it was taken, it is the caller's.
            let mut child = waiting();
            let input = child.stdin.take();
            give_up(child.wait());
            drop(input);
            assert!(child.wait().await.unwrap().success());
        });
    });
}

#[test]
fn a_dropped_wait_loses_no_status() {
    both_ways(|runtime| {
        runtime.block_on(async {
            let mut child = waiting();
            let input = child.stdin.take();
            let (counter, waker) = CountingWaker::new();
            for _ in 0..3 {
                assert!(poll_once(&mut pin!(child.wait()), &waker).is_pending());
            }
            drop(input);
            assert!(child.wait().await.unwrap().success());
            assert_eq!(counter.wakes(), 0, "the waits were over");

            // A kill that is dropped has sent the signal, if it was polled.
            let mut child = waiting();
            let _input = child.stdin.take();
            drop(child.kill());
            let _ = poll_once(&mut pin!(child.kill()), Waker::noop());
            assert_eq!(child.wait().await.unwrap().signal(), Some(libc::SIGKILL));
        });
    });
}

#[test]
fn a_dropped_wait_for_output_drops_the_child() {
    both_ways(|runtime| {
        runtime.block_on(async {
            let dropped = |command: &mut Command, wait: &dyn Fn(&mut Command)| {
                let (mut ends, begins) = std::io::pipe().unwrap();
                command.arg("1000").stdin(begins).kill_on_drop(true);
                wait(command);
                command.stdin(Stdio::null());
                // The child had the only descriptor that is left.
                assert_eq!(ends.read(&mut [0]).unwrap(), 0);
            };
            dropped(&mut Command::new("sleep"), &|command| {
                let mut status = pin!(command.status());
                assert!(poll_once(&mut status, Waker::noop()).is_pending());
            });
            dropped(&mut Command::new("sleep"), &|command| {
                let mut output = pin!(command.output());
                assert!(poll_once(&mut output, Waker::noop()).is_pending());
            });
            dropped(&mut Command::new("sleep"), &|command| {
                let mut output = pin!(command.spawn().unwrap().wait_with_output());
                assert!(poll_once(&mut output, Waker::noop()).is_pending());
            });
        });
    });
}

#[test]
fn a_child_is_killed() {
    both_ways(|runtime| {
        runtime.block_on(async {
            let mut child = waiting();
            let _input = child.stdin.take();
            child.start_kill().unwrap();
            assert_eq!(child.wait().await.unwrap().signal(), Some(libc::SIGKILL));
            let mut child = waiting();
            let _input = child.stdin.take();
            child.kill().await.unwrap();
            assert_eq!(child.id(), None);
        });
    });
}

#[test]
fn many_children_end_at_once() {
    both_ways(|runtime| {
        runtime.block_on(async {
            let tasks = (0..5).map(|_| {
                spawn(async {
                    let children = (0..10).map(|code| async move {
                        let status = sh(&format!("exit {code}")).status().await.unwrap();
                        assert_eq!(status.code(), Some(code));
                    });
                    join_all(children).await;
                })
            });
            for task in join_all(tasks).await {
                task.unwrap();
            }
        });
    });
}

#[test]
fn an_exit_that_other_code_took_is_an_error() {
    both_ways(|runtime| {
        runtime.block_on(async {
            let mut child = Command::new("true").spawn().unwrap();
            let id = child.id().unwrap().cast_signed();
            // SAFETY: the id is that of a child, and there is no status to write.
            assert_eq!(unsafe { libc::waitpid(id, std::ptr::null_mut(), 0) }, id);
            let error = child.wait().await.unwrap_err();
            assert_eq!(error.raw_os_error(), Some(libc::ECHILD));
            assert!(child.try_wait().is_err());
            // The id may be another process's by now, which gets no signal.
            assert_eq!(child.id(), None);
            child.start_kill().unwrap();
            drop(child);
        });
    });
}

#[test]
fn what_cannot_be_started_is_an_error() {
    both_ways(|runtime| {
        runtime.block_on(async {
            let mut command = Command::new("/no/such/program");
            assert_eq!(command.spawn().unwrap_err().kind(), ErrorKind::NotFound);
            assert!(command.status().await.is_err());
            assert!(command.output().await.is_err());
            let error = Command::new("true")
                .stdin(Stdio::piped())
                .spawn_with(|_| Err(ErrorKind::OutOfMemory.into()))
                .unwrap_err();
            assert_eq!(error.kind(), ErrorKind::OutOfMemory);
        });
    });
}
