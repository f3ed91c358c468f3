//! The cost of an empty task: spawned from a task, from outside, awaited, detached, chained.

use criterion::{Criterion, criterion_group, criterion_main};
use framewise_benches::Workload;

mod common;

fn spawn(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("spawn");
    common::bench(&mut group, Workload::SpawnManyLocal, 10_000);
    common::bench(&mut group, Workload::SpawnManyRemote, 10_000);
    common::bench(&mut group, Workload::SpawnDetached, 10_000);
    common::bench(&mut group, Workload::SpawnAwait, 1000);
    common::bench(&mut group, Workload::ChainedSpawn, 1000);
    group.finish();
}

criterion_group!(benches, spawn);
criterion_main!(benches);
