//! A **tally**: what is counted for one key. It has a **shard** for each worker, which that worker
//! alone writes, and one for all other threads; a reader sums them up.
//!
//! Owns the counters and who may write which. Knows neither keys nor frames.
//!
//! A worker's shard belongs to its core, not to its thread: the thread that hands a core off writes
//! to the shard of the other threads from then on. So a worker's addition is a load and a store,
//! without a read-modify-write, and its shards are in cache lines of its own.

use std::time::Duration;

use crossbeam_utils::CachePadded;
use framewise_sync::atomic::{AtomicBool, AtomicU64, Ordering};
use framewise_sync::cell::UnsafeCell;
use framewise_sync::statics;

use super::clock::{AccountClock, AccountTicks};
use super::histogram::{DelayCounts, DelayHistogram};

/// The counts of one key.
pub(crate) struct Tally {
    shards: Box<[CachePadded<Shard>]>,
    /// The time of the last look-up of the key.
    used: AtomicU64,
    /// Set when the key has been let go: what is counted from then on belongs to "other".
    is_retired: AtomicBool,
}

/// The counts of one key by one writer, or by all threads that are no workers.
#[derive(Default)]
pub(crate) struct Shard {
    /// In ticks, like `blocking`.
    pub(crate) busy: AtomicU64,
    pub(crate) blocking: AtomicU64,
    pub(crate) polls: AtomicU64,
    pub(crate) calls: AtomicU64,
    pub(crate) spawned: AtomicU64,
    pub(crate) ended: AtomicU64,
    /// Bytes that were allocated under this shard and are not freed. Any thread subtracts.
    bytes: AtomicU64,
    delays: statics::OnceLock<Box<DelayHistogram>>,
    /// By this a model sees a use of the shard that is not over when it is freed. It has no size.
    in_use: UnsafeCell<()>,
}

// SAFETY: all other fields are `Sync`, and the cell has no content.
unsafe impl Sync for Shard {}

/// Says who else writes to the shard.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Writers {
    /// No other thread, until this one hands the shard off with its core.
    Sole,
    Many,
}

impl Writers {
    /// Adds to a counter of a shard that has these writers.
    #[inline(always)]
    pub(crate) fn add(self, counter: &AtomicU64, n: u64) {
        match self {
            // Ordering: Relaxed, both. A count publishes nothing, and this thread alone writes it.
            Self::Sole => counter.store(
                counter.load(Ordering::Relaxed).wrapping_add(n),
                Ordering::Relaxed,
            ),
            Self::Many => {
                // Ordering: Relaxed. A count publishes nothing.
                counter.fetch_add(n, Ordering::Relaxed);
            }
        }
    }
}

impl Shard {
    /// Counts bytes that are allocated under this shard, which is the current one of this thread,
    /// or that a block of this shard grows by.
    #[inline]
    pub(crate) fn allocated(&self, bytes: u64) {
        // Ordering: Relaxed. The block reaches other threads with synchronization of its own, so
        // that it is freed after this.
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Takes off bytes that were allocated under this shard. They must be the caller's: the tally
    /// may be freed after this.
    #[inline]
    pub(crate) fn freed(&self, bytes: u64) {
        self.in_use.with(|_| ());
        // Ordering: Release, pairs with the Acquire in `Tally::has_bytes`: the tally is freed after
        // this.
        self.bytes.fetch_sub(bytes, Ordering::Release);
    }

    /// Counts a queue delay.
    pub(crate) fn record_delay(&self, writers: Writers, ticks: AccountTicks) {
        self.delays
            .get_or_init(|| Box::new(DelayHistogram::new()))
            .record(writers, ticks);
    }
}

impl Drop for Shard {
    fn drop(&mut self) {
        self.in_use.with_mut(|_| ());
    }
}

impl Tally {
    /// Makes a tally for that many workers.
    pub(crate) fn new(workers: usize) -> Self {
        Self {
            shards: (0..=workers).map(|_| CachePadded::default()).collect(),
            used: AtomicU64::new(0),
            is_retired: AtomicBool::new(false),
        }
    }

    /// Returns the shard of a worker, or, for the number of workers, that of the other threads.
    #[inline(always)]
    pub(crate) fn shard(&self, index: usize) -> &Shard {
        &self.shards[index]
    }

