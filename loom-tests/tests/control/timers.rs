//! Deadlines on the shipped timers: firing × completion × cancel × shutdown.

use framewise_context::cancel;
use framewise_loom_tests::{TestWaker, model};
use framewise_sync::thread;
use framewise_timers::model::TICK;
use framewise_timers::model_clock::ModelClock;
use framewise_timers::{Timers, deadline, enter};

/// A tick at which the deadline has passed.
const LATE: u64 = 4;

/// Race: a deadline passes in one thread while the timers are closed in another, and a task waits.
#[test]
fn a_deadline_meets_a_shutdown() {
    model("control: fire, close, wait", || {
        let _clock = ModelClock::new();
        let timers = Timers::new(1, || ());
        let entered = enter(&timers.handle(0));
        let firing = timers.clone();
        deadline::run(TICK * 2, || {
            let fire = thread::spawn(move || firing.fire_at(0, LATE));
            let closing = timers.clone();
            let close = thread::spawn(move || closing.close());
            TestWaker::new().block_on(&mut cancel::cancelled());
            fire.join().expect("no panic");
            close.join().expect("no panic");
        });
        assert!(timers.is_empty());
        drop(entered);
    });
}

/// Race: the work is complete, and its last holder leaves, while its deadline passes.
#[test]
fn a_completion_meets_its_deadline() {
    model("control: fire, complete", || {
        let _clock = ModelClock::new();
        let timers = Timers::new(1, || ());
        let entered = enter(&timers.handle(0));
        let firing = timers.clone();
        let fire = thread::spawn(move || firing.fire_at(0, LATE));
        deadline::run(TICK * 2, || _ = cancel::is_cancelled());
        fire.join().expect("no panic");
        assert!(timers.is_empty());
        drop(entered);
    });
}

/// Race: a cancel takes a deadline's timer out while it fires.
#[test]
fn a_cancel_meets_the_deadline_below_it() {
    model("control: fire, cancel", || {
        let _clock = ModelClock::new();
        let timers = Timers::new(1, || ());
        let entered = enter(&timers.handle(0));
        let firing = timers.clone();
        let (handle, scope) = cancel::scope();
        scope.run(|| {
            deadline::run(TICK * 2, || {
                let fire = thread::spawn(move || firing.fire_at(0, LATE));
                let cancelling = thread::spawn(move || handle.cancel());
                TestWaker::new().block_on(&mut cancel::cancelled());
                fire.join().expect("no panic");
                assert!(cancelling.join().expect("no panic"));
            });
        });
        assert!(timers.is_empty());
        drop(entered);
    });
}
