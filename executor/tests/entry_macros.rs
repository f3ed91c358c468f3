//! `#[framewise::main]` and `#[framewise::test]`.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::num::ParseIntError;
use std::rc::Rc;
use std::thread::{self, ThreadId};
use std::time::Duration;

use framewise::runtime::{Handle, RuntimeFlavor};
use framewise::task::spawn_local;
use framewise::{ContextVar, time};

static REQUEST: ContextVar<u64> = ContextVar::new("request");

fn workers() -> String {
    format!("{:?}", Handle::current())
}

#[framewise::main]
async fn plain() -> u64 {
    framewise::spawn(async { 7 }).await.unwrap()
}

#[framewise::main(worker_threads = 3, crate = "framewise")]
async fn with_settings() -> String {
    workers()
}

#[framewise::main(tokio_compat)]
async fn with_tokio() {
    tokio::time::sleep(Duration::from_millis(1)).await;
}

#[framewise::main(worker_threads = 1)]
pub(crate) async fn parsed() -> Result<u64, ParseIntError> {
    let number = "x7".parse::<u64>()?;
    Ok(number)
}

#[test]
fn a_main_runs_on_a_runtime_with_its_settings_and_in_the_callers_frame() {
    assert_eq!(plain(), 7);
    assert!(
        with_settings().contains("workers: 3"),
        "{}",
        with_settings()
    );
    with_tokio();
    assert!(parsed().is_err());

    #[framewise::main(worker_threads = 1)]
    async fn request() -> Option<u64> {
        REQUEST.get()
    }
    assert_eq!(REQUEST.run(7, request), Some(7));
}

#[framewise::main(flavor = "current_thread")]
async fn on_this_thread() -> (RuntimeFlavor, ThreadId) {
    let task = framewise::spawn(async { thread::current().id() });
    (Handle::current().runtime_flavor(), task.await.unwrap())
}

#[framewise::main(flavor = "multi_thread", worker_threads = 1)]
async fn on_a_worker() -> (RuntimeFlavor, ThreadId) {
    let task = framewise::spawn(async { thread::current().id() });
    (Handle::current().runtime_flavor(), task.await.unwrap())
}

#[framewise::main(flavor = "local")]
async fn on_a_local_runtime() -> u64 {
    let shared = Rc::new(7);
    spawn_local(async move { *shared }).await.unwrap()
}

#[test]
fn a_main_has_the_runtime_of_its_flavor() {
    let here = thread::current().id();
    assert_eq!(on_this_thread(), (RuntimeFlavor::CurrentThread, here));
    let (flavor, worker) = on_a_worker();
    assert_eq!(flavor, RuntimeFlavor::MultiThread);
    assert_ne!(worker, here);
    assert_eq!(on_a_local_runtime(), 7);
}

#[framewise::test(flavor = "current_thread")]
async fn a_test_may_run_on_its_own_thread() {
    let here = thread::current().id();
    let task = framewise::spawn(async { thread::current().id() });
    assert_eq!(task.await.unwrap(), here);
}

#[framewise::test(flavor = "local")]
async fn a_test_may_spawn_local_tasks() {
    let shared = Rc::new(7);
    assert_eq!(spawn_local(async move { *shared }).await.unwrap(), 7);
}

#[framewise::test]
async fn a_test_has_two_workers() {
    assert!(workers().contains("workers: 2"), "{}", workers());
}

#[framewise::test(worker_threads = 1)]
async fn a_test_may_return_a_result() -> Result<(), ParseIntError> {
    assert_eq!("7".parse::<u64>()?, 7);
    Ok(())
}

#[framewise::test]
#[should_panic(expected = "as expected")]
async fn attributes_stay_with_the_test() {
    panic!("as expected");
}

mod with_the_module_imported {
    use framewise::test;

    #[test]
    fn a_plain_test_stays_one() {
        assert_eq!(test::run(7, || async { 1 }), 1);
    }
}

#[framewise::test(seeds = 50)]
async fn a_seeded_test_takes_no_time() {
    let before = time::Instant::now();
    time::sleep(Duration::from_secs(3600)).await;
    assert!(before.elapsed() >= Duration::from_secs(3600));
}
