//! A check that hangs is a failure of its item, and runs in one start frame only.

use std::collections::HashSet;
use std::sync::{Condvar, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use framewise_conformance::{BoxFuture, Executor, LocalBoxFuture, StartFrame, Suite};

/// The names of the threads that have called `block_on`: one per check and start frame.
static CALLERS: Mutex<Vec<String>> = Mutex::new(Vec::new());
static HAS_CALLED: Condvar = Condvar::new();

/// Never runs anything. The first call of a check hangs, further calls return at once.
struct Hangs;

impl Executor for Hangs {
    fn spawn(&self, _task: BoxFuture<'static, ()>) {}

    fn block_on(&self, _future: LocalBoxFuture<'_, ()>) {
        let thread = thread::current();
        let caller = thread.name().unwrap_or_default().to_owned();
        let check = |caller: &str| caller.rsplit_once('-').map(|(check, _)| check.to_owned());
        let is_first = {
            let mut callers = CALLERS.lock().unwrap_or_else(PoisonError::into_inner);
            let is_first = callers.iter().all(|other| check(other) != check(&caller));
            callers.push(caller);
            is_first
        };
        HAS_CALLED.notify_all();
        if is_first {
            loop {
                thread::park();
            }
        }
    }
}

#[test]
fn a_check_that_hangs_fails_in_each_start_frame_and_is_tried_once() {
    let suite = Suite::executor("hangs", || Hangs).only(&[25]);
    let report = suite.limit(Duration::from_millis(100)).run();
    let findings = report.findings();
    let checks: HashSet<_> = findings.iter().map(|found| found.check).collect();
    assert!(!checks.is_empty());
    assert_eq!(findings.len(), checks.len() * StartFrame::ALL.len());
    assert_eq!(report.failures().count(), findings.len());
    // A second run would return, and be another failure.
    for (found, failure) in report.failures() {
        assert_eq!(found.item.number(), 25);
        assert_eq!(failure.seen, "it hung for 100ms");
    }
    // The suite may have reached the limit of a check before its thread ran.
    let callers = CALLERS.lock().unwrap_or_else(PoisonError::into_inner);
    let mut callers = HAS_CALLED
        .wait_while(callers, |callers| callers.len() < checks.len())
        .unwrap_or_else(PoisonError::into_inner);
    callers.sort_unstable();
    let mut first_tries: Vec<_> = checks
        .iter()
        .map(|check| format!("{check}-{}", StartFrame::ALL[0]))
        .collect();
    first_tries.sort_unstable();
    assert_eq!(*callers, first_tries);
}
