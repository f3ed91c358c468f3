//! Waits: C-50 to C-52.

use std::pin::Pin;
use std::sync::mpsc;
use std::task::Context;

use framewise_context::Frame;
use framewise_test_support::{call_waker, in_each_start_frame};
use framewise_timers::{interval, set_timeout, sleep, timeout};

use crate::common::{LONG, LONG_AFTER, TestRuntime};
use crate::{REQUEST, SHORT, on_undriven_timers};

#[test]
fn c50_a_waker_is_called_in_the_frame_that_registered_it() {
    on_undriven_timers(|timers| {
        let (sender, woken) = mpsc::channel();
        let waker = call_waker(move || sender.send(REQUEST.get()).unwrap());
        let mut cx = Context::from_waker(&waker);

        let mut in_seven = REQUEST.run(7, || sleep(LONG));
        let mut at_root = sleep(LONG);
        REQUEST.run(8, || {
            assert!(Pin::new(&mut in_seven).poll(&mut cx).is_pending())
        });
        // The same waker from another frame is another registration.
        REQUEST.run(7, || {
            assert!(Pin::new(&mut in_seven).poll(&mut cx).is_pending())
        });
        assert!(Pin::new(&mut at_root).poll(&mut cx).is_pending());
        assert_eq!(REQUEST.run(9, || timers.fire_at(0, LONG_AFTER)), 2);
        assert_eq!(woken.try_iter().collect::<Vec<_>>(), [Some(7), None]);
    });
}

#[test]
fn c51_after_a_sleep_the_task_is_in_its_own_frame() {
    in_each_start_frame(|| {
        let runtime = TestRuntime::start();
        let seen = runtime.block_on(REQUEST.scope(7, async {
            sleep(SHORT).await;
            let first = REQUEST.get();
            sleep(SHORT).await;
            (first, REQUEST.get())
        }));
        assert_eq!(seen, (Some(7), Some(7)));
        assert_eq!(REQUEST.get(), None);
    });
}

#[test]
fn c51_after_a_timeout_the_task_is_in_its_own_frame() {
    in_each_start_frame(|| {
        let runtime = TestRuntime::start();
        let seen = runtime.block_on(REQUEST.scope(7, async {
            let in_time = timeout(LONG, async { REQUEST.get() }).await;
            let limited = timeout(SHORT, REQUEST.scope(8, std::future::pending::<()>())).await;
            (in_time, limited.is_err(), REQUEST.get())
        }));
        assert_eq!(seen, (Ok(Some(7)), true, Some(7)));
    });
}

#[test]
fn c51_sleeps_that_end_together_do_not_mix() {
    in_each_start_frame(|| {
        let runtime = TestRuntime::start();
        let tasks = (0..100).map(|request| {
            REQUEST.scope(request, async move {
                sleep(SHORT).await;
                assert_eq!(REQUEST.get(), Some(request));
            })
        });
        runtime.block_on(futures::future::join_all(tasks));
    });
}

/// The driver's thread (see `common`) asserts after every firing that it is at the root.
#[test]
fn c51_driver_code_runs_at_the_root() {
    in_each_start_frame(|| {
        let around = Frame::current().id();
        let runtime = TestRuntime::start();
        let (sender, receiver) = mpsc::channel();
        runtime.within(|| {
            REQUEST.run(7, || {
                set_timeout(SHORT, || panic!("on purpose: it leaves its frame"))
            });
            let in_seven = REQUEST.run(7, || sleep(SHORT));
            futures::executor::block_on(REQUEST.scope(8, in_seven));
            set_timeout(SHORT, move || {
                sender.send(Frame::current().id() == around).unwrap()
            });
        });
        assert!(receiver.recv().unwrap());
    });
}

#[test]
fn c52_every_tick_finds_the_task_in_its_own_frame() {
    in_each_start_frame(|| {
        let runtime = TestRuntime::start();
        let seen = runtime.block_on(REQUEST.scope(7, async {
            let mut interval = interval(SHORT);
            let mut seen = Vec::new();
            for _ in 0..5 {
                interval.tick().await;
                seen.push(REQUEST.get());
            }
            seen
        }));
        assert_eq!(seen, [Some(7); 5]);
    });
}
