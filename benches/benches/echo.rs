//! The cost of an echoed TCP message, on one connection and on a hundred.
//!
//! The client is a plain thread for all runtimes (`src/load.rs`).

use std::time::Instant;

use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, BenchmarkId, Criterion, Throughput};
use criterion::{criterion_group, criterion_main};
use framewise_benches::load::{Many, Single};
use framewise_benches::work::echo;
use framewise_benches::{BenchRuntime, Framewise, Smol, Tokio, WORKERS};

/// The number of concurrent connections.
const CONNECTIONS: usize = 100;

fn echo(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("echo");
    group.throughput(Throughput::Elements(1));
    latency_on::<Framewise>(&mut group);
    latency_on::<Tokio>(&mut group);
    latency_on::<Smol>(&mut group);
    throughput_on::<Framewise>(&mut group);
    throughput_on::<Tokio>(&mut group);
    throughput_on::<Smol>(&mut group);
    group.finish();
}

fn latency_on<R: BenchRuntime>(group: &mut BenchmarkGroup<'_, WallTime>) {
    group.bench_function(BenchmarkId::new("tcp_latency", R::NAME), |bencher| {
        let runtime = R::start(WORKERS);
        let client = Single::connect(echo::start(&runtime));
        let mut client = client.expect("the server accepts");
        bencher.iter(|| client.echo().expect("the server echoes"));
    });
}

/// An iteration is one message; a sample has at least one message per connection.
fn throughput_on<R: BenchRuntime>(group: &mut BenchmarkGroup<'_, WallTime>) {
    group.bench_function(BenchmarkId::new("tcp_throughput", R::NAME), |bencher| {
        let runtime = R::start(WORKERS);
        let client = Many::connect(echo::start(&runtime), CONNECTIONS);
        let mut client = client.expect("the server accepts");
        bencher.iter_custom(|messages| {
            let start = Instant::now();
            let (echoes, _) = client.run_count(messages).expect("the server echoes");
            start.elapsed().mul_f64(messages as f64 / echoes as f64)
        });
    });
}

criterion_group!(benches, echo);
criterion_main!(benches);
