//! A check that hangs is a failure that names its item, and is not waited for three times.

use std::collections::HashSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use framewise_conformance::{BoxFuture, Executor, LocalBoxFuture, Suite, Way};

static CALLS: AtomicUsize = AtomicUsize::new(0);

/// Never runs anything.
struct Hangs;

impl Executor for Hangs {
    fn spawn(&self, _task: BoxFuture<'static, ()>) {}

    fn block_on(&self, _future: LocalBoxFuture<'_, ()>) {
        CALLS.fetch_add(1, Ordering::SeqCst);
        loop {
            thread::park();
        }
    }
}

#[test]
fn a_check_that_hangs_fails_in_each_way_and_is_tried_once() {
    let suite = Suite::executor("hangs", || Hangs).only(&[25]);
    let report = suite.limit(Duration::from_millis(500)).run();
    let findings = report.findings();
    let checks: HashSet<_> = findings.iter().map(|found| found.check).collect();
    assert!(!checks.is_empty());
    assert_eq!(findings.len(), checks.len() * Way::ALL.len());
    assert_eq!(report.failures().count(), findings.len());
    for (found, failure) in report.failures() {
        assert_eq!(found.item.number(), 25);
        assert_eq!(failure.seen, "it hung for 500ms");
    }
    assert_eq!(CALLS.load(Ordering::SeqCst), checks.len());
}
