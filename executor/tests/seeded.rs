//! Seeded runs: reproducibility, virtual time, ends of runs, and rejected operations.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;
use std::future::{Future, pending, poll_fn};
use std::io;
use std::process::Command;
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Poll, Waker};
use std::time::{Duration, Instant};

use framewise::runtime::{Builder, Handle};
use framewise::task::{LocalSet, yield_now};
use framewise::test::{self, Explorer, preempt};
use framewise::{ContextVar, net, spawn, spawn_blocking, spawn_root, time};

static ID: ContextVar<u64> = ContextVar::new("id");

const MS: Duration = Duration::from_millis(1);

/// Returns the message of the panic of `body`.
fn panic_message(body: impl FnOnce()) -> String {
    let payload = std::panic::catch_unwind(std::panic::AssertUnwindSafe(body)).unwrap_err();
    *payload.downcast::<String>().unwrap()
}

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

#[test]
fn every_order_of_a_few_tasks_is_seen() {
    let orders = Mutex::new(BTreeSet::new());
    let explored = test::explore(200, || async {
        let order = Arc::new(Mutex::new(Vec::new()));
        let tasks: Vec<_> = (0..3)
            .map(|number| {
                let order = Arc::clone(&order);
                spawn(async move { order.lock().unwrap().push(number) })
            })
            .collect();
        for task in tasks {
            task.await.unwrap();
        }
        orders.lock().unwrap().insert(order.lock().unwrap().clone());
    });
    assert_eq!(explored.failures(), 0, "{explored}");
    assert_eq!(orders.into_inner().unwrap().len(), 6);
}

/// Checks that a ready future is a scheduling point: some seed makes it wait at its first poll, and
/// some seed does not.
async fn is_a_point(future: impl Future, waited: &Mutex<BTreeSet<bool>>) {
    let mut future = std::pin::pin!(future);
    let mut polls = 0;
    poll_fn(|cx| {
        polls += 1;
        future.as_mut().poll(cx).map(drop)
    })
    .await;
    waited.lock().unwrap().insert(polls > 1);
}

#[test]
fn the_runtimes_own_futures_are_points_though_they_are_ready() {
    let seen: [Mutex<BTreeSet<bool>>; 6] = Default::default();
    let explored = test::explore(100, || async {
        let task = spawn(async {});
        let call = spawn_blocking(|| ());
        time::sleep(MS).await;
        assert!(task.is_finished() && call.is_finished());
        is_a_point(task, &seen[0]).await;
        is_a_point(call, &seen[1]).await;
        is_a_point(time::sleep(Duration::ZERO), &seen[2]).await;
        is_a_point(time::interval(MS).tick(), &seen[3]).await;
        let out = time::timeout(Duration::ZERO, pending::<()>());
        is_a_point(out, &seen[4]).await;
        is_a_point(preempt(), &seen[5]).await;
    });
    assert_eq!(explored.failures(), 0, "{explored}");
    for (index, waited) in seen.into_iter().enumerate() {
        let waited = waited.into_inner().unwrap();
        assert_eq!(waited, BTreeSet::from([false, true]), "number {index}");
    }
}

/// Returns all orders of the events over many seeds.
fn orders<F: Future<Output = Vec<usize>>>(make: impl Fn() -> F) -> BTreeSet<Vec<usize>> {
    (0..200).map(|seed| test::run(seed, &make)).collect()
}

/// A task that yields is queued behind the others, except for uniformly random choices.
#[test]
fn a_task_that_yields_lets_others_go_first() {
    let seen = (0..100).map(|seed| {
        test::run(seed, || async {
            let order = Arc::new(Mutex::new(Vec::new()));
            let tasks = [0, 1].map(|number| {
                let order = Arc::clone(&order);
                spawn(async move {
                    for _ in 0..20 {
                        order.lock().unwrap().push(number);
                        yield_now().await;
                    }
                })
            });
            for task in tasks {
                task.await.unwrap();
            }
            let order = order.lock().unwrap();
            order
                .windows(10)
                .any(|turns| turns.iter().all(|&turn| turn == turns[0]))
        })
    });
    let long = seen.filter(|&long| long).count();
    assert!(long < 20, "ten turns in a row in {long} of 100 runs");
}

