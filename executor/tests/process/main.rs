//! Child processes: their exits, noticed by descriptors and by SIGCHLD; their pipes; those that are
//! dropped; frames. (What a wait leaves behind is in `waits/`.)
#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod children;
mod commands;
#[cfg(target_os = "linux")]
mod descriptors;
mod frames;
mod orphans;
mod pipes;
mod runtimes;

use std::env;
use std::process::Stdio;

use framewise::process::{Child, Command};
use framewise::runtime::Runtime;
use framewise_test_support::on_workers;

/// Returns a command that runs a shell script.
fn sh(script: &str) -> Command {
    let mut command = Command::new("sh");
    command.args(["-c", script]);
    command
}

/// Starts a process that ends when its standard input does.
fn waiting() -> Child {
    let mut cat = Command::new("cat");
    cat.stdin(Stdio::piped()).stdout(Stdio::null());
    cat.spawn().unwrap()
}

/// Returns `true` while there is a process with that id, also if it is a zombie.
fn exists(id: u32) -> bool {
    // SAFETY: signal zero is not sent; the call checks whether it could be.
    unsafe { libc::kill(id.cast_signed(), 0) == 0 }
}

/// Waits until the exit of a process was collected. (The test's watchdog reports a hang.)
fn wait_until_collected(id: u32) {
    while exists(id) {
        std::thread::yield_now();
    }
}

/// Runs a test on 1, 2 and 8 workers: where the system gives descriptors of processes, and where it
/// does not, so that exits are noticed by SIGCHLD.
fn both_ways(test: impl Fn(&Runtime) + Sync) {
    on_workers(&test);
    #[cfg(target_os = "linux")]
    descriptors::without(libc::ENOSYS, || on_workers(&test));
}

/// Runs `body` in a process of its own, which runs the calling test alone.
fn in_own_process(test: &str, body: impl FnOnce()) {
    const NAME: &str = "FRAMEWISE_OWN_PROCESS";
    if env::var_os(NAME).is_some() {
        return body();
    }
    let status = std::process::Command::new(env::current_exe().unwrap())
        .args(["--exact", test, "--nocapture"])
        .env(NAME, "1")
        .status()
        .unwrap();
    assert!(status.success(), "{test} failed in its own process");
}
