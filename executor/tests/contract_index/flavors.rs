//! The tests of the contract run in every applicable flavor; an entry here says why a test does
//! not.

use crate::items::{ItemTest, all_tests};

/// Tests that do not run in the three starting frames: root, bound and captured.
const NOT_IN_START_FRAMES: &[(&str, &str)] = &[];

/// Tests of the runtime that do not run on 1, 2 and 8 workers.
const NOT_ON_WORKERS: &[(&str, &str)] = &[
    (
        "c64_a_block_on_without_a_runtime_inherits_and_restores",
        "it is about the runtime that `block_on` makes for itself",
    ),
    (
        "c65_a_thread_that_blocks_on_a_future_polls_it_in_its_own_frame",
        "it is about other executors, with one thread",
    ),
    (
        "c65_a_pools_thread_is_at_the_root_and_only_a_wrapped_task_is_in_its_spawners_frame",
        "it is about another executor, of 1, 2 and 8 threads",
    ),
    (
        "c65_a_local_pool_and_tokio_poll_their_tasks_in_the_frame_that_runs_them",
        "it is about other executors, with one thread",
    ),
    (
        "c65_a_wrapped_task_of_a_foreign_executor_ends_in_its_frame_and_frees_it",
        "it is about another executor",
    ),
];

/// Returns `true` if the test's file must run in the three starting frames: the contract tests of
/// the crates.
fn must_run_in_start_frames(test: &ItemTest) -> bool {
    must_run_on_workers(test)
        || ["context/tests/", "timers/tests/", "io/tests/"]
            .iter()
            .any(|directory| test.file.starts_with(directory))
}

/// Returns `true` if the test's file must run on 1, 2 and 8 workers: the contract tests of the
/// runtime.
fn must_run_on_workers(test: &ItemTest) -> bool {
    test.file.starts_with("executor/tests/contract_") && !test.file.contains("/contract_index/")
}

/// Checks that the tests that skip a flavor are exactly the tests that are listed with a reason.
fn check(
    tests: &[ItemTest],
    flavor: &str,
    is_in: impl Fn(&ItemTest) -> bool,
    exceptions: &[(&str, &str)],
) {
    assert!(
        !tests.is_empty(),
        "no test must run {flavor}: were the tests moved?"
    );
    let excepted = |test: &ItemTest| exceptions.iter().any(|(name, _)| *name == test.name);
    let missing: Vec<_> = tests
        .iter()
        .filter(|test| !is_in(test) && !excepted(test))
        .map(|test| format!("{} in {}", test.name, test.file))
        .collect();
    assert!(
        missing.is_empty(),
        "tests that do not run {flavor} and are not listed with a reason: {missing:#?}"
    );
    for (name, why) in exceptions {
        let found = tests.iter().find(|test| test.name == *name);
        let found = found.unwrap_or_else(|| panic!("there is no test {name} any more"));
        assert!(
            !is_in(found),
            "{name} runs {flavor}, but is listed as an exception: {why}"
        );
    }
}

#[test]
fn the_contracts_tests_run_in_the_start_frames() {
    let mut tests = all_tests();
    tests.retain(must_run_in_start_frames);
    check(
        &tests,
        "in the three starting frames",
        |test| test.start_frames,
        NOT_IN_START_FRAMES,
    );
}

#[test]
fn the_runtimes_tests_run_on_1_2_and_8_workers() {
    let mut tests = all_tests();
    tests.retain(must_run_on_workers);
    check(
        &tests,
        "on 1, 2 and 8 workers",
        |test| test.on_workers,
        NOT_ON_WORKERS,
    );
}
