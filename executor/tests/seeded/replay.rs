//! A seed determines the run; the environment chooses the seeds.

use std::collections::BTreeSet;
use std::future::pending;
use std::process::Command;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use framewise::task::{LocalSet, yield_now};
use framewise::test::{Explorer, preempt};
use framewise::{spawn, spawn_blocking, spawn_root, test, time};
use framewise_test_support::{ID, panic_message};

use crate::MS;

/// Uses all primitives in one program. The result is a digest of the whole run.
async fn everything() -> Vec<String> {
    let log = Arc::new(Mutex::new(Vec::new()));
    let note = {
        let log = Arc::clone(&log);
        move |what: &str| log.lock().unwrap().push(format!("{what} {:?}", ID.get()))
    };
    let mut tasks = Vec::new();
    for number in 0..4 {
        let note = note.clone();
        tasks.push(ID.run(number, || {
            spawn(async move {
                note("begins");
                time::sleep(10 * MS).await;
                note("slept");
                yield_now().await;
                let inner = note.clone();
                let call = spawn_blocking(move || {
                    framewise::block_on(async { preempt().await });
                    inner("blocks");
                });
                call.await.unwrap();
                note("ends");
            })
        }));
    }
    let aborted = spawn_root(pending::<()>());
    aborted.abort();
    assert!(aborted.await.unwrap_err().is_cancelled());
    let ticked = note.clone();
    let interval = time::set_interval(5 * MS, move || ticked("ticks"));
    let set = LocalSet::new();
    set.run_until(async {
        for _ in 0..3 {
            let note = note.clone();
            drop(set.spawn_local(async move {
                preempt().await;
                note("local");
            }));
        }
        yield_now().await;
    })
    .await;
    for task in tasks {
        task.await.unwrap();
    }
    interval.cancel();
    let log = log.lock().unwrap();
    log.clone()
}

#[test]
fn the_same_seed_gives_the_same_run() {
    let explorer = Explorer::new();
    let mut digests = BTreeSet::new();
    let mut logs = BTreeSet::new();
    for seed in 0..50 {
        let first = explorer.run(seed, everything);
        let second = explorer.run(seed, everything);
        assert_eq!(first.digest(), second.digest(), "seed {seed}");
        assert_eq!(first.steps(), second.steps(), "seed {seed}");
        assert_eq!(first.elapsed(), second.elapsed(), "seed {seed}");
        digests.insert(first.digest());
        let log = first.unwrap();
        assert_eq!(log, second.unwrap(), "seed {seed}");
        logs.insert(log);
    }
    assert_eq!(digests.len(), 50, "different seeds give different runs");
    assert!(logs.len() > 40, "{} orders were seen", logs.len());
}

/// Addresses and threads differ between runs and must not affect the result.
#[test]
fn a_run_depends_on_neither_its_thread_nor_what_ran_before() {
    let digest = || Explorer::new().run(7, everything).digest();
    let here = digest();
    let garbage: Vec<_> = (0..100).map(|size| vec![0_u8; 64 * size]).collect();
    let threads: Vec<_> = (0..4).map(|_| std::thread::spawn(digest)).collect();
    for thread in threads {
        assert_eq!(thread.join().unwrap(), here);
    }
    drop(garbage);
    assert_eq!(digest(), here);
}

/// The environment belongs to the process, so this test runs itself in a child process.
#[test]
fn the_environment_chooses_the_seeds() {
    const NAME: &str = "replay::the_environment_chooses_the_seeds";
    const INNER: &str = "FRAMEWISE_INNER_TEST";
    if std::env::var_os(INNER).is_some() {
        let runs = AtomicU64::new(0);
        let message = panic_message(|| {
            test::check(|| async {
                runs.fetch_add(1, Ordering::Relaxed);
                let order = Arc::new(Mutex::new(Vec::new()));
                let tasks: Vec<_> = (0..4)
                    .map(|number| {
                        let order = Arc::clone(&order);
                        spawn(async move { order.lock().unwrap().push(number) })
                    })
                    .collect();
                for task in tasks {
                    task.await.unwrap();
                }
                assert_ne!(*order.lock().unwrap(), [3, 1, 0, 2], "this order");
            });
            panic!("passed after {} runs", runs.load(Ordering::Relaxed));
        });
        println!("{message}");
        return;
    }
    let inner = |variables: &[(&str, &str)]| {
        let output = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", NAME, "--nocapture"])
            .env(INNER, "1")
            .env_remove("FRAMEWISE_SEED")
            .env_remove("FRAMEWISE_SEEDS")
            .envs(variables.iter().copied())
            .output()
            .unwrap();
        assert!(output.status.success());
        String::from_utf8(output.stdout).unwrap()
    };
    assert!(inner(&[("FRAMEWISE_SEEDS", "3")]).contains("passed after 3 runs"));
    let found = inner(&[("FRAMEWISE_SEEDS", "1000")]);
    assert!(found.contains("this order"), "{found}");
    let replay = format!("cargo test {NAME}");
    let line = found.lines().find(|line| line.contains(&replay)).unwrap();
    let (_, seed) = line.split_once("FRAMEWISE_SEED=").unwrap();
    let (seed, _) = seed.split_once(' ').unwrap();
    let replayed = inner(&[("FRAMEWISE_SEED", seed), ("FRAMEWISE_SEEDS", "9")]);
    // The whole text is the same, including message and steps.
    let message = |text: &str| {
        let from = text.find("assertion").unwrap();
        let to = text.find(&replay).unwrap();
        text[from..to].to_owned()
    };
    assert_eq!(message(&found), message(&replayed));
}
