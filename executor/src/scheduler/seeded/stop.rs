//! Why a run ends before its future is ready, and what becomes of a `block_on` in it then.
//!
//! Owns the words for it. A `block_on` cannot return without an output, so it unwinds.

use std::cell::Cell;
use std::{fmt, panic, process, thread};

/// How often code may call `block_on` in a run that was stopped, before the process ends.
const REFUSALS_MAX: u32 = 1000;

/// Why a run ended before its future was ready.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Stop {
    /// Nothing can run, and no timer is armed.
    Deadlock(String),
    /// More steps than allowed.
    StepLimit(u64, String),
    /// A panic that nobody joined.
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
/// Two kinds of code do not come to their end by that: a destructor that calls `block_on` while a
/// panic unwinds, which ends the process, and a loop that catches the panic and calls `block_on`
/// again, which does not end at all. Both are told why, and the loop is ended with the process.
pub(super) fn unwind(stop: &Stop, seed: u64, refusals: &Cell<u32>) -> ! {
    refusals.set(refusals.get() + 1);
    let is_loop = refusals.get() > REFUSALS_MAX;
    if thread::panicking() || is_loop {
        // Nobody else may be left to say so.
        eprintln!("the seeded run under seed {seed:#x} was stopped: {stop}");
    }
    if is_loop {
        process::abort();
    }
    panic::resume_unwind(Box::new("the seeded run was stopped"))
}
