//! The counters and the list by which a push decides whether to wake a worker.
//!
//! Owns the set of parked workers ([`Idle`]). Knows neither how a worker blocks ([`parker`]), nor
//! the order of the steps around it ([`state`]), nor where a worker searches ([`search`]). States,
//! protocol and proof are in `README.md` beside this file. A worker that is unparked continues in
//! `worker.rs`.

use framewise_sync::Mutex;
use framewise_sync::atomic::{AtomicUsize, Ordering, fence};

pub(crate) mod monitor;
pub(crate) mod parker;
pub(crate) mod search;
pub(crate) mod stall;
pub(crate) mod state;

/// The low half counts searching workers, the high half parked workers.
const PARKED: usize = 1 << (usize::BITS / 2);
const SEARCHERS: usize = PARKED - 1;

/// The idle workers of a runtime.
#[derive(Debug)]
pub struct Idle {
    counts: AtomicUsize,
    /// Parked workers that no push has notified. The last to park is the first to be notified.
    parked: Mutex<Vec<usize>>,
    workers: usize,
}

impl Idle {
    /// Creates the counters of `workers` workers, all of them active.
    pub fn new(workers: usize) -> Self {
        Self {
            counts: AtomicUsize::new(0),
            parked: Mutex::new(Vec::with_capacity(workers)),
            workers,
        }
    }

    /// Returns the worker to unpark after a push that any worker may take, if one is needed. It is
    /// not `last_choice` if another one is parked. The returned worker counts as searching.
    #[must_use]
    pub fn notify_one(&self, last_choice: usize) -> Option<usize> {
        // Ordering: SeqCst fence, pairs with the one in register_parked; see the proof in
        // README.md.
        fence(Ordering::SeqCst);
        if !self.would_notify() {
            return None;
        }
        let mut parked = self.parked.lock();
        if !self.would_notify() {
            return None;
        }
        let chosen = parked
            .iter()
            .rposition(|&worker| worker != last_choice)
            .or_else(|| {
                // The counters say that a worker is parked: if no other, then the last choice.
                parked.len().checked_sub(1)
            })?;
        let worker = parked.remove(chosen);
        // Ordering: Relaxed. The count changes under the lock. Readers without the lock are ordered
        // by the fences.
        self.counts.fetch_sub(PARKED - 1, Ordering::Relaxed);
        Some(worker)
    }

    /// Returns `true` if a push would notify a worker: one is parked, and none searches.
    #[inline]
    pub fn would_notify(&self) -> bool {
        // Ordering: Relaxed. Publishes nothing; a fence precedes it where it must not be stale.
        let counts = self.counts.load(Ordering::Relaxed);
        counts & SEARCHERS == 0 && counts >= PARKED
    }

    /// Counts the calling worker as searching, and returns `true`, unless half of the workers
    /// search already.
    #[must_use]
    pub fn start_searching(&self) -> bool {
        // Ordering: Relaxed. A stale count admits one searcher more or fewer.
        let searchers = self.counts.load(Ordering::Relaxed) & SEARCHERS;
        if 2 * searchers >= self.workers {
            return false;
        }
        // Ordering: Relaxed. A pusher that sees a searcher relies on its next scan, which follows a
        // fence: in register_parked if it found nothing, in stop_searching if it found a task.
        self.counts.fetch_add(1, Ordering::Relaxed);
        true
    }

    /// Ends the search of a worker that found a task. Returns `true` if it was the last searcher:
    /// it must then scan the queues once more and, if it finds more, call
    /// [`notify_one`](Self::notify_one).
    #[must_use]
    pub fn stop_searching(&self) -> bool {
        // Ordering: Relaxed. The read-modify-writes of one word elect the last; the fence below
        // orders its scan.
        let before = self.counts.fetch_sub(1, Ordering::Relaxed);
        debug_assert!(before & SEARCHERS > 0, "only a searcher stops searching");
        let last = before & SEARCHERS == 1;
        if last {
            // Ordering: SeqCst fence, pairs with the one in notify_one: the next scan of this
            // worker sees a push that relied on its search.
            fence(Ordering::SeqCst);
        }
        last
    }

    /// Registers `worker` as parked. It must scan the queues once more before it blocks.
    pub fn register_parked(&self, worker: usize, searching: bool) {
        {
            let mut parked = self.parked.lock();
            debug_assert!(!parked.contains(&worker), "a worker parks once");
            parked.push(worker);
            // Ordering: Relaxed; the fence below orders it.
            self.counts
                .fetch_add(PARKED - usize::from(searching), Ordering::Relaxed);
        }
        // Ordering: SeqCst fence, pairs with the one in notify_one; see the proof in README.md.
        fence(Ordering::SeqCst);
    }

    /// Removes `worker`, which returned from its park, or which `found` something in its second
    /// scan. Returns `true` if it counts as searching: a push notified it, or it found something.
    /// In the second case pushes may have relied on the search that it ended to park.
    #[must_use]
    pub fn deregister_parked(&self, worker: usize, found: bool) -> bool {
        let mut parked = self.parked.lock();
        match parked.iter().position(|&other| other == worker) {
            Some(index) => {
                parked.remove(index);
                // Ordering: Relaxed, like in notify_one.
                self.counts
                    .fetch_sub(PARKED - usize::from(found), Ordering::Relaxed);
                found
            }
            None => true,
        }
    }

    /// Returns `true` if every worker is parked and none notified. Called after
    /// [`register_parked`](Self::register_parked), whose lock orders it.
    pub fn are_all_parked(&self) -> bool {
        // Ordering: Relaxed. After the lock in register_parked; see W2 in README.md.
        self.counts.load(Ordering::Relaxed) / PARKED == self.workers
    }

    /// Returns a parked worker other than `except`, which stays parked and counted as such.
    pub fn any_parked(&self, except: usize) -> Option<usize> {
        // Ordering: Relaxed. Called after the lock in deregister_parked, which shows the workers
        // that parked before; a worker that parks later checks for a monitor itself (W2 in
        // README.md).
        if self.counts.load(Ordering::Relaxed) < PARKED {
            return None;
        }
        self.parked
            .lock()
            .iter()
            .rev()
            .copied()
            .find(|&worker| worker != except)
    }
}
