//! The contract's items about time: C-50 to C-53 and C-92.

#![allow(clippy::unwrap_used)]

mod common;

use std::pin::Pin;
use std::sync::mpsc;
use std::sync::{Arc, Mutex, OnceLock};
use std::task::Context;
use std::time::Duration;

use framewise_context::{ContextVar, Frame};
use framewise_test_support::{call_waker, in_each_start_frame};
use framewise_timers::{
    PanicPolicy, TimerCallback, enter, interval, set_interval, set_interval_with, set_timeout,
    sleep, timeout,
};

use common::{LONG, LONG_AFTER, TestRuntime, undriven};

static REQUEST: ContextVar<u64> = ContextVar::new("request");

const SHORT: Duration = Duration::from_millis(1);

/// A value that reports the request in which it was dropped.
struct Dropped(mpsc::Sender<Option<u64>>);

impl Drop for Dropped {
    fn drop(&mut self) {
        self.0.send(REQUEST.get()).unwrap();
    }
}

#[test]
fn c50_a_waker_is_called_in_the_frame_that_registered_it() {
    in_each_start_frame(|| {
        let (timers, _) = undriven(1);
        let _entered = enter(&timers.handle(0));
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

#[test]
fn c53_a_callback_runs_in_the_registering_frame() {
    in_each_start_frame(|| {
        let runtime = TestRuntime::start();
        let (sender, receiver) = mpsc::channel();
        let again = sender.clone();
        runtime.within(|| {
            REQUEST.run(7, || {
                set_timeout(SHORT, move || sender.send(REQUEST.get()).unwrap())
            });
            REQUEST.run(8, || {
                set_interval(SHORT, move || again.send(REQUEST.get()).unwrap())
            });
        });
        let seen: Vec<_> = receiver.iter().take(6).collect();
        assert_eq!(
            seen.iter().filter(|request| **request == Some(7)).count(),
            1,
            "{seen:?}"
        );
        assert_eq!(
            seen.iter().filter(|request| **request == Some(8)).count(),
            5,
            "{seen:?}"
        );
    });
}

/// A variable whose value shows when it is dropped.
static HELD: ContextVar<Arc<()>> = ContextVar::new("held");

#[test]
fn c53_the_frame_is_released_after_the_last_firing() {
    in_each_start_frame(|| {
        let (timers, _) = undriven(1);
        let _entered = enter(&timers.handle(0));
        let held = Arc::new(());
        let (sender, dropped) = mpsc::channel();
        let captured = Dropped(sender);
        let callback = HELD.run(Arc::clone(&held), || {
            REQUEST.run(7, || set_timeout(LONG, move || drop(captured)))
        });
        assert_eq!(Arc::strong_count(&held), 2);
        timers.fire_at(0, LONG_AFTER);
        assert_eq!(Arc::strong_count(&held), 1);
        assert_eq!(dropped.try_recv(), Ok(Some(7)));
        assert!(!callback.is_active() && !callback.cancel());
    });
}

#[test]
fn c53_the_frame_is_released_on_cancel() {
    in_each_start_frame(|| {
        let (timers, unparks) = undriven(1);
        let _entered = enter(&timers.handle(0));
        for repeated in [false, true] {
            let held = Arc::new(());
            let (sender, dropped) = mpsc::channel();
            let captured = Dropped(sender);
            let callback = HELD.run(Arc::clone(&held), || {
                REQUEST.run(7, || match repeated {
                    false => set_timeout(LONG, move || drop(captured)),
                    true => set_interval(LONG, move || assert!(captured.0.send(None).is_err())),
                })
            });
            assert_eq!(Arc::strong_count(&held), 2);
            assert!(callback.is_active());
            assert!(REQUEST.run(9, || callback.cancel()));
            assert_eq!(Arc::strong_count(&held), 1);
            assert_eq!(
                dropped.try_recv(),
                Ok(Some(7)),
                "the value is dropped in its own frame"
            );
            assert!(dropped.try_recv().is_err(), "and only once");
            assert!(!callback.is_active() && !callback.cancel());
        }
        assert!(timers.is_empty());
        assert_eq!(timers.fire_at(0, LONG_AFTER), 0);
        assert_eq!(unparks.load(std::sync::atomic::Ordering::SeqCst), 0);
    });
}

#[test]
fn c53_an_interval_holds_its_frame_until_it_is_cancelled() {
    in_each_start_frame(|| {
        let (timers, _) = undriven(1);
        let _entered = enter(&timers.handle(0));
        let held = Arc::new(());
        let calls = Arc::new(Mutex::new(0));
        let counting = Arc::clone(&calls);
        let callback = HELD.run(Arc::clone(&held), || {
            set_interval(LONG, move || {
                assert_eq!(HELD.with(|held| held.map(Arc::strong_count)), Some(2));
                *counting.lock().unwrap() += 1;
            })
        });
        for calls_then in 1..4 {
            timers.fire_at(0, calls_then * LONG_AFTER);
            assert_eq!(*calls.lock().unwrap(), calls_then);
            assert_eq!((Arc::strong_count(&held), timers.len()), (2, 1));
        }
        assert!(callback.cancel());
        assert_eq!((Arc::strong_count(&held), timers.len()), (1, 0));
    });
}

static OWN_HANDLE: ContextVar<Arc<OnceLock<TimerCallback>>> = ContextVar::new("own_handle");

#[test]
fn c53_a_callback_cancels_its_own_handle_that_its_frame_holds() {
    in_each_start_frame(|| {
        let (timers, _) = undriven(1);
        let _entered = enter(&timers.handle(0));
        for repeated in [false, true] {
            let place = Arc::new(OnceLock::new());
            let weak = Arc::downgrade(&place);
            let (sender, cancelled) = mpsc::channel();
            let cancel = move || {
                let own = OWN_HANDLE.get().unwrap();
                sender.send(own.get().unwrap().cancel()).unwrap();
            };
            OWN_HANDLE
                .run(Arc::clone(&place), || {
                    place.set(if repeated {
                        set_interval(LONG, cancel)
                    } else {
                        set_timeout(LONG, cancel)
                    })
                })
                .unwrap();
            drop(place);
            timers.fire_at(0, LONG_AFTER << u32::from(repeated));
            assert_eq!(
                cancelled.try_recv(),
                Ok(repeated),
                "a timeout has no further call"
            );
            assert!(cancelled.recv().is_err(), "the function is dropped");
            assert!(
                weak.upgrade().is_none(),
                "the frame is dropped, with the handle in it"
            );
            assert!(timers.is_empty());
        }
    });
}

/// Like the previous test, canceled from outside: dropping the frame drops the last handle inside
/// `cancel`.
#[test]
fn c53_cancelling_drops_a_frame_that_holds_the_handle() {
    in_each_start_frame(|| {
        let (timers, _) = undriven(1);
        let _entered = enter(&timers.handle(0));
        let place = Arc::new(OnceLock::new());
        let weak = Arc::downgrade(&place);
        let callback = OWN_HANDLE.run(Arc::clone(&place), || set_timeout(LONG, || ()));
        place.set(callback.clone()).unwrap();
        drop(place);
        assert!(weak.upgrade().is_some());
        assert!(callback.cancel());
        assert!(weak.upgrade().is_none());
    });
}

/// A value whose destructor cancels the callback that holds its frame.
struct CancelsOnDrop(Mutex<Option<TimerCallback>>, mpsc::Sender<bool>);

impl Drop for CancelsOnDrop {
    fn drop(&mut self) {
        let callback = self.0.get_mut().unwrap().take().unwrap();
        self.1.send(callback.cancel()).unwrap();
    }
}

static CANCELS: ContextVar<Arc<CancelsOnDrop>> = ContextVar::new("cancels");

#[test]
fn c53_a_value_of_the_frame_cancels_the_callback_as_it_is_dropped() {
    in_each_start_frame(|| {
        let (timers, _) = undriven(1);
        let _entered = enter(&timers.handle(0));
        let (sender, cancelled) = mpsc::channel();
        let value = Arc::new(CancelsOnDrop(Mutex::new(None), sender));
        let callback = CANCELS.run(Arc::clone(&value), || set_timeout(LONG, || ()));
        *value.0.lock().unwrap() = Some(callback);
        drop(value);
        timers.fire_at(0, LONG_AFTER);
        assert_eq!(cancelled.try_recv(), Ok(false));
    });
}

#[test]
fn c53_closing_drops_a_callback_in_its_frame() {
    in_each_start_frame(|| {
        let (timers, _) = undriven(1);
        let _entered = enter(&timers.handle(0));
        let (sender, dropped) = mpsc::channel();
        let captured = Dropped(sender.clone());
        let callback = REQUEST.run(7, || set_timeout(LONG, move || drop(captured)));
        timers.close();
        assert_eq!(dropped.try_recv(), Ok(Some(7)));
        assert!(!callback.is_active());
        // Registered later: dropped at once, also in its frame.
        let captured = Dropped(sender);
        let callback = REQUEST.run(8, || set_timeout(LONG, move || drop(captured)));
        assert_eq!(dropped.try_recv(), Ok(Some(8)));
        assert!(!callback.is_active() && timers.is_empty());
    });
}

#[test]
fn c53_a_panic_is_reported_in_its_frame() {
    in_each_start_frame(|| {
        let (timers, _) = undriven(1);
        let _entered = enter(&timers.handle(0));
        let (sender, reported) = mpsc::channel();
        timers.on_callback_panic(move |payload| {
            let message = payload.downcast_ref::<&str>().copied();
            sender.send((REQUEST.get(), message)).unwrap();
            false
        });
        REQUEST.run(7, || set_timeout(LONG, || panic!("on purpose")));
        REQUEST.run(8, || {
            set_timeout(LONG, || REQUEST.run(9, || panic!("further in")))
        });
        timers.fire_at(0, LONG_AFTER);
        assert_eq!(reported.try_recv(), Ok((Some(7), Some("on purpose"))));
        assert_eq!(reported.try_recv(), Ok((Some(9), Some("further in"))));
        assert_eq!(REQUEST.get(), None);
    });
}

#[test]
fn c92_the_hook_s_answer_says_whether_an_interval_goes_on() {
    in_each_start_frame(|| {
        let (timers, _) = undriven(1);
        let _entered = enter(&timers.handle(0));
        // Handled at the first call, and not at the second.
        let answers = Mutex::new(vec![false, true]);
        timers.on_callback_panic(move |_| answers.lock().unwrap().pop().unwrap());
        let (sender, called) = mpsc::channel();
        let callback = set_interval_with(LONG, PanicPolicy::ContinueIfHandled, move || {
            sender.send(()).unwrap();
            panic!("on purpose")
        });
        assert_eq!(timers.fire_at(0, LONG_AFTER), 1);
        assert!(callback.is_active());
        assert_eq!(timers.fire_at(0, LONG_AFTER * 2), 1);
        assert!(!callback.is_active() && timers.is_empty());
        assert_eq!(called.iter().count(), 2);
        // Without a hook nothing is handled.
        let (timers, _) = undriven(1);
        let _entered = enter(&timers.handle(0));
        let callback = set_interval_with(LONG, PanicPolicy::ContinueIfHandled, || {
            panic!("on purpose")
        });
        assert_eq!(timers.fire_at(0, LONG_AFTER), 1);
        assert!(!callback.is_active());
    });
}

#[test]
fn c92_an_interval_that_continues_after_a_panic_is_called_again_on_schedule_in_its_frame() {
    in_each_start_frame(|| {
        let (timers, _) = undriven(1);
        let _entered = enter(&timers.handle(0));
        let (sender, reported) = mpsc::channel();
        timers.on_callback_panic(move |payload| {
            let message = payload.downcast_ref::<&str>().copied();
            sender.send((REQUEST.get(), message)).unwrap();
            false
        });
        let (sender, called) = mpsc::channel();
        let call = move || {
            sender.send(REQUEST.get()).unwrap();
            REQUEST.run(8, || panic!("on purpose"))
        };
        let callback = REQUEST.run(7, || set_interval_with(LONG, PanicPolicy::Continue, call));
        // At each of these ticks one more call is due, and the next one is not.
        for calls in 1..=2 {
            assert_eq!(timers.fire_at(0, LONG_AFTER * calls), 1);
            assert_eq!(called.try_recv(), Ok(Some(7)));
            assert_eq!(reported.try_recv(), Ok((Some(8), Some("on purpose"))));
            assert!(callback.is_active());
            assert_eq!(timers.len(), 1);
        }
        assert!(callback.cancel());
        assert!(called.recv().is_err() && reported.try_recv().is_err());
        assert!(timers.is_empty());
    });
}

/// A cancel during a call that panics overrides the policy.
#[test]
fn c92_a_cancel_in_a_call_that_panics_ends_the_interval() {
    in_each_start_frame(|| {
        let (timers, _) = undriven(1);
        let _entered = enter(&timers.handle(0));
        let own = Arc::new(OnceLock::<TimerCallback>::new());
        let within = Arc::clone(&own);
        let (sender, called) = mpsc::channel();
        let callback = set_interval_with(LONG, PanicPolicy::Continue, move || {
            sender.send(within.get().unwrap().cancel()).unwrap();
            panic!("on purpose");
        });
        own.set(callback).unwrap();
        timers.fire_at(0, LONG_AFTER);
        assert_eq!(called.recv(), Ok(true));
        assert!(called.recv().is_err(), "the callback is dropped");
        assert!(timers.is_empty() && !own.get().unwrap().is_active());
    });
}

/// Found by LeakSanitizer: the frame of the payload that the hook threw was leaked.
#[test]
fn c53_a_hook_that_panics_keeps_no_frame() {
    static KEPT: ContextVar<Dropped> = ContextVar::new("kept");
    in_each_start_frame(|| {
        let (timers, _) = undriven(1);
        let _entered = enter(&timers.handle(0));
        timers.on_callback_panic(|_| panic!("on purpose: the hook"));
        let (sender, dropped) = mpsc::channel();
        REQUEST.run(7, || {
            set_timeout(LONG, || KEPT.run(Dropped(sender), || panic!("on purpose")))
        });
        assert_eq!(timers.fire_at(0, LONG_AFTER), 1);
        assert_eq!(
            dropped.try_recv(),
            Ok(None),
            "the frame of the panic is leaked"
        );
    });
}

/// The report of a panic may hold its frame as the last one, so values are dropped at its end.
#[test]
fn c53_a_value_that_panics_as_it_ends_with_a_reported_panic_loses_nothing_else() {
    struct Bomb(mpsc::Sender<()>);
    impl Drop for Bomb {
        fn drop(&mut self) {
            self.0.send(()).unwrap();
            panic!("on purpose: a value");
        }
    }
    static BOMB: ContextVar<Bomb> = ContextVar::new("bomb");
    in_each_start_frame(|| {
        let (timers, _) = undriven(1);
        let _entered = enter(&timers.handle(0));
        let around = Frame::current().id();
        let (sender, dropped) = mpsc::channel();
        for _ in 0..2 {
            let bomb = Bomb(sender.clone());
            set_timeout(LONG, || BOMB.run(bomb, || panic!("on purpose")));
        }
        assert_eq!(timers.fire_at(0, LONG_AFTER), 2);
        assert_eq!(dropped.try_iter().count(), 2);
        // The hook panics, too, while the value is bound.
        timers.on_callback_panic(|_| panic!("on purpose: the hook"));
        let bomb = Bomb(sender);
        set_timeout(LONG, || BOMB.run(bomb, || panic!("on purpose")));
        assert_eq!(timers.fire_at(0, 2 * LONG_AFTER), 1);
        assert_eq!(dropped.try_iter().count(), 1);
        assert_eq!(Frame::current().id(), around);
    });
}
