//! The cost of a yield by one of 200 tasks.

use criterion::{Criterion, criterion_group, criterion_main};
use framewise_benches::Workload;

mod common;

fn yield_now(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("yield_now");
    common::bench(&mut group, Workload::Yield, 200 * 100);
    group.finish();
}

criterion_group!(benches, yield_now);
criterion_main!(benches);