#[test]
fn tasks_that_are_woken_together_run_in_every_order() {
    let seen = orders(|| async {
        let waiting = Arc::new(Mutex::new(Vec::<Waker>::new()));
        let order = Arc::new(Mutex::new(Vec::new()));
        for number in 0..3 {
            let (waiting, order) = (Arc::clone(&waiting), Arc::clone(&order));
            let mut waited = false;
            drop(spawn(async move {
                poll_fn(|cx| match std::mem::replace(&mut waited, true) {
                    true => Poll::Ready(()),
                    false => {
                        waiting.lock().unwrap().push(cx.waker().clone());
                        Poll::Pending
                    }
                })
                .await;
                order.lock().unwrap().push(number);
            }));
        }
        time::sleep(MS).await;
        let wakers = std::mem::take(&mut *waiting.lock().unwrap());
        wakers.into_iter().for_each(Waker::wake);
        time::sleep(MS).await;
        let order = order.lock().unwrap();
        order.clone()
    });
    assert_eq!(seen.len(), 6, "{seen:?}");
}

#[test]
fn local_tasks_run_in_every_order() {
    let seen = orders(|| async {
        let order = Rc::new(std::cell::RefCell::new(Vec::new()));
        let set = LocalSet::new();
        for number in 0..3 {
            let order = Rc::clone(&order);
            drop(set.spawn_local(async move { order.borrow_mut().push(number) }));
        }
        set.await;
        order.take()
    });
    assert_eq!(seen.len(), 6, "{seen:?}");
}

#[test]
fn timers_of_equal_deadlines_fire_in_every_order() {
    let callbacks = orders(|| async {
        let order = Arc::new(Mutex::new(Vec::new()));
        for number in 0..3 {
            let order = Arc::clone(&order);
            time::set_timeout(MS, move || order.lock().unwrap().push(number));
        }
        time::sleep(2 * MS).await;
        let order = order.lock().unwrap();
        order.clone()
    });
    assert_eq!(callbacks.len(), 6, "{callbacks:?}");
    let deadline = || time::now() + MS;
    let sleeps = orders(|| async {
        let deadline = deadline();
        let order = Arc::new(Mutex::new(Vec::new()));
        let tasks: Vec<_> = (0..3)
            .map(|number| {
                let order = Arc::clone(&order);
                spawn(async move {
                    time::sleep_until(deadline).await;
                    order.lock().unwrap().push(number);
                })
            })
            .collect();
        for task in tasks {
            task.await.unwrap();
        }
        let order = order.lock().unwrap();
        order.clone()
    });
    assert_eq!(sleeps.len(), 6, "{sleeps:?}");
}

#[test]
fn timers_of_different_deadlines_fire_in_their_order() {
    let seen = orders(|| async {
        let order = Arc::new(Mutex::new(Vec::new()));
        for number in [2, 0, 1] {
            let order = Arc::clone(&order);
            let delay = MS * (1 + number as u32);
            time::set_timeout(delay, move || order.lock().unwrap().push(number));
        }
        time::sleep(10 * MS).await;
        let order = order.lock().unwrap();
        order.clone()
    });
    assert_eq!(seen, BTreeSet::from([vec![0, 1, 2]]));
}

