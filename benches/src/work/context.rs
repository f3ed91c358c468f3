//! Workloads that carry context values: get, set and inherit.

use std::hint::black_box;

use crate::BenchRuntime;
use crate::carrier::Carrier;

/// Reads one value `count` times, by a function that is not inlined, with all keys set.
pub async fn get<M: Carrier>(count: usize) {
    M::scope(async move {
        for _ in 0..count {
            black_box(M::get());
        }
    })
    .await;
}

/// Sets all keys `count` times for a function that does nothing.
pub async fn run<M: Carrier>(count: usize) {
    for _ in 0..count {
        M::run(|| black_box(()));
    }
}

/// With all keys set, sets one more `count` times for a function that does nothing.
pub async fn run_one_more<M: Carrier>(count: usize) {
    M::scope(async move {
        for _ in 0..count {
            M::run_one_more(|| black_box(()));
        }
    })
    .await;
}

/// Sets all keys `count` times for a future that is ready at once.
pub async fn scope<M: Carrier>(count: usize) {
    for _ in 0..count {
        M::scope(async { black_box(()) }).await;
    }
}

/// Spawns `count` tasks that inherit all keys, then awaits them in order.
pub async fn spawn<R: BenchRuntime, M: Carrier>(handle: R::Handle, count: usize) {
    M::scope(async move {
        let mut joins = Vec::with_capacity(count);
        for _ in 0..count {
            joins.push(R::spawn(handle, M::inherit(async {})));
        }
        for join in joins {
            join.await;
        }
    })
    .await;
}

/// Spawns `tasks` tasks that inherit all keys and yield `yields` times each.
pub async fn yield_now<R: BenchRuntime, M: Carrier>(
    handle: R::Handle,
    tasks: usize,
    yields: usize,
) {
    M::scope(async move {
        let mut joins = Vec::with_capacity(tasks);
        for _ in 0..tasks {
            joins.push(R::spawn(
                handle,
                M::inherit(async move {
                    for _ in 0..yields {
                        R::yield_now().await;
                    }
                }),
            ));
        }
        for join in joins {
            join.await;
        }
    })
    .await;
}
