//! Why a run ends before its future is ready, and how a `block_on` in it ends then.
//!
//! Owns the messages. A `block_on` cannot return without an output, so it unwinds.

use std::cell::Cell;
use std::{fmt, panic, process, thread};

/// How often code may call `block_on` in a stopped run before the process is aborted.
const REJECTIONS_MAX: u32 = 1000;

/// Why a run ended before its future was ready.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Stop {
    /// Nothing can run, and no timer is armed.
    Deadlock(String),
    /// More steps than allowed.
    StepLimit(u64, String),
    /// A panic without a joiner.
    Unhandled(String),
}

impl fmt::Display for Stop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Deadlock(waiting) => write!(
                f,
                "deadlock: nothing can run, no timer is armed, and {waiting}"
            ),
            Self::StepLimit(steps, waiting) => write!(
                f,
                "the run did not end within {steps} steps (a livelock?); {waiting}"
            ),
            Self::Unhandled(message) => write!(f, "a panic without a joiner: {message}"),
        }
    }
}

/// Unwinds out of a `block_on` whose run was stopped.
///
/// Two kinds of code do not end because of that: a destructor that calls `block_on` while a panic
/// unwinds, which aborts the process, and a loop that catches the panic and calls `block_on` again,
/// which never ends. For both the reason is printed, and for the loop the process is aborted.
pub(super) fn unwind(stop: &Stop, seed: u64, rejections: &Cell<u32>) -> ! {
    rejections.set(rejections.get() + 1);
    let is_loop = rejections.get() > REJECTIONS_MAX;
    if thread::panicking() || is_loop {
        // No later code may get to report it.
        eprintln!("the seeded run under seed {seed:#x} was stopped: {stop}");
    }
    if is_loop {
        process::abort();
    }
    panic::resume_unwind(Box::new("the seeded run was stopped"))
}
