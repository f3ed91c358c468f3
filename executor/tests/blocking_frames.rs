//! The frames of blocking calls, as far as only this runtime shows them. (What every executor can
//! be asked is in the suite `framewise-conformance`.)
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::sync::mpsc;

use framewise::ContextVar;
use framewise_test_support::{
    ID, Log, at_once, everywhere, occupy_pool, one_pool_thread, with_workers,
};

#[test]
fn c37_a_blocking_call_lacks_what_is_not_inherited() {
    static TRANSACTION: ContextVar<u64> = ContextVar::new("transaction").not_inherited();
    everywhere(|runtime, id| {
        let call = TRANSACTION.run(5, || {
            runtime.spawn_blocking(|| (TRANSACTION.get(), TRANSACTION.is_bound(), ID.get()))
        });
        assert_eq!(runtime.block_on(call).unwrap(), (None, false, id));
    });
}

#[test]
fn c39_a_detached_calls_output_is_dropped_in_its_frame() {
    everywhere(|runtime, id| {
        let log = Log::default();
        let output = log.tracker("output");
        let (release, released) = mpsc::channel::<()>();
        let call = runtime.spawn_blocking(move || {
            released.recv().unwrap();
            ID.run(90, || output)
        });
        ID.run(91, || drop(call));
        release.send(()).unwrap();
        assert_eq!(log.wait(1), [("output", id)]);
    });
}

#[test]
fn c45_a_call_that_a_shutdown_cancels_in_the_queue_is_dropped_in_its_frame() {
    with_workers(|workers| {
        let log = Log::default();
        let runtime = one_pool_thread(workers);
        let (release, running) = occupy_pool(&runtime);
        let tracker = log.tracker("queued");
        let queued = ID.run(5, || runtime.spawn_blocking(move || drop(tracker)));
        ID.run(90, || runtime.shutdown_background());
        assert_eq!(log.wait(1), [("queued", Some(5))]);
        assert!(at_once(queued).unwrap_err().is_cancelled());
        drop(release);
        futures::executor::block_on(running).unwrap();
    });
}
