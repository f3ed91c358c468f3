//! Who gets which share of the time. The work itself reads a clock around each of its polls and
//! calls, so that the true share is known also where the system takes a processor away meanwhile.
//! What the runtime does between polls is the same for each tenant's polls, so it has no part in
//! the shares.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

use framewise::account::{self, Account};
use framewise::runtime::{Builder, Runtime};
use framewise::task::{block_in_place, yield_now};
use framewise::time::set_timeout;
use framewise::{JoinHandle, spawn, spawn_blocking};

use super::{TENANT, assert_sums_agree, builders, compute, one_worker};

/// A piece of work, in steps of [`compute`].
const PIECE: u64 = 40_000;

/// What the work itself has measured, in nanoseconds.
#[derive(Clone, Default)]
struct Truth(Arc<[AtomicU64; 2]>);

impl Truth {
    fn add(&self, index: usize, began: Instant) {
        self.0[index].fetch_add(began.elapsed().as_nanos() as u64, Ordering::Relaxed);
    }

    fn call<R>(&self, f: impl FnOnce() -> R) -> R {
        let began = Instant::now();
        let result = f();
        self.add(1, began);
        result
    }

    async fn polls<F: Future>(self, future: F) -> F::Output {
        let mut future = pin!(future);
        poll_fn(|cx| {
            let began = Instant::now();
            let polled = future.as_mut().poll(cx);
            self.add(0, began);
            polled
        })
        .await
    }

    fn busy(&self) -> Duration {
        Duration::from_nanos(self.0[0].load(Ordering::Relaxed))
    }

    fn blocking(&self) -> Duration {
        Duration::from_nanos(self.0[1].load(Ordering::Relaxed))
    }

    fn all(&self) -> Duration {
        self.busy() + self.blocking()
    }
}

/// The part that the first of two times has in their sum, in percent.
fn percent(one: Duration, other: Duration) -> f64 {
    100.0 * one.as_secs_f64() / (one + other).as_secs_f64()
}

/// Asserts that shares are found within two points. `measure` returns pairs of what the account has
/// found and what is true.
///
/// If the system takes the processor away just between the reading of the work's clock and that of
/// the account's, the two differ by that. On a busy machine it is for long enough to be seen, but
/// not each time.
fn assert_within_two_points<const N: usize>(measure: impl Fn() -> [(f64, f64); N]) {
    let mut seen = Vec::new();
    for _ in 0..5 {
        let shares = measure();
        if shares
            .iter()
            .all(|(found, truth)| (found - truth).abs() <= 2.0)
        {
            return;
        }
        seen.push(shares);
    }
    panic!("found and true shares in percent: {seen:.2?}");
}

/// A request: it works in its own polls, in those of a child and of a grandchild, and on the pool.
async fn request(truth: Truth) {
    for _ in 0..4 {
        let of_child = truth.clone();
        let child = spawn(truth.clone().polls(async move {
            compute(PIECE);
            yield_now().await;
            let grandchild = spawn(of_child.polls(async { compute(PIECE) }));
            compute(PIECE);
            grandchild.await.unwrap();
        }));
        compute(PIECE);
        let of_call = truth.clone();
        spawn_blocking(move || of_call.call(|| compute(PIECE)))
            .await
            .unwrap();
        child.await.unwrap();
    }
}

/// Starts that many requests of a tenant.
fn start(runtime: &Runtime, tenant: &'static str, count: u32) -> (Truth, Vec<JoinHandle<()>>) {
    let truth = Truth::default();
    let start = |_| {
        TENANT.run(tenant, || {
            runtime.spawn(truth.clone().polls(request(truth.clone())))
        })
    };
    let requests = (0..count).map(start).collect();
    (truth, requests)
}

/// Returns the busy and the blocking time of a tenant.
fn times(tenants: &Account<&'static str>, tenant: &'static str) -> (Duration, Duration) {
    let snapshot = tenants.snapshot();
    let usage = snapshot.get(&tenant).unwrap();
    (usage.busy(), usage.blocking())
}

