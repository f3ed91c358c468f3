//! Why a run failed, and how to replay it.

use std::fmt;

use crate::seeded::runtime::RunOutcome;
use crate::seeded::{RunReport, Stop};

/// A seeded run that failed.
///
/// Its [`Display`](fmt::Display) shows what happened, under which seed, and the last steps.
///
/// # Examples
///
/// ```
/// use framewise::test::Explorer;
///
/// let run = Explorer::new().run(0, std::future::pending::<()>);
/// let failure = run.failure().expect("nothing wakes it");
/// assert!(failure.is_deadlock());
/// println!("{failure}"); // what happened, under which seed, and the last steps
/// ```
#[derive(Clone, Debug)]
pub struct Failure {
    seed: u64,
    kind: FailureKind,
    message: String,
    steps: u64,
    digest: u64,
    trace: Vec<String>,
    has_foreign_threads: bool,
    is_blocked_by_nesting: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum FailureKind {
    Panic,
    UnhandledPanic,
    Deadlock,
    StepLimit,
}

impl FailureKind {
    fn of(stop: &Stop) -> Self {
        match stop {
            Stop::Deadlock(_) => Self::Deadlock,
            Stop::StepLimit(..) => Self::StepLimit,
            Stop::Unhandled(_) => Self::UnhandledPanic,
        }
    }
}

impl Failure {
    /// Returns the seed of the run.
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// Returns `true` if code panicked: the run's future, or a task without a joiner.
    pub fn is_panic(&self) -> bool {
        matches!(self.kind, FailureKind::Panic | FailureKind::UnhandledPanic)
    }

    /// Returns `true` if no task could run any more, and no timer was armed.
    pub fn is_deadlock(&self) -> bool {
        self.kind == FailureKind::Deadlock
    }

    /// Returns `true` if the run took more steps than allowed.
    pub fn is_step_limit(&self) -> bool {
        self.kind == FailureKind::StepLimit
    }

    /// Returns the message of the panic, or a description of the deadlock or the livelock.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// Returns the number of steps that the run took: polls, blocking calls and timers.
    pub fn steps(&self) -> u64 {
        self.steps
    }

    /// See [`Run::digest`](super::Run::digest).
    pub fn digest(&self) -> u64 {
        self.digest
    }

    pub(super) fn of<T>(seed: u64, outcome: RunOutcome<T>, report: RunReport) -> Result<T, Self> {
        let (kind, message) = match outcome {
            RunOutcome::Output(output) => return Ok(output),
            RunOutcome::Panic(error) => (FailureKind::Panic, panic_message(error)),
            RunOutcome::Stopped(stop) => (FailureKind::of(&stop), stop.to_string()),
        };
        Err(Self {
            seed,
            kind,
            message,
            steps: report.steps,
            digest: report.digest,
            trace: report.trace,
            has_foreign_threads: report.has_foreign_threads,
            is_blocked_by_nesting: report.is_blocked_by_nesting,
        })
    }
}

fn panic_message(error: crate::JoinError) -> String {
    let payload = match error.try_into_panic() {
        Ok(payload) => payload,
        Err(error) => return error.to_string(),
    };
    match payload.downcast::<String>() {
        Ok(message) => *message,
        Err(payload) => match payload.downcast::<&'static str>() {
            Ok(message) => (*message).to_owned(),
            Err(_) => "a panic whose payload is not a string".to_owned(),
        },
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seed = self.seed;
        writeln!(f, "{}", self.message)?;
        writeln!(
            f,
            "the run under seed {seed:#x} failed in step {}",
            self.steps
        )?;
        if self.has_foreign_threads {
            writeln!(
                f,
                "a thread outside of the run woke or spawned a task: a replay may go differently"
            )?;
        }
        if self.is_blocked_by_nesting {
            writeln!(
                f,
                "a `block_on` was ready and could not return, because another one that began within \
                 it had not: on threads of their own this may go differently (`framewise::test`, \
                 one stack)"
            )?;
        }
        write!(f, "the last steps:")?;
        for step in &self.trace {
            write!(f, "\n  {step}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Failure {}
