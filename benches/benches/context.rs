//! The cost of reading a value, of setting one, and of passing values to a spawned task.
//!
//! With 0, 1, 4 and 16 keys: framewise's variables and tokio's `task_local!`s.

use criterion::{Criterion, criterion_group, criterion_main};
use framewise_benches::{Keys, Workload};

mod common;

const KEYS: [Keys; 4] = [Keys::None, Keys::K1, Keys::K4, Keys::K16];

fn context(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("context");
    for keys in KEYS {
        common::bench(&mut group, Workload::Get(keys), 10_000);
        common::bench(&mut group, Workload::Run(keys), 10_000);
        common::bench(&mut group, Workload::RunOneMore(keys), 10_000);
        common::bench(&mut group, Workload::Enter(keys), 10_000);
        common::bench(&mut group, Workload::ContextSpawn(keys), 10_000);
        common::bench(&mut group, Workload::ContextYield(keys), 20_000);
    }
    group.finish();
}

criterion_group!(benches, context);
criterion_main!(benches);
