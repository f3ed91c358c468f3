//! Runs that fail, and the operations and the places that a run permits or rejects.

use std::future::{pending, poll_fn};
use std::io;
use std::rc::Rc;
use std::sync::{Arc, Mutex};
use std::task::{Poll, Waker};
use std::time::Duration;

use framewise::runtime::{Builder, Handle};
use framewise::task::yield_now;
use framewise::test::{Explorer, preempt};
use framewise::{net, spawn, spawn_blocking, test, time};
use framewise_test_support::panic_message;

use crate::MS;

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
    assert!(Handle::try_current().is_err());
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
