//! Tests of the harness itself: on a runtime with a seeded fault the property fails, with a small
//! program that shows the fault and the item of the contract that the fault violates.

use crate::generate::Programs;
use crate::harness::{ShutDown, check, check_seeded, check_to_the_end, runtime, search, seeds};
use crate::program::{Op, Program};
use crate::real::faults::Fault;

/// The maximum number of programs until a fault is detected.
const CASES: u32 = 2000;

/// The maximum number of statements of the smallest program that shows a fault.
const STATEMENTS_MAX: usize = 4;

/// Checks that the property fails, that the program is small and has one of these statements, and
/// that the failure names the item.
fn noticed(fault: Fault, ops: &[Op], item: &str) {
    let runtime = runtime(1);
    noticed_by(&Programs::all(), fault, ops, item, |program, _| {
        check(&runtime, program, fault)
    });
}

fn noticed_by(
    programs: &Programs,
    fault: Fault,
    ops: &[Op],
    item: &str,
    check: impl Fn(&Program, u64) -> Result<(), String>,
) -> (Program, String) {
    let Some((program, why)) = search(programs, CASES, check) else {
        panic!("{fault:?} was not noticed in {CASES} programs");
    };
    println!("{fault:?}:{program:?}\n{why}\n");
    let shown = format!("{fault:?}: {program:?}\n{why}\n");
    assert!(program.len() <= STATEMENTS_MAX, "{shown} is not small");
    assert!(
        ops.iter().any(|&op| has(&program, op)),
        "{shown} has none of {ops:?}"
    );
    assert!(why.contains(item), "{shown} does not name {item}");
    (program, why)
}

fn has(program: &Program, op: Op) -> bool {
    (0..=program.len() as u32)
        .filter_map(|id| program.find(id))
        .any(|node| node.op == op)
}

macro_rules! mutants {
    ($($name:ident $fault:ident [$($op:ident)*] $item:literal;)*) => {
        $(#[test]
        fn $name() {
            noticed(Fault::$fault, &[$(Op::$op),*], $item);
        })*
    };
}

mutants! {
    a_capture_at_the_first_poll CapturesAtFirstPoll [Spawn SpawnLocal] "C-25";
    an_inheritance_of_everything InheritsEverything [Spawn SpawnLocal] "C-37";
    a_frame_lost_on_the_second_poll LosesFrameOnSecondPoll [Spawn SpawnLocal] "C-25 to C-31";
    a_drop_outside_of_the_frame DropsOutsideOfFrame
        [AbortParked LeaveParked AbortOnDrop AbortAtOnce Abort AbortFromThread] "C-41";
    a_frame_not_restored_after_a_panic ForgetsToRestoreAfterPanic [Catch] "C-6";
    a_scope_that_leaks ScopesLeak [Scope] "C-74";
    a_scope_that_takes_its_frame_when_made ScopesAreEager [MadeUnder] "C-66";
    a_scope_that_never_follows ScopesNeverFollow [Moved] "C-71";
    branches_that_bleed BranchesBleed [Join Unordered] "C-68";
    a_loser_dropped_outside DropsLoserOutside [Select] "C-69";
    an_unpolled_scope_that_drops_nothing DropsUnpolledOutside [Unpolled] "C-75";
    a_stream_that_leaks StreamsLeak [Stream] "C-72";
    a_closure_that_is_not_wrapped WrapsNothing [Wrap] "C-18";
    a_callback_at_the_root CallsBackAtRoot [SetTimeout SetInterval] "C-53";
    a_task_at_the_root_after_a_timer WakesAtRoot [Sleep] "C-51";
    a_blocking_call_at_the_root BlocksAtRoot [SpawnBlocking] "C-61";
    a_receiver_in_the_senders_frame ReceivesTheSendersFrame [Channel] "C-54";
    a_join_error_with_the_awaiters_frame FrameOfAwaiter [Panic] "C-83";
    a_frame_kept_by_the_handle KeepsFrameByHandle [Released] "C-47";
    a_timer_that_wakes_at_the_root WakesForeignersAtRoot [ForeignWaker] "C-50";
    a_waker_that_keeps_the_frame WakersKeepFrames [KeepWaker] "C-48";
    a_frame_that_is_never_freed LeaksFrames [Run] "C-19";
    a_variable_that_stays_bound UnbindsTooLittle [RunWithout ScopeWithout] "C-94";
    a_flow_that_goes_on FlowsAnyway [WithoutFlow] "C-96";
    a_deadline_that_is_lengthened LengthensDeadlines [RunWithin ScopeWithin] "C-84";
    a_shield_that_keeps_the_deadline ShieldsNothing [RunShielded Shield] "C-97";
    a_task_without_its_deadline SpawnsShielded [Spawn SpawnLocal] "C-86";
    a_callback_of_an_end_at_the_root CallsOnCancelAtRoot [OnCancel] "C-98";
    a_cancel_of_what_is_around CancelsAround [Cancel CancelFromThread] "C-85";
    a_scope_that_ends_before_its_child ScopesEndEarly [TaskScope] "C-103";
    a_child_that_is_not_cancelled CancelsNoChild [TaskScope] "C-104";
    results_in_another_order MixesResults [TaskScope] "C-106";
    a_drop_outside_by_a_dropped_handle AbortsOnDropOutside [AbortOnDrop] "C-108";
    an_operation_after_the_end OperationsIgnoreEnds [Obey] "C-110";
    a_poll_that_is_not_announced AnnouncesNoPoll [Spawn SpawnLocal] "C-93";
}

/// Control: the same programs pass on the unmodified runtime.
#[test]
fn without_a_fault_the_property_holds() {
    let runtime = runtime(1);
    let found = search(&Programs::all(), CASES, |program, _| {
        check(&runtime, program, Fault::None)
    });
    if let Some((program, why)) = found {
        panic!("{program:?}\n{why}");
    }
}

#[test]
fn a_drop_outside_of_the_frame_at_the_shutdown() {
    let fault = Fault::DropsOutsideOfFrame;
    let ops = [Op::LeaveParked];
    // Exclude all other statements that end a task early.
    let programs = Programs {
        without: &[
            Op::Abort,
            Op::AbortFromThread,
            Op::AbortAtOnce,
            Op::AbortParked,
            Op::AbortParkedFromThread,
            Op::AbortOnDrop,
        ],
        ..Programs::all()
    };
    noticed_by(&programs, fault, &ops, "C-41 to C-45", |program, _| {
        check_to_the_end(2, program, ShutDown::WhenCalm, fault)
    });
}

/// A seeded run reproduces a failure: the report names the seed, and this program fails with it
/// each time. On threads, the time decides which tasks are interleaved, so a smaller program may
/// pass by chance.
#[test]
fn a_mix_of_interleaved_tasks_is_found_again_under_its_seed() {
    let fault = Fault::MixesInterleaved;
    let programs = Programs::in_seeded_runs();
    let fails = |program: &Program, seeds| check_seeded(program, seeds, ShutDown::WhenCalm, fault);
    let ops = [Op::Spawn, Op::SpawnLocal];
    let found = noticed_by(&programs, fault, &ops, "under seed", |program, round| {
        fails(program, seeds(round))
    });
    let (program, why) = found;
    assert!(why.contains("C-25 to C-31"), "{why}");
    let seed = why
        .strip_prefix("under seed ")
        .and_then(|why| why.split_once(':'));
    let seed: u64 = seed.unwrap().0.parse().unwrap();
    for _ in 0..20 {
        assert_eq!(fails(&program, seed..seed + 1).unwrap_err(), why);
    }
}
