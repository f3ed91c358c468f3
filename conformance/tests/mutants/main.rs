//! Tests the suite with mutants: executors with one seeded fault each. For each mutant the suite
//! must report the item of the contract that the fault breaks.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod executor;
mod fault;
mod join;
mod local;
mod pool;
mod task;
mod timer;

use executor::MutantExecutor;
use fault::{FAULTS, Fault};
use framewise_conformance::{Item, ItemState, Suite};

/// The control: without a fault nothing is reported, so a fault causes what is reported with it.
mod control {
    use crate::executor::MutantExecutor;
    use crate::fault::Fault;
    framewise_conformance::executor_tests!(MutantExecutor::new(Fault::None));
}

#[test]
fn each_fault_is_caught_by_the_item_that_it_breaks() {
    // In parallel, since checks of values that are never freed wait until the timeout.
    let missed: Vec<String> = std::thread::scope(|scope| {
        let runs: Vec<_> = FAULTS
            .iter()
            .map(|fault| scope.spawn(|| missed_by_the_suite(*fault)))
            .collect();
        runs.into_iter()
            .filter_map(|run| run.join().expect("the suite does not panic"))
            .collect()
    });
    assert!(
        missed.is_empty(),
        "the suite does not notice {} of {} faults:\n{}",
        missed.len(),
        FAULTS.len(),
        missed.join("\n")
    );
}

/// Returns the message about a fault that is not reported as it should be.
fn missed_by_the_suite((fault, number, cause): (Fault, u8, &str)) -> Option<String> {
    let report = Suite::executor(format!("{fault:?}"), move || MutantExecutor::new(fault))
        .only(&[number])
        .run();
    let item = Item::new(number);
    let is_caught = report.state(item) == ItemState::Failed;
    let is_explained = report
        .failures()
        .any(|(_, failure)| failure.cause.contains(cause));
    (!is_caught || !is_explained).then(|| format!("{fault:?} by {item}, as {cause:?}:\n{report}"))
}

/// Faults that one item alone detects, so the suite needs this item's checks.
#[test]
fn some_faults_break_one_item_and_no_other() {
    let faults = [
        (Fault::HookRunsOutside, 83),
        (Fault::LateHookRunsWhereTheHandleIsDropped, 83),
        (Fault::CallsHookRunsOutside, 83),
        (Fault::CallbacksHookRunsOutside, 83),
        (Fault::FiredSleepsKeepTheFrame, 48),
        (Fault::DroppedSleepsKeepTheFrame, 48),
        (Fault::PollsUnannounced, 93),
    ];
    std::thread::scope(|scope| {
        for (fault, number) in faults {
            scope.spawn(move || {
                let report =
                    Suite::executor(format!("{fault:?}"), move || MutantExecutor::new(fault)).run();
                let failed = report.items(ItemState::Failed);
                assert_eq!(failed, [Item::new(number)], "{report}");
            });
        }
    });
}

/// The first cause in the report of each fault that breaks many items.
const FIRST_CAUSES: &[(Fault, &str)] = &[
    (Fault::CarriesNothing, "no frame is carried: capture"),
    (Fault::CapturesAtFirstPoll, "no frame is carried"),
    (
        Fault::FramesTheFirstPollOnly,
        "not entered for each of its polls",
    ),
    (Fault::PollsInTheFrameBefore, "another frame is left"),
    (
        Fault::StaysInThePanickedFrame,
        "not restored when a poll panics",
    ),
    (Fault::LeavesAtTheNextPoll, "until its next poll"),
    (Fault::WakersCarryAFrame, "nor give it a frame"),
    (
        Fault::DropsAtCompletionOutside,
        "outside of the task's frame",
    ),
];

#[test]
fn the_narrowest_cause_is_named_first() {
    std::thread::scope(|scope| {
        for &(fault, first) in FIRST_CAUSES {
            scope.spawn(move || {
                let report =
                    Suite::executor(format!("{fault:?}"), move || MutantExecutor::new(fault)).run();
                let causes = report.causes();
                let named = causes.first().map_or("none", |cause| cause.text.as_str());
                assert!(
                    named.contains(first),
                    "{fault:?}: {first:?} is not named first: {report}"
                );
            });
        }
    });
}
