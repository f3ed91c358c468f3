//! The last step of a runtime's end: when the workers have left (`scheduler/shutdown.rs`), the
//! threads are joined and the blocking pool is closed.

use std::time::{Duration, Instant};

use super::Runtime;
use super::current_thread::WorkerSlot;
use crate::scheduler::blocked_polls::end_without_blocked_polls;
use crate::scheduler::worker;

impl Runtime {
    /// Shuts down and waits for `limit` at most. Returns `true` if everything has ended.
    ///
    /// A poll or a blocking call that has not returned by then continues; a task is dropped when
    /// its poll returns.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// use framewise::runtime::Runtime;
    ///
    /// # fn main() -> std::io::Result<()> {
    /// let runtime = Runtime::new()?;
    /// let endless = runtime.spawn(std::future::pending::<()>());
    /// assert!(runtime.shutdown_timeout(Duration::from_secs(60)));
    /// assert!(endless.is_finished());
    /// # Ok(())
    /// # }
    /// ```
    pub fn shutdown_timeout(mut self, limit: Duration) -> bool {
        self.shut_down(Some(limit))
    }

    /// Shuts down without waiting.
    ///
    /// # Examples
    ///
    /// ```
    /// use framewise::runtime::Runtime;
    ///
    /// # fn main() -> std::io::Result<()> {
    /// let runtime = Runtime::new()?;
    /// let endless = runtime.spawn(std::future::pending::<()>());
    /// runtime.shutdown_background();
    /// let error = futures::executor::block_on(endless).expect_err("it does not end by itself");
    /// assert!(error.is_cancelled());
    /// # Ok(())
    /// # }
    /// ```
    pub fn shutdown_background(mut self) {
        self.shut_down(Some(Duration::ZERO));
    }

    fn shut_down(&mut self, limit: Option<Duration>) -> bool {
        self.is_shut_down = true;
        let shared = &self.handle.spawner.shared;
        if shared.is_in_forked_child() {
            // The threads are the parent's, as are the events that the driver would take out of
            // epoll.
            return self.leave_as_it_is();
        }
        let resting = self.resting.as_ref().map(WorkerSlot::take);
        if let Some(None) = resting {
            // A thread that drives borrows the runtime. So its code has called `process::exit`,
            // which runs the destructors of thread-locals.
            return self.leave_as_it_is();
        }
        shared.close();
        if let Some(worker) = resting.flatten() {
            worker.end();
        }
        let waits_for_itself = worker::is_worker_of(shared) || shared.blocking.is_own_thread();
        let limit = if waits_for_itself {
            Some(Duration::ZERO)
        } else {
            limit
        };
        let deadline = limit.and_then(|limit| Instant::now().checked_add(limit));
        let ender = end_without_blocked_polls(&self.handle.spawner, deadline, |end| {
            shared.blocking.threads().start("shutdown", end)
        });
        let ended = shared.wait_for_end(deadline);
        if ended {
            for thread in self.threads.drain(..).chain(ender) {
                // If a worker unwound, the panic hook has printed its panic.
                let _ = thread.join();
            }
        }
        shared.blocking.close();
        let ended = shared.blocking.wait_for_end(deadline) && ended;
        // Last, since what ends above may use it.
        let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
        self.tokio.shut_down(left);
        ended
    }

    /// Ends nothing.
    fn leave_as_it_is(&mut self) -> bool {
        self.threads.drain(..).for_each(std::mem::forget);
        std::mem::forget(self.resting.take());
        self.tokio.forget();
        false
    }
}

impl Drop for Runtime {
    fn drop(&mut self) {
        if !self.is_shut_down {
            self.shut_down(None);
        }
    }
}
