//! Runs some batches of one workload on one runtime without measuring, for callgrind and perf.

use framewise_benches::arguments::{Arguments, fail};
use framewise_benches::{BenchRuntime, Workload, with_runtime};

const USAGE: &str = "\
once WORKLOAD RUNTIME [--batches N] [--size N] [--workers N]

Runs N batches (2), by default of the workload's own size and on one worker.
`instructions --list` prints the workloads; the runtimes are
framewise, framewise-account, tokio, smol and smol-executor.";

fn main() {
    let mut arguments = Arguments::of_process(USAGE);
    let batches = arguments.option("--batches").unwrap_or(2);
    let size = arguments.option("--size");
    let workers = arguments.option("--workers").unwrap_or(1);
    let workload = arguments.word().unwrap_or_else(|| fail(USAGE));
    let runtime = arguments.word().unwrap_or_else(|| fail(USAGE));
    arguments.finish();
    let workload: Workload = workload
        .parse()
        .unwrap_or_else(|error: String| fail(&error));
    let size = size.unwrap_or_else(|| workload.default_size());
    with_runtime!(runtime.as_str(), once(workload, size, workers, batches))
        .unwrap_or_else(|| fail(&format!("there is no runtime {runtime:?}")));
}

fn once<R: BenchRuntime>(workload: Workload, size: usize, workers: usize, batches: usize) {
    let runtime = R::start(workers);
    for _ in 0..batches {
        workload.batch(&runtime, size);
    }
}
