//! Stacks: their size, and large futures, closures and outputs on threads with the default size of
//! 2 MiB.
//!
//! Each case runs in a child process, because a stack overflow aborts the process.

mod futures;
mod outputs;
mod stacks;

use std::env;
use std::process::Command;

use framewise::runtime::{Builder, Runtime};

const MIB: usize = 1024 * 1024;

/// The size of a large future, closure or output: a stack of 2 MiB has room for two of them, but
/// not for three.
const LARGE: usize = 700_000;
const IN_CHILD: &str = "FRAMEWISE_LARGE_CHILD";

/// Runs `body` in a child process, on a thread with a stack of 2 MiB. Returns `true` if it
/// succeeded.
fn succeeds_in_child(name: &str, body: fn()) -> bool {
    if env::var_os(IN_CHILD).is_some() {
        let builder = std::thread::Builder::new().stack_size(2 * MIB);
        let thread = builder.spawn(body).expect("threads are left");
        thread.join().expect("the body panicked");
        return true;
    }
    let output = Command::new(env::current_exe().expect("a test has a path"))
        .args(["--exact", name, "--nocapture"])
        .env(IN_CHILD, "1")
        .env_remove("RUST_MIN_STACK")
        .output()
        .expect("it can be started again");
    let printed = String::from_utf8_lossy(&output.stdout);
    assert!(printed.contains("running 1 test"), "{printed}");
    output.status.success()
}

fn runtime() -> Runtime {
    let builder = Builder::new().worker_threads(1);
    builder.build().expect("a runtime can be started")
}
