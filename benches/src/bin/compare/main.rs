//! The comparer: runs every benchmark on each runtime in turn, A B C A B C, and prints a table.
//!
//! Each sample comes from its own child process (`sample.rs`). So no runtime sees the heap, threads
//! or reactor of another, resident memory is its own, and a disturbance of the machine affects all
//! runtimes. Ratios are taken within a round; the table shows the median of these ratios, not the
//! ratio of medians.

mod sample;
mod table;

use std::env;
use std::path::PathBuf;
use std::process::Command;
use std::time::Instant;

use framewise_benches::arguments::{Arguments, fail};

use sample::Benchmark;
use table::Table;

const USAGE: &str = "\
compare [--rounds N] [--only PREFIX] [--runtimes NAMES] [--workers N] [--quick]

Prints a Markdown table: the median of each runtime over N rounds (9), and the median of the ratios
of the first to each other, with the least and the greatest.

--only PREFIX     only benchmarks whose name begins with PREFIX; see --list
--runtimes NAMES  framewise,tokio,smol (the default); also framewise-account and smol-executor
--workers N       worker threads of every runtime (2)
--quick           tiny sizes, to check that the program works
--list            print the names of the benchmarks and exit

Build with `--bins`: it also runs `allocations` from the same directory.";

struct Options {
    rounds: usize,
    runtimes: Vec<String>,
    workers: usize,
    quick: bool,
    only: String,
}

fn main() {
    let mut arguments = Arguments::of_process(USAGE);
    let quick = arguments.flag("--quick");
    let workers = arguments.option("--workers");
    let workers = workers.unwrap_or(framewise_benches::WORKERS);
    if let Some(benchmark) = arguments.option::<Benchmark>("--sample") {
        let runtime = arguments.word().unwrap_or_else(|| fail(USAGE));
        arguments.finish();
        sample::take(benchmark, &runtime, workers, quick);
    }
    let list = arguments.flag("--list");
    let runtimes: Option<String> = arguments.option("--runtimes");
    let runtimes = runtimes.unwrap_or_else(|| "framewise,tokio,smol".to_owned());
    let options = Options {
        rounds: arguments.option("--rounds").unwrap_or(9).max(1),
        runtimes: runtimes.split(',').map(str::to_owned).collect(),
        workers,
        quick,
        only: arguments.option("--only").unwrap_or_default(),
    };
    arguments.finish();
    let mut all = Benchmark::all();
    all.retain(|benchmark| benchmark.to_string().starts_with(&options.only));
    if all.is_empty() {
        fail(&format!(
            "no benchmark begins with {:?}; see --list",
            options.only
        ));
    }
    if list {
        for benchmark in all {
            println!("{benchmark}");
        }
        return;
    }
    let start = Instant::now();
    let mut table = Table::new(&options.runtimes);
    for round in 0..options.rounds {
        for &benchmark in &all {
            for turn in 0..options.runtimes.len() {
                // Each round starts with another runtime, so that no runtime always runs after the
                // same one.
                let place = (round + turn) % options.runtimes.len();
                let runtime = &options.runtimes[place];
                if benchmark.concerns(runtime) {
                    take_sample(&options, benchmark, place, round, &mut table);
                }
            }
        }
        eprintln!(
            "round {} of {}: {:.0?}",
            round + 1,
            options.rounds,
            start.elapsed()
        );
    }
    // Allocation counts do not vary, so one run is enough.
    for (place, runtime) in options.runtimes.iter().enumerate() {
        count_allocations(&options, place, runtime, &mut table);
    }
    print!("{}", table.to_markdown());
}

fn take_sample(
    options: &Options,
    benchmark: Benchmark,
    place: usize,
    round: usize,
    table: &mut Table,
) {
    let this = env::current_exe()
        .unwrap_or_else(|error| fail(&format!("the path of this program is unknown: {error}")));
    let mut command = Command::new(this);
    command.args(["--sample", &benchmark.to_string(), &options.runtimes[place]]);
    command.args(["--workers", &options.workers.to_string()]);
    if options.quick {
        command.arg("--quick");
    }
    for (name, unit, value) in lines_of(command) {
        table.add(&name, &unit, place, round, value);
    }
}

fn count_allocations(options: &Options, place: usize, runtime: &str, table: &mut Table) {
    let program = env::current_exe().map(|this| this.with_file_name("allocations"));
    let program = program.unwrap_or_else(|_| PathBuf::from("allocations"));
    if !program.exists() {
        eprintln!("allocations are not counted: build with --bins");
        return;
    }
    let mut command = Command::new(program);
    command.args([runtime, "--only", &options.only]);
    if options.quick {
        command.arg("--quick");
    }
    for (name, unit, value) in lines_of(command) {
        table.add(&name, &unit, place, 0, value);
    }
}

/// Runs a program and parses its output: name, unit and value per line.
fn lines_of(mut command: Command) -> Vec<(String, String, f64)> {
    let output = command.output();
    let output = output.unwrap_or_else(|error| fail(&format!("{command:?}: {error}")));
    if !output.status.success() {
        let errors = String::from_utf8_lossy(&output.stderr);
        fail(&format!("{command:?}: {}\n{errors}", output.status));
    }
    let text = String::from_utf8_lossy(&output.stdout);
    let lines = text.lines().map(|line| {
        let mut fields = line.split('\t');
        let (name, unit) = (fields.next()?, fields.next()?);
        Some((
            name.to_owned(),
            unit.to_owned(),
            fields.next()?.parse().ok()?,
        ))
    });
    let lines: Option<Vec<_>> = lines.collect();
    lines.unwrap_or_else(|| fail(&format!("{command:?} printed\n{text}")))
}
