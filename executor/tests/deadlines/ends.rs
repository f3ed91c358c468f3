//! Deadlines beside the end of their runtime, and outside of any.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc;
use std::time::Duration;

use framewise::runtime::Builder;
use framewise::{Frame, cancel, deadline};

use crate::{HOUR, paused};

#[test]
fn a_deadline_whose_runtime_is_shut_down_ends_its_work() {
    let snapshot = paused().block_on(deadline::within(HOUR, async { Frame::current() }));
    let reason = snapshot.run(cancel::cause).unwrap();
    assert!(!reason.is_deadline());
    assert!(reason.to_string().contains("was shut down"), "{reason}");

    // A wait of another runtime ends, too.
    let (sender, frames) = mpsc::channel::<Frame>();
    let (waits, waiting) = mpsc::channel();
    let other = std::thread::spawn(move || {
        let runtime = Builder::new_multi_thread()
            .worker_threads(1)
            .build()
            .unwrap();
        let frame = frames.recv().unwrap();
        let wait = frame.run(|| runtime.spawn(cancel::cancelled()));
        waits.send(()).unwrap();
        runtime.block_on(wait).unwrap()
    });
    let runtime = Builder::new_multi_thread()
        .worker_threads(1)
        .build()
        .unwrap();
    let frame = runtime.block_on(deadline::within(HOUR, async { Frame::current() }));
    sender.send(frame).unwrap();
    waiting.recv().unwrap();
    drop(runtime);
    assert!(!other.join().unwrap().is_deadline());
}

#[test]
fn c45_a_task_that_the_shutdown_drops_sees_its_work_ended() {
    let (sender, seen) = mpsc::channel();
    struct OnDrop(mpsc::Sender<bool>);
    impl Drop for OnDrop {
        fn drop(&mut self) {
            self.0.send(cancel::is_cancelled()).unwrap();
        }
    }
    let runtime = paused();
    let task = async move {
        let _dropped = OnDrop(sender);
        std::future::pending::<()>().await;
    };
    runtime.block_on(deadline::within(HOUR, async {
        framewise::spawn(task);
        framewise::task::yield_now().await;
    }));
    drop(runtime);
    assert!(seen.recv().unwrap());
}

#[test]
fn outside_of_a_runtime_a_deadline_panics_unless_it_needs_no_timer() {
    let outside = || deadline::run(HOUR, || ());
    let payload = catch_unwind(outside).unwrap_err();
    assert!(
        payload
            .downcast_ref::<String>()
            .is_some_and(|message| message.contains("runtime"))
    );
    let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
    let mut within = Box::pin(deadline::within(HOUR, async {}));
    assert!(catch_unwind(AssertUnwindSafe(|| within.as_mut().poll(&mut cx))).is_err());
    assert!(deadline::run(Duration::ZERO, cancel::is_cancelled));

    // Made in a runtime, it belongs to that.
    let runtime = paused();
    let made = runtime.block_on(async { deadline::within(HOUR, async { deadline::remaining() }) });
    assert!(futures::executor::block_on(made).is_some());
}
