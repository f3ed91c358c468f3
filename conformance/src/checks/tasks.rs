//! Contract, "Tasks", while they run: C-25 to C-38.

use crate::probe::ID;
use crate::trial::Trial;
use crate::verdict::{Verdict, expect};

/// The checks of this chapter.
#[doc(hidden)]
#[macro_export]
macro_rules! __tasks_checks {
    ({ $($callback:tt)* } $arguments:tt) => {
        $($callback)*! { $arguments tasks:
            c25_captured_at_spawn
        }
    };
}

pub(crate) fn c25_captured_at_spawn(trial: &Trial) -> Verdict {
    let (made_under, spawned_under, joined_under) = (Some(10), Some(11), Some(12));
    let seen = trial.block_on(async {
        let future = ID.run(10, || async { ID.get() });
        let child = ID.run(11, || trial.spawn(future));
        ID.scope(12, child.output()).await
    })?;
    expect(
        "ID in a child, made under 10, spawned under 11 and awaited under 12",
        spawned_under,
        seen,
        &[
            (
                None,
                "no frame is carried: capture the current frame in spawn, and poll in it",
            ),
            (
                made_under,
                "captured when the future was made instead of at spawn",
            ),
            (
                joined_under,
                "polled in the frame of whoever waits for the task",
            ),
            (trial.id(), "captured at the first poll instead of at spawn"),
        ],
    )
}
