//! Jobs beside threads that idle, start, cannot be started and end.

use std::sync::Arc as StdArc;

use framewise::model::ModelPool;
use framewise_loom_tests::{DropTracker, TestWaker, end_of_pool, job, model, ran};
use framewise_sync::atomic::{AtomicUsize, Ordering};
use framewise_sync::{Arc, thread};

use crate::clock;

// ---- queued means that a thread exists or wakes ----
/// Race: a push against an idle thread that times out. The thread takes the job, or the push sees
/// that it is gone and starts another.
#[test]
fn a_push_meets_the_end_of_keep_alive() {
    model("push × keep-alive, one thread", || {
        let pool = ModelPool::new(1, 0);
        let first = job(&pool);
        let clock = clock(&pool);
        let second = job(&pool);
        ran(first).expect("the pool is open");
        ran(second).expect("the pool is open");
        clock.join().expect("no panic");
        end_of_pool(&pool);
    });
}

/// Race: two pushes against one thread that becomes idle, and times out in between: the second push
/// must not rely on it as well.
#[test]
fn two_pushes_meet_one_idle_thread() {
    model("push, keep-alive, push × going idle", || {
        let pool = ModelPool::new(2, 0);
        ran(job(&pool)).expect("the pool is open");
        let one = job(&pool);
        pool.advance_clock();
        let two = job(&pool);
        ran(one).expect("the pool is open");
        ran(two).expect("the pool is open");
        end_of_pool(&pool);
    });
}

/// Race: a job, or a core, against a thread that becomes idle: if it is idle by then, it takes the
/// job or core, and no other is started. Failure: no execution uses one thread only.
fn an_idle_thread_is_used_again(name: &str, push: impl Fn(&ModelPool) + Send + Sync + 'static) {
    // Outside of the model: counted over all executions.
    let with_one_thread = StdArc::new(std::sync::atomic::AtomicUsize::new(0));
    let count = StdArc::clone(&with_one_thread);
    model(name, move || {
        let pool = ModelPool::new(2, 0);
        ran(job(&pool)).expect("the pool is open");
        push(&pool);
        count.fetch_add(usize::from(pool.starts() == 1), Ordering::Relaxed);
        end_of_pool(&pool);
    });
    assert_ne!(with_one_thread.load(Ordering::Relaxed), 0);
}

#[test]
fn an_idle_thread_takes_a_job() {
    an_idle_thread_is_used_again("going idle × push", |pool| {
        ran(job(pool)).expect("the pool is open");
    });
}

#[test]
fn an_idle_thread_takes_a_core() {
    an_idle_thread_is_used_again("going idle × handoff", |pool| {
        assert!(pool.hand_off_core(|| ()), "the pool is open");
    });
}

// ---- a thread that cannot be started ----
/// Race: a push that relies on a thread that cannot be started. Both jobs end: they fail, or run on
/// a thread that the later push started.
fn a_push_meets_a_start_that_fails(name: &str, threads_max: usize, failing: usize) {
    model(name, move || {
        let pool = ModelPool::new(threads_max, failing);
        let other = thread::spawn({
            let pool = pool.clone();
            move || ran(job(&pool))
        });
        let mine = ran(job(&pool));
        let others = other.join().expect("no panic");
        for outcome in [mine, others] {
            if let Err(error) = outcome {
                assert!(!error.is_cancelled(), "failed with a reason, not cancelled");
            }
        }
        end_of_pool(&pool);
    });
}

#[test]
fn a_push_relies_on_a_thread_that_cannot_be_started() {
    a_push_meets_a_start_that_fails("push × push × start fails, one thread", 1, 0b01);
}

#[test]
fn a_push_relies_on_one_of_two_threads_that_cannot_be_started() {
    a_push_meets_a_start_that_fails("push × push × start fails, two threads", 2, 0b01);
}

#[test]
fn a_push_meets_a_second_thread_that_cannot_be_started() {
    a_push_meets_a_start_that_fails("push × push × second start fails", 2, 0b10);
}

/// Race: an abort of a job in the queue against the thread that takes it: it runs once or not at
/// all, and its joiner observes which. The joiner is the aborter: if the abort took the job out,
/// the job is finished when the abort returns.
#[test]
fn an_abort_meets_the_thread_that_takes_the_job() {
    model("abort in the queue × take", || {
        let pool = ModelPool::new(1, 0);
        let first = job(&pool);
        let ran_at = Arc::new(AtomicUsize::new(0));
        let (closure, end_of_second) = DropTracker::new();
        let mut second = pool.spawn({
            let ran_at = ran_at.clone();
            move || {
                closure.touch();
                ran_at.fetch_add(1, Ordering::Relaxed);
            }
        });
        let aborter = thread::spawn({
            let abort = second.abort_handle();
            move || abort.abort()
        });
        match TestWaker::new().block_on(&mut second) {
            Ok(()) => assert_eq!(ran_at.load(Ordering::Relaxed), 1),
            // An abort while it runs cannot prevent it.
            Err(error) => assert!(error.is_cancelled()),
        }
        assert!(end_of_second.is_dropped());
        ran(first).expect("the pool is open");
        aborter.join().expect("no panic");
        end_of_pool(&pool);
    });
}

/// Aborts a job that no thread can take yet, since the only one is at work: the job is finished
/// when the abort returns, and its neighbors in the queue run.
#[test]
fn an_abort_in_the_queue_ends_the_job_at_once() {
    model("abort in the queue, one thread at work", || {
        let pool = ModelPool::new(1, 0);
        let test_waker = TestWaker::new();
        let first = pool.spawn({
            let test_waker = StdArc::clone(&test_waker);
            move || test_waker.wait()
        });
        let (closure, end) = DropTracker::new();
        let before = job(&pool);
        let mut aborted = pool.spawn(move || closure.touch());
        let after = job(&pool);
        aborted.abort();
        assert!(aborted.is_finished() && end.is_dropped());
        let joined = TestWaker::new().block_on(&mut aborted);
        assert!(joined.expect_err("it was aborted").is_cancelled());
        std::task::Wake::wake_by_ref(&test_waker);
        ran(before).expect("the pool is open");
        ran(after).expect("the pool is open");
        drop(first);
        end_of_pool(&pool);
    });
}
