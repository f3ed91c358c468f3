//! How long the suite waits for something that is to happen, until it says that it did not.
//!
//! A limit in time alone would make results depend on the machine's load: a thread that gets no
//! processor for seconds looks like a thread that is not there. So a [`WaitLimit`] counts only the
//! time in which the waiting thread could run. Between two looks at what it waits for, the waiting
//! thread yields its processor. While it waits for its next turn, the other threads run, and of that
//! time at most [`TURN`] is counted. A thread that can run has had many turns when the limit is used
//! up.

use std::thread;
use std::time::{Duration, Instant};

/// The limit for what is to happen soon. On an idle machine, a wait for what never happens takes so
/// long.
const SOON: Duration = Duration::from_secs(1);

/// The most that is counted of a turn.
const TURN: Duration = Duration::from_millis(1);

/// What is left of a wait's limit.
pub(crate) struct WaitLimit {
    left: Duration,
    last_turn: Instant,
}

impl WaitLimit {
    /// A wait for what is to happen soon begins.
    pub(crate) fn begin() -> Self {
        Self::after(Duration::ZERO)
    }

    /// Like [`begin`](Self::begin), for what happens `delay` from now at the earliest.
    pub(crate) fn after(delay: Duration) -> Self {
        Self::of(delay.saturating_add(SOON))
    }

    /// A wait with a limit of its own begins.
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

    /// Blocks this thread until `wait` returns `true`, which may block for the time that it is given.
    /// Returns `false` if the limit is used up before.
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
