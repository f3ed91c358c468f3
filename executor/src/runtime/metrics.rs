//! `RuntimeMetrics`: what a runtime can tell of itself without having counted it.

use std::fmt;
use std::sync::Arc;

use super::{Handle, Runtime};
use crate::scheduler::shared::Shared;

/// Numbers of a runtime, as they are at each call.
///
/// They cost the runtime nothing while they are not asked for. They change while they are read, so
/// two of them need not fit together.
///
/// # Examples
///
/// ```
/// use framewise::runtime::Builder;
///
/// # fn main() -> std::io::Result<()> {
/// let runtime = Builder::new().worker_threads(2).build()?;
/// let metrics = runtime.metrics();
/// let endless = runtime.spawn(std::future::pending::<()>());
/// assert_eq!((metrics.num_workers(), metrics.num_alive_tasks()), (2, 1));
/// # drop(endless);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct RuntimeMetrics {
    shared: Arc<Shared>,
}

impl Runtime {
    /// Returns the numbers of this runtime; see [`RuntimeMetrics`].
    pub fn metrics(&self) -> RuntimeMetrics {
        self.handle().metrics()
    }
}

impl Handle {
    /// Returns the numbers of the runtime; see [`RuntimeMetrics`].
    pub fn metrics(&self) -> RuntimeMetrics {
        RuntimeMetrics {
            shared: Arc::clone(&self.spawner.shared),
        }
    }
}

impl RuntimeMetrics {
    /// Returns the number of workers.
    pub fn num_workers(&self) -> usize {
        self.shared.workers()
    }

    /// Returns the number of tasks that were spawned and have not ended. Blocking calls and the
    /// tasks of a [`LocalSet`](crate::task::LocalSet) are not among them.
    ///
    /// It walks through the lists of all tasks, and a worker that spawns waits meanwhile: it is for
    /// an exporter every few seconds, or a test.
    pub fn num_alive_tasks(&self) -> usize {
        self.shared.alive_tasks()
    }

    /// Returns the number of tasks that wait in the queue that all workers share.
    pub fn global_queue_depth(&self) -> usize {
        self.shared.queues.injector.len()
    }

    /// Returns the number of threads of the blocking pool, idle ones included.
    pub fn num_blocking_threads(&self) -> usize {
        self.shared.blocking.counts().threads
    }

    /// Returns the number of idle threads of the blocking pool.
    pub fn num_idle_blocking_threads(&self) -> usize {
        self.shared.blocking.counts().idle
    }

    /// Returns the number of blocking calls that wait for a thread.
    ///
    /// It walks through the queue, and a caller of `spawn_blocking` waits meanwhile.
    pub fn blocking_queue_depth(&self) -> usize {
        self.shared.blocking.counts().queued
    }
}

impl fmt::Debug for RuntimeMetrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RuntimeMetrics")
            .field("num_workers", &self.num_workers())
            .field("global_queue_depth", &self.global_queue_depth())
            .finish_non_exhaustive()
    }
}
