//! Runs one workload on every runtime, for criterion.

use std::time::Instant;

use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, BenchmarkId, Throughput};
use framewise_benches::{BenchRuntime, Framewise, Smol, Tokio, WORKERS, Workload};

/// Benchmarks one workload on each runtime. One iteration is one batch of `size` operations. Each
/// runtime starts for its own benchmark and then shuts down.
#[allow(dead_code, reason = "not every bench has a batch workload")]
pub(crate) fn bench(group: &mut BenchmarkGroup<'_, WallTime>, workload: Workload, size: usize) {
    group.throughput(Throughput::Elements(size as u64));
    bench_one::<Framewise>(group, workload, size);
    bench_one::<Tokio>(group, workload, size);
    if !workload.is_about_values_only() {
        bench_one::<Smol>(group, workload, size);
    }
}

fn bench_one<R: BenchRuntime>(
    group: &mut BenchmarkGroup<'_, WallTime>,
    workload: Workload,
    size: usize,
) {
    let id = BenchmarkId::new(workload.to_string(), R::NAME);
    group.bench_function(id, |bencher| {
        let runtime = R::start(WORKERS);
        bencher.iter_custom(|batches| {
            let start = Instant::now();
            for _ in 0..batches {
                workload.batch(&runtime, size);
            }
            start.elapsed()
        });
    });
}
