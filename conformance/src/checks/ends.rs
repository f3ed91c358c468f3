//! Contract, "Tasks", at their end: C-39 to C-49.

mod abort;
mod destructors;
mod output;
mod panics;
mod ready;
mod release;
mod shutdown;
mod wake;

pub(crate) use abort::*;
pub(crate) use destructors::*;
pub(crate) use output::*;
pub(crate) use panics::*;
pub(crate) use ready::*;
pub(crate) use release::*;
pub(crate) use shutdown::*;
pub(crate) use wake::*;

use crate::check_result::{CheckResult, Failure};

/// The checks of this chapter.
#[doc(hidden)]
#[macro_export]
macro_rules! __ends_checks {
    ({ $($callback:tt)* } $arguments:tt) => {
        $($callback)*! { $arguments ends:
            c39_a_detached_output_is_dropped_in_the_tasks_frame
            c39_an_output_detached_before_the_first_poll_is_dropped_in_the_tasks_frame
            c39_an_output_detached_while_its_task_is_polled_is_dropped_in_the_tasks_frame
            c40_a_taken_output_is_dropped_by_its_taker
            c41_aborted_before_the_first_poll
            c42_aborted_while_parked
            c42_aborted_while_polled
            c43_a_panic_drops_locals_in_their_frames
            c43_a_panicked_future_is_dropped_in_its_frame
            c44_a_finished_future_is_dropped_in_its_frame
            c44_a_joined_future_is_dropped_in_its_frame
            c45_shut_down_drops_each_task_in_its_frame
            c45_shut_down_on_another_thread_drops_each_task_in_its_frame
            c46_a_destructor_that_panics_restores
            c46_a_detached_outputs_destructor_that_panics_restores
            c46_what_follows_a_destructor_that_panics_is_where_it_always_is
            c32_threads_are_at_the_root_after_an_aborted_tasks_destructor_panics
            c47_a_frame_is_released_while_the_handle_is_held
            c47_an_aborted_tasks_frame_is_released_while_the_handle_is_held
            c47_a_frame_is_released_before_the_joiner_is_notified
            c48_stale_wakers_keep_no_frame
            c48_wakers_of_an_aborted_task_keep_no_frame
            c49_a_task_runs_in_its_own_frame_however_it_is_woken
            c49_a_task_woken_by_many_runs_in_its_own_frame
        }
    };
}

/// Compares where `what` was dropped with where it should be. `seen` is `None` if it was not
/// dropped; `bystander` is the value of `ID` on the thread that is in `block_on`, and 90 the value
/// in the code that ends the task.
fn expect_dropped(
    what: &str,
    expected: u64,
    seen: Option<Option<u64>>,
    bystander: Option<u64>,
) -> CheckResult {
    let outside = format!("{what} is dropped outside of the task's frame: enter it for that, too");
    let (seen, cause) = match seen {
        Some(Some(id)) if id == expected => return Ok(()),
        None => ("it was not dropped in time".to_owned(), String::new()),
        Some(Some(90)) => (
            "Some(90)".to_owned(),
            format!(
                "{what} is dropped in the frame of the code that ends the task: enter the task's"
            ),
        ),
        Some(id) if id.is_none() || id == bystander => (format!("{id:?}"), outside),
        Some(id) => (format!("{id:?}"), String::new()),
    };
    let expected = format!("ID where {what} is dropped: Some({expected})");
    Err(Failure::new(expected, seen, cause).into())
}
