//! What an account shows: [`Snapshot`] and [`Usage`].

use std::fmt;
use std::time::Duration;

use super::allocator;
use super::clock::AccountClock;
use super::tally::Sums;

/// What the work of one key has cost, up to the moment at which it was read.
///
/// Each number counts from the runtime's start; the difference between two snapshots is what
/// happened in between. Numbers are read one after the other while the workers go on, so those of
/// work that runs just then need not fit together.
#[derive(Clone)]
pub struct Usage {
    sums: Sums,
    clock: AccountClock,
}

impl Usage {
    pub(super) fn new(sums: Sums, clock: AccountClock) -> Self {
        Self { sums, clock }
    }

    /// Returns the time for which workers worked on it.
    pub fn busy(&self) -> Duration {
        self.clock.duration(self.sums.busy)
    }

    /// Returns the time that blocking calls took: on the threads of the pool, and in
    /// [`block_in_place`](crate::task::block_in_place), the rest of whose poll is included.
    pub fn blocking(&self) -> Duration {
        self.clock.duration(self.sums.blocking)
    }

    /// Returns the number of polls of tasks.
    pub fn polls(&self) -> u64 {
        self.sums.polls
    }

    /// Returns the number of blocking calls that were begun.
    pub fn blocking_calls(&self) -> u64 {
        self.sums.calls
    }

    /// Returns the number of tasks and blocking calls that were spawned and have not ended.
    pub fn live_tasks(&self) -> u64 {
        self.sums.spawned.saturating_sub(self.sums.ended)
    }

    /// Returns the number of tasks and blocking calls that were spawned.
    pub fn spawned_tasks(&self) -> u64 {
        self.sums.spawned
    }

    /// Returns the time below which that part of the queue delays is, from 0 to 1: 0.99 is the p99.
    /// `None` if none was timed yet.
    ///
    /// The **queue delay** is the time for which a task is runnable and waits for a worker, from
    /// its wake or spawn to its poll. It is timed for one wake in eight, and is exact to one part
    /// in eight.
    pub fn queue_delay(&self, part: f64) -> Option<Duration> {
        self.sums.delay(&self.clock, part)
    }

    /// Returns the number of queue delays that were timed.
    pub fn timed_delays(&self) -> u64 {
        self.sums.delays.len()
    }

    /// Returns the bytes that were allocated and are not freed; `None` without the
    /// [`Allocator`](super::Allocator).
    pub fn bytes(&self) -> Option<u64> {
        allocator::is_installed().then_some(self.sums.bytes)
    }
}

/// The account of a runtime at one moment: a line for each key, and two for the rest.
///
/// Its [`Display`](fmt::Display) form is a table for humans.
#[derive(Clone, Debug)]
pub struct Snapshot<T> {
    pub(super) keys: Vec<(T, Usage)>,
    pub(super) none: Usage,
    pub(super) other: Usage,
    pub(super) workers: Vec<Duration>,
}

impl<T> Snapshot<T> {
    /// Returns the keys that have a line of their own, the one with the longest
    /// [busy](Usage::busy) and [blocking](Usage::blocking) time first.
    pub fn keys(&self) -> impl ExactSizeIterator<Item = (&T, &Usage)> {
        self.keys.iter().map(|(key, usage)| (key, usage))
    }

    /// Returns the line of a key.
    pub fn get(&self, key: &T) -> Option<&Usage>
    where
        T: Eq,
    {
        let mut lines = self.keys.iter();
        lines.find_map(|(other, usage)| (other == key).then_some(usage))
    }

    /// Returns what was done in frames that do not bind the variable, and by the workers for
    /// themselves.
    pub fn none(&self) -> &Usage {
        &self.none
    }

    /// Returns what was done for keys that have no line: there was no room for them, or they were
    /// let go.
    pub fn other(&self) -> &Usage {
        &self.other
    }

    /// Returns the sum of all lines.
    pub fn total(&self) -> Usage {
        let mut total = self.none.clone();
        total.sums.add_sums(&self.other.sums);
        for (_, usage) in &self.keys {
            total.sums.add_sums(&usage.sums);
        }
        total
    }

    /// Returns how long each worker has worked: how long it was not parked, up to its last park or
    /// its last look at the driver. While no worker works, these add up to the
    /// [busy](Usage::busy) time of the [`total`](Self::total).
    pub fn workers(&self) -> &[Duration] {
        &self.workers
    }
}

impl fmt::Debug for Usage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Usage")
            .field("busy", &self.busy())
            .field("blocking", &self.blocking())
            .field("polls", &self.polls())
            .field("blocking_calls", &self.blocking_calls())
            .field("live_tasks", &self.live_tasks())
            .field("queue_delay_p50", &self.queue_delay(0.5))
            .field("queue_delay_p99", &self.queue_delay(0.99))
            .field("bytes", &self.bytes())
            .finish_non_exhaustive()
    }
}

/// `busy 1.2ms, blocking 0ns, 7 polls, 0 calls, 1 live, queue p50 2.1µs p99 9µs`, and the bytes if
/// they are counted.
impl fmt::Display for Usage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "busy {:.1?}, blocking {:.1?}, {} polls, {} calls, {} live",
            self.busy(),
            self.blocking(),
            self.polls(),
            self.blocking_calls(),
            self.live_tasks(),
        )?;
        if let (Some(half), Some(most)) = (self.queue_delay(0.5), self.queue_delay(0.99)) {
            write!(f, ", queue p50 {half:.1?} p99 {most:.1?}")?;
        }
        match self.bytes() {
            Some(bytes) => write!(f, ", {bytes} bytes"),
            None => Ok(()),
        }
    }
}

/// A line for each key, and the lines `(none)`, `(other)` and `(total)`.
impl<T: fmt::Display> fmt::Display for Snapshot<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (key, usage) in &self.keys {
            writeln!(f, "{key}: {usage}")?;
        }
        writeln!(f, "(none): {}", self.none)?;
        writeln!(f, "(other): {}", self.other)?;
        write!(f, "(total): {}", self.total())
    }
}
