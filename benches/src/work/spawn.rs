//! Workloads that spawn empty tasks.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use futures::channel::oneshot;

use super::Countdown;
use crate::BenchRuntime;

/// Spawns `count` tasks, then awaits them in order.
pub async fn many<R: BenchRuntime>(handle: R::Handle, count: usize) {
    let mut joins = Vec::with_capacity(count);
    for _ in 0..count {
        joins.push(R::spawn(handle, async {}));
    }
    for join in joins {
        join.await;
    }
}

/// Like [`many`], from a thread that does not belong to the runtime.
pub fn many_from_outside<R: BenchRuntime>(runtime: &R, count: usize) {
    let mut joins = Vec::with_capacity(count);
    for _ in 0..count {
        joins.push(runtime.spawn_outside(async {}));
    }
    runtime.block_on(async {
        for join in joins {
            join.await;
        }
    });
}

/// Spawns `count` tasks, each awaited before the next is spawned.
pub async fn one_by_one<R: BenchRuntime>(handle: R::Handle, count: usize) {
    for _ in 0..count {
        R::spawn(handle, async {}).await;
    }
}

/// Spawns `count` detached tasks, and waits until the last one notifies.
pub async fn detached<R: BenchRuntime>(handle: R::Handle, count: usize) {
    let (last, notified) = Countdown::new(count);
    let last = Arc::new(last);
    for _ in 0..count {
        let last = Arc::clone(&last);
        R::detach(handle, async move { last.done() });
    }
    notified.await.expect("the last task notifies");
}

/// Spawns a chain of `depth` tasks, each of which spawns the next, and waits until the last one
/// notifies.
pub async fn chained<R: BenchRuntime>(handle: R::Handle, depth: usize) {
    fn link<R: BenchRuntime>(
        handle: R::Handle,
        depth: usize,
        sender: oneshot::Sender<()>,
    ) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        Box::pin(async move {
            if depth == 0 {
                let _ = sender.send(());
            } else {
                R::detach(handle, link::<R>(handle, depth - 1, sender));
            }
        })
    }

    let (sender, notified) = oneshot::channel();
    R::detach(handle, link::<R>(handle, depth - 1, sender));
    notified.await.expect("the last task notifies");
}
