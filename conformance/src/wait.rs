//! How long the suite waits for an event before it reports that the event did not happen.
//!
//! A limit in time alone would make results depend on the machine's load: a thread that gets no
//! processor for seconds looks like a thread that is not there. So a [`WaitLimit`] counts only the
//! time in which the waiting thread could run. Between two looks at what it waits for, the waiting
//! thread yields its processor. While it waits for its next turn, the other threads run, and of
//! that time at most [`TURN`] is counted. A thread that can run has had many turns when the limit
//! is used up.

use std::thread;
use std::time::{Duration, Instant};

/// The limit for an event that should happen soon. On an idle machine, a wait for an event that
/// never happens takes this long.
const SOON: Duration = Duration::from_secs(1);

/// The maximum time that is counted of a turn.
const TURN: Duration = Duration::from_millis(1);

/// The remaining limit of a wait.
pub(crate) struct WaitLimit {
    left: Duration,
    last_turn: Instant,
}

impl WaitLimit {
    /// Begins a wait for an event that should happen soon.
    pub(crate) fn begin() -> Self {
        Self::after(Duration::ZERO)
    }

    /// Like [`begin`](Self::begin), for an event that happens `delay` from now at the earliest.
    pub(crate) fn after(delay: Duration) -> Self {
        Self::of(delay.saturating_add(SOON))
    }

    /// Begins a wait with the given limit.
    pub(crate) fn of(limit: Duration) -> Self {
        Self {
            left: limit,
            last_turn: Instant::now(),
        }
    }

    /// Lets other threads run. Returns `false` if the limit is used up.
    pub(crate) fn take_turn(&mut self) -> bool {
        thread::yield_now();
        let now = Instant::now();
        let turn = now.saturating_duration_since(self.last_turn).min(TURN);
        self.last_turn = now;
        self.left = self.left.saturating_sub(turn);
        !self.left.is_zero()
    }

    /// Blocks this thread until `wait` returns `true`. `wait` may block for the duration that it is
    /// given. Returns `false` if the limit is used up first.
    pub(crate) fn block_until(mut self, mut wait: impl FnMut(Duration) -> bool) -> bool {
        loop {
            if wait(TURN) {
                return true;
            }
            if !self.take_turn() {
                return false;
            }
        }
    }
}

#[cfg(test)]
mod tests;
