//! Numbers that do not depend on time: polls, tasks, calls.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use framewise::account;
use framewise::runtime::{Builder, LocalOptions};
use framewise::task::yield_now;
use framewise::{spawn, spawn_blocking, time};

use super::{TENANT, assert_sums_agree, builders, one_worker, runtimes};

async fn yields(times: u32) {
    for _ in 0..times {
        yield_now().await;
    }
}

#[test]
fn polls_tasks_and_calls_are_counted_for_their_key() {
    for (runtime, tenants) in runtimes(|| account::by(&TENANT)) {
        runtime.block_on(async {
            let ada = TENANT.run("ada", || {
                spawn(async {
                    let children: Vec<_> = (0..10).map(|_| spawn(yields(3))).collect();
                    for child in children {
                        child.await.unwrap();
                    }
                    for _ in 0..5 {
                        spawn_blocking(|| ()).await.unwrap();
                    }
                })
            });
            let nobodys = spawn(yields(6));
            let bob = TENANT.run("bob", || spawn(yields(9)));
            for task in [ada, nobodys, bob] {
                task.await.unwrap();
            }
        });
        drop(runtime);
        let snapshot = tenants.snapshot();
        let [ada, bob] = ["ada", "bob"].map(|tenant| snapshot.get(&tenant).unwrap());
        assert_eq!(bob.polls(), 10);
        assert_eq!(snapshot.none().polls(), 7);
        assert!(ada.polls() > 10 * 4, "{ada}");
        assert_eq!((ada.blocking_calls(), bob.blocking_calls()), (5, 0));
        assert_eq!((ada.spawned_tasks(), bob.spawned_tasks()), (16, 1));
        assert_eq!(snapshot.total().live_tasks(), 0);
        assert_eq!(snapshot.other().spawned_tasks(), 0);
        assert_sums_agree(&snapshot);
    }
}

#[test]
fn the_polls_of_all_keys_are_those_that_hooks_see() {
    for builder in builders() {
        let (tenants, seen) = (account::by(&TENANT).limit(1), Arc::new(AtomicU64::new(0)));
        let counter = Arc::clone(&seen);
        let builder = builder.on_before_poll(move |_, _| {
            counter.fetch_add(1, Ordering::Relaxed);
        });
        let runtime = builder.account(&tenants).build().unwrap();
        runtime.block_on(async {
            let tasks = ["ada", "bob", "cyd"].map(|tenant| {
                TENANT.run(tenant, || {
                    spawn(async {
                        let child = spawn(yields(5));
                        spawn_blocking(|| ()).await.unwrap();
                        child.await.unwrap();
                    })
                })
            });
            for task in tasks {
                task.await.unwrap();
            }
            spawn(yields(5)).await.unwrap();
        });
        drop(runtime);
        let total = tenants.total();
        assert_eq!(
            total.polls() + total.blocking_calls(),
            seen.load(Ordering::Relaxed)
        );
        assert_eq!(total.blocking_calls(), 3);
    }
}

#[test]
fn tasks_live_from_their_spawn_to_their_end() {
    for (runtime, tenants) in runtimes(|| account::by(&TENANT)) {
        let live = || {
            tenants
                .snapshot()
                .get(&"ada")
                .map(|usage| usage.live_tasks())
        };
        assert_eq!(live(), None);
        let tasks: Vec<_> = (0..3)
            .map(|_| TENANT.run("ada", || runtime.spawn(std::future::pending::<()>())))
            .collect();
        assert_eq!(live(), Some(3));
        tasks[0].abort();
        runtime.block_on(async {
            let mut tasks = tasks.into_iter();
            assert!(tasks.next().unwrap().await.unwrap_err().is_cancelled());
            assert_eq!(live(), Some(2));
            TENANT
                .run("ada", || spawn(async { panic!("the task ends") }))
                .await
                .unwrap_err();
            assert_eq!(live(), Some(2));
        });
        drop(runtime);
        assert_eq!(live(), Some(0));
    }
}

#[test]
fn a_panic_in_a_poll_ends_its_measurement() {
    for (runtime, tenants) in runtimes(|| account::by(&TENANT)) {
        runtime.block_on(async {
            for _ in 0..10 {
                let panics = TENANT.run("ada", || {
                    spawn(TENANT.scope("bob", async { panic!("in the inner scope") }))
                });
                panics.await.unwrap_err();
                spawn(async {}).await.unwrap();
            }
        });
        drop(runtime);
        let snapshot = tenants.snapshot();
        assert_eq!(snapshot.get(&"ada").unwrap().polls(), 10);
        assert_eq!(snapshot.none().polls(), 10);
        assert!(snapshot.get(&"bob").unwrap().busy() > Duration::ZERO);
        assert_sums_agree(&snapshot);
    }
}