#[test]
fn virtual_hours_pass_at_once() {
    let day = Duration::from_secs(24 * 60 * 60);
    let real = Instant::now();
    let run = Explorer::new().run(0, || async {
        let start = time::now();
        let mut interval = time::interval(day / 24);
        for _ in 0..24 {
            interval.tick().await;
        }
        time::sleep(day).await;
        let passed = time::now() - start;
        let late = passed - day - 23 * (day / 24);
        assert!(late < MS, "{passed:?}");
        assert!(time::now() - real > day, "the clock has gone on");
    });
    assert!(run.elapsed() > day);
    assert!(run.steps() < 200, "time costs no steps");
    run.unwrap();
    assert!(
        time::now() - real < day,
        "the thread's clock is the system's again"
    );
}

#[test]
fn time_stands_still_while_anything_can_run() {
    test::check(|| async {
        let start = time::now();
        for _ in 0..100 {
            yield_now().await;
            let spawned = spawn(async {});
            spawned.await.unwrap();
        }
        assert_eq!(time::now(), start);
        let quick = time::timeout(MS, async {
            for _ in 0..100 {
                preempt().await;
            }
        });
        assert!(quick.await.is_ok(), "nothing waited");
        let slow = time::timeout(MS, time::sleep(2 * MS));
        assert!(slow.await.is_err());
    });
}

#[test]
fn a_task_may_spin_until_a_timer_has_fired() {
    test::check(|| async {
        let done = Arc::new(AtomicBool::new(false));
        let sets = Arc::clone(&done);
        time::set_timeout(MS, move || sets.store(true, Ordering::Relaxed));
        while !done.load(Ordering::Relaxed) {
            yield_now().await;
        }
    });
}

#[test]
fn a_deadlock_is_reported_with_the_waiting_tasks() {
    let run = Explorer::new().run(3, || async {
        // A cancelled timer and a timer that never fires do not prevent the deadlock.
        time::set_timeout(MS, || ()).cancel();
        drop(spawn(time::sleep(Duration::MAX)));
        let _receiver = spawn(pending::<()>()).await;
    });
    let failure = run.failure().unwrap();
    assert!(failure.is_deadlock() && !failure.is_panic());
    let text = failure.to_string();
    assert!(text.contains("3 tasks wait"), "{text}");
    let named = format!("spawned at {}", file!());
    assert!(text.matches(&named).count() >= 2, "{text}");
    assert!(text.contains("under seed 0x3"), "{text}");
}

#[test]
fn a_livelock_meets_the_step_limit() {
    let run = Explorer::new().step_limit(500).run(0, || async {
        let other = spawn(async {
            loop {
                time::sleep(MS).await;
            }
        });
        other.await.unwrap();
    });
    let failure = run.failure().unwrap();
    assert!(failure.is_step_limit());
    assert_eq!(failure.steps(), 500);
}

#[test]
fn a_panic_of_an_unjoined_task_fails_the_run() {
    let detached = || async {
        drop(spawn(async { panic!("on purpose") }));
        time::sleep(MS).await;
    };
    let callback = || async {
        time::set_timeout(MS, || panic!("on purpose"));
        time::sleep(2 * MS).await;
    };
    let failures = [
        Explorer::new().run(0, detached).into_result().unwrap_err(),
        Explorer::new().run(0, callback).into_result().unwrap_err(),
    ];
    for failure in failures {
        assert!(failure.is_panic());
        assert!(failure.message().contains("on purpose"), "{failure}");
    }
    let lenient = Explorer::new().ignore_unhandled_panics();
    lenient.run(0, detached).unwrap();
    lenient.run(0, callback).unwrap();
    // A panic of a joined task is returned to the joiner.
    test::run(0, || async {
        let error = spawn(async { panic!("on purpose") }).await.unwrap_err();
        assert!(error.is_panic());
    });
}

#[test]
fn a_deadlock_within_block_on_ends_the_run() {
    let run = Explorer::new().run(0, || async {
        let call = spawn_blocking(|| framewise::block_on(pending::<()>()));
        call.await.unwrap();
    });
    let failure = run.into_result().unwrap_err();
    assert!(failure.is_deadlock(), "{failure}");
    let run = Explorer::new().run(0, || async { framewise::block_on(pending::<()>()) });
    assert!(run.into_result().unwrap_err().is_deadlock());
}

