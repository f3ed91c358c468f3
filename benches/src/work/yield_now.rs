//! The workload that yields.

use crate::BenchRuntime;

/// Spawns `tasks` tasks that yield `yields` times each.
pub async fn many<R: BenchRuntime>(handle: R::Handle, tasks: usize, yields: usize) {
    let mut joins = Vec::with_capacity(tasks);
    for _ in 0..tasks {
        joins.push(R::spawn(handle, async move {
            for _ in 0..yields {
                R::yield_now().await;
            }
        }));
    }
    for join in joins {
        join.await;
    }
}
