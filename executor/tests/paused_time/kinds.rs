//! Which runtimes can be paused, and whose time it is.

use std::io;
use std::thread;
use std::time::Duration;

use framewise::runtime::{Builder, LocalOptions};
use framewise::task::{LocalSet, spawn_local};
use framewise::test::Explorer;
use framewise::time::{Instant, advance, pause, resume, sleep};
use framewise_test_support::{panic_message, runtime};

use crate::{HOUR, MS, paused};

#[framewise::test(start_paused = true)]
async fn a_test_starts_paused() {
    let start = Instant::now();
    sleep(5 * MS).await;
    assert_eq!(start.elapsed(), 5 * MS);
}

#[framewise::main(flavor = "local", start_paused = true)]
async fn paused_main() -> bool {
    let start = Instant::now();
    spawn_local(sleep(HOUR)).await.unwrap();
    start.elapsed() == HOUR
}

#[test]
fn a_main_starts_paused() {
    assert!(paused_main());
}

#[framewise::test(start_paused = false, worker_threads = 1)]
async fn a_test_that_does_not_start_paused_has_workers() {
    assert!(framewise::spawn(async { pause() }).await.is_err());
}

#[test]
fn a_task_and_a_local_task_pause_the_time_of_their_runtime() {
    let current = Builder::new_current_thread().build().unwrap();
    current.block_on(async {
        framewise::spawn(async { pause() }).await.unwrap();
        let start = Instant::now();
        sleep(HOUR).await;
        assert_eq!(start.elapsed(), HOUR);
        resume();
    });
    let set = LocalSet::new();
    set.block_on(&current, async {
        spawn_local(async { pause() }).await.unwrap();
        let start = Instant::now();
        spawn_local(sleep(HOUR)).await.unwrap();
        assert_eq!(start.elapsed(), HOUR);
    });
    let local = Builder::new_current_thread();
    let local = local.build_local(LocalOptions::default()).unwrap();
    local.block_on(async {
        spawn_local(async { pause() }).await.unwrap();
        sleep(HOUR).await;
    });
}

/// From one `block_on` to the next the time stands.
#[test]
fn the_time_is_kept_while_no_thread_is_in_the_runtime() {
    let runtime = paused();
    let start = runtime.block_on(async { Instant::now() });
    runtime.block_on(async { sleep(HOUR).await });
    assert_eq!(runtime.block_on(async { start.elapsed() }), HOUR);
    let _entered = runtime.enter();
    assert_eq!(start.elapsed(), HOUR);
}

#[test]
fn each_runtime_has_its_own_time() {
    let (slow, fast, workers) = (paused(), paused(), runtime(1));
    let start = slow.block_on(async { Instant::now() });
    fast.block_on(async { sleep(2 * HOUR).await });
    slow.block_on(async { sleep(HOUR).await });
    assert_eq!(slow.block_on(async { start.elapsed() }), HOUR);
    assert!(fast.block_on(async { start.elapsed() }) >= 2 * HOUR);
    let ordinary = workers.spawn(async move { start.elapsed() });
    assert!(workers.block_on(ordinary).unwrap() < HOUR, "the system's");
    assert!(start.elapsed() < HOUR, "the system's");
}

#[test]
fn another_thread_in_the_runtime_sees_the_paused_time() {
    let runtime = paused();
    let start = runtime.block_on(async { Instant::now() });
    runtime.block_on(async { sleep(HOUR).await });
    let handle = runtime.handle().clone();
    let entered = thread::spawn(move || {
        let _entered = handle.enter();
        start.elapsed()
    });
    assert_eq!(entered.join().unwrap(), HOUR);
    let call = runtime.spawn_blocking(move || start.elapsed());
    assert_eq!(runtime.block_on(call).unwrap(), HOUR);
}

#[test]
fn a_runtime_with_workers_cannot_be_paused() {
    let error = Builder::new().start_paused(true).build().unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
    assert!(error.to_string().contains("current-thread"), "{error}");
    let workers = runtime(1);
    let task = workers.spawn(async { pause() });
    let error = workers.block_on(task).unwrap_err();
    assert!(error.to_string().contains("current-thread"), "{error}");
    let message = panic_message(|| workers.block_on(async { pause() }));
    assert!(message.contains("current-thread"), "{message}");
}

#[test]
fn misuse_says_what_is_wrong() {
    let current = Builder::new_current_thread().build().unwrap();
    let message = panic_message(|| current.block_on(async { resume() }));
    assert!(message.contains("not paused"), "{message}");
    let twice = async {
        pause();
        pause();
    };
    let message = panic_message(|| current.block_on(twice));
    assert!(message.contains("already paused"), "{message}");
    let message = panic_message(pause);
    assert!(message.contains("in a runtime"), "{message}");
}

#[test]
fn advancing_time_that_is_not_paused_panics() {
    let current = Builder::new_current_thread().build().unwrap();
    let message = panic_message(|| current.block_on(advance(MS)));
    assert!(message.contains("not paused"), "{message}");
}

/// A runtime that code under a seed makes and drives has the system's time, or its own.
#[test]
fn a_seeded_runs_time_is_its_own() {
    let runtime = paused();
    let start = runtime.block_on(async { Instant::now() });
    let run = Explorer::new().run(0, || async {
        let seeded = Instant::now();
        sleep(HOUR).await;
        seeded.elapsed()
    });
    assert_eq!(run.unwrap(), HOUR);
    assert_eq!(runtime.block_on(async { start.elapsed() }), Duration::ZERO);
}
