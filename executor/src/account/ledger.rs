//! What a runtime keeps of its account, whatever the type of its keys.
//!
//! Owns the tallies of the work that has no key of its own, and the workers' busy times. A
//! **ledger** belongs to one runtime and outlives it with its account.

use std::io;
use std::time::Duration;

use crossbeam_utils::CachePadded;
use framewise_context::Frame;
use framewise_sync::Arc;
use framewise_sync::statics::{AtomicU64, Ordering};

use super::clock::{AccountClock, AccountTicks};
use super::key_table::release;
use super::tally::{Tally, Writers};

/// The untyped part of an account.
pub(crate) struct Ledger {
    pub(crate) clock: AccountClock,
    /// The work of frames that bind no value.
    pub(crate) none: Arc<Tally>,
    /// The work of keys for which there was no room.
    pub(crate) other: Arc<Tally>,
    /// How long each worker was not parked, in ticks.
    busy: Box<[CachePadded<AtomicU64>]>,
}

/// An account, as its runtime sees it.
pub(crate) trait KeySource: Send + Sync {
    /// Begins the account of a runtime with that many workers. Fails if it has begun before.
    fn open(&self, workers: usize) -> io::Result<std::sync::Arc<Ledger>>;

    /// Returns the tally of a frame: `None` if it binds no value. Runs user code; a panic of it is
    /// caught, and the tally is that of "other".
    fn tally_of(&self, frame: &Frame, now: AccountTicks) -> Option<Arc<Tally>>;
}

impl Ledger {
    pub(crate) fn new(workers: usize) -> Self {
        Self {
            clock: AccountClock::new(),
            none: Arc::new(Tally::new(workers)),
            other: Arc::new(Tally::new(workers)),
            busy: (0..workers).map(|_| CachePadded::default()).collect(),
        }
    }

    /// Counts a stretch of time in which the worker was not parked. Only the worker calls this.
    pub(crate) fn add_busy(&self, worker: usize, ticks: AccountTicks) {
        Writers::Sole.add_plainly(&self.busy[worker], ticks);
    }

    /// Returns how long each worker was not parked, up to its last park or tick.
    pub(crate) fn workers(&self) -> Vec<Duration> {
        let ticks = self.busy.iter();
        // Ordering: Relaxed. A count publishes nothing.
        let ticks = ticks.map(|busy| busy.load(Ordering::Relaxed));
        ticks.map(|ticks| self.clock.duration(ticks)).collect()
    }
}

impl Drop for Ledger {
    fn drop(&mut self) {
        release(Arc::clone(&self.none));
        release(Arc::clone(&self.other));
    }
}
