//! The task: schedule × run × wake, abort, completion, join, and the last reference.
//!
//! Real tasks on a minimal scheduler (`framewise::model`); the wakers, the handles and every step
//! of a task's life are shipped. A failure is a race on a cell, a leak or a deadlock, which loom
//! reports; a drop that comes twice or too early, which `DropTracker` detects; or an assertion.
#![cfg(framewise_loom)]

use std::sync::Arc as StdArc;
use std::sync::atomic::{AtomicUsize as StdAtomicUsize, Ordering as StdOrdering};
use std::task::Poll;

use framewise::model::{ModelLifoSlot, ModelScheduler, Runnable};
use framewise::{ContextVar, Frame, JoinHandle};
use framewise_loom_tests::{
    DropObserver, DropTracker, Listener, ListenerDrops, Notified, PoisoningAllocator, TestWaker,
    model, model_with_panics,
};
use framewise_sync::atomic::{AtomicUsize, Ordering};
use framewise_sync::{Arc, thread};

#[global_allocator]
static ALLOCATOR: PoisoningAllocator = PoisoningAllocator;

static REQUEST: ContextVar<DropTracker> = ContextVar::new("request");

/// A frame with one value, and the observer of that value.
fn bound_frame() -> (Frame, DropObserver) {
    let (value, watch) = DropTracker::new();
    (REQUEST.run(value, Frame::current), watch)
}

/// A task that is ready at its first poll.
fn spawn_ready(
    scheduler: &ModelScheduler,
    frame: Frame,
) -> (JoinHandle<DropTracker>, ListenerDrops) {
    let (listener, watches) = Listener::new(&Notified::default(), 0);
    (scheduler.spawn(listener, frame), watches)
}

fn run_one(scheduler: &ModelScheduler) {
    if let Some(runnable) = scheduler.take() {
        runnable.run_to_end();
    }
}

fn in_thread<R: 'static>(f: impl FnOnce() -> R + Send + 'static) -> thread::JoinHandle<R> {
    thread::spawn(f)
}

// ---- schedule × run × wake ----

/// Race: two wakers against the run that makes the task idle. Each wake leads to a poll that sees
/// what the waker wrote before it, even if the task was runnable already.
#[test]
fn a_wake_leads_to_a_poll_that_sees_what_the_waker_wrote() {
    model("wake × wake × run", || {
        let scheduler = ModelScheduler::new();
        let notified = Notified::default();
        let (listener, watches) = Listener::new(&notified, 3);
        let runnable = scheduler.spawn_detached(listener, Frame::root());
        let wakers = [(1, runnable.waker()), (2, runnable.waker())];
        runnable.put(&scheduler);
        let threads = wakers.map(|(bit, waker)| {
            let notified = notified.clone();
            in_thread(move || {
                notified.notify(bit);
                waker.wake();
            })
        });
        // The runner. It does not join the wakers first: joining would order their writes.
        let runner = in_thread({
            let scheduler = scheduler.clone();
            move || {
                run_one(&scheduler);
                run_one(&scheduler);
                run_one(&scheduler);
            }
        });
        for thread in threads {
            thread.join().expect("no panic");
        }
        runner.join().expect("no panic");
        // Runs what the runner left. If it left nothing, the listener must have received both bits.
        scheduler.run_all();
        watches.assert_dropped();
    });
}

/// Race: a wake against the poll itself. A wake while the task runs leads to another poll.
#[test]
fn a_wake_during_a_poll_means_another_poll() {
    model("wake × poll, by reference and by value", || {
        let scheduler = ModelScheduler::new();
        let notified = Notified::default();
        let (listener, watches) = Listener::new(&notified, 1);
        let runnable = scheduler.spawn_detached(listener, Frame::root());
        let waker = runnable.waker();
        let thread = in_thread({
            let notified = notified.clone();
            move || {
                waker.wake_by_ref();
                notified.notify(1);
                waker.wake();
            }
        });
        runnable.run_to_end();
        run_one(&scheduler);
        // The wakers were not joined: the runs above have seen everything, or left the task
        // runnable.
        thread.join().expect("no panic");
        scheduler.run_all();
        watches.assert_dropped();
    });
}

