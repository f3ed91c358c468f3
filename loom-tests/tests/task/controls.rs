//! Faults on purpose, which the models notice.

use framewise::Frame;
use framewise::model::ModelScheduler;
use framewise_loom_tests::{DropTracker, Notified, model};
use framewise_sync::atomic::{AtomicUsize, Ordering};
use framewise_sync::{Arc, thread};

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
