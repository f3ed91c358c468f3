//! Aborts of calls in the queue.

use std::sync::{Arc, Mutex};

use framewise_test_support::{
    HangWatch, ID, KEPT, Log, at_once, occupy_pool, on_drop, one_pool_thread,
};

#[test]
fn an_abort_reaches_a_call_only_in_the_queue() {
    let _watch = HangWatch::new("an abort");
    let runtime = one_pool_thread(1);
    let (release, running) = occupy_pool(&runtime);
    let queued: Vec<_> = (0..10)
        .map(|number| runtime.spawn_blocking(move || number))
        .collect();
    running.abort();
    for call in queued.iter().step_by(2) {
        call.abort();
        call.abort_handle().abort();
    }
    assert!(!running.is_finished());
    drop(release);
    runtime.block_on(running).unwrap();
    for (call, number) in queued.into_iter().zip(0..) {
        match runtime.block_on(call) {
            Ok(output) => assert!(output == number && number % 2 == 1),
            Err(error) => assert!(error.is_cancelled() && number % 2 == 0),
        }
    }
}

/// Issue 8, B7: an aborted call stayed in the queue until a thread took it.
#[test]
fn c62_an_abort_takes_a_queued_call_out_and_joins_it_at_once() {
    let _watch = HangWatch::new("an abort in the queue");
    let runtime = one_pool_thread(1);
    let (busy, _) = occupy_pool(&runtime);
    let kept = Arc::new(());
    let log = Log::default();
    let calls: Vec<_> = (0..5)
        .map(|number| {
            let tracker = log.tracker("call");
            KEPT.run(Arc::clone(&kept), || {
                ID.run(number, || runtime.spawn_blocking(move || drop(tracker)))
            })
        })
        .collect();
    // Abort the first call, the last, one in the middle, and the rest.
    for (done, number) in [0, 4, 2, 1, 3].into_iter().enumerate() {
        ID.run(99, || calls[number].abort());
        assert!(calls[number].is_finished());
        assert_eq!(log.entries()[done], ("call", Some(number as u64)));
        assert_eq!(Arc::strong_count(&kept), 5 - done);
        calls[number].abort();
    }
    for call in calls {
        assert!(at_once(call).unwrap_err().is_cancelled());
    }
    drop(busy);
    let after = runtime.spawn_blocking(|| 7);
    assert_eq!(runtime.block_on(after).unwrap(), 7);
}

/// The closure's destructor may use the pool, because it runs with no lock held.
#[test]
fn a_closure_that_an_abort_drops_may_call_back_into_the_pool() {
    let _watch = HangWatch::new("a destructor in an abort");
    let runtime = one_pool_thread(1);
    let (busy, _) = occupy_pool(&runtime);
    let other = Arc::new(Mutex::new(None));
    let fresh = Arc::new(Mutex::new(None));
    let callback = on_drop({
        let (other, fresh) = (Arc::clone(&other), Arc::clone(&fresh));
        let handle = runtime.handle().clone();
        move || {
            let aborted: framewise::JoinHandle<()> = other.lock().unwrap().take().unwrap();
            aborted.abort();
            assert!(aborted.is_finished());
            *fresh.lock().unwrap() = Some(handle.spawn_blocking(|| 8));
        }
    });
    let call = runtime.spawn_blocking(move || drop(callback));
    *other.lock().unwrap() = Some(runtime.spawn_blocking(|| ()));
    call.abort();
    assert!(at_once(call).unwrap_err().is_cancelled());
    drop(busy);
    let fresh = fresh.lock().unwrap().take().unwrap();
    assert_eq!(runtime.block_on(fresh).unwrap(), 8);
}

/// The cost of an abort does not depend on the length of the queue: otherwise this test would take
/// minutes. It measures no time.
#[test]
fn many_queued_calls_are_aborted_in_any_order() {
    const CALLS: usize = 100_000;
    let _watch = HangWatch::new("many aborts");
    let runtime = one_pool_thread(1);
    let (busy, _) = occupy_pool(&runtime);
    let calls: Vec<_> = (0..CALLS).map(|_| runtime.spawn_blocking(|| ())).collect();
    let (front, back) = calls.split_at(CALLS / 2);
    for (one, other) in front.iter().rev().zip(back) {
        one.abort();
        other.abort();
    }
    assert!(calls.iter().all(framewise::JoinHandle::is_finished));
    drop(busy);
}
