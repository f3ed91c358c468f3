//! Runs checks, each on its own thread with a time limit, so that a check that hangs is a failure
//! of its item instead of a suite that never ends.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::Duration;

use framewise_context::Frame;

use crate::check_context::{CheckContext, panicked};
use crate::check_result::{CheckResult, Failure, ensure};
use crate::executor::Executor;
use crate::item::Item;
use crate::report::{Finding, Outcome, Report};
use crate::start_frame::StartFrame;
use crate::support::DELIBERATE;
use crate::wait::WaitLimit;

/// How long a check may take, unless [`Suite::limit`] says otherwise.
const LIMIT: Duration = Duration::from_secs(60);

/// The expectation that a check that hangs fails.
const ENDS: &str = "the check ends";

/// A check, by name. `S` is the context that it is given.
pub(crate) struct Check<S> {
    pub(crate) name: &'static str,
    pub(crate) run: fn(&S) -> CheckResult,
}

/// A check with the function that makes its context.
struct Case {
    name: &'static str,
    run: Arc<dyn Fn(StartFrame) -> CheckResult + Send + Sync>,
}

/// The checks of one kind of subject, and the subject under test. [`run`](Self::run) returns the
/// report.
#[must_use = "a suite does nothing until `run`"]
pub struct Suite {
    subject: String,
    cases: Vec<Case>,
    limit: Duration,
}

impl Suite {
    /// Makes the suite for an executor. `make` makes a new executor for each check, on the thread
    /// that runs the check.
    ///
    /// The same thread drops the executor after the check. If a task outlives a failed check and
    /// holds the last reference, a separate thread drops the executor. It is never dropped on one
    /// of its own threads, so its `Drop` may join them.
    pub fn executor<E: Executor>(
        subject: impl Into<String>,
        make: impl Fn() -> E + Send + Sync + 'static,
    ) -> Self {
        Self::new(subject.into(), crate::checks::executor(), move |start| {
            CheckContext::new(crate::owner::share(make()), start)
        })
    }

    /// Makes a suite of these checks; `make` makes the context of each.
    pub(crate) fn new<S: 'static>(
        subject: String,
        checks: Vec<Check<S>>,
        make: impl Fn(StartFrame) -> S + Send + Sync + 'static,
    ) -> Self {
        let make = Arc::new(make);
        let case = |check: Check<S>| {
            let make = Arc::clone(&make);
            Case {
                name: check.name,
                run: Arc::new(move |start| {
                    let subject = make(start);
                    start.enter(|| (check.run)(&subject))
                }),
            }
        };
        Self {
            subject,
            cases: checks.into_iter().map(case).collect(),
            limit: LIMIT,
        }
    }

    /// Sets the time after which a check counts as hung. On a machine that is busy with other work,
    /// a check may take longer. The thread of a check that hangs is leaked.
    pub fn limit(mut self, limit: Duration) -> Self {
        self.limit = limit;
        self
    }

    /// Keeps the checks of these items.
    pub fn only(mut self, items: &[u8]) -> Self {
        self.cases
            .retain(|case| items.contains(&Item::of_name(case.name).number()));
        self
    }

    /// Keeps the check of that name.
    ///
    /// # Panics
    ///
    /// Panics if there is no such check.
    pub fn only_check(mut self, name: &str) -> Self {
        self.cases.retain(|case| case.name == name);
        assert!(!self.cases.is_empty(), "the suite has no check {name}");
        self
    }

    /// Runs each check in each start frame, and returns the report. A check that hangs is not run
    /// in the remaining start frames, and counts as failed there.
    pub fn run(self) -> Report {
        let mut findings = Vec::new();
        for case in &self.cases {
            let mut hung = None;
            for start in StartFrame::ALL {
                // A check that hung is not run again, since it would hang until the limit each
                // time.
                let outcome = hung.clone().unwrap_or_else(|| self.run_one(case, start));
                if matches!(&outcome, Outcome::Failed(failure) if failure.expected == ENDS) {
                    hung = Some(outcome.clone());
                }
                findings.push(Finding {
                    item: Item::of_name(case.name),
                    check: case.name,
                    start,
                    outcome,
                });
            }
        }
        Report::new(self.subject, findings)
    }

    /// Runs the suite as a `#[test]`: fails with the report, or prints it.
    ///
    /// # Panics
    ///
    /// Panics if an item is broken.
    pub fn run_as_test(self) {
        let report = self.run();
        report.assert_conformant();
        println!("{report}");
    }

    fn run_one(&self, case: &Case, start: StartFrame) -> Outcome {
        let run = Arc::clone(&case.run);
        let (sender, receiver) = mpsc::channel();
        let started = thread::Builder::new()
            .name(format!("{}-{start}", case.name))
            .spawn(move || {
                let result = catch_unwind(AssertUnwindSafe(|| {
                    run(start).and_then(|()| thread_is_at_root())
                }));
                let result = result.unwrap_or_else(|payload| Err(came_out(&*payload).into()));
                // The suite may have given up on this check.
                let _ = sender.send(result);
            });
        if let Err(error) = started {
            return Outcome::Failed(Failure::new(
                "a thread for the check",
                error.to_string(),
                "",
            ));
        }
        let mut result = None;
        WaitLimit::of(self.limit).block_until(|turn| {
            result = receiver.recv_timeout(turn).ok();
            result.is_some()
        });
        result.map_or_else(
            || {
                Outcome::Failed(Failure::new(
                    ENDS,
                    format!("it hung for {:?}", self.limit),
                    "a wake-up is lost, or a task is dropped that another one waits for",
                ))
            },
            Outcome::new,
        )
    }
}

impl std::fmt::Debug for Suite {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Suite")
            .field("subject", &self.subject)
            .field("checks", &self.cases.len())
            .finish_non_exhaustive()
    }
}

/// Returns the failure of a check that a panic ended. Checks expect the panic of a task to come out
/// of `block_on` or of a destructor only.
fn came_out(payload: &(dyn Any + Send)) -> Failure {
    let mut failure = panicked(payload);
    if payload.downcast_ref::<&str>() == Some(&DELIBERATE) {
        failure.cause = "a task's panic came out of a function that the check called, such as \
                         spawn or abort: catch it where the task is polled"
            .to_owned();
    }
    failure
}

fn thread_is_at_root() -> CheckResult {
    ensure(
        Frame::current().is_root(),
        "the thread that called the executor is in the same frame as before",
        "it is in another frame",
        "a frame was entered, and the previous one was not restored on return",
    )
}
