//! Who sleeps and who searches: the counters that decide whether a push must wake somebody.
//!
//! Owns the set of parked workers. Knows neither how they sleep (`park.rs`) nor what they look for.
//!
//! # The protocol
//!
//! A push from outside puts the task into the injector, then calls [`Idle::notify_one`]. A worker
//! that found nothing calls [`Idle::park`], then looks at the queues once more, then sleeps. This
//! is the store-then-load race: each side writes, fences, and reads what the other wrote. Both
//! cases:
//!
//! - The pusher's fence comes first: the worker's second look, after its own fence, sees the task.
//! - The worker's fence comes first: the pusher sees that it is parked, and wakes it, or that
//!   somebody searches. A searcher looks again after it stops searching, be it to park or because
//!   it found something else, with the same fence in between: the same two cases again.
//!
//! A worker that pushes to its own queue needs no fence: it is awake and will come to the task
//! itself. It looks at the counters only for the sake of parallelism
//! ([`Idle::would_notify`]).

use framewise_sync::Mutex;
use framewise_sync::atomic::{AtomicUsize, Ordering, fence};

/// The low half counts searchers, the high half parked workers.
const PARKED: usize = 1 << (usize::BITS / 2);
const SEARCHERS: usize = PARKED - 1;

/// The idle workers of a runtime.
#[derive(Debug)]
pub struct Idle {
    counts: AtomicUsize,
    /// Parked workers that nobody has notified; the last to park is the first to be woken.
    sleepers: Mutex<Vec<usize>>,
    workers: usize,
}

impl Idle {
    /// All of `workers` are awake.
    pub fn new(workers: usize) -> Self {
        Self {
            counts: AtomicUsize::new(0),
            sleepers: Mutex::new(Vec::with_capacity(workers)),
            workers,
        }
    }

    /// After a push that anybody may take: chooses a worker to wake, not `last_choice` if there is
    /// another. The worker counts as a searcher from now on.
    #[must_use]
    pub fn notify_one(&self, last_choice: usize) -> Option<usize> {
        // Ordering: SeqCst fence, pairs with the one in park; see the module's two cases.
        fence(Ordering::SeqCst);
        if !self.would_notify() {
            return None;
        }
        let mut sleepers = self.sleepers.lock();
        if !self.would_notify() {
            return None;
        }
        let chosen = sleepers
            .iter()
            .rposition(|&worker| worker != last_choice)
            .or_else(|| {
                // Somebody parked counts, so there is one to wake, be it the last choice.
                sleepers.len().checked_sub(1)
            })?;
        let worker = sleepers.remove(chosen);
        // Ordering: Relaxed. The count changes under the lock; those who read it without the lock
        // are ordered by the fences.
        self.counts.fetch_sub(PARKED - 1, Ordering::Relaxed);
        Some(worker)
    }

    /// Whether a push would wake somebody: a worker sleeps, and none searches.
    #[inline]
    pub fn would_notify(&self) -> bool {
        // Ordering: Relaxed. Publishes and reads nothing else; where it must not be stale there is
        // a fence before it.
        let counts = self.counts.load(Ordering::Relaxed);
        counts & SEARCHERS == 0 && counts >= PARKED
    }

    /// Whether the worker may search: so long as not half of the workers do already.
    #[must_use]
    pub fn start_searching(&self) -> bool {
        // Ordering: Relaxed. A stale count lets one searcher more or less through.
        let searchers = self.counts.load(Ordering::Relaxed) & SEARCHERS;
        if 2 * searchers >= self.workers {
            return false;
        }
        // Ordering: Relaxed. A pusher that sees a searcher relies on its next look, which follows a
        // fence: in park where it found nothing, in stop_searching where it found something.
        self.counts.fetch_add(1, Ordering::Relaxed);
        true
    }

    /// The searcher found something. True: it was the last, so that nobody is looking for more: it
    /// must look whether there is more, and then call [`notify_one`](Self::notify_one).
    #[must_use]
    pub fn stop_searching(&self) -> bool {
        // Ordering: Relaxed. The read-modify-writes of one word elect the last; the fence below
        // orders its look.
        let before = self.counts.fetch_sub(1, Ordering::Relaxed);
        debug_assert!(before & SEARCHERS > 0, "only a searcher stops searching");
        let last = before & SEARCHERS == 1;
        if last {
            // Ordering: SeqCst fence, pairs with the one in notify_one: a push that relied on this
            // searcher is seen by its next look at the queues.
            fence(Ordering::SeqCst);
        }
        last
    }

    /// The worker is about to sleep. It must look at the queues once more afterwards.
    pub fn park(&self, worker: usize, searching: bool) {
        {
            let mut sleepers = self.sleepers.lock();
            debug_assert!(!sleepers.contains(&worker), "a worker parks once");
            sleepers.push(worker);
            // Ordering: Relaxed; the fence below orders it.
            self.counts
                .fetch_add(PARKED - usize::from(searching), Ordering::Relaxed);
        }
        // Ordering: SeqCst fence, pairs with the one in notify_one; see the module's two cases.
        fence(Ordering::SeqCst);
    }

    /// The worker is awake again, or goes on because it `found` something in its second look. True:
    /// it counts as a searcher, since it was notified, or since it found something: pushes may have
    /// relied on the search that it broke off to park.
    #[must_use]
    pub fn unpark(&self, worker: usize, found: bool) -> bool {
        let mut sleepers = self.sleepers.lock();
        match sleepers.iter().position(|&sleeper| sleeper == worker) {
            Some(place) => {
                sleepers.remove(place);
                // Ordering: Relaxed; as in notify_one.
                self.counts
                    .fetch_sub(PARKED - usize::from(found), Ordering::Relaxed);
                found
            }
            None => true,
        }
    }

    /// Whether every worker is parked, and no one notified. Asked after [`park`](Self::park), whose
    /// lock orders it.
    pub fn are_all_parked(&self) -> bool {
        // Ordering: Relaxed. After the lock in park; see W2 in `watch.rs`.
        self.counts.load(Ordering::Relaxed) / PARKED == self.workers
    }

    /// A parked worker other than `but_not`, without waking or counting it.
    pub fn any_sleeper(&self, but_not: usize) -> Option<usize> {
        // Ordering: Relaxed. Asked after the lock in unpark, which shows who was parked by then; who
        // parks later sees to the watch itself (W2 in `watch.rs`).
        if self.counts.load(Ordering::Relaxed) < PARKED {
            return None;
        }
        self.sleepers
            .lock()
            .iter()
            .rev()
            .copied()
            .find(|&worker| worker != but_not)
    }
}
