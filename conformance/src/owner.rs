//! Ensures that an executor under test is never dropped on one of its own threads.
//!
//! The tasks of a check may hold a reference to the executor, and outlive a check that fails. The
//! last task would drop the executor on one of its workers, which cannot join itself.

use std::sync::Arc;
use std::thread::{self, ThreadId};

use crate::executor::{
    Blocking, BoxFuture, Executor, Joining, Local, LocalBoxFuture, Net, Shutdown, Timers,
    UnhandledPanics,
};

/// An executor that is dropped by the thread that made it, or by a separate thread.
struct Owner {
    /// `None` only during drop.
    executor: Option<Box<dyn Executor>>,
    maker: ThreadId,
}

/// Shares `executor`. If a task holds the last reference, a separate thread drops the executor.
pub(crate) fn share(executor: impl Executor) -> Arc<dyn Executor> {
    Arc::new(Owner {
        executor: Some(Box::new(executor)),
        maker: thread::current().id(),
    })
}

impl Owner {
    fn executor(&self) -> &dyn Executor {
        let executor = self.executor.as_deref();
        executor.expect("an executor is there until it is dropped")
    }
}

impl Drop for Owner {
    fn drop(&mut self) {
        let executor = self.executor.take();
        if thread::current().id() != self.maker {
            // Detached: the check is over.
            drop(thread::spawn(move || drop(executor)));
        }
    }
}

impl Executor for Owner {
    fn spawn(&self, task: BoxFuture<'static, ()>) {
        self.executor().spawn(task);
    }

    fn block_on(&self, future: LocalBoxFuture<'_, ()>) {
        self.executor().block_on(future);
    }

    fn spawn_root(&self, task: BoxFuture<'static, ()>) {
        self.executor().spawn_root(task);
    }

    fn workers(&self) -> usize {
        self.executor().workers()
    }

    fn spawns_from_any_thread(&self) -> bool {
        self.executor().spawns_from_any_thread()
    }

    fn survives_panicking_destructors(&self) -> bool {
        self.executor().survives_panicking_destructors()
    }

    fn joining(&self) -> Option<&dyn Joining> {
        self.executor().joining()
    }

    fn local(&self) -> Option<&dyn Local> {
        self.executor().local()
    }

    fn timers(&self) -> Option<&dyn Timers> {
        self.executor().timers()
    }

    fn blocking(&self) -> Option<&dyn Blocking> {
        self.executor().blocking()
    }

    fn net(&self) -> Option<&dyn Net> {
        self.executor().net()
    }

    fn panic_hook(&self) -> Option<&dyn UnhandledPanics> {
        self.executor().panic_hook()
    }

    fn shutdown(&self) -> Option<&dyn Shutdown> {
        self.executor().shutdown()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;
    use std::sync::mpsc::{Receiver, Sender, channel};

    use super::*;

    /// Runs the calls that it is sent on its own thread, and joins the thread when it is dropped.
    struct OneThread {
        queue: Option<Sender<Box<dyn FnOnce() + Send>>>,
        thread: Option<thread::JoinHandle<()>>,
        ended: Sender<Result<(), &'static str>>,
    }

    fn one_thread() -> (OneThread, Receiver<Result<(), &'static str>>) {
        let (queue, calls) = channel::<Box<dyn FnOnce() + Send>>();
        let (ended, end) = channel();
        let thread = thread::spawn(move || calls.iter().for_each(|call| call()));
        let executor = OneThread {
            queue: Some(queue),
            thread: Some(thread),
            ended,
        };
        (executor, end)
    }

    impl Executor for Mutex<OneThread> {
        fn spawn(&self, _task: BoxFuture<'static, ()>) {}

        fn block_on(&self, _future: LocalBoxFuture<'_, ()>) {}
    }

    impl Drop for OneThread {
        fn drop(&mut self) {
            drop(self.queue.take());
            let thread = self.thread.take().unwrap();
            let result = if thread.thread().id() == thread::current().id() {
                Err("dropped on its own thread")
            } else {
                thread.join().map_err(|_| "its thread panicked")
            };
            self.ended.send(result).unwrap();
        }
    }

    #[test]
    fn a_task_with_the_last_reference_does_not_drop_the_executor() {
        let (executor, end) = one_thread();
        let queue = executor.queue.clone().unwrap();
        let shared = share(Mutex::new(executor));
        let (go, gone) = channel::<()>();
        let last = Arc::clone(&shared);
        queue
            .send(Box::new(move || {
                assert!(gone.recv().is_err());
                drop(last);
            }))
            .unwrap();
        drop((queue, shared));
        drop(go);
        assert_eq!(end.recv(), Ok(Ok(())));
    }
}