    /// Returns the shard of the threads that are no workers.
    pub(crate) fn outside(&self) -> &Shard {
        &self.shards[self.shards.len() - 1]
    }

    /// Counts the tasks that were spawned and have not ended.
    pub(crate) fn live_tasks(&self) -> u64 {
        let sum = |counter: fn(&Shard) -> &AtomicU64| -> u64 {
            let counts = self.shards.iter();
            // Ordering: Relaxed. A count publishes nothing.
            counts
                .map(|shard| counter(shard).load(Ordering::Relaxed))
                .fold(0, u64::wrapping_add)
        };
        // Ended ones first: a task that is spawned and ends in between is not counted twice.
        let ended = sum(|shard| &shard.ended);
        sum(|shard| &shard.spawned).saturating_sub(ended)
    }

    /// Returns `true` if memory that was allocated under this tally may still refer to it.
    ///
    /// If no thread can allocate under it any more, `false` is final: each count only falls.
    pub(crate) fn has_bytes(&self) -> bool {
        // Ordering: Acquire, pairs with the Release in `Shard::freed`: the tally is freed after the
        // last use of its shards.
        self.shards
            .iter()
            .any(|shard| shard.bytes.load(Ordering::Acquire) != 0)
    }

    pub(crate) fn touch(&self, now: AccountTicks) {
        // Ordering: Relaxed. It decides which key is let go first, and no more.
        // Survives: skipped, because any key without a task may be let go.
        self.used.store(now, Ordering::Relaxed);
    }

    pub(crate) fn last_used(&self) -> AccountTicks {
        // Ordering: Relaxed. See `touch`.
        self.used.load(Ordering::Relaxed)
    }

    pub(crate) fn retire(&self) {
        // Ordering: Relaxed. A thread that has not seen it counts for "other" meanwhile, too.
        // Survives: skipped, because each thread may see it late, and what it counts is taken over
        // when it lets its tally go.
        self.is_retired.store(true, Ordering::Relaxed);
    }

    pub(crate) fn is_retired(&self) -> bool {
        // Ordering: Relaxed. See `retire`.
        self.is_retired.load(Ordering::Relaxed)
    }
}

/// A copy of the counts of one tally, or of several.
#[derive(Clone)]
pub(crate) struct Sums {
    pub(crate) busy: AccountTicks,
    pub(crate) blocking: AccountTicks,
    pub(crate) polls: u64,
    pub(crate) calls: u64,
    pub(crate) spawned: u64,
    pub(crate) ended: u64,
    pub(crate) bytes: u64,
    pub(crate) delays: DelayCounts,
}

impl Sums {
    pub(crate) fn new() -> Self {
        Self {
            busy: 0,
            blocking: 0,
            polls: 0,
            calls: 0,
            spawned: 0,
            ended: 0,
            bytes: 0,
            delays: DelayCounts::new(),
        }
    }

    pub(crate) fn of(tally: &Tally) -> Self {
        let mut sums = Self::new();
        sums.add(tally);
        sums
    }

    pub(crate) fn add(&mut self, tally: &Tally) {
        for shard in &tally.shards {
            // Ordering: Relaxed. A count publishes nothing.
            let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
            self.busy += read(&shard.busy);
            self.blocking += read(&shard.blocking);
            self.polls += read(&shard.polls);
            self.calls += read(&shard.calls);
            self.ended += read(&shard.ended);
            self.spawned += read(&shard.spawned);
            self.bytes += read(&shard.bytes);
            if let Some(delays) = shard.delays.get() {
                self.delays.add(delays);
            }
        }
    }

    pub(crate) fn add_sums(&mut self, other: &Self) {
        self.busy += other.busy;
        self.blocking += other.blocking;
        self.polls += other.polls;
        self.calls += other.calls;
        self.spawned += other.spawned;
        self.ended += other.ended;
        self.bytes += other.bytes;
        self.delays.add_counts(&other.delays);
    }

    /// Returns the quantile of the queue delays.
    pub(crate) fn delay(&self, clock: &AccountClock, part: f64) -> Option<Duration> {
        Some(clock.duration(self.delays.quantile(part)?))
    }
}
