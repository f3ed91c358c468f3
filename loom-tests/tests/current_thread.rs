//! The core of a current-thread runtime: its way from one thread in `block_on` to the next, and the
//! park of the thread that has it.
//!
//! The models of the hand-over run the shipped slot and the shipped wait for it, with a core of
//! their own. The models of the park run whole runtimes, over the model deque and a kernel of plain
//! data. A failure is a thread that sleeps forever (a deadlock), a race on what the core carries,
//! or a value that is dropped twice or never.
#![cfg(framewise_loom)]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::future::{Future, pending, poll_fn};
use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::task::{Poll, Wake, Waker};

use framewise::model::ModelSlot;
use framewise::runtime::{Builder, Runtime};
use framewise::task::yield_now;
use framewise_loom_tests::{DropTracker, Notified, TestWaker, model, model_with_panics};
use framewise_sync::atomic::{AtomicBool, Ordering};
use framewise_sync::cell::UnsafeCell;
use framewise_sync::thread::{self, JoinHandle};
use framewise_sync::{Arc, Mutex};

/// What each thread that has the core uses: loom reports two at a time, and a use that does not
/// happen after the previous one.
struct Core(UnsafeCell<usize>);

// SAFETY: loom checks the accesses to the cell and reports a race.
unsafe impl Send for Core {}

impl Core {
    fn new() -> Self {
        Self(UnsafeCell::new(0))
    }

    fn drive(&self) {
        // SAFETY: loom reports a concurrent access.
        self.0.with_mut(|uses| unsafe { *uses += 1 });
    }
}

/// Where a future leaves its waker for another thread.
#[derive(Clone, Default)]
struct Signal {
    notified: Notified,
    waker: Arc<Mutex<Option<Waker>>>,
}

impl Signal {
    /// Returns a future that is ready when it was notified, and leaves its waker at each poll.
    fn wait(&self) -> impl Future<Output = ()> + Send + use<> {
        let signal = self.clone();
        poll_fn(move |cx| {
            *signal.waker.lock() = Some(cx.waker().clone());
            if signal.notified.received() == 1 {
                Poll::Ready(())
            } else {
                Poll::Pending
            }
        })
    }

