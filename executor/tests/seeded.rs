//! Seeded runs: what they find, that they repeat, and what they do with everything else.
#![allow(clippy::unwrap_used)]

use std::sync::{Arc, Mutex};
use std::time::Duration;

use framewise::{ContextVar, test, time};

static ID: ContextVar<u64> = ContextVar::new("id");

/// Everything that a program can do, in one program: its digest stands for the whole run.
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
            framewise::spawn(async move {
                note("begins");
                time::sleep(Duration::from_millis(10)).await;
                note("slept");
                framewise::task::yield_now().await;
                let inner = note.clone();
                framewise::spawn_blocking(move || inner("blocks"))
                    .await
                    .unwrap();
                note("ends");
            })
        }));
    }
    let aborted = framewise::spawn_root(std::future::pending::<()>());
    aborted.abort();
    assert!(aborted.await.unwrap_err().is_cancelled());
    let ticked = note.clone();
    let interval = time::set_interval(Duration::from_millis(5), move || ticked("ticks"));
    let set = framewise::task::LocalSet::new();
    set.run_until(async {
        for _ in 0..3 {
            let note = note.clone();
            drop(set.spawn_local(async move {
                test::preempt().await;
                note("local");
            }));
        }
        framewise::task::yield_now().await;
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
    let explorer = test::Explorer::new();
    let mut digests = std::collections::BTreeSet::new();
    for seed in 0..50 {
        let first = explorer.run(seed, everything);
        let second = explorer.run(seed, everything);
        assert_eq!(first.digest(), second.digest(), "seed {seed}");
        assert_eq!(first.steps(), second.steps(), "seed {seed}");
        assert_eq!(first.elapsed(), second.elapsed(), "seed {seed}");
        digests.insert(first.digest());
        assert_eq!(first.unwrap(), second.unwrap(), "seed {seed}");
    }
    assert_eq!(digests.len(), 50, "different seeds give different runs");
}
