//! What all checks use: the variables that they bind, drop trackers, gates, logs, and helpers that
//! wait or poll.

use framewise_context::ContextVar;

mod drop_tracker;
mod gate;
mod log;
mod poll;

pub(crate) use drop_tracker::{DropToken, DropTracker};
pub(crate) use gate::Gate;
pub(crate) use log::{Entry, Log, LogsDrop, logging_waker};
pub(crate) use poll::{
    block_on_thread, eventually, holds_within, in_time, park, pause, poll_once, yield_times,
};

/// The variable that most checks bind and read.
pub(crate) static ID: ContextVar<u64> = ContextVar::new("id");

/// A second variable, for checks that need two.
pub(crate) static OTHER: ContextVar<u64> = ContextVar::new("other");

/// Bound to a [`DropToken`], to observe how long a frame is held.
pub(crate) static KEPT: ContextVar<DropToken> = ContextVar::new("kept");

/// A variable that spawned tasks do not inherit.
pub(crate) static NOT_INHERITED: ContextVar<u64> = ContextVar::new("not_inherited").not_inherited();

/// The payload of [`deliberate_panic`].
pub(crate) const DELIBERATE: &str = "a panic that the suite made on purpose";

/// Panics when it is dropped, unless this thread unwinds already: a second panic would abort the
/// process.
pub(crate) struct PanicsOnDrop {
    /// The value of [`ID`] that is bound around the panic, if there is one.
    pub(crate) within: Option<u64>,
}

impl Drop for PanicsOnDrop {
    fn drop(&mut self) {
        if std::thread::panicking() {
            return;
        }
        match self.within {
            Some(within) => ID.run(within, || deliberate_panic()),
            None => deliberate_panic(),
        }
    }
}

/// Panics without calling the process's panic hook, which would print the message.
pub(crate) fn deliberate_panic() -> ! {
    std::panic::resume_unwind(Box::new(DELIBERATE))
}
