//! Runs one workload on every runtime, for criterion.

use std::time::Instant;

use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, BenchmarkId, Throughput};
use framewise_benches::{Face, Framewise, Question, Smol, Tokio, WORKERS};

/// Benchmarks one workload on each runtime. One iteration is one batch of `size` operations. Each
/// runtime starts for its own benchmark and then shuts down.
#[allow(dead_code, reason = "not every bench has a batch workload")]
pub(crate) fn ask(group: &mut BenchmarkGroup<'_, WallTime>, question: Question, size: usize) {
    group.throughput(Throughput::Elements(size as u64));
    ask_one::<Framewise>(group, question, size);
    ask_one::<Tokio>(group, question, size);
    if !question.is_about_values_only() {
        ask_one::<Smol>(group, question, size);
    }
}

fn ask_one<R: Face>(group: &mut BenchmarkGroup<'_, WallTime>, question: Question, size: usize) {
    let id = BenchmarkId::new(question.to_string(), R::NAME);
    group.bench_function(id, |bencher| {
        let runtime = R::start(WORKERS);
        bencher.iter_custom(|batches| {
            let start = Instant::now();
            for _ in 0..batches {
                question.batch(&runtime, size);
            }
            start.elapsed()
        });
    });
}
