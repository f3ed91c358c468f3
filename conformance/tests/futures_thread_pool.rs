//! futures' `ThreadPool`, with the wrapping that its users would write.

use framewise_conformance::context::Frame;
use framewise_conformance::{BoxFuture, Executor, LocalBoxFuture, executor_tests};
use futures::executor::{ThreadPool, block_on};

impl Executor for Wrapped {
    fn spawn(&self, task: BoxFuture<'static, ()>) {
        self.0.spawn_ok(Frame::current().inherited().scope(task));
    }

    fn block_on(&self, future: LocalBoxFuture<'_, ()>) {
        block_on(future);
    }
}

struct Wrapped(ThreadPool);

fn pool() -> Wrapped {
    Wrapped(ThreadPool::new().expect("threads can be started"))
}

executor_tests!(pool());