#[test]
fn sockets_signals_and_name_lookups_are_rejected() {
    test::check(|| async {
        #[cfg(unix)]
        {
            let hangup = framewise::signal::unix::SignalKind::hangup();
            let error = framewise::signal::unix::signal(hangup).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::Unsupported, "{error}");
        }
        let errors: [io::Error; 3] = [
            net::TcpListener::bind("127.0.0.1:0").await.unwrap_err(),
            net::TcpStream::connect("127.0.0.1:9").await.unwrap_err(),
            net::lookup_host("localhost:80")
                .await
                .map(drop)
                .unwrap_err(),
        ];
        // Also if `block_on` enters the runtime again.
        let nested = framewise::block_on(net::TcpListener::bind("127.0.0.1:0"));
        for error in errors.into_iter().chain([nested.unwrap_err()]) {
            assert_eq!(error.kind(), io::ErrorKind::Unsupported, "{error}");
            assert!(error.to_string().contains("seeded run"), "{error}");
        }
    });
}

#[test]
fn handles_work_within_a_run_and_refuse_after_it() {
    let handle = test::run(0, || async {
        let handle = Handle::current();
        assert_eq!(handle.spawn(async { 1 }).await.unwrap(), 1);
        assert_eq!(handle.spawn_root(async { 2 }).await.unwrap(), 2);
        assert_eq!(handle.spawn_blocking(|| 3).await.unwrap(), 3);
        handle
    });
    assert!(handle.spawn(async {}).is_finished());
    assert!(Handle::try_current().is_none());
}

#[test]
fn a_run_may_borrow_and_need_not_be_send() {
    let text = "borrowed".to_owned();
    let counter = Rc::new(std::cell::Cell::new(0));
    let output: &str = test::run(0, || async {
        let counter = Rc::clone(&counter);
        preempt().await;
        counter.set(counter.get() + 1);
        yield_now().await;
        text.as_str()
    });
    assert_eq!((output, counter.get()), ("borrowed", 1));
}

#[test]
fn runs_within_a_plain_runtime_and_never_within_each_other() {
    let runtime = Builder::new().worker_threads(1).build().unwrap();
    runtime.block_on(async {
        let answer = test::run(0, || async { spawn(async { 42 }).await });
        assert_eq!(answer.unwrap(), 42);
        assert_eq!(spawn(async { 1 }).await.unwrap(), 1, "it is current again");
    });
    let message = panic_message(|| {
        test::run(0, || async { test::run(1, || async {}) });
    });
    assert!(message.contains("runs do not nest"), "{message}");
}

#[test]
fn a_wake_from_another_thread_is_observed_and_reported() {
    let run = Explorer::new().run(0, || async {
        let waker = Arc::new(Mutex::new(None::<Waker>));
        let waits = Arc::clone(&waker);
        drop(spawn(async move {
            let waker = loop {
                if let Some(waker) = waker.lock().unwrap().take() {
                    break waker;
                }
                yield_now().await;
            };
            // The run's future waits now, and nothing else can wake it.
            std::thread::spawn(move || waker.wake()).join().unwrap();
        }));
        let mut waited = false;
        poll_fn(|cx| {
            if waited {
                return Poll::Ready(());
            }
            waited = true;
            *waits.lock().unwrap() = Some(cx.waker().clone());
            Poll::Pending
        })
        .await;
        panic!("on purpose");
    });
    let failure = run.into_result().unwrap_err();
    assert_eq!(failure.message(), "on purpose");
    let text = failure.to_string();
    assert!(text.contains("a thread outside of the run"), "{text}");
}

/// The environment belongs to the process, so this test runs itself in a child process.
#[test]
fn the_environment_chooses_the_seeds() {
    const NAME: &str = "the_environment_chooses_the_seeds";
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
