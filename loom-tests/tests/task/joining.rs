//! The join handle: its waker, the output, and a panic without a joiner.

use std::sync::Arc as StdArc;
use std::sync::atomic::{AtomicUsize as StdAtomicUsize, Ordering as StdOrdering};
use std::task::Poll;

use framewise::model::{ModelScheduler, Runnable};
use framewise::{ContextVar, Frame, JoinHandle};
use framewise_loom_tests::{DropObserver, TestWaker, model, model_with_panics};

use crate::{bound_frame, in_thread, run_one, spawn_ready};

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