/// Race: two runners and a waker. The task has one holder at a time, and each poll sees the one
/// before (`Listener::polls`).
#[test]
fn a_task_has_one_poller_at_a_time() {
    model("run × run × wake", || {
        let scheduler = ModelScheduler::new();
        let notified = Notified::default();
        let (listener, watches) = Listener::new(&notified, 1);
        let runnable = scheduler.spawn_detached(listener, Frame::root());
        let waker = runnable.waker();
        runnable.put(&scheduler);
        let runners: Vec<_> = (0..2)
            .map(|_| {
                let scheduler = scheduler.clone();
                in_thread(move || run_one(&scheduler))
            })
            .collect();
        waker.wake_by_ref();
        notified.notify(1);
        waker.wake();
        for runner in runners {
            runner.join().expect("no panic");
        }
        scheduler.run_all();
        watches.assert_dropped();
    });
}

// ---- abort ----

/// Race: an abort, a wake and a run. The future is dropped once, the joiner gets the outcome, and
/// the abort is not lost: no poll leaves the task waiting after it.
#[test]
fn an_abort_is_not_lost() {
    model("abort × wake × run", || {
        let scheduler = ModelScheduler::new();
        let notified = Notified::default();
        // It never receives enough to be ready, so only the abort can end it.
        let (listener, watches) = Listener::new(&notified, 3);
        let mut handle = scheduler.spawn(listener, Frame::root());
        let aborter = in_thread({
            let abort = handle.abort_handle();
            move || abort.abort()
        });
        let runnable = scheduler.take().expect("it was just spawned");
        let waker = runnable.waker();
        let waking = in_thread({
            let notified = notified.clone();
            move || {
                notified.notify(1);
                waker.wake();
            }
        });
        runnable.run_to_end();
        run_one(&scheduler);
        aborter.join().expect("no panic");
        waking.join().expect("no panic");
        scheduler.run_all();
        match TestWaker::new().poll(&mut handle) {
            Poll::Ready(Err(error)) => assert!(error.is_cancelled()),
            Poll::Ready(Ok(_)) => panic!("it did not receive enough to be ready"),
            Poll::Pending => panic!("the abort was lost"),
        }
        drop(handle);
        watches.assert_dropped();
    });
}

/// Race: an abort against the run. What the aborter did before happens before the drop of the
/// future.
#[test]
fn a_dropped_future_sees_what_the_aborter_did() {
    model("abort × run", || {
        let scheduler = ModelScheduler::new();
        let (listener, watches) = Listener::new(&Notified::default(), 1);
        let handle = scheduler.spawn(listener, Frame::root());
        let runner = in_thread({
            let scheduler = scheduler.clone();
            move || scheduler.run_all()
        });
        // A check that does not happen before the drop is a race.
        assert!(!watches.future.is_dropped(), "only an abort ends it");
        handle.abort();
        runner.join().expect("no panic");
        scheduler.run_all();
        watches.assert_dropped();
        drop(handle);
    });
}

/// Race: an abort against the completion. The joiner gets the output or the error. The output and
/// the frame's value are dropped once either way.
#[test]
fn an_abort_meets_the_completion() {
    model("abort × completion × join, bound frame", || {
        let scheduler = ModelScheduler::new();
        let (frame, value) = bound_frame();
        let (mut handle, watches) = spawn_ready(&scheduler, frame);
        let aborter = in_thread({
            let abort = handle.abort_handle();
            move || abort.abort()
        });
        let runner = in_thread({
            let scheduler = scheduler.clone();
            move || run_one(&scheduler)
        });
        match TestWaker::new().block_on(&mut handle) {
            Ok(output) => output.touch(),
            Err(error) => assert!(error.is_cancelled()),
        }
        aborter.join().expect("no panic");
        runner.join().expect("no panic");
        assert!(scheduler.take().is_none(), "a finished task is not queued");
        drop(handle);
        watches.assert_dropped();
        assert!(value.is_dropped());
    });
}

