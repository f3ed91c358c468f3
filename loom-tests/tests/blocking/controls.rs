//! A fault on purpose, which the models notice.

use framewise_loom_tests::model;
use framewise_sync::{Arc, Condvar, Mutex, thread};

// ---- controls ----
/// A minimal pool: one thread, one job, and a thread that times out.
#[derive(Default)]
struct MinimalPool {
    state: Mutex<MinimalPoolState>,
    changed: Condvar,
}

#[derive(Default)]
struct MinimalPoolState {
    queued: bool,
    done: bool,
    gone: bool,
    late: bool,
}

impl MinimalPool {
    /// A thread without a job waits, and ends when it times out. With `apart`, it counts itself out
    /// in a separate step.
    fn work(&self, apart: bool) {
        let mut state = self.state.lock();
        while !state.queued && !state.late {
            state = self.changed.wait(state);
        }
        if state.queued {
            state.done = true;
            return;
        }
        if apart {
            drop(state);
            state = self.state.lock();
        }
        state.gone = true;
    }

    fn push_and_advance_clock(name: &str, apart: bool) {
        model(name, move || {
            let pool = Arc::new(Self::default());
            let worker = thread::spawn({
                let pool = pool.clone();
                move || pool.work(apart)
            });
            let clock = thread::spawn({
                let pool = pool.clone();
                move || {
                    pool.state.lock().late = true;
                    pool.changed.notify_all();
                }
            });
            let relies = {
                let mut state = pool.state.lock();
                state.queued = true;
                !state.gone
            };
            pool.changed.notify_all();
            worker.join().expect("no panic");
            clock.join().expect("no panic");
            assert!(!relies || pool.state.lock().done, "a job without a thread");
        });
    }
}

#[test]
fn control_the_shape_holds() {
    MinimalPool::push_and_advance_clock("control: a thread goes under the lock", false);
}

/// Control: a thread that counts itself out after it decided to end: a push relies on it in
/// between.
#[test]
#[should_panic(expected = "a job without a thread")]
fn control_a_thread_that_goes_in_two_steps_is_noticed() {
    MinimalPool::push_and_advance_clock("control: a thread goes in two steps", true);
}
