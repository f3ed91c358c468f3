//! The cost of a timer that is cancelled, and of one that fires.
//!
//! Timers that fire are measured in processor time, because the wall clock would show the sleep.

use std::time::Duration;

use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, BenchmarkId, Criterion, Throughput};
use criterion::{criterion_group, criterion_main};
use framewise_benches::measure::process_time;
use framewise_benches::work::timers;
use framewise_benches::{BenchRuntime, Framewise, Smol, Tokio, WORKERS, Workload};

mod common;

/// The number of timers that fire in one iteration.
const FIRING: usize = 10_000;

fn cancel(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("timers");
    common::bench(&mut group, Workload::TimerCancel, 10_000);
    group.finish();
}

fn fire(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("timers");
    group.throughput(Throughput::Elements(FIRING as u64));
    group.sample_size(20);
    fire_on::<Framewise>(&mut group);
    fire_on::<Tokio>(&mut group);
    fire_on::<Smol>(&mut group);
    group.finish();
}

fn fire_on<R: BenchRuntime>(group: &mut BenchmarkGroup<'_, WallTime>) {
    let id = BenchmarkId::new("timer_fire processor time", R::NAME);
    group.bench_function(id, |bencher| {
        let runtime = R::start(WORKERS);
        bencher.iter_custom(|batches| {
            let start = process_time();
            for _ in 0..batches {
                let (first, window) = (Duration::from_millis(10), Duration::from_millis(20));
                runtime.run(timers::fire::<R>(runtime.handle(), FIRING, first, window));
            }
            process_time() - start
        });
    });
}

criterion_group!(benches, cancel, fire);
criterion_main!(benches);
