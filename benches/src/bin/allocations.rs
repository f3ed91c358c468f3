//! Counts allocations. A separate program, so that the other programs are measured without a
//! counting allocator.
//!
//! The counts hardly vary between runs. `compare` runs this program once for each runtime.

use framewise_benches::arguments::{Arguments, fail};
use framewise_benches::load::Single;
use framewise_benches::work::{echo, memory};
use framewise_benches::{BenchRuntime, Keys, WORKERS, Workload, with_runtime};
use framewise_test_support::CountingAllocator;

const USAGE: &str = "\
allocations RUNTIME [--only PREFIX] [--quick]

Prints allocations and bytes for each operation: name, unit and value, separated by tabs.";

#[global_allocator]
static ALLOCATOR: CountingAllocator = CountingAllocator;

/// Returns the number of allocations so far, and the bytes in use.
fn counts() -> (u64, u64) {
    let allocations = CountingAllocator::allocations();
    (allocations as u64, CountingAllocator::live_bytes() as u64)
}

fn main() {
    let mut arguments = Arguments::of_process(USAGE);
    let quick = arguments.flag("--quick");
    let only: Option<String> = arguments.option("--only");
    let runtime = arguments.word().unwrap_or_else(|| fail(USAGE));
    arguments.finish();
    with_runtime!(runtime.as_str(), all(only.as_deref().unwrap_or(""), quick))
        .unwrap_or_else(|| fail(&format!("there is no runtime {runtime:?}")));
    // Exit without shutting down the runtime and its idle tasks.
    std::process::exit(0);
}

fn all<R: BenchRuntime>(only: &str, quick: bool) {
    let runtime = R::start(WORKERS);
    let workloads = [
        Workload::SpawnManyLocal,
        Workload::PingPong,
        Workload::TimerCancel,
        Workload::RunOneMore(Keys::K1),
        Workload::RunOneMore(Keys::K4),
        Workload::RunOneMore(Keys::K16),
        Workload::Enter(Keys::K1),
        Workload::Enter(Keys::K4),
        Workload::Enter(Keys::K16),
        Workload::ContextSpawn(Keys::K1),
        Workload::ContextSpawn(Keys::K4),
        Workload::ContextSpawn(Keys::K16),
    ];
    for workload in workloads {
        if workload.to_string().starts_with(only) {
            let size = workload.default_size() / if quick { 10 } else { 1 };
            print(workload, "allocs/op", of_batch(workload, &runtime, size));
        }
    }
    if "idle_task".starts_with(only) || only.starts_with("idle_task") {
        idle_tasks(&runtime, if quick { 1000 } else { 100_000 });
    }
    if "idle_connection".starts_with(only) || only.starts_with("idle_connection") {
        idle_connections(&runtime, if quick { 10 } else { 1000 });
    }
    std::mem::forget(runtime);
}

/// Returns the allocations per operation after warm-up, without the fixed cost of a batch.
fn of_batch<R: BenchRuntime>(workload: Workload, runtime: &R, size: usize) -> f64 {
    workload.batch(runtime, 2 * size);
    let (start, _) = counts();
    workload.batch(runtime, size);
    let (middle, _) = counts();
    workload.batch(runtime, 2 * size);
    let (end, _) = counts();
    ((end - middle) as f64 - (middle - start) as f64) / size as f64
}

fn idle_tasks<R: BenchRuntime>(runtime: &R, count: usize) {
    let handle = runtime.handle();
    let (first, room) = (memory::room::<R>(1), memory::room::<R>(count));
    runtime.run(memory::idle_tasks::<R>(handle, first));
    let (allocations, bytes) = counts();
    runtime.run(memory::idle_tasks::<R>(handle, room));
    let (allocations_after, bytes_after) = counts();
    let each = |before: u64, after: u64| after.saturating_sub(before) as f64 / count as f64;
    print(
        "idle_task",
        "allocs/task",
        each(allocations, allocations_after),
    );
    print("idle_task", "B allocated/task", each(bytes, bytes_after));
}

fn idle_connections<R: BenchRuntime>(runtime: &R, count: usize) {
    let address = echo::start(runtime);
    let connect = || {
        let mut connection = Single::connect(address)?;
        connection.echo()?;
        Ok::<_, std::io::Error>(connection)
    };
    let warm = connect().unwrap_or_else(|error| fail(&format!("connecting: {error}")));
    let mut connections = Vec::with_capacity(count);
    let (_, bytes) = counts();
    for _ in 0..count {
        connections.push(connect().unwrap_or_else(|error| fail(&format!("connecting: {error}"))));
    }
    let (_, bytes_after) = counts();
    let each = bytes_after.saturating_sub(bytes) as f64 / count as f64;
    print("idle_connection", "B allocated/conn", each);
    drop(warm);
}

fn print(name: impl std::fmt::Display, unit: &str, value: f64) {
    println!("{name}\t{unit}\t{value}");
}