// ---- completion × join ----

/// Race: the completion against a handle that is polled with one waker and then with another. The
/// waker of the last pending poll is called.
fn join_waker_is_swapped(name: &str, frame: fn() -> (Frame, Option<DropObserver>)) {
    model(name, move || {
        let scheduler = ModelScheduler::new();
        let (frame, value) = frame();
        let (mut handle, watches) = spawn_ready(&scheduler, frame);
        let runner = in_thread({
            let scheduler = scheduler.clone();
            move || run_one(&scheduler)
        });
        let (first, second) = (TestWaker::new(), TestWaker::new());
        let output = match first.poll(&mut handle) {
            Poll::Ready(output) => output,
            Poll::Pending => second.block_on(&mut handle),
        };
        output.expect("it is neither aborted nor panics").touch();
        // The runner may still be using the join waker.
        drop(handle);
        runner.join().expect("no panic");
        watches.assert_dropped();
        assert!(value.is_none_or(|value| value.is_dropped()));
        // Every waker was dropped, including the slot's.
        assert_eq!(std::sync::Arc::strong_count(&first), 1);
        assert_eq!(std::sync::Arc::strong_count(&second), 1);
    });
}

#[test]
fn a_swapped_join_waker_is_not_lost_at_the_root() {
    join_waker_is_swapped("completion × join waker swap, root frame", || {
        (Frame::root(), None)
    });
}

#[test]
fn a_swapped_join_waker_is_not_lost_in_a_frame() {
    join_waker_is_swapped("completion × join waker swap, bound frame", || {
        let (frame, value) = bound_frame();
        (frame, Some(value))
    });
}

/// Race: the handle is dropped, with its waker in the slot, while the completing thread is about to
/// call that waker; a third thread drops an abort handle, the last reference.
#[test]
fn a_handle_goes_while_its_waker_is_called() {
    model(
        "join waker called × handle dropped × last reference",
        || {
            let scheduler = ModelScheduler::new();
            let (mut handle, watches) = spawn_ready(&scheduler, Frame::root());
            let abort = handle.abort_handle();
            let test_waker = TestWaker::new();
            assert!(test_waker.poll(&mut handle).is_pending());
            let runner = in_thread({
                let scheduler = scheduler.clone();
                move || run_one(&scheduler)
            });
            let dropper = in_thread(move || drop(handle));
            drop(abort);
            runner.join().expect("no panic");
            dropper.join().expect("no panic");
            watches.assert_dropped();
            assert_eq!(std::sync::Arc::strong_count(&test_waker), 1);
        },
    );
}

/// Race: the handle is dropped while the task completes. One side drops the output, once.
fn handle_is_dropped(name: &str, frame: fn() -> (Frame, Option<DropObserver>)) {
    model(name, move || {
        let scheduler = ModelScheduler::new();
        let (frame, value) = frame();
        let (handle, watches) = spawn_ready(&scheduler, frame);
        let runner = in_thread({
            let scheduler = scheduler.clone();
            move || run_one(&scheduler)
        });
        drop(handle);
        runner.join().expect("no panic");
        watches.assert_dropped();
        assert!(value.is_none_or(|value| value.is_dropped()));
    });
}

#[test]
fn an_output_ends_once_at_the_root() {
    handle_is_dropped("completion × handle dropped, root frame", || {
        (Frame::root(), None)
    });
}

#[test]
fn an_output_ends_once_in_a_frame() {
    handle_is_dropped("completion × handle dropped, bound frame", || {
        let (frame, value) = bound_frame();
        (frame, Some(value))
    });
}

