//! futures' `LocalPool`, wrapped or bare. It belongs to one thread, so it is stored in a
//! thread-local.

use std::cell::RefCell;

use framewise_conformance::{
    BoxFuture, Executor, JoinHandle, Joining, Local, LocalBoxFuture, Output, Shutdown,
};
use futures::executor::{self, LocalSpawner};
use futures::task::{LocalSpawnExt, SpawnExt};

use crate::support::wrapping::Wrapping;
use crate::support::wrapping::joining::Joined;

/// The pool of the thread on which it is used.
pub(crate) struct LocalPool(pub(crate) Wrapping);

struct ThreadsPool {
    /// `None` while it runs.
    pool: Option<executor::LocalPool>,
    spawner: LocalSpawner,
}

impl Default for ThreadsPool {
    fn default() -> Self {
        let pool = executor::LocalPool::new();
        Self {
            spawner: pool.spawner(),
            pool: Some(pool),
        }
    }
}

thread_local! {
    static POOL: RefCell<ThreadsPool> = RefCell::default();
}

/// Restores the thread's pool, after a panic, too.
struct Running(executor::LocalPool);

impl Running {
    /// Takes the thread's pool; within `block_on`, a new one, which futures rejects with a panic.
    fn begin() -> Self {
        Self(
            POOL.with_borrow_mut(|own| own.pool.take())
                .unwrap_or_default(),
        )
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let pool = std::mem::take(&mut self.0);
        let _ended = POOL.with_borrow_mut(|own| own.pool.replace(pool));
    }
}

fn spawner() -> LocalSpawner {
    POOL.with_borrow(|own| own.spawner.clone())
}

impl Drop for LocalPool {
    fn drop(&mut self) {
        // Drops the remaining tasks now, and not when the thread ends.
        let pool = POOL.try_with(|own| own.try_borrow_mut().ok()?.pool.take());
        drop(pool);
    }
}

impl Executor for LocalPool {
    fn spawn(&self, task: BoxFuture<'static, ()>) {
        // After shutdown the task is dropped.
        let _ = spawner().spawn(self.0.task(task));
    }

    fn block_on(&self, future: LocalBoxFuture<'_, ()>) {
        Running::begin().0.run_until(future);
    }

    fn spawns_from_any_thread(&self) -> bool {
        false
    }

    fn joining(&self) -> Option<&dyn Joining> {
        Some(self)
    }

    fn local(&self) -> Option<&dyn Local> {
        Some(self)
    }

    fn shutdown(&self) -> Option<&dyn Shutdown> {
        Some(self)
    }
}

impl Joining for LocalPool {
    fn spawn_joinable(&self, task: BoxFuture<'static, Output>) -> Box<dyn JoinHandle> {
        let handle = spawner().spawn_with_handle(self.0.task(task));
        Joined::boxed(handle.expect("it has not been shut down"))
    }
}

impl Local for LocalPool {
    fn spawn_local(&self, task: LocalBoxFuture<'static, ()>) {
        let _ = spawner().spawn_local(self.0.local(task));
    }
}

impl Shutdown for LocalPool {
    fn shut_down(&self) {
        drop(POOL.with_borrow_mut(|own| own.pool.take()));
    }
}
