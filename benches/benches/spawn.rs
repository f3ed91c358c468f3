//! The cost of an empty task: spawned from a task, from outside, awaited, detached, chained.

use criterion::{Criterion, criterion_group, criterion_main};
use framewise_benches::Question;

mod common;

fn spawn(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("spawn");
    common::ask(&mut group, Question::SpawnManyLocal, 10_000);
    common::ask(&mut group, Question::SpawnManyRemote, 10_000);
    common::ask(&mut group, Question::SpawnDetached, 10_000);
    common::ask(&mut group, Question::SpawnAwait, 1000);
    common::ask(&mut group, Question::ChainedSpawn, 1000);
    group.finish();
}

criterion_group!(benches, spawn);
criterion_main!(benches);
