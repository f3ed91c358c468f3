//! Asks one question of every runtime, for criterion.

use std::time::Instant;

use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, BenchmarkId, Throughput};
use framewise_benches::{Face, Framewise, Question, Smol, Tokio, WORKERS};

/// One batch of `size` operations is one iteration. A runtime lives while it is asked.
#[allow(dead_code, reason = "not every bench has a question of batches")]
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
