//! Contract, "Tasks", while they run: C-25 to C-38.

mod capture;
mod elsewhere;
mod joining;
mod keeping;
mod local;
mod moving;
mod switching;

pub(crate) use capture::*;
pub(crate) use elsewhere::*;
pub(crate) use joining::*;
pub(crate) use keeping::*;
pub(crate) use local::*;
pub(crate) use moving::*;
pub(crate) use switching::*;

/// The checks of this chapter.
#[doc(hidden)]
#[macro_export]
macro_rules! __tasks_checks {
    ({ $($callback:tt)* } $arguments:tt) => {
        $($callback)*! { $arguments tasks:
            c25_captured_at_spawn
            c25_captured_at_spawn_and_not_at_the_first_poll
            c25_a_task_spawned_by_a_task_has_its_spawners_frame_of_that_moment
            c26_kept_when_awaited_outside_of_the_scope
            c26_kept_when_joined_outside_of_the_scope
            c27_a_rebinding_is_invisible_to_parent_and_siblings
            c28_grandchildren_inherit
            c29_a_task_forced_to_another_thread_keeps_its_frame
            c29_a_task_that_moves_after_block_in_place_keeps_its_frame
            c30_interleaved_tasks_never_mix
            c30_tasks_that_meet_on_all_threads_never_mix
            c31_a_task_run_right_after_its_spawner_sees_its_own_frame
            c31_a_task_run_inside_its_own_wake_sees_its_own_frame
            c32_threads_are_at_the_root_between_polls
            c32_threads_are_at_the_root_after_a_panic
            c33_block_in_place_keeps_the_callers_frame
            c33_a_panic_in_block_in_place_restores
            c34_local_tasks_capture_at_spawn
            c34_local_tasks_never_mix
            c34_local_tasks_end_in_their_frames
            c35_spawned_from_any_thread
            c36_a_task_at_the_root_sees_nothing_and_keeps_nothing
            c37_what_is_not_inherited_stays_in_its_task
            c37_what_is_not_inherited_is_absent_in_a_task_that_is_never_polled
            c38_joining_leaves_the_awaiters_frame
            c38_joining_a_task_that_panicked_leaves_the_awaiters_frame
        }
    };
}
