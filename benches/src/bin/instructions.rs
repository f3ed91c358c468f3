//! Counts instructions per operation with callgrind. The counts do not depend on the load of the
//! machine.
//!
//! Runs `once` twice under valgrind, the second time with two more batches. Half of the difference
//! is one batch; startup, warm-up and shutdown cancel out.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use framewise_benches::Workload;
use framewise_benches::arguments::{Arguments, fail};

const USAGE: &str = "\
instructions [--only PREFIX] [--runtimes NAMES] [--list]

Prints a Markdown table of instructions for each operation on one worker. Needs valgrind, and the
program `once` in the same directory: build with `--bins`.

--only PREFIX     only workloads whose name begins with PREFIX
--runtimes NAMES  framewise,tokio,smol (the default); also framewise-account and smol-executor
--list            print the names of the workloads and exit";

/// The number of batches of the first run; the second run has two more.
const BATCHES: usize = 2;

fn main() {
    let mut arguments = Arguments::of_process(USAGE);
    let only: Option<String> = arguments.option("--only");
    let runtimes: Option<String> = arguments.option("--runtimes");
    let list = arguments.flag("--list");
    arguments.finish();
    let only = only.unwrap_or_default();
    let mut workloads = Workload::all();
    workloads.retain(|workload| workload.to_string().starts_with(&only));
    if list {
        for workload in workloads {
            println!("{workload}");
        }
        return;
    }
    let runtimes = runtimes.unwrap_or_else(|| "framewise,tokio,smol".to_owned());
    let runtimes: Vec<_> = runtimes.split(',').collect();
    let once = beside_this("once");
    println!("| operation | {} |", runtimes.join(" | "));
    println!("|---|{}", "---:|".repeat(runtimes.len()));
    for workload in workloads {
        let mut row = format!("| {workload} |");
        for runtime in &runtimes {
            if concerns(workload, runtime) {
                let few = count(&once, workload, runtime, BATCHES);
                let more = count(&once, workload, runtime, BATCHES + 2);
                let operations = 2 * workload.default_size() as u64;
                let each = more.saturating_sub(few) as f64 / operations as f64;
                row.push_str(&format!(" {each:.0} |"));
            } else {
                row.push_str(" |");
            }
        }
        println!("{row}");
    }
}

/// Returns `true` if the workload can differ on the runtime. smol has no context of its own, so
/// carrying values without spawning costs the same as on tokio.
fn concerns(workload: Workload, runtime: &str) -> bool {
    !(runtime.starts_with("smol") && workload.is_about_values_only())
}

fn beside_this(name: &str) -> PathBuf {
    let this = env::current_exe()
        .unwrap_or_else(|error| fail(&format!("the path of this program is unknown: {error}")));
    let path = this.with_file_name(name);
    if !path.exists() {
        fail(&format!("{} is missing: build with --bins", path.display()));
    }
    path
}

/// Returns the instructions of one run.
fn count(once: &Path, workload: Workload, runtime: &str, batches: usize) -> u64 {
    let profile = env::temp_dir().join(format!("callgrind.{}.out", std::process::id()));
    let output = Command::new("valgrind")
        .arg("--tool=callgrind")
        .arg(format!("--callgrind-out-file={}", profile.display()))
        .arg(once)
        .args([&workload.to_string(), runtime])
        .args(["--batches", &batches.to_string()])
        .output()
        .unwrap_or_else(|error| fail(&format!("valgrind: {error}")));
    if !output.status.success() {
        let errors = String::from_utf8_lossy(&output.stderr);
        fail(&format!("{workload} on {runtime} failed:\n{errors}"));
    }
    let text = fs::read_to_string(&profile)
        .unwrap_or_else(|error| fail(&format!("{}: {error}", profile.display())));
    // A leftover file in the temporary directory does no harm.
    let _ = fs::remove_file(&profile);
    let total = text
        .lines()
        .find_map(|line| line.strip_prefix("totals: "))
        .and_then(|total| total.trim().parse().ok());
    total.unwrap_or_else(|| fail("callgrind's output has no total"))
}