/// Race: like above, for a handle that has waited: one side drops the waker in the slot, too.
#[test]
fn an_output_and_a_waker_end_once() {
    model("completion × waiting handle dropped, bound frame", || {
        let scheduler = ModelScheduler::new();
        let (frame, value) = bound_frame();
        let (mut handle, watches) = spawn_ready(&scheduler, frame);
        let test_waker = TestWaker::new();
        assert!(test_waker.poll(&mut handle).is_pending());
        let runner = in_thread({
            let scheduler = scheduler.clone();
            move || run_one(&scheduler)
        });
        drop(handle);
        runner.join().expect("no panic");
        watches.assert_dropped();
        assert!(value.is_dropped());
        assert_eq!(std::sync::Arc::strong_count(&test_waker), 1);
    });
}

/// Race: `is_finished` against the completion: `true` means that the frame's values are gone.
#[test]
fn c47_a_finished_task_has_released_its_frame() {
    model("is_finished × completion, bound frame", || {
        let scheduler = ModelScheduler::new();
        let (frame, value) = bound_frame();
        let (mut handle, watches) = spawn_ready(&scheduler, frame);
        let runner = in_thread({
            let scheduler = scheduler.clone();
            move || run_one(&scheduler)
        });
        if handle.is_finished() {
            assert!(value.is_dropped(), "the frame is held by a finished task");
            assert!(watches.future.is_dropped());
            assert!(TestWaker::new().poll(&mut handle).is_ready());
        } else {
            let output = TestWaker::new().block_on(&mut handle);
            assert!(value.is_dropped(), "the frame is held by a joined task");
            drop(output);
        }
        runner.join().expect("no panic");
        drop(handle);
        watches.assert_dropped();
    });
}

// ---- the last reference ----

/// Race: the completion, the last waker and the handle, one thread each. The task is freed once,
/// after every thread's last use, and not leaked.
fn last_reference(name: &str, frame: fn() -> (Frame, Option<DropObserver>)) {
    model(name, move || {
        let scheduler = ModelScheduler::new();
        let (frame, value) = frame();
        let (handle, watches) = spawn_ready(&scheduler, frame);
        let runnable: Runnable = scheduler.take().expect("it was just spawned");
        let waker = runnable.waker();
        let waking = in_thread(move || waker.wake());
        let dropper = in_thread(move || drop(handle));
        runnable.run_to_end();
        waking.join().expect("no panic");
        dropper.join().expect("no panic");
        scheduler.run_all();
        watches.assert_dropped();
        assert!(value.is_none_or(|value| value.is_dropped()));
    });
}

#[test]
fn the_last_reference_frees_at_the_root() {
    last_reference("wake × handle dropped × completion, root frame", || {
        (Frame::root(), None)
    });
}

#[test]
fn the_last_reference_frees_in_a_frame() {
    last_reference("wake × handle dropped × completion, bound frame", || {
        let (frame, value) = bound_frame();
        (frame, Some(value))
    });
}

/// Race: the handle of a fresh task is dropped in one step while the task is run, woken and run.
#[test]
fn a_fresh_handle_is_dropped_in_one_step() {
    model("fresh handle dropped × run × wake", || {
        let scheduler = ModelScheduler::new();
        let notified = Notified::default();
        let (listener, watches) = Listener::new(&notified, 1);
        let handle = scheduler.spawn(listener, Frame::root());
        let runner = in_thread({
            let (scheduler, notified) = (scheduler.clone(), notified.clone());
            move || {
                let runnable = scheduler.take().expect("it was just spawned");
                let waker = runnable.waker();
                runnable.run_to_end();
                notified.notify(1);
                waker.wake();
            }
        });
        drop(handle);
        runner.join().expect("no panic");
        scheduler.run_all();
        watches.assert_dropped();
    });
}