#[test]
fn c87_two_tenants_shares_are_found_within_two_points() {
    for builder in builders() {
        assert_within_two_points(|| {
            let tenants = account::by(&TENANT);
            let runtime = builder.clone().account(&tenants).build().unwrap();
            let (truth_of_ada, ada) = start(&runtime, "ada", 21);
            let (truth_of_bob, bob) = start(&runtime, "bob", 9);
            for request in ada.into_iter().chain(bob) {
                runtime.block_on(request).unwrap();
            }
            drop(runtime);
            assert_sums_agree(&tenants.snapshot());
            let (ada, bob) = (times(&tenants, "ada"), times(&tenants, "bob"));
            [
                (
                    percent(ada.0 + ada.1, bob.0 + bob.1),
                    percent(truth_of_ada.all(), truth_of_bob.all()),
                ),
                (
                    percent(ada.0, bob.0),
                    percent(truth_of_ada.busy(), truth_of_bob.busy()),
                ),
            ]
        });
    }
}

#[test]
fn c87_nested_scopes_are_exclusive() {
    for builder in builders() {
        assert_within_two_points(|| {
            let tenants = account::by(&TENANT);
            let runtime = builder.clone().account(&tenants).build().unwrap();
            let (outer, inner) = (Truth::default(), Truth::default());
            let request = outer.clone().polls(nested(inner.clone()));
            let request = TENANT.run("outer", || runtime.spawn(request));
            runtime.block_on(request).unwrap();
            drop(runtime);
            assert_sums_agree(&tenants.snapshot());
            let (of_outer, of_inner) = (times(&tenants, "outer"), times(&tenants, "inner"));
            [(
                percent(of_outer.0, of_inner.0),
                percent(outer.busy() - inner.all(), inner.all()),
            )]
        });
    }
}

async fn nested(inner: Truth) {
    for _ in 0..20 {
        compute(PIECE);
        TENANT.run("inner", || {
            inner.call(|| compute(PIECE));
            TENANT.run("outer", || compute(PIECE));
        });
        let scoped = inner.clone().polls(async {
            compute(PIECE);
            yield_now().await;
            compute(2 * PIECE);
        });
        TENANT.scope("inner", scoped).await;
    }
}

#[test]
fn a_call_in_place_is_blocking_time_and_the_next_worker_goes_on() {
    for workers in [1, 2] {
        let tenants = account::by(&TENANT);
        let builder = Builder::new().worker_threads(workers).account(&tenants);
        let runtime = builder.build().unwrap();
        let truth = Truth::default();
        let of_calls = truth.clone();
        let calls = TENANT.run("ada", || {
            runtime.spawn(async move {
                for _ in 0..20 {
                    block_in_place(|| of_calls.call(|| compute(PIECE)));
                    yield_now().await;
                }
            })
        });
        let other = TENANT.run("bob", || {
            runtime.spawn(async {
                for _ in 0..20 {
                    compute(PIECE);
                    yield_now().await;
                }
            })
        });
        runtime.block_on(calls).unwrap();
        runtime.block_on(other).unwrap();
        drop(runtime);
        let snapshot = tenants.snapshot();
        let [ada, bob] = ["ada", "bob"].map(|key| snapshot.get(&key).unwrap());
        assert_eq!((ada.blocking_calls(), bob.blocking_calls()), (20, 0));
        assert_eq!((ada.polls(), bob.polls()), (21, 21));
        assert!(ada.blocking() >= truth.blocking(), "{ada}");
        assert_eq!(bob.blocking(), Duration::ZERO);
        assert_sums_agree(&snapshot);
    }
}

/// A worker that always has a task to poll calls what is due in between.
#[test]
fn a_callback_between_two_polls_is_not_the_later_ones() {
    let tenants = account::by(&TENANT);
    let runtime = one_worker(&tenants);
    let truth = Truth::default();
    let of_callback = truth.clone();
    let (sender, receiver) = channel();
    let busy = TENANT.run("ada", || {
        runtime.spawn(async move {
            while receiver.try_recv().is_err() {
                yield_now().await;
            }
        })
    });
    let timer = runtime.spawn(async move {
        set_timeout(Duration::from_millis(1), move || {
            of_callback.call(|| compute(100 * PIECE));
            sender.send(()).unwrap();
        })
    });
    let timer = runtime.block_on(timer).unwrap();
    runtime.block_on(busy).unwrap();
    drop((timer, runtime));
    let snapshot = tenants.snapshot();
    // The callback is at the root. Half of its time is left for what two clocks differ by.
    assert!(
        2 * snapshot.none().busy() > truth.blocking(),
        "{snapshot:?}"
    );
    assert_sums_agree(&snapshot);
}
