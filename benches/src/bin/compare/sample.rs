//! One sample of one benchmark on one runtime, in its own process. Prints name, unit and value of
//! each result.

use std::fmt;
use std::io;
use std::iter;
use std::process;
use std::str::FromStr;
use std::time::{Duration, Instant};

use framewise_benches::arguments::fail;
use framewise_benches::load::{Many, Single};
use framewise_benches::measure::{
    process_time, quantile, raise_descriptor_limit, resident, thread_time,
};
use framewise_benches::work::{echo, memory, timers, wake};
use framewise_benches::{BenchRuntime, Workload, with_runtime};

/// The number of seconds after which a process without a result is killed.
const SECONDS_MAX: u32 = 60;

/// A benchmark that `compare` can run.
#[derive(Clone, Copy)]
pub(crate) enum Benchmark {
    /// The time of one operation of a workload.
    Batches(Workload),
    IdleTask,
    WakeLatency,
    TimerFire,
    SleepIdle,
    TcpLatency,
    TcpThroughput,
    IdleConnection,
}

const OTHERS: [Benchmark; 7] = [
    Benchmark::IdleTask,
    Benchmark::WakeLatency,
    Benchmark::TimerFire,
    Benchmark::SleepIdle,
    Benchmark::TcpLatency,
    Benchmark::TcpThroughput,
    Benchmark::IdleConnection,
];

impl Benchmark {
    pub(crate) fn all() -> Vec<Self> {
        let workloads = Workload::all().into_iter();
        let (values, others): (Vec<_>, Vec<_>) =
            workloads.partition(|workload| workload.to_string().starts_with("context"));
        let others = others.into_iter().map(Benchmark::Batches);
        let values = values.into_iter().map(Benchmark::Batches);
        others.chain(OTHERS).chain(values).collect()
    }

    /// Returns `true` if the benchmark can differ on the runtime. smol carries values with tokio's
    /// `task_local!`, so such benchmarks are skipped on smol.
    pub(crate) fn concerns(self, runtime: &str) -> bool {
        match self {
            Benchmark::Batches(workload) => {
                !(workload.is_about_values_only() && runtime.starts_with("smol"))
            }
            _ => true,
        }
    }
}

impl fmt::Display for Benchmark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Benchmark::Batches(workload) => return workload.fmt(f),
            Benchmark::IdleTask => "idle_task",
            Benchmark::WakeLatency => "wake_latency",
            Benchmark::TimerFire => "timer_fire",
            Benchmark::SleepIdle => "sleep_idle",
            Benchmark::TcpLatency => "tcp_latency",
            Benchmark::TcpThroughput => "tcp_throughput",
            Benchmark::IdleConnection => "idle_connection",
        })
    }
}

impl FromStr for Benchmark {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let other = OTHERS.into_iter().find(|other| other.to_string() == name);
        other.map_or_else(|| name.parse().map(Benchmark::Batches), Ok)
    }
}

/// Runs the benchmark and exits without shutting down the runtime.
pub(crate) fn take(benchmark: Benchmark, runtime: &str, workers: usize, quick: bool) -> ! {
    // SAFETY: `alarm` only schedules a signal, which ends the process.
    unsafe {
        libc::alarm(SECONDS_MAX);
    }
    match with_runtime!(runtime, run_on(benchmark, workers, quick)) {
        Some(Ok(())) => process::exit(0),
        Some(Err(error)) => fail(&format!("{benchmark} on {runtime}: {error}")),
        None => fail(&format!("there is no runtime {runtime:?}")),
    }
}

fn run_on<R: BenchRuntime>(benchmark: Benchmark, workers: usize, quick: bool) -> io::Result<()> {
    let runtime = R::start(workers);
    match benchmark {
        Benchmark::Batches(workload) => {
            batches(workload, &runtime, quick);
            Ok(())
        }
        Benchmark::IdleTask => idle_task(&runtime, quick),
        Benchmark::WakeLatency => {
            wake_latency(&runtime, quick);
            Ok(())
        }
        Benchmark::TimerFire => {
            timer_fire(&runtime, quick);
            Ok(())
        }
        Benchmark::SleepIdle => {
            sleep_idle(&runtime, quick);
            Ok(())
        }
        Benchmark::TcpLatency => tcp_latency(&runtime, quick),
        Benchmark::TcpThroughput => tcp_throughput(&runtime, quick),
        Benchmark::IdleConnection => idle_connection(&runtime, quick),
    }
}

/// Prints the median over many batches, after a warm-up batch.
fn batches<R: BenchRuntime>(workload: Workload, runtime: &R, quick: bool) {
    let (size, limit) = match quick {
        true => (workload.default_size() / 10, Duration::ZERO),
        false => (workload.default_size(), Duration::from_millis(80)),
    };
    workload.batch(runtime, size);
    let mut times = Vec::new();
    let start = Instant::now();
    while times.len() < 3 || start.elapsed() < limit {
        let batch = Instant::now();
        workload.batch(runtime, size);
        times.push(batch.elapsed().as_nanos() as f64 / size as f64);
    }
    print(workload, "ns/op", quantile(&mut times, 0.5));
}

