//! The end of a runtime while a worker is in a poll that blocks.
//!
//! Owns the grace period, and the thread that ends the runtime after it. A poll that blocks, for
//! example in another executor's `block_on`, may be waiting for a timer, a socket or a task of this
//! runtime. No worker drives these once the others have left, and the last worker to leave, which
//! ends them, would be the one that waits. No code can know that a poll blocks, so a worker that
//! has not left within the grace period is assumed to be in such a poll. Then all is ended that can
//! end without it: tasks are aborted and dropped, and timers and I/O closed, so that its wait ends
//! with an error. The rest ends when it has left.
//!
//! An aborted task that is in no queue yet, because the worker that spawned or woke it is about to
//! push it, may be what the poll is going to wait for. So the queues are looked at again, in rounds
//! that become longer, until the runtime has ended. Tasks in the worker's yield queue cannot be
//! reached: a poll that joins one of these waits forever.

use std::io;
use std::sync::Arc;
#[cfg(not(any(framewise_loom, framewise_shuttle)))]
use std::time::Duration;
use std::time::Instant;

use framewise_sync::thread::JoinHandle;

use super::shared::Shared;
use super::spawner::Spawner;
use crate::runtime::enter;

/// Waits for the end of the runtime, until the grace period is over or `deadline`. If a worker has
/// not left by then, starts a thread by `start` that ends everything else, after the rest of the
/// grace period.
pub(crate) fn end_without_blocked_polls(
    spawner: &Arc<Spawner>,
    deadline: Option<Instant>,
    start: impl FnOnce(Box<dyn FnOnce() + Send>) -> io::Result<JoinHandle<()>>,
) -> Option<JoinHandle<()>> {
    let mut round = Round::grace_period();
    if round.has_ended(&spawner.shared, deadline) {
        return None;
    }
    // The destructors that the thread runs find the runtime.
    let runtime = Arc::clone(spawner);
    let end = move || {
        let _entered = enter::enter(&runtime, runtime.shared.outside());
        while !round.has_ended(&runtime.shared, None) {
            runtime.shared.cancel_for_blocked_polls();
            round.begin_next();
        }
    };
    // If no thread can be started, a poll that blocks is waited for like any other.
    start(Box::new(end)).ok()
}

/// The time until all queues are looked at; the first is the grace period.
#[cfg(not(any(framewise_loom, framewise_shuttle)))]
struct Round {
    length: Duration,
    until: Option<Instant>,
}

#[cfg(not(any(framewise_loom, framewise_shuttle)))]
impl Round {
    const LENGTH_MAX: Duration = Duration::from_secs(1);

    /// The time for which a worker that blocks may hide the work of others.
    fn grace_period() -> Self {
        let length = super::idle::monitor::MONITOR_INTERVAL;
        Self {
            length,
            until: Instant::now().checked_add(length),
        }
    }

    fn begin_next(&mut self) {
        self.length = (self.length * 2).min(Self::LENGTH_MAX);
        self.until = Instant::now().checked_add(self.length);
    }

    /// Waits for the runtime's end, until the round is over or `deadline`. Returns `true` if the
    /// runtime has ended.
    fn has_ended(&self, shared: &Shared, deadline: Option<Instant>) -> bool {
        let until = match (self.until, deadline) {
            (Some(until), Some(deadline)) => Some(until.min(deadline)),
            (until, deadline) => until.or(deadline),
        };
        shared.wait_for_end(until)
    }
}

/// A model has no clock: each round is over at once, or the grace period never is.
#[cfg(any(framewise_loom, framewise_shuttle))]
struct Round {
    is_over: bool,
}

#[cfg(any(framewise_loom, framewise_shuttle))]
impl Round {
    fn grace_period() -> Self {
        Self {
            is_over: crate::model::is_grace_over(),
        }
    }

    fn begin_next(&mut self) {
        framewise_sync::thread::yield_now();
    }

    fn has_ended(&self, shared: &Shared, _deadline: Option<Instant>) -> bool {
        !self.is_over || shared.wait_for_end(Some(Instant::now()))
    }
}
