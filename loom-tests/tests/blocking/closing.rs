//! The closing of the pool, and the wait for its end.

use std::sync::Arc as StdArc;

use framewise::model::ModelPool;
use framewise_loom_tests::{DropTracker, TestWaker, end_of_pool, job, model, ran};
use framewise_sync::thread;

// ---- the end ----
/// Race: the pool is closed while jobs are pushed and taken: they run or are cancelled.
#[test]
fn a_push_meets_the_closing() {
    model("push × close × take", || {
        let pool = ModelPool::new(1, 0);
        let first = job(&pool);
        let closer = thread::spawn({
            let pool = pool.clone();
            move || end_of_pool(&pool)
        });
        let second = job(&pool);
        for job in [first, second] {
            if let Err(error) = ran(job) {
                assert!(error.is_cancelled());
            }
        }
        closer.join().expect("no panic");
    });
}

/// Race: the pool is closed while a thread, on which another job relies, cannot be started.
#[test]
fn a_start_that_fails_meets_the_closing() {
    model("push × push × start fails × close", || {
        let pool = ModelPool::new(1, 0b01);
        let closer = thread::spawn({
            let pool = pool.clone();
            move || pool.close()
        });
        let other = thread::spawn({
            let pool = pool.clone();
            move || drop(ran(job(&pool)))
        });
        drop(ran(job(&pool)));
        closer.join().expect("no panic");
        other.join().expect("no panic");
        pool.wait_for_end();
    });
}

/// Race: the pool is closed, and another thread waits for its end, while a counted thread cannot be
/// started: the wait ends.
#[test]
fn a_start_that_fails_meets_the_wait_for_the_end() {
    model("push × start fails × close and wait", || {
        let pool = ModelPool::new(1, 0b01);
        let pusher = thread::spawn({
            let pool = pool.clone();
            move || drop(ran(job(&pool)))
        });
        end_of_pool(&pool);
        pusher.join().expect("no panic");
    });
}

/// Race: the pool is closed, and another thread waits for its end, while a new thread finishes and
/// ends before its start has returned: the wait includes its last step.
#[test]
fn a_start_meets_the_wait_for_the_end() {
    model("push × close and wait × last step", || {
        let pool = ModelPool::with_last_steps(1, 0);
        let woken = TestWaker::new();
        let pusher = thread::spawn({
            let (pool, woken) = (pool.clone(), StdArc::clone(&woken));
            move || drop(pool.spawn(move || std::task::Wake::wake_by_ref(&woken)))
        });
        woken.wait();
        end_of_pool(&pool);
        pusher.join().expect("no panic");
    });
}

/// Race: an abort in the queue against the closing of the pool, which takes every job out: one of
/// the two ends the job, once.
#[test]
fn an_abort_in_the_queue_meets_the_closing() {
    model("abort in the queue × close", || {
        let pool = ModelPool::new(1, 0);
        let test_waker = TestWaker::new();
        let first = pool.spawn({
            let test_waker = StdArc::clone(&test_waker);
            move || test_waker.wait()
        });
        let (closure, end) = DropTracker::new();
        let mut aborted = pool.spawn(move || closure.touch());
        let aborter = thread::spawn({
            let abort = aborted.abort_handle();
            move || abort.abort()
        });
        pool.close();
        std::task::Wake::wake_by_ref(&test_waker);
        let joined = TestWaker::new().block_on(&mut aborted);
        assert!(joined.expect_err("no thread was free").is_cancelled());
        assert!(end.is_dropped());
        aborter.join().expect("no panic");
        drop(first);
        pool.wait_for_end();
    });
}

/// Race: the closing against a thread that has just been started for a job: the job runs.
#[test]
fn a_job_whose_thread_was_started_meets_the_closing() {
    model("push, its thread × close", || {
        let pool = ModelPool::new(1, 0);
        let started = job(&pool);
        pool.close();
        ran(started).expect("a thread had been started for it");
        pool.wait_for_end();
    });
}

/// Race: the closing against a thread that was idle and is notified for a job, or that timed out
/// before, so that another is started: the job runs.
#[test]
fn a_job_whose_thread_was_notified_meets_the_closing() {
    model("push × idle thread × close", || {
        let pool = ModelPool::new(1, 0);
        let woken = TestWaker::new();
        let first = pool.spawn({
            let woken = StdArc::clone(&woken);
            move || std::task::Wake::wake_by_ref(&woken)
        });
        woken.wait();
        // If the thread is not idle yet, the job only waits in the queue.
        let second = job(&pool);
        let notified = pool.notified();
        pool.close();
        match ran(second) {
            Ok(()) => {}
            Err(error) => assert!(error.is_cancelled() && notified == 0),
        }
        drop(first);
        pool.wait_for_end();
    });
}
