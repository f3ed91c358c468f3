//! Property tests: random programs of bindings, scopes, tasks, aborts, panics, timers, channels,
//! deadlines, cancels and scopes of tasks, compared with a model of the contract
//! (`context/CONTRACT.md`) that passes the bindings explicitly.
//!
//! Every place of a program that observes the variables has an expectation that does not depend on
//! the schedule: the observed values, and how often the place is reached. If a race decides (an
//! abort against an end), the model allows each of its outcomes and nothing else.
//!
//! - `program.rs`: the statements, as a table; printing and numbering
//! - `generate.rs`, `shrink.rs`: random programs, and making them smaller
//! - `variables.rs`: the bound variables, and their observed values
//! - `bindings.rs`, `work.rs`: the model of a frame: its values; its deadline and its scopes
//! - `model.rs`: the expected observations; `expect.rs`: the comparison
//! - `real.rs`: the programs on the runtime; `real/faults.rs`: mutant runtimes with seeded faults
//! - `harness.rs`: runtimes, checks for leaked values, hangs
//!
//! `PROPTEST_CASES` is the number of programs per property (expensive properties run a fraction of
//! it). A failing program is printed in its smallest form; `regressions.txt` keeps the seeds of
//! past failures.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod bindings;
mod corpus;
mod coverage;
mod expect;
mod generate;
mod harness;
mod model;
mod mutants;
mod parse;
mod program;
mod real;
mod shrink;
mod variables;
mod work;

use generate::Programs;
use harness::{ShutDown, check, check_seeded, check_to_the_end, property, runtime, seeds};
use program::Needs;
use real::faults::Fault;

fn on_workers(workers: usize, share: u32) {
    let runtime = runtime(workers);
    property(&Programs::all(), share, |program, _| {
        check(&runtime, program, Fault::None)
    });
}

#[test]
fn programs_see_what_the_model_says_on_1_worker() {
    on_workers(1, 1);
}

#[test]
fn programs_see_what_the_model_says_on_2_workers() {
    on_workers(2, 1);
}

#[test]
fn programs_see_what_the_model_says_on_8_workers() {
    on_workers(8, 1);
}

#[test]
fn programs_end_with_their_runtime() {
    property(&Programs::all(), 5, |program, _| {
        check_to_the_end(2, program, ShutDown::WhenCalm, Fault::None)
    });
}

#[test]
fn programs_are_cut_short_by_a_shutdown() {
    let programs = Programs {
        // A task's nested `block_on` would wait for timers that are shut down.
        can: |needs| needs != Needs::NestedBlockOn,
        ..Programs::all()
    };
    property(&programs, 5, |program, _| {
        check_to_the_end(2, program, ShutDown::AtOnce, Fault::None)
    });
}

#[test]
fn programs_see_what_the_model_says_in_seeded_runs() {
    property(&Programs::in_seeded_runs(), 4, |program, round| {
        check_seeded(program, seeds(round), ShutDown::WhenCalm, Fault::None)
    });
}

#[test]
fn programs_are_cut_short_in_seeded_runs() {
    property(&Programs::in_seeded_runs(), 8, |program, round| {
        check_seeded(program, seeds(round), ShutDown::AtOnce, Fault::None)
    });
}