#[test]
fn callbacks_and_local_tasks_are_their_frames() {
    let tenants = account::by(&TENANT);
    let builder = Builder::new_current_thread().account(&tenants);
    let runtime = builder.build_local(LocalOptions::default()).unwrap();
    runtime.block_on(async {
        let (sender, receiver) = async_channel::bounded(1);
        let callback = TENANT.run("timer", || {
            time::set_timeout(Duration::from_millis(1), move || {
                sender.try_send(()).unwrap()
            })
        });
        receiver.recv().await.unwrap();
        drop(callback);
        let local = TENANT.run("local", || framewise::task::spawn_local(yields(2)));
        local.await.unwrap();
        let set = framewise::task::LocalSet::new();
        let in_set = TENANT.run("set", || set.spawn_local(yields(4)));
        set.await;
        in_set.await.unwrap();
    });
    drop(runtime);
    let snapshot = tenants.snapshot();
    let timer = snapshot.get(&"timer").unwrap();
    assert!(
        timer.busy() > Duration::ZERO && timer.polls() == 0,
        "{timer}"
    );
    assert_eq!(snapshot.get(&"local").unwrap().polls(), 3);
    assert_eq!(snapshot.get(&"set").unwrap().polls(), 5);
    assert_sums_agree(&snapshot);
}

#[test]
fn snapshots_can_be_taken_while_the_runtime_runs() {
    for (runtime, tenants) in runtimes(|| account::by(&TENANT).limit(2)) {
        let is_over = Arc::new(AtomicBool::new(false));
        let reader = {
            let (tenants, is_over) = (tenants.clone(), Arc::clone(&is_over));
            thread::spawn(move || {
                let mut polls = 0;
                while !is_over.load(Ordering::Relaxed) {
                    let total = tenants.total();
                    assert!(total.polls() >= polls, "nothing that was counted is lost");
                    polls = total.polls();
                }
            })
        };
        for _ in 0..20 {
            let tasks = ["ada", "bob", "cyd", "dan", "eve"]
                .map(|tenant| TENANT.run(tenant, || runtime.spawn(yields(19))));
            for task in tasks {
                runtime.block_on(task).unwrap();
            }
        }
        drop(runtime);
        is_over.store(true, Ordering::Relaxed);
        reader.join().unwrap();
        let snapshot = tenants.snapshot();
        assert_eq!(snapshot.keys().len(), 2);
        assert_eq!(snapshot.total().polls(), 20 * 5 * 20);
        assert_eq!(snapshot.total().spawned_tasks(), 20 * 5);
        assert_eq!(snapshot.total().live_tasks(), 0);
        assert_sums_agree(&snapshot);
    }
}

#[test]
fn an_account_has_one_runtime_and_outlives_it() {
    let tenants = account::by(&TENANT);
    assert_eq!(tenants.total().polls(), 0);
    let runtime = one_worker(&tenants);
    let refused = Builder::new().account(&tenants).build();
    assert_eq!(
        refused.unwrap_err().kind(),
        std::io::ErrorKind::InvalidInput
    );
    let task = TENANT.run("ada", || runtime.spawn(yields(1)));
    runtime.block_on(task).unwrap();
    let sleeps = TENANT.run("ada", || {
        runtime.spawn(time::sleep(Duration::from_secs(3600)))
    });
    drop(runtime);
    drop(sleeps);
    let snapshot = tenants.snapshot();
    assert_eq!(snapshot.get(&"ada").unwrap().live_tasks(), 0);
    let shown = snapshot.to_string();
    assert!(
        shown.starts_with("ada: busy ") && shown.contains("(total): busy "),
        "{shown}"
    );
}

#[test]
fn two_runtimes_each_count_their_own() {
    let (one, other) = (account::by(&TENANT), account::by(&TENANT));
    let outer = one_worker(&one);
    let inner = other.clone();
    let nested = TENANT.run("ada", || {
        outer.spawn(async move {
            framewise::task::block_in_place(move || {
                let runtime = Builder::new_current_thread()
                    .account(&inner)
                    .build()
                    .unwrap();
                let task = runtime.spawn(yields(3));
                runtime.block_on(task).unwrap();
            });
        })
    });
    outer.block_on(nested).unwrap();
    drop(outer);
    let (one, other) = (one.snapshot(), other.snapshot());
    assert_eq!(one.get(&"ada").unwrap().polls(), 1);
    assert_eq!(other.get(&"ada").unwrap().polls(), 4);
    assert!(one.get(&"ada").unwrap().blocking() >= other.total().busy());
    assert_sums_agree(&one);
    assert_sums_agree(&other);
}
