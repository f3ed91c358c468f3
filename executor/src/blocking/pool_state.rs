//! What a pool's lock guards: the jobs that wait, and the counts of its threads.

use std::collections::VecDeque;

use framewise_sync::thread;

use super::queue::CallQueue;
use super::{Host, Job};

/// The jobs that wait, and the counts of the threads.
pub(crate) struct PoolState<H: Host> {
    pub(super) queue: CallQueue,
    /// Cores that wait for a thread. For each a thread was notified, so cores go first.
    pub(super) waiting_cores: VecDeque<H::Core>,
    pub(super) threads: usize,
    /// Starts under way: the thread is counted, and may end before its handle is in `handles`.
    pub(super) starting: usize,
    /// The threads among these that work with a core, or are about to. The limit does not apply to
    /// them.
    pub(super) cores: usize,
    /// Threads that wait and have not been notified.
    pub(super) idle: usize,
    /// Notifications that no thread has taken yet; guards against spurious wake-ups.
    pub(super) notified: usize,
    pub(super) closed: bool,
    /// Threads that were not joined yet. A thread that ends joins the threads that ended before it,
    /// and the end of the pool joins the others, so that their thread-locals are dropped.
    pub(super) handles: Vec<thread::JoinHandle<()>>,
}

/// What a pool's metrics tell.
#[cfg(not(any(framewise_loom, framewise_shuttle)))]
pub(crate) struct PoolCounts {
    pub(crate) threads: usize,
    pub(crate) idle: usize,
    /// The calls that wait for a thread.
    pub(crate) queued: usize,
}

impl<H: Host> PoolState<H> {
    #[cfg(not(any(framewise_loom, framewise_shuttle)))]
    pub(super) fn counts(&self) -> PoolCounts {
        PoolCounts {
            threads: self.threads,
            idle: self.idle,
            queued: self.queue.len(),
        }
    }

    pub(super) fn new() -> Self {
        Self {
            queue: CallQueue::default(),
            waiting_cores: VecDeque::new(),
            threads: 0,
            starting: 0,
            cores: 0,
            idle: 0,
            notified: 0,
            closed: false,
            handles: Vec::new(),
        }
    }

    pub(super) fn push(&mut self, job: Job<H>) {
        match job {
            Job::Task(call) => self.queue.push_back(call),
            // Unnoticed: `push_back` is `push_front`, because each core that waits has a thread
            // that was notified.
            Job::Core(core) => self.waiting_cores.push_back(core),
        }
    }

    pub(crate) fn pop(&mut self) -> Option<Job<H>> {
        // Unnoticed: `pop_front` is `pop_back`, because each core that waits has a thread that was
        // notified.
        match self.waiting_cores.pop_front() {
            Some(core) => Some(Job::Core(core)),
            None => self.queue.pop_front().map(Job::Task),
        }
    }

    /// Returns `true` if a thread is to run a call, or runs one. Calls are queued only then.
    #[cfg(all(feature = "test-util", not(any(framewise_loom, framewise_shuttle))))]
    pub(crate) fn is_busy(&self) -> bool {
        self.threads - self.cores > self.idle
    }

    /// Counts a thread that is about to be started.
    pub(super) fn count_start(&mut self) {
        self.threads += 1;
        self.starting += 1;
    }
}
