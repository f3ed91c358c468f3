//! The steps by which a worker that finds nothing comes to sleep, and by which one that was asleep or
//! searching comes to run user code.
//!
//! Owns their order, on which the proofs in `idle.rs` and `watch.rs` stand. It is generic over the
//! [`Workplace`], so that it knows no queue, no driver and no clock, and models run these steps themselves.
//!
//! ```text
//!   searching ──fall_asleep──▶ counted as parked ─▶ look once more ─▶ sleep ─▶ counted as awake
//!       ▲                                                                       │
//!       └──────────── next_task ◀── settle, before any user code ◀──────────────┘
//! ```

use std::mem;
use std::time::Duration;

use super::idle::Idle;
use super::park::Parker;
use super::watch::{self, Missing, Watch};

/// Nobody sleeps in the driver.
const NO_WORKER: usize = usize::MAX;

/// What a worker sees of the runtime when it goes to sleep or wakes somebody.
pub trait Workplace {
    /// The right to wait in the driver, which one worker at a time has.
    type Driver<'a>
    where
        Self: 'a;
    /// What a wait in the driver has found.
    type Batch;

    /// Who sleeps and who searches.
    fn idle(&self) -> &Idle;

    /// Who keeps watch.
    fn watch(&self) -> &Watch;

    /// Where that worker sleeps.
    fn parker(&self, worker: usize) -> &Parker;

    /// Whether the runtime is ending.
    fn is_closing(&self) -> bool;

    /// Whether a thief would find something. Called after [`Idle::park`] or [`Idle::stop_searching`],
    /// whose fence orders it.
    fn has_stealable(&self, thief: usize) -> bool;

    /// Takes the driver if nobody has it.
    fn try_driver(&self) -> Option<Self::Driver<'_>>;

    /// Waits in the driver until there is an event, a timer is due, or somebody ends the wait; for
    /// `limit` at most. Runs no user code.
    fn wait_in(
        &self,
        driver: &mut Self::Driver<'_>,
        limit: Option<Duration>,
        batch: &mut Self::Batch,
    );

    /// Ends the wait in the driver, or the next one.
    fn wake_driver(&self);

    /// The same when `limit` has passed, or before.
    fn wake_driver_within(&self, limit: Duration);

    /// Sleeps on the condition variable until somebody unparks, or for `watch::ROUND`.
    fn park_for_a_round(&self, worker: usize) {
        self.parker(worker).park(Some(watch::ROUND));
    }
}

/// Wakes a worker after a push that anybody may take, unless all are awake or one searches.
pub fn notify_one(place: &impl Workplace) {
    let last_choice = place.watch().attendant().unwrap_or(NO_WORKER);
    if let Some(worker) = place.idle().notify_one(last_choice) {
        unpark(place, worker);
    }
}

/// Ends that worker's sleep, or its next one.
pub fn unpark(place: &impl Workplace, worker: usize) {
    place.parker(worker).unpark(|| place.wake_driver());
}

/// What a worker knows of its own waking and sleeping.
#[derive(Debug, Default)]
pub struct Wakefulness {
    searching: bool,
    /// The worker slept and has run no user code since.
    awoke: bool,
    /// `Watch::awakenings` when the worker slept last.
    awakenings: usize,
}

impl Wakefulness {
    /// The worker is awake and has looked at its own queue only.
    pub fn new() -> Self {
        Self::default()
    }

    /// The worker has found nothing of its own. False: enough others search.
    #[must_use]
    pub fn start_searching(&mut self, place: &impl Workplace) -> bool {
        if !self.searching {
            self.searching = place.idle().start_searching();
        }
        self.searching
    }

    /// Whether there is nothing to [`settle`](Self::settle).
    #[inline]
    pub fn is_settled(&self) -> bool {
        !self.awoke && !self.searching
    }

    /// The worker is about to run user code, which may block: it searches no more, and others see
    /// to what it would have seen to.
    #[cold]
    pub fn settle(
        &mut self,
        place: &impl Workplace,
        worker: usize,
        has_backlog: impl FnOnce() -> bool,
    ) {
        // Unnoticed: moved behind the next, because both come before any user code.
        if mem::take(&mut self.awoke) {
            see_to_watch(place, worker);
        }
        // The last searcher sees to it that somebody looks for more.
        if mem::take(&mut self.searching)
            // Unnoticed: left out, because notify_one wakes no worker while another one searches.
            && place.idle().stop_searching()
            && (has_backlog() || place.has_stealable(worker))
        {
            notify_one(place);
        }
    }

    /// The worker has found nothing anywhere: it sleeps until there is something to do, or to look
    /// for. False: it did not, since it found something to look for when it was counted as parked.
    ///
    /// What the driver has found meanwhile is in `batch`; before it is told, the worker settles.
    pub fn fall_asleep<P: Workplace>(
        &mut self,
        place: &P,
        worker: usize,
        batch: &mut P::Batch,
    ) -> bool {
        let awakenings = place.watch().awakenings();
        let was_quiet = mem::replace(&mut self.awakenings, awakenings) == awakenings;
        place.idle().park(worker, mem::take(&mut self.searching));
        let found = place.has_stealable(worker);
        let sleeps = !found && !place.is_closing();
        if sleeps {
            match place.try_driver() {
                Some(mut driver) => sleep_in_driver(place, worker, &mut driver, batch),
                None => sleep(place, worker, was_quiet),
            }
        }
        self.searching = place.idle().unpark(worker, found);
        self.awoke = true;
        sleeps
    }
}

/// Attends the driver, and keeps watch there if a worker is awake and nobody else does.
fn sleep_in_driver<P: Workplace>(
    place: &P,
    worker: usize,
    driver: &mut P::Driver<'_>,
    batch: &mut P::Batch,
) {
    let keeps_watch = !place.idle().are_all_parked() && !place.watch().is_kept();
    place.watch().attend(worker, keeps_watch);
    if place.parker(worker).enter_driver() {
        place.wait_in(driver, keeps_watch.then_some(watch::ROUND), batch);
        place.parker(worker).leave_driver();
    }
    place.watch().leave();
}

/// Sleeps on the condition variable, and keeps watch if nobody does there, unless all workers sleep
/// and none woke up since this one slept last.
fn sleep(place: &impl Workplace, worker: usize, was_quiet: bool) {
    if (was_quiet && place.idle().are_all_parked()) || !place.watch().start() {
        place.parker(worker).park(None);
    } else {
        place.park_for_a_round(worker);
        place.watch().stop();
    }
}

/// A worker that was asleep is about to run user code: if nobody keeps watch now, somebody is made
/// to (rule W1 in `watch.rs`).
fn see_to_watch(place: &impl Workplace, worker: usize) {
    match place.watch().missing() {
        Missing::Nothing => {}
        Missing::Limit => place.wake_driver_within(watch::ROUND),
        Missing::Watcher => {
            if let Some(sleeper) = place.idle().any_sleeper(worker) {
                unpark(place, sleeper);
            }
        }
    }
}

#[cfg(all(test, not(any(framewise_loom, framewise_shuttle))))]
mod tests;