/// Race: the handle is dropped while the task completes, and a waker stays. The output is dropped
/// with the handle or before, and does not wait for the waker.
#[test]
fn an_output_does_not_wait_for_wakers() {
    model(
        "completion × handle dropped × waker kept, bound frame",
        || {
            let scheduler = ModelScheduler::new();
            let (frame, value) = bound_frame();
            let (handle, watches) = spawn_ready(&scheduler, frame);
            let runnable: Runnable = scheduler.take().expect("it was just spawned");
            let waker = runnable.waker();
            let runner = in_thread(move || runnable.run_to_end());
            drop(handle);
            runner.join().expect("no panic");
            watches.assert_dropped();
            assert!(value.is_dropped());
            drop(waker);
        },
    );
}

/// Race: like above, with an output that records the frame in which it is dropped. The completing
/// thread drops it in the task's frame, the thread that drops the handle in its own. Failure: the
/// output is left, or is dropped in another frame.
fn output_ends_in_a_frame(name: &str, frame: fn() -> Frame) {
    static DROPPER: ContextVar<()> = ContextVar::new("dropper");

    struct Output {
        is_at_root: bool,
        ends: StdArc<StdAtomicUsize>,
    }
    impl Drop for Output {
        fn drop(&mut self) {
            let frame = Frame::current();
            let is_expected = self.is_at_root || !frame.is_root();
            assert!(is_expected, "it is dropped in another frame");
            self.ends.fetch_add(1, StdOrdering::SeqCst);
        }
    }

    model(name, move || {
        let scheduler = ModelScheduler::new();
        let (frame, ends) = (frame(), StdArc::default());
        let output = Output {
            is_at_root: frame.is_root(),
            ends: StdArc::clone(&ends),
        };
        let handle = scheduler.spawn(async move { output }, frame);
        let runnable: Runnable = scheduler.take().expect("it was just spawned");
        let waker = runnable.waker();
        let runner = in_thread(move || runnable.run_to_end());
        DROPPER.run((), || drop(handle));
        runner.join().expect("no panic");
        assert_eq!(ends.load(StdOrdering::SeqCst), 1, "it waits for the waker");
        drop(waker);
    });
}

#[test]
fn an_output_ends_without_its_waker_at_the_root() {
    let name = "completion × handle dropped × waker kept, root frame";
    output_ends_in_a_frame(name, Frame::root);
}

#[test]
fn c39_an_output_ends_in_the_frame_of_its_task_or_of_its_handle() {
    let name = "completion × handle dropped, frames of both";
    output_ends_in_a_frame(name, || bound_frame().0);
}

/// Race: the handle is dropped while the task panics. Failure: the panic is not reported, or is
/// reported twice.
fn panic_is_reported(name: &str, frame: fn() -> Frame) {
    model_with_panics(name, &["planned"], move || {
        let scheduler = ModelScheduler::new();
        let handle = scheduler.spawn(async { panic!("planned") }, frame());
        let runnable: Runnable = scheduler.take().expect("it was just spawned");
        let runner = in_thread(move || runnable.run_to_end());
        drop::<JoinHandle<()>>(handle);
        runner.join().expect("no panic");
        assert_eq!(scheduler.unhandled_panics(), 1);
    });
}

#[test]
fn a_panic_without_a_handle_is_reported_once_at_the_root() {
    panic_is_reported("panic × handle dropped, root frame", Frame::root);
}

#[test]
fn a_panic_without_a_handle_is_reported_once_in_a_frame() {
    let name = "panic × handle dropped, bound frame";
    panic_is_reported(name, || bound_frame().0);
}

/// Race: the handle is dropped, with its waker in the slot, while the completing thread calls that
/// waker. An abort handle keeps the task. Failure: a waker stays with it.
#[test]
fn a_join_waker_does_not_stay_with_the_task() {
    model("join waker called × handle dropped, task kept", || {
        let scheduler = ModelScheduler::new();
        let (mut handle, watches) = spawn_ready(&scheduler, Frame::root());
        let kept = handle.abort_handle();
        let test_waker = TestWaker::new();
        assert!(test_waker.poll(&mut handle).is_pending());
        let runner = in_thread({
            let scheduler = scheduler.clone();
            move || run_one(&scheduler)
        });
        drop(handle);
        runner.join().expect("no panic");
        watches.assert_dropped();
        assert_eq!(StdArc::strong_count(&test_waker), 1);
        drop(kept);
    });
}

