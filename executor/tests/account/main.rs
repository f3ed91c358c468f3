//! Accounting: what is counted for which key, on every kind of runtime.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![cfg(feature = "account")]

mod counts;
mod delays;
mod keys;
mod measured;
mod shares;

use std::hash::Hash;
use std::hint::black_box;
use std::time::Duration;

use framewise::ContextVar;
use framewise::account::{Account, Snapshot};
use framewise::runtime::{Builder, Runtime};

static TENANT: ContextVar<&'static str> = ContextVar::new("tenant");

/// The runtimes on which a test is repeated.
fn runtimes(account: impl Fn() -> Account<&'static str>) -> Vec<(Runtime, Account<&'static str>)> {
    let start = |builder: Builder| {
        let account = account();
        (builder.account(&account).build().unwrap(), account)
    };
    builders().map(start).collect()
}

/// A builder for each kind of runtime.
fn builders() -> impl Iterator<Item = Builder> {
    let workers = [1, 2, 8].map(|workers| Builder::new().worker_threads(workers));
    workers.into_iter().chain([Builder::new_current_thread()])
}

/// Starts a runtime with one worker and this account.
fn one_worker<T: Hash + Eq + Clone + Send + Sync + 'static>(account: &Account<T>) -> Runtime {
    let builder = Builder::new().worker_threads(1);
    builder.account(account).build().unwrap()
}

/// Computes for about as long as it takes to count that far.
fn compute(steps: u64) {
    let mut value = steps;
    for step in 0..steps {
        value = black_box(value.rotate_left(7) ^ step);
    }
    black_box(value);
}

/// The sum over the keys is the workers' busy time, when no worker works any more. Each of the two
/// is a sum of durations, which were rounded one by one.
fn assert_sums_agree<T>(snapshot: &Snapshot<T>) {
    let workers: Duration = snapshot.workers().iter().sum();
    let total = snapshot.total().busy();
    let rounding = Duration::from_nanos(snapshot.workers().len() as u64 + 1);
    assert!(
        workers.abs_diff(total) <= rounding,
        "the workers {workers:?}, the keys {total:?}"
    );
}
