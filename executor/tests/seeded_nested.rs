//! `block_on` within seeded runs: tasks further down on the stack, and a stop of the run during
//! `block_on`.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::future::{pending, poll_fn};
use std::panic::catch_unwind;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Poll, Waker};
use std::time::Duration;

use framewise::runtime::Handle;
use framewise::task::{LocalSet, spawn_local, yield_now};
use framewise::test::{self, Explorer};
use framewise::{block_on, spawn, spawn_blocking, time};
use futures::channel::oneshot;

/// After its `block_on`, one call sends the value for which the other one waits.
async fn one_call_needs_the_other() {
    let (first, is_first) = oneshot::channel::<()>();
    let (second, is_second) = oneshot::channel::<()>();
    let one = spawn_blocking(move || {
        block_on(is_first).unwrap();
        second.send(()).unwrap();
    });
    let other = spawn_blocking(move || block_on(is_second).unwrap());
    time::sleep(Duration::from_secs(1)).await;
    first.send(()).unwrap();
    one.await.unwrap();
    other.await.unwrap();
}

/// On threads this program ends. In a run it depends on which call is on top of the stack; if the
/// run does not end, the failure names the reason.
#[test]
fn a_deadlock_of_the_stack_is_distinguished_from_others() {
    block_on(one_call_needs_the_other());
    let explored = test::explore(100, one_call_needs_the_other);
    assert!((1..100).contains(&explored.failures()), "{explored}");
    let failure = explored.first_failure().unwrap();
    assert!(failure.is_deadlock(), "{failure}");
    assert!(failure.to_string().contains("on threads of their own"));
    // A real deadlock is not reported as a deadlock of the stack.
    let real = Explorer::new().run(0, || async {
        spawn_blocking(|| block_on(pending::<()>())).await.unwrap();
    });
    let failure = real.into_result().unwrap_err();
    assert!(failure.is_deadlock(), "{failure}");
    assert!(!failure.to_string().contains("on threads of their own"));
}

/// Returns the panic message of `spawn_local`, if it panicked.
fn try_spawn_local() -> Option<String> {
    let panic = catch_unwind(|| drop(spawn_local(async {}))).err()?;
    panic.downcast::<String>().ok().map(|text| *text)
}

/// A worker's tasks are in no set, although they run above a set on the stack; the future of
/// `block_on` is in the set.
#[test]
fn only_block_on_is_in_the_set_of_its_caller() {
    let program = || async {
        let set = LocalSet::new();
        set.run_until(async {
            let task = spawn(async { try_spawn_local() });
            let own = block_on(async { try_spawn_local() });
            let others = block_on(task).unwrap();
            // The set is current again afterwards.
            assert_eq!(try_spawn_local(), None);
            (own, others)
        })
        .await
    };
    for (own, others) in [block_on(program()), test::run(0, program)] {
        assert_eq!(own, None);
        assert!(
            others
                .unwrap()
                .contains("called from outside of a `task::LocalSet`")
        );
    }
}

#[test]
fn a_blocking_call_from_another_thread_is_reported() {
    let run = Explorer::new().run(0, || async {
        let handle = Handle::current();
        let foreign = std::thread::spawn(move || drop(handle.spawn_blocking(|| ())));
        foreign.join().unwrap();
        yield_now().await;
        panic!("on purpose");
    });
    let text = run.into_result().unwrap_err().to_string();
    assert!(text.contains("a thread outside of the run"), "{text}");
}

/// A `block_on` drops its future before it unwinds, even if another thread wakes the future all the
/// time: that thread may hold the runnable at that moment.
#[test]
fn a_future_that_another_thread_wakes_is_dropped_before_block_on_unwinds() {
    struct Sets(Arc<AtomicBool>);
    impl Drop for Sets {
        fn drop(&mut self) {
            self.0.store(true, Ordering::Relaxed);
        }
    }

    let slot: Arc<Mutex<Option<Waker>>> = Arc::default();
    let stop = Arc::new(AtomicBool::new(false));
    let foreign = {
        let (slot, stop) = (Arc::clone(&slot), Arc::clone(&stop));
        std::thread::spawn(move || {
            while !stop.load(Ordering::Relaxed) {
                let waker = slot.lock().unwrap().clone();
                if let Some(waker) = waker {
                    (0..50).for_each(|_| waker.wake_by_ref());
                }
            }
        })
    };
    for seed in 0..500 {
        let run = Explorer::new().step_limit(20).run(seed, || {
            let slot = Arc::clone(&slot);
            let has_ended = Arc::new(AtomicBool::new(false));
            let call = move || {
                let sets = Sets(Arc::clone(&has_ended));
                let unwound = catch_unwind(std::panic::AssertUnwindSafe(|| {
                    block_on(async move {
                        let _sets = sets;
                        poll_fn(|cx| {
                            *slot.lock().unwrap() = Some(cx.waker().clone());
                            Poll::<()>::Pending
                        })
                        .await;
                    });
                }));
                assert!(unwound.is_err());
                assert!(has_ended.load(Ordering::Relaxed));
            };
            async { spawn_blocking(call).await.unwrap() }
        });
        let failure = run.into_result().unwrap_err();
        assert!(!failure.is_panic(), "{failure}");
    }
    stop.store(true, Ordering::Relaxed);
    foreign.join().unwrap();
}

struct Cleanup;

impl Drop for Cleanup {
    fn drop(&mut self) {
        block_on(async {});
    }
}

/// Code that keeps running when a run is stopped: a destructor that calls `block_on` while it
/// unwinds, and a loop around `catch_unwind`. The process aborts, so each case runs in its own
/// process.
#[test]
fn code_that_blocks_again_after_a_stop_is_aborted_with_the_reason() {
    const NAME: &str = "code_that_blocks_again_after_a_stop_is_aborted_with_the_reason";
    const INNER: &str = "FRAMEWISE_INNER_TEST";
    let blocks_again: fn() = match std::env::var(INNER).as_deref() {
        Ok("destructor") => || {
            let _cleanup = Cleanup;
            block_on(pending::<()>());
        },
        Ok(_) => || while catch_unwind(|| block_on(pending::<()>())).is_err() {},
        Err(_) => {
            for case in ["destructor", "loop"] {
                let output = Command::new(std::env::current_exe().unwrap())
                    .args(["--exact", NAME, "--nocapture"])
                    .env(INNER, case)
                    .output()
                    .unwrap();
                assert!(!output.status.success(), "{case}");
                let text = String::from_utf8_lossy(&output.stderr);
                let expected = "the seeded run under seed 0x7 was stopped: deadlock";
                assert!(text.contains(expected), "{case}: {text}");
            }
            return;
        }
    };
    let _ = Explorer::new().run(
        7,
        || async move { spawn_blocking(blocks_again).await.unwrap() },
    );
}
