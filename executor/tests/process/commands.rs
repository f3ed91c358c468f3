//! What a command sets, and how it starts processes.

use std::ffi::OsStr;
use std::io;
use std::process::{Command as StdCommand, Stdio};

use framewise::process::Command;
use framewise_test_support::runtime;

use crate::{both_ways, sh};

async fn output_of(command: &mut Command) -> String {
    let output = command.output().await.unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn what_was_set_reaches_the_process() {
    runtime(2).block_on(async {
        let mut command = sh("echo $0 $1 $2 $A $B $C $D; pwd");
        command.args(["one", "two"]).arg("three");
        command.env("A", "a").envs([("B", "b"), ("C", "c")]);
        command.env("D", "d").env_remove("D").current_dir("/");
        assert_eq!(output_of(&mut command).await, "one two three a b c\n/\n");

        let mut command = Command::new("/bin/sh");
        command.arg0("name").args(["-c", "echo $0"]);
        assert_eq!(output_of(&mut command).await, "name\n");

        let mut command = Command::new("/usr/bin/env");
        command.env_clear().env("ONLY", "this");
        assert_eq!(output_of(&mut command).await, "ONLY=this\n");
    });
}

#[test]
fn ids_and_groups_reach_the_process() {
    runtime(2).block_on(async {
        // SAFETY: these calls only return numbers.
        let (user, group) = unsafe { (libc::getuid(), libc::getgid()) };
        let mut command = sh("id -u; id -g; ps -o pgid= -p $$ 2>/dev/null || echo none");
        command.uid(user).gid(group).process_group(0);
        let child = command.stdout(Stdio::piped()).spawn().unwrap();
        let id = child.id().unwrap();
        let output = child.wait_with_output().await.unwrap();
        let lines = String::from_utf8(output.stdout).unwrap();
        let lines: Vec<_> = lines.lines().map(str::trim).collect();
        assert_eq!(lines[0], user.to_string());
        assert_eq!(lines[1], group.to_string());
        if lines[2] != "none" {
            assert_eq!(lines[2], id.to_string(), "it leads its own group");
        }
    });
}

#[test]
fn the_call_before_exec_runs_in_the_child() {
    both_ways(|runtime| {
        runtime.block_on(async {
            let mut command = sh("test -z \"$(ulimit -c)\" || ulimit -c");
            // SAFETY: `setrlimit` is a system call, hence async-signal-safe.
            unsafe {
                command.pre_exec(|| {
                    let none = libc::rlimit {
                        rlim_cur: 0,
                        rlim_max: 0,
                    };
                    match libc::setrlimit(libc::RLIMIT_CORE, &raw const none) {
                        0 => Ok(()),
                        _ => Err(io::Error::last_os_error()),
                    }
                });
            }
            assert_eq!(output_of(&mut command).await, "0\n");
            // SAFETY: it only makes an error of a number.
            unsafe {
                command.pre_exec(|| Err(io::Error::from_raw_os_error(libc::EXDEV)));
            }
            let error = command.spawn().unwrap_err();
            assert_eq!(error.raw_os_error(), Some(libc::EXDEV));
        });
    });
}

#[test]
fn status_and_output_start_the_process_at_the_call() {
    both_ways(|runtime| {
        runtime.block_on(async {
            let (mut ends, begins) = io::pipe().unwrap();
            let mut command = sh("echo started >&3; exit 4");
            let begins = std::sync::Arc::new(begins);
            // The descriptor three of the child is the pipe.
            let raw = std::os::fd::AsRawFd::as_raw_fd(&*begins);
            // SAFETY: `dup2` is async-signal-safe.
            unsafe {
                command.pre_exec(move || match libc::dup2(raw, 3) {
                    3 => Ok(()),
                    _ => Err(io::Error::last_os_error()),
                });
            }
            let status = command.status();
            let mut started = [0; 8];
            io::Read::read_exact(&mut ends, &mut started).unwrap();
            assert_eq!(&started, b"started\n");
            assert_eq!(status.await.unwrap().code(), Some(4));
            let output = command.output();
            io::Read::read_exact(&mut ends, &mut started).unwrap();
            assert_eq!(output.await.unwrap().status.code(), Some(4));
        });
    });
}

#[test]
fn a_command_is_one_of_stds() {
    let mut command = Command::from(StdCommand::new("sh"));
    assert!(!command.get_kill_on_drop());
    assert!(command.kill_on_drop(true).get_kill_on_drop());
    command.as_std_mut().args(["-c", "exit 5"]);
    assert_eq!(command.as_std().get_program(), OsStr::new("sh"));
    runtime(1).block_on(async {
        let mut seen = None;
        let mut child = command
            .spawn_with(|command| {
                seen = Some(command.get_args().count());
                command.spawn()
            })
            .unwrap();
        assert_eq!(seen, Some(2));
        assert_eq!(child.wait().await.unwrap().code(), Some(5));
    });
    assert_eq!(command.into_std().status().unwrap().code(), Some(5));
}
