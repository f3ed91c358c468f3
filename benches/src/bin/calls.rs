//! Runs I/O or pushes on one runtime without measuring, for strace and callgrind. The client is the
//! process's main thread and all other threads belong to the runtime, so their calls and
//! instructions can be separated (`strace -ff`, `--separate-threads=yes`).

use std::thread;
use std::time::Duration;

use framewise_benches::arguments::{Arguments, fail};
use framewise_benches::load::{Many, Single};
use framewise_benches::work::echo;
use framewise_benches::{BenchRuntime, with_runtime};

const USAGE: &str = "\
calls WORK RUNTIME [--size N] [--workers N] [--connections N]

Does the work N times, by default on two workers. The runtimes are framewise, tokio, smol and
smol-executor; the work is one of

tcp_latency     a message echoed on one connection (3000)
tcp_throughput  the same on 100 connections, or on --connections (20000)
isolated_push   spawn a task from outside while all workers are parked, every 20 ms (200)";

/// Long enough for all workers to park, and for all delayed work to finish.
const PAUSE: Duration = Duration::from_millis(20);

#[derive(Clone, Copy)]
enum Work {
    TcpLatency,
    TcpThroughput(usize),
    IsolatedPush,
}

fn main() {
    let mut arguments = Arguments::of_process(USAGE);
    let size: Option<usize> = arguments.option("--size");
    let workers = arguments.option("--workers");
    let workers = workers.unwrap_or(framewise_benches::WORKERS);
    let connections = arguments.option("--connections").unwrap_or(100);
    let work = arguments.word().unwrap_or_else(|| fail(USAGE));
    let runtime = arguments.word().unwrap_or_else(|| fail(USAGE));
    arguments.finish();
    let (work, default_size) = match work.as_str() {
        "tcp_latency" => (Work::TcpLatency, 3000),
        "tcp_throughput" => (Work::TcpThroughput(connections), 20_000),
        "isolated_push" => (Work::IsolatedPush, 200),
        _ => fail(&format!("there is no work {work:?}")),
    };
    let size = size.unwrap_or(default_size);
    with_runtime!(runtime.as_str(), calls(work, size, workers))
        .unwrap_or_else(|| fail(&format!("there is no runtime {runtime:?}")));
}

fn calls<R: BenchRuntime>(work: Work, size: usize, workers: usize) {
    let runtime = R::start(workers);
    match work {
        Work::TcpLatency => {
            let client = Single::connect(echo::start(&runtime));
            let mut client = client.expect("the server listens");
            for _ in 0..size {
                client.echo().expect("the server replies");
            }
        }
        Work::TcpThroughput(connections) => {
            let client = Many::connect(echo::start(&runtime), connections);
            let mut client = client.expect("the server listens");
            let echoes = client.run_count(size as u64);
            echoes.expect("the server replies");
        }
        Work::IsolatedPush => {
            for _ in 0..size {
                thread::sleep(PAUSE);
                runtime.run(async {});
            }
        }
    }
}