    /// Notifies, and wakes the future if it has been polled: else its first poll sees the word, by
    /// the lock.
    fn notify(&self) {
        self.notified.notify(1);
        let waker = self.waker.lock().take();
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

/// Waits for the core, drives once and lets it rest; returns `false` if `future` was ready first.
fn drive_or<F>(slot: &Arc<ModelSlot<Core>>, future: F) -> JoinHandle<bool>
where
    F: Future<Output = ()> + Send + 'static,
{
    let slot = Arc::clone(slot);
    thread::spawn(move || match slot.wait_for_core(future) {
        Ok(core) => {
            core.drive();
            slot.put_back(core);
            true
        }
        Err(()) => false,
    })
}

/// Race: a thread that begins to wait against the one that lets the core rest.
#[test]
fn a_waiting_thread_takes_the_core_over() {
    model("core: wait × put back", || {
        let slot = Arc::new(ModelSlot::new(Core::new()));
        let core = slot.take().unwrap();
        let waiting = drive_or(&slot, pending());
        core.drive();
        slot.put_back(core);
        assert!(waiting.join().unwrap());
        slot.take().unwrap().drive();
    });
}

/// Race: two threads that wait for one core: each gets it.
#[test]
fn two_waiting_threads_take_turns() {
    model("core: wait × wait × put back", || {
        let slot = Arc::new(ModelSlot::new(Core::new()));
        let core = slot.take().unwrap();
        let waiting = [drive_or(&slot, pending()), drive_or(&slot, pending())];
        core.drive();
        slot.put_back(core);
        for waiting in waiting {
            assert!(waiting.join().unwrap());
        }
    });
}

/// Race: a thread that waits is woken for its future and for the core. If it leaves with its
/// output, the next one gets the core.
#[test]
fn a_thread_that_leaves_leaves_the_core_to_others() {
    model("core: wake, leave × wait × put back", || {
        let slot = Arc::new(ModelSlot::new(Core::new()));
        let core = slot.take().unwrap();
        let signal = Signal::default();
        let leaving = drive_or(&slot, signal.wait());
        let waiting = drive_or(&slot, pending());
        core.drive();
        signal.notify();
        slot.put_back(core);
        leaving.join().unwrap();
        assert!(waiting.join().unwrap());
    });
}

/// Race: a thread that waits is woken for its future while the core rests already: one of the two
/// wakes may do nothing, as both set one mark.
#[test]
fn a_wake_meets_the_notification() {
    model("core: wake × put back", || {
        let slot = Arc::new(ModelSlot::new(Core::new()));
        let core = slot.take().unwrap();
        let signal = Signal::default();
        let own = signal.clone();
        let leaving = drive_or(&slot, signal.wait());
        let waking = thread::spawn(move || own.notify());
        slot.put_back(core);
        leaving.join().unwrap();
        waking.join().unwrap();
        slot.take().unwrap().drive();
    });
}

/// Race: a wait within the poll of another one, on one thread, while the core comes to rest: the
/// inner one gets it, though the outer one is in the list as well, and was there first.
#[test]
fn a_nested_wait_gets_the_core() {
    model("core: nested wait × put back", || {
        let slot = Arc::new(ModelSlot::new(Core::new()));
        let core = slot.take().unwrap();
        let inner = Arc::clone(&slot);
        let outer = drive_or(
            &slot,
            poll_fn(move |_| {
                let core = inner.wait_for_core(pending::<()>());
                inner.put_back(core.unwrap_or_else(|()| unreachable!()));
                Poll::Ready(())
            }),
        );
        core.drive();
        slot.put_back(core);
        outer.join().unwrap();
        slot.take().unwrap().drive();
    });
}

/// Race: a thread that waits for the core is in a poll that blocks until another one has the core,
/// which waits for it, too.
#[test]
fn a_poll_that_blocks_keeps_the_core_from_none() {
    model("core: wait, a poll that blocks × wait × put back", || {
        let slot = Arc::new(ModelSlot::new(Core::new()));
        let core = slot.take().unwrap();
        let has_driven = TestWaker::new();
        let blocks = {
            let has_driven = std::sync::Arc::clone(&has_driven);
            drive_or(
                &slot,
                poll_fn(move |_| {
                    has_driven.wait();
                    Poll::Ready(())
                }),
            )
        };
        let own = Arc::clone(&slot);
        let drives = thread::spawn(move || {
            let core = own.wait_for_core(pending::<()>());
            own.put_back(core.unwrap_or_else(|()| unreachable!()));
            Wake::wake(has_driven);
        });
        slot.put_back(core);
        drives.join().unwrap();
        blocks.join().unwrap();
    });
}

// ---- whole runtimes ----

fn runtime() -> Runtime {
    Builder::new_current_thread().build().unwrap()
}

/// Race: a wake of the main future against the driving thread that polls it, looks for tasks and
/// parks on the driver.
#[test]
fn a_wake_of_the_main_future_meets_the_park() {
    model("drive: wake of the main future × park", || {
        let runtime = runtime();
        let signal = Signal::default();
        let own = signal.clone();
        let waking = thread::spawn(move || own.notify());
        runtime.block_on(signal.wait());
        waking.join().unwrap();
    });
}

/// Race: two wakes of the main future. The second may skip the unpark, since the first one's mark
/// is still set. Failure: the poll after the first unpark does not see what the second wake wrote.
#[test]
fn two_wakes_of_the_main_future_meet_the_park() {
    model("drive: wake × wake of the main future × park", || {
        let runtime = runtime();
        let notified = Notified::default();
        let mut waking = Vec::new();
        runtime.block_on(poll_fn(|cx| {
            if waking.is_empty() {
                waking.extend([1, 2].map(|bit| {
                    let (notified, waker) = (notified.clone(), cx.waker().clone());
                    thread::spawn(move || {
                        notified.notify(bit);
                        waker.wake();
                    })
                }));
            }
            if notified.received() == 3 {
                Poll::Ready(())
            } else {
                Poll::Pending
            }
        }));
        for waking in waking {
            waking.join().unwrap();
        }
    });
}

/// Race: a wake of a task, which goes into the injector, against the same.
#[test]
fn a_wake_of_a_task_meets_the_park() {
    model("drive: wake of a task × park", || {
        let runtime = runtime();
        let signal = Signal::default();
        let task = runtime.spawn(signal.wait());
        let waking = thread::spawn(move || signal.notify());
        runtime.block_on(task).unwrap();
        waking.join().unwrap();
    });
}

/// Race: the core goes from one thread to another, which each wait for a task, while a third wakes
/// one of the tasks.
#[test]
fn a_hand_over_meets_a_wake() {
    model("drive × drive × wake of a task", || {
        let runtime = Arc::new(runtime());
        let signal = Signal::default();
        let task = runtime.spawn(signal.wait());
        let other = {
            let runtime = Arc::clone(&runtime);
            thread::spawn(move || {
                runtime.block_on(poll_fn(|_| Poll::Ready(())));
                signal.notify();
            })
        };
        runtime.block_on(task).unwrap();
        other.join().unwrap();
    });
}

/// Race: a waiting thread against the driving one, which leaves: what the waiting one waits for
/// runs on either.
#[test]
fn a_thread_that_leaves_meets_one_that_waits_for_a_task() {
    model("drive × wait for a task", || {
        let runtime = Arc::new(runtime());
        let (value, end) = DropTracker::new();
        let task = runtime.spawn(async move { value.touch() });
        let other = {
            let runtime = Arc::clone(&runtime);
            thread::spawn(move || runtime.block_on(task).unwrap())
        };
        runtime.block_on(poll_fn(|_| Poll::Ready(())));
        other.join().unwrap();
        assert!(end.is_dropped());
    });
}

/// Race: a wake and an abort of a task on another thread against the drop of the runtime: the
/// future is dropped once, on the dropping thread.
#[test]
fn a_wake_meets_the_end() {
    model("drop of a current-thread runtime × wake × abort", || {
        let runtime = runtime();
        let signal = Signal::default();
        let (value, end) = DropTracker::new();
        let wait = signal.wait();
        let task = runtime.spawn(async move {
            value.touch();
            wait.await;
            value.touch();
        });
        let abort = task.abort_handle();
        let waking = thread::spawn(move || {
            signal.notify();
            abort.abort();
        });
        drop(runtime);
        assert!(end.is_dropped());
        waking.join().unwrap();
        drop(task);
    });
}

/// Race: all of it. Two threads in `block_on`, one for its own future and one for a task, while a
/// third wakes both: a wake meets the polls of a thread that waits, its takeover, and the park of
/// the thread that drives.
#[test]
fn two_threads_in_block_on_meet_wakes_of_both() {
    model(
        "drive × wait × wake of a task and of a main future",
        || {
            let runtime = Arc::new(runtime());
            let (of_task, of_main) = (Signal::default(), Signal::default());
            let task = runtime.spawn(of_task.wait());
            let other = {
                let (runtime, main) = (Arc::clone(&runtime), of_main.wait());
                thread::spawn(move || runtime.block_on(main))
            };
            let waking = thread::spawn(move || {
                of_main.notify();
                of_task.notify();
            });
            runtime.block_on(task).unwrap();
            other.join().unwrap();
            waking.join().unwrap();
        },
    );
}

/// Race: the thread that drives leaves by a panic, while another one waits for a task.
#[test]
fn a_panic_of_the_main_future_meets_a_thread_that_waits() {
    model_with_panics("drive, panic × wait for a task", &["planned"], || {
        let runtime = Arc::new(runtime());
        let task = runtime.spawn(yield_now());
        let other = {
            let runtime = Arc::clone(&runtime);
            thread::spawn(move || runtime.block_on(task).unwrap())
        };
        let panics = catch_unwind(AssertUnwindSafe(|| {
            runtime.block_on(async { panic!("planned") });
        }));
        assert!(panics.is_err());
        other.join().unwrap();
    });
}

// ---- controls ----

/// Control: a thread looks for the core, and enters the list of those that wait afterwards.
#[test]
#[should_panic(expected = "the core rests while a thread waits")]
fn control_a_thread_that_enters_the_list_late_is_noticed() {
    model("core: control, look, wait × put back", || {
        let resting = Arc::new(Mutex::new(None));
        let waiting = Arc::new(Mutex::new(Vec::new()));
        let thread = {
            let (resting, waiting) = (Arc::clone(&resting), Arc::clone(&waiting));
            thread::spawn(move || {
                let core: Option<Core> = resting.lock().take();
                let woken = Arc::new(AtomicBool::new(false));
                if core.is_none() {
                    waiting.lock().push(Arc::clone(&woken));
                }
                (core.is_some(), woken)
            })
        };
        *resting.lock() = Some(Core::new());
        let woken: Vec<Arc<AtomicBool>> = mem::take(&mut *waiting.lock());
        for waiter in woken {
            waiter.store(true, Ordering::Relaxed);
        }
        let (has_core, woken) = thread.join().unwrap();
        let looks_again = has_core || woken.load(Ordering::Relaxed);
        assert!(looks_again, "the core rests while a thread waits");
    });
}

/// Control: a wake that comes before what it announces.
#[test]
#[should_panic(expected = "it was woken, and not notified")]
fn control_a_wake_before_its_word_is_noticed() {
    model("drive: control, wake before write", || {
        let runtime = runtime();
        let notified = Notified::default();
        let mut waking = None;
        let mut first = true;
        let received = runtime.block_on(poll_fn(|cx| {
            if !mem::take(&mut first) {
                return Poll::Ready(notified.received());
            }
            let (notified, waker) = (notified.clone(), cx.waker().clone());
            waking = Some(thread::spawn(move || {
                waker.wake();
                notified.notify(1);
            }));
            Poll::Pending
        }));
        waking.expect("it was polled").join().unwrap();
        assert_eq!(received, 1, "it was woken, and not notified");
    });
}
