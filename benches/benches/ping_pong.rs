//! The cost of two tasks that exchange messages. A thousand pairs at once, with the oneshot
//! channels of `futures`.

use criterion::{Criterion, criterion_group, criterion_main};
use framewise_benches::Workload;

mod common;

fn ping_pong(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("ping_pong");
    common::bench(&mut group, Workload::PingPong, 1000);
    group.finish();
}

criterion_group!(benches, ping_pong);
criterion_main!(benches);
