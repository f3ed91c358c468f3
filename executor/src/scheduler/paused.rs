//! Waiting while the time of a runtime is stopped (feature `test-util`).
//!
//! Owns the decision when the clock of a current-thread runtime jumps to the next timer
//! (*auto-advance*, which is tokio's): when its only worker would wait for that timer. It must not
//! know how a clock is stopped (`timers/src/test_clock.rs`).
//!
//! # When there is nothing to do
//! The worker is registered as parked and has found no task. There may still be wake-ups under way,
//! and each shows in one of three ways: an event of a source, an unpark of the driver, or a call
//! that runs on the blocking pool and will wake a task. The worker looks for the third first, and
//! then polls the driver, without waiting. A thread of the pool wakes its task, which unparks the
//! driver, before it counts itself idle; so a call that is not seen running has its wake-up seen.
//! If it does run, the thread unparks the driver afterwards, and the worker looks again.
//!
//! Other threads, outside of the runtime, are not seen: what they will do comes after the jump.
//!
//! The park protocol (`idle/README.md`) is unchanged: this is a wait on the driver like any other,
//! which may return early. There is one worker, so no other relies on this one's timeout.

use std::time::Duration;

use framewise_io::{Batch, IoDriver};
use framewise_timers::Timers;

use super::shared::{Shared, wait};
use crate::runtime::Flavor;

/// Creates the timers of a runtime with that many workers; none in a seeded run.
pub(super) fn timers(
    workers: usize,
    flavor: Flavor,
    wake_driver: impl Fn() + Send + Sync + 'static,
) -> framewise_sync::Arc<Timers> {
    if workers == 0 || flavor.is_current_thread() {
        Timers::new_stoppable(workers + 1, wake_driver)
    } else {
        Timers::new(workers + 1, wake_driver)
    }
}

/// Waits on the driver, or moves the stopped clock to the next timer, which the worker then fires.
pub(super) fn wait_on_driver(
    shared: &Shared,
    driver: &mut IoDriver,
    limit: Option<Duration>,
    batch: &mut Batch,
) {
    let may_jump = !shared.blocking.lock().is_busy();
    // A canceled timer is not waited for.
    let next = shared.timers.next_due();
    let until_due = shared.timers.before_park();
    let polls = next.is_some() && (may_jump || until_due == Some(Duration::ZERO));
    wait(
        driver,
        if polls { Some(Duration::ZERO) } else { limit },
        batch,
    );
    shared.timers.after_park();
    if may_jump && polls && batch.found_nothing() {
        shared.timers.jump();
    }
}

#[cfg(test)]
mod tests;