fn idle_task<R: BenchRuntime>(runtime: &R, quick: bool) -> io::Result<()> {
    let count = if quick { 1000 } else { 100_000 };
    let handle = runtime.handle();
    let (first, room) = (memory::room::<R>(1), memory::room::<R>(count));
    runtime.run(memory::idle_tasks::<R>(handle, first));
    let before = resident()?;
    runtime.run(memory::idle_tasks::<R>(handle, room));
    let bytes = resident()?.saturating_sub(before);
    print("idle_task", "B resident/task", bytes as f64 / count as f64);
    Ok(())
}

fn wake_latency<R: BenchRuntime>(runtime: &R, quick: bool) {
    let count = if quick { 10 } else { 300 };
    let latencies = wake::latency(runtime, count, Duration::from_micros(300));
    print("wake_latency p50", "us", micros(latencies, 0.5));
}

fn timer_fire<R: BenchRuntime>(runtime: &R, quick: bool) {
    let count = if quick { 1000 } else { 100_000 };
    let after = Duration::from_millis(100);
    let before = process_time();
    let lateness = runtime.run(timers::fire::<R>(runtime.handle(), count, after, after));
    let time = process_time() - before;
    print(
        "timer_fire cpu",
        "ns/op",
        time.as_nanos() as f64 / count as f64,
    );
    print("timer_fire late p50", "us", micros(lateness.clone(), 0.5));
    print("timer_fire late p99", "us", micros(lateness, 0.99));
}

fn sleep_idle<R: BenchRuntime>(runtime: &R, quick: bool) {
    let longest = if quick { 3 } else { 15 };
    let durations = (1..=longest).map(Duration::from_millis);
    let lateness = runtime.run(timers::one_by_one::<R>(durations));
    print("sleep_idle late p50", "us", micros(lateness, 0.5));
}

fn tcp_latency<R: BenchRuntime>(runtime: &R, quick: bool) -> io::Result<()> {
    let count = if quick { 10 } else { 3000 };
    let mut client = Single::connect(echo::start(runtime))?;
    for _ in 0..count / 10 {
        client.echo()?;
    }
    let mut times = Vec::with_capacity(count);
    let before = process_time() - thread_time();
    for _ in 0..count {
        let start = Instant::now();
        client.echo()?;
        times.push(start.elapsed());
    }
    let time = process_time() - thread_time() - before;
    print("tcp_latency p50", "us", micros(times.clone(), 0.5));
    print("tcp_latency p99", "us", micros(times, 0.99));
    let each = time.as_nanos() as f64 / count as f64;
    print("tcp_latency server cpu", "ns/op", each);
    Ok(())
}

fn tcp_throughput<R: BenchRuntime>(runtime: &R, quick: bool) -> io::Result<()> {
    let (connections, duration) = match quick {
        true => (10, Duration::from_millis(5)),
        false => (100, Duration::from_millis(400)),
    };
    let mut client = Many::connect(echo::start(runtime), connections)?;
    client.run_for(duration / 4)?;
    // This thread is the client; all other threads belong to the server.
    let before = process_time() - thread_time();
    let (echoes, elapsed) = client.run_for(duration)?;
    let time = process_time() - thread_time() - before;
    let rate = echoes as f64 / elapsed.as_secs_f64();
    print("tcp_throughput rate", "msg/s", rate);
    let each = time.as_nanos() as f64 / echoes as f64;
    print("tcp_throughput server cpu", "ns/op", each);
    Ok(())
}

fn idle_connection<R: BenchRuntime>(runtime: &R, quick: bool) -> io::Result<()> {
    // Each connection needs two descriptors, and the runtime needs some.
    let room = raise_descriptor_limit()?.saturating_sub(100) / 2;
    let count = (if quick { 10 } else { 4000 }).min(room as usize);
    let address = echo::start(runtime);
    let connect = || {
        let mut connection = Single::connect(address)?;
        connection.echo()?;
        Ok::<_, io::Error>(connection)
    };
    let warm = connect()?;
    let mut connections: Vec<_> = Vec::with_capacity(count);
    let before = resident()?;
    for connection in iter::repeat_with(connect).take(count) {
        connections.push(connection?);
    }
    let bytes = resident()?.saturating_sub(before);
    print(
        "idle_connection",
        "B resident/conn",
        bytes as f64 / count as f64,
    );
    drop(warm);
    Ok(())
}

fn micros(times: Vec<Duration>, fraction: f64) -> f64 {
    let times = times.into_iter();
    let mut times: Vec<_> = times.map(|time| time.as_nanos() as f64 / 1000.0).collect();
    quantile(&mut times, fraction)
}

fn print(name: impl fmt::Display, unit: &str, value: f64) {
    println!("{name}\t{unit}\t{value}");
}
