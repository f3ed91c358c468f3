//! `account::measure`: one request with its children.

use std::future::pending;
use std::time::Duration;

use framewise::account;
use framewise::runtime::Builder;
use framewise::task::{block_in_place, yield_now};
use framewise::{spawn, spawn_blocking};
use framewise_test_support::Log;
use futures::channel::oneshot;
use futures::future::{Either, select};

use super::{TENANT, compute, runtimes};

async fn request() {
    let child = spawn(async {
        compute(10_000);
        spawn(yield_now()).await.unwrap();
    });
    spawn_blocking(|| compute(10_000)).await.unwrap();
    child.await.unwrap();
}

#[test]
fn c120_a_request_has_its_childrens_counts_and_no_others() {
    for (runtime, tenants) in runtimes(|| account::by(&TENANT)) {
        let usage = runtime.block_on(async {
            let others: Vec<_> = (0..4).map(|_| spawn(request())).collect();
            let measured = TENANT.run("ada", || spawn(account::measure(request())));
            let ((), usage) = measured.await.unwrap();
            for other in others {
                other.await.unwrap();
            }
            usage
        });
        drop(runtime);
        let snapshot = tenants.snapshot();
        let ada = snapshot.get(&"ada").unwrap();
        assert_eq!((usage.tasks(), usage.blocking_calls()), (2, 1));
        assert_eq!(usage.polls(), ada.polls());
        assert!(usage.blocking() > Duration::ZERO && usage.blocking() <= ada.blocking());
        assert!(usage.busy() > Duration::ZERO && usage.busy() <= ada.busy());
        assert!(usage.elapsed() >= usage.blocking());
    }
}

#[test]
fn a_measurement_that_is_dropped_drops_its_request_and_leaves_the_children() {
    for (runtime, tenants) in runtimes(|| account::by(&TENANT)) {
        let log = Log::default();
        let (release, released) = oneshot::channel::<()>();
        let tracker = log.tracker("request");
        let (spawned, child) = oneshot::channel();
        TENANT.run("ada", || {
            runtime.block_on(async {
                let request = Box::pin(account::measure(async move {
                    let _tracker = tracker;
                    spawned.send(spawn(released)).unwrap();
                    pending::<()>().await;
                }));
                let Either::Right((child, request)) = select(request, child).await else {
                    unreachable!("the request is pending")
                };
                drop(request);
                let child = child.unwrap();
                assert_eq!(log.entries().len(), 1);
                release.send(()).unwrap();
                assert_eq!(child.await.unwrap(), Ok(()));
            });
        });
        drop(runtime);
        assert_eq!(tenants.snapshot().get(&"ada").unwrap().live_tasks(), 0);
    }
}

#[test]
fn c120_measurements_nest() {
    let tenants = account::by(&TENANT);
    let runtime = Builder::new()
        .worker_threads(2)
        .account(&tenants)
        .build()
        .unwrap();
    let measured = runtime.spawn(account::measure(async {
        spawn(compute_in_place()).await.unwrap();
        let ((), inner) = account::measure(request()).await;
        inner
    }));
    let (inner, outer) = runtime.block_on(measured).unwrap();
    assert_eq!((inner.tasks(), inner.blocking_calls()), (2, 1));
    assert_eq!((outer.tasks(), outer.blocking_calls()), (3, 2));
    assert!(outer.busy() > inner.busy() && outer.blocking() > inner.blocking());
    assert!(outer.polls() > inner.polls() && outer.elapsed() >= inner.elapsed());
}

async fn compute_in_place() {
    block_in_place(|| compute(10_000));
}

#[test]
fn without_an_account_nothing_is_counted() {
    let runtime = Builder::new().worker_threads(1).build().unwrap();
    let measured = runtime.spawn(account::measure(request()));
    let ((), usage) = runtime.block_on(measured).unwrap();
    assert!(usage.elapsed() > Duration::ZERO);
    assert_eq!(
        (usage.busy(), usage.polls(), usage.tasks()),
        (Duration::ZERO, 0, 0)
    );
}

#[test]
fn a_server_timing_header_can_be_made_of_it() {
    let runtime = Builder::new().worker_threads(1).build().unwrap();
    let ((), usage) = runtime.block_on(account::measure(async {}));
    let header = usage.to_string();
    let names: Vec<_> = header
        .split(", ")
        .map(|part| part.split_once(";dur=").unwrap().0)
        .collect();
    assert_eq!(names, ["total", "busy", "blocking", "queued"]);
}
