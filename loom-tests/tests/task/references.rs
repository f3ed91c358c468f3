//! The last reference, and what a finished task has released by then.

use framewise::Frame;
use framewise::model::{ModelScheduler, Runnable};
use framewise_loom_tests::{DropObserver, Listener, Notified, TestWaker, model};

use crate::{bound_frame, in_thread, run_one, spawn_ready};

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