/// Race: two wakers of a finished task are dropped: the last one frees it.
#[test]
fn stale_wakers_free_a_finished_task() {
    model("stale waker × stale waker", || {
        let scheduler = ModelScheduler::new();
        let (listener, watches) = Listener::new(&Notified::default(), 0);
        let runnable = scheduler.spawn_detached(listener, Frame::root());
        let wakers = [runnable.waker(), runnable.waker()];
        let [one, two] = wakers.map(|waker| {
            in_thread(move || {
                let second = waker.clone();
                waker.wake_by_ref();
                drop(waker);
                drop(second);
            })
        });
        runnable.run_to_end();
        one.join().expect("no panic");
        two.join().expect("no panic");
        assert!(scheduler.take().is_none(), "a finished task is not queued");
        watches.assert_dropped();
    });
}

// ---- the LIFO slot ----

/// Race: the owner replaces and takes while thieves check the slot. Each task goes to one of them.
/// Only the slot orders what was done to the task before, since the thief's thread started first.
#[test]
fn a_runnable_leaves_the_lifo_slot_once() {
    model("LIFO slot: replace × take × three passes", || {
        let slot = ModelLifoSlot::new();
        let thief = in_thread({
            let slot = slot.clone();
            move || {
                for _ in 0..3 {
                    if let Some(runnable) = slot.steal_marked() {
                        runnable.run_to_end();
                    }
                }
            }
        });
        let scheduler = ModelScheduler::new();
        let (one, of_one) = Listener::new(&Notified::default(), 0);
        assert!(
            slot.replace(scheduler.spawn_detached(one, Frame::root()))
                .is_none()
        );
        let (two, of_two) = Listener::new(&Notified::default(), 0);
        if let Some(runnable) = slot.replace(scheduler.spawn_detached(two, Frame::root())) {
            runnable.run_to_end();
        }
        if let Some(runnable) = slot.take() {
            runnable.run_to_end();
        }
        thief.join().expect("no panic");
        assert!(slot.take().is_none(), "the owner has taken it, or a thief");
        of_one.assert_dropped();
        of_two.assert_dropped();
    });
}

/// A thief's second pass takes a task that stayed since any thief's first pass, and none that was
/// put in since then.
#[test]
fn a_runnable_is_stolen_at_the_second_pass() {
    model("LIFO slot: pass × pass", || {
        let scheduler = ModelScheduler::new();
        let (one, of_one) = Listener::new(&Notified::default(), 0);
        let (two, of_two) = Listener::new(&Notified::default(), 0);
        let one = scheduler.spawn_detached(one, Frame::root());
        let two = scheduler.spawn_detached(two, Frame::root());
        let slot = ModelLifoSlot::new();
        assert!(slot.steal_marked().is_none());
        assert!(slot.replace(one).is_none());
        let thief = in_thread({
            let slot = slot.clone();
            move || slot.steal_marked().map(Runnable::run_to_end).is_some()
        });
        let by_this = slot.steal_marked().map(Runnable::run_to_end).is_some();
        let by_thief = thief.join().expect("no panic");
        assert!(!(by_this && by_thief), "a task was taken twice");
        if !by_this && !by_thief {
            slot.steal_marked().expect("both have passed").run_to_end();
        }
        of_one.assert_dropped();
        assert!(slot.replace(two).is_none());
        assert!(slot.steal_marked().is_none(), "not marked before");
        slot.steal_marked().expect("marked before").run_to_end();
        of_two.assert_dropped();
    });
}

// ---- controls ----

const RUNNING: usize = 1;
const SCHEDULED: usize = 2;

