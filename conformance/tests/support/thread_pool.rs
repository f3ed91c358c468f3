//! futures' `ThreadPool`, wrapped or bare.

use framewise_conformance::{BoxFuture, Executor, JoinHandle, Joining, LocalBoxFuture, Output};
use futures::executor;
use futures::future::RemoteHandle;
use futures::task::SpawnExt;

use crate::support::wrapping::Wrapping;
use crate::support::wrapping::joining::{Cancelling, Joined};

/// A pool of two threads.
pub(crate) struct ThreadPool {
    wrapping: Wrapping,
    pool: executor::ThreadPool,
}

const WORKERS: usize = 2;

impl ThreadPool {
    pub(crate) fn new(wrapping: Wrapping) -> Self {
        let pool = executor::ThreadPool::builder().pool_size(WORKERS).create();
        Self {
            wrapping,
            pool: pool.expect("threads can be started"),
        }
    }
}

impl Executor for ThreadPool {
    fn spawn(&self, task: BoxFuture<'static, ()>) {
        self.pool.spawn_ok(self.wrapping.task(task));
    }

    fn block_on(&self, future: LocalBoxFuture<'_, ()>) {
        executor::block_on(future);
    }

    fn workers(&self) -> usize {
        WORKERS
    }

    fn joining(&self) -> Option<&dyn Joining> {
        Some(self)
    }
}

impl Joining for ThreadPool {
    fn spawn_joinable(&self, task: BoxFuture<'static, Output>) -> Box<dyn JoinHandle> {
        let handle = self.pool.spawn_with_handle(self.wrapping.task(task));
        Joined::boxed(handle.expect("a pool takes tasks as long as it is there"))
    }
}

impl Cancelling for RemoteHandle<Output> {
    fn detach(self) {
        self.forget();
    }
}