/// The three transitions between waker and runner, on a word of its own.
trait WakeAndRun: Default + Send + Sync + 'static {
    fn word(&self) -> &AtomicUsize;

    /// Returns `true` if the caller is the holder.
    fn wake(&self) -> bool {
        self.word().fetch_or(SCHEDULED, Ordering::AcqRel) == 0
    }

    fn start(&self) {
        self.word()
            .fetch_xor(SCHEDULED | RUNNING, Ordering::Acquire);
    }

    /// Returns `true` if the runner is the holder again.
    fn finish(&self) -> bool {
        self.word().fetch_and(!RUNNING, Ordering::AcqRel) & SCHEDULED != 0
    }
}

/// The structure of the first model, without the task: the runner's polls together see what the
/// waker wrote, or the waker is the holder.
fn wake_and_run<S: WakeAndRun>(name: &str) {
    model(name, || {
        let state = Arc::new(S::default());
        let notified = Notified::default();
        state.word().store(SCHEDULED, Ordering::Relaxed);
        let waker = thread::spawn({
            let (state, notified) = (state.clone(), notified.clone());
            move || {
                notified.notify(1);
                state.wake()
            }
        });
        let mut received;
        loop {
            state.start();
            received = notified.received() == 1;
            if !state.finish() {
                break;
            }
        }
        let submitted = waker.join().expect("no panic");
        assert!(received || submitted, "the wake led to no poll that saw it");
    });
}

#[derive(Default)]
struct AsShipped(AtomicUsize);
impl WakeAndRun for AsShipped {
    fn word(&self) -> &AtomicUsize {
        &self.0
    }
}

/// Fault: loads first, and does not write if the task is runnable already.
#[derive(Default)]
struct LoadsFirst(AtomicUsize);
impl WakeAndRun for LoadsFirst {
    fn word(&self) -> &AtomicUsize {
        &self.0
    }

    fn wake(&self) -> bool {
        if self.0.load(Ordering::Acquire) & SCHEDULED != 0 {
            return false;
        }
        self.0.fetch_or(SCHEDULED, Ordering::AcqRel) == 0
    }
}

/// Fault: discards a wake during the poll.
#[derive(Default)]
struct DiscardsWake(AtomicUsize);
impl WakeAndRun for DiscardsWake {
    fn word(&self) -> &AtomicUsize {
        &self.0
    }

    fn finish(&self) -> bool {
        self.0.store(0, Ordering::Release);
        false
    }
}

#[test]
fn control_the_shape_holds() {
    wake_and_run::<AsShipped>("control: wake and run as shipped");
}

#[test]
#[should_panic(expected = "the wake led to no poll that saw it")]
fn control_a_wake_that_only_loads_is_noticed() {
    wake_and_run::<LoadsFirst>("control: wake with a load");
}

#[test]
#[should_panic(expected = "the wake led to no poll that saw it")]
fn control_a_forgotten_wake_is_noticed() {
    wake_and_run::<DiscardsWake>("control: finish_poll with a store");
}

/// Control: a drop that is not ordered after a use is noticed.
#[test]
#[should_panic(expected = "Causality violation")]
fn control_an_unordered_end_is_noticed() {
    model("control: an end that is not ordered after a use", || {
        let (value, watch) = DropTracker::new();
        let ended = Arc::new(AtomicUsize::new(0));
        let thread = thread::spawn({
            let ended = ended.clone();
            move || {
                drop(value);
                ended.store(1, Ordering::Relaxed);
            }
        });
        if ended.load(Ordering::Relaxed) == 1 {
            assert!(watch.is_dropped());
        }
        thread.join().expect("no panic");
    });
}

/// Control: a task catches the panics of its future, and loom's reports are such panics. The model
/// fails all the same.
#[test]
#[should_panic(expected = "something caught it")]
fn control_a_panic_that_was_caught_is_noticed() {
    model("control: a future that panics", || {
        let scheduler = ModelScheduler::new();
        drop(scheduler.spawn(async { panic!("caught by the task") }, Frame::root()));
        scheduler.run_all();
    });
}
