//! Workers' cores that are handed to threads of the pool.

use std::panic::panic_any;
use std::sync::Arc as StdArc;

use framewise::model::{CORE_PANIC, ModelPool};
use framewise_loom_tests::{TestWaker, end_of_pool, job, model, model_with_panics, ran};
use framewise_sync::atomic::{AtomicUsize, Ordering};
use framewise_sync::{Arc, thread};

use crate::clock;

/// Race: the same with a core that cannot be handed off.
#[test]
fn a_core_that_cannot_be_handed_over_meets_the_wait_for_the_end() {
    model("handoff × start fails × close and wait", || {
        let pool = ModelPool::new(1, 0b01);
        let worker = thread::spawn({
            let pool = pool.clone();
            move || assert!(!pool.hand_off_core(|| {}), "no thread can be started")
        });
        end_of_pool(&pool);
        worker.join().expect("no panic");
    });
}

/// Race: the same with a core's thread.
#[test]
fn a_core_that_is_handed_over_meets_the_wait_for_the_end() {
    model("handoff × close and wait × last step", || {
        let pool = ModelPool::with_last_steps(1, 0);
        let woken = TestWaker::new();
        let worker = thread::spawn({
            let (pool, woken) = (pool.clone(), StdArc::clone(&woken));
            move || {
                let handed = pool.hand_off_core(move || std::task::Wake::wake_by_ref(&woken));
                assert!(handed, "the pool is open");
            }
        });
        woken.wait();
        end_of_pool(&pool);
        worker.join().expect("no panic");
    });
}

/// Race: the same with a core that unwinds its thread, like a worker's whose driver fails.
#[test]
fn a_core_that_unwinds_meets_the_wait_for_the_end() {
    model_with_panics("unwinding × close and wait", &[CORE_PANIC], || {
        let pool = ModelPool::with_last_steps(1, 0);
        assert!(pool.hand_off_core(|| panic_any(CORE_PANIC)), "it is open");
        end_of_pool(&pool);
    });
}

// ---- a core that changes threads ----
/// Race: a core that is handed off, a push, and the idle thread that either may use or that may
/// time out: both get a thread, though the pool has no second thread for jobs.
#[test]
fn a_core_meets_a_push() {
    model("handoff × push × keep-alive", || {
        let pool = ModelPool::new(1, 0);
        ran(job(&pool)).expect("the pool is open");
        let pusher = thread::spawn({
            let pool = pool.clone();
            move || ran(job(&pool)).expect("the pool is open")
        });
        let (test_waker, woken) = (TestWaker::new(), TestWaker::new());
        let handed = pool.hand_off_core({
            let (test_waker, woken) = (StdArc::clone(&test_waker), StdArc::clone(&woken));
            move || {
                std::task::Wake::wake_by_ref(&woken);
                // Works until the runtime closes: jobs must not wait for it.
                test_waker.wait();
            }
        });
        assert!(handed, "the pool is open");
        pool.advance_clock();
        woken.wait();
        pusher.join().expect("no panic");
        std::task::Wake::wake_by_ref(&test_waker);
        end_of_pool(&pool);
    });
}

/// Race: a thread whose core has ended times out, against a push: the thread counts for jobs again,
/// and no more once it is gone.
#[test]
fn the_end_of_a_cores_thread_meets_a_push() {
    model("handoff, its end × keep-alive × push", || {
        let pool = ModelPool::new(1, 0);
        let woken = TestWaker::new();
        let core = StdArc::clone(&woken);
        let handed = pool.hand_off_core(move || std::task::Wake::wake_by_ref(&core));
        assert!(handed, "the pool is open");
        woken.wait();
        let clock = clock(&pool);
        ran(job(&pool)).expect("the pool is open");
        clock.join().expect("no panic");
        end_of_pool(&pool);
    });
}

/// Race: a core whose thread cannot be started, and a push that saw the thread as counted: the core
/// returns, and the job ends either way.
#[test]
fn a_push_meets_a_core_that_cannot_be_handed_over() {
    model("handoff × push × start fails", || {
        let pool = ModelPool::new(1, 0b01);
        let pusher = thread::spawn({
            let pool = pool.clone();
            move || drop(ran(job(&pool)))
        });
        let woken = TestWaker::new();
        let handed = pool.hand_off_core({
            let woken = StdArc::clone(&woken);
            move || std::task::Wake::wake_by_ref(&woken)
        });
        if handed {
            woken.wait();
        }
        pusher.join().expect("no panic");
        end_of_pool(&pool);
    });
}

/// Race: two pushes, the first of which gets no thread, while the only thread works with a core: it
/// does not count for jobs, so both jobs fail, or the second push gets a thread.
#[test]
fn a_start_that_fails_beside_a_core() {
    model("push × push × start fails, a core at work", || {
        let pool = ModelPool::new(1, 0b10);
        let test_waker = TestWaker::new();
        let core = StdArc::clone(&test_waker);
        assert!(pool.hand_off_core(move || core.wait()), "the pool is open");
        let other = thread::spawn({
            let pool = pool.clone();
            move || drop(ran(job(&pool)))
        });
        drop(ran(job(&pool)));
        other.join().expect("no panic");
        std::task::Wake::wake_by_ref(&test_waker);
        end_of_pool(&pool);
    });
}

/// Race: two pushes against the end of a core: its thread counts for jobs again, so with a limit of
/// one thread there is no second one. Failure: two jobs at a time.
#[test]
fn a_core_that_ends_meets_two_pushes() {
    model("core that ends × push × push", || {
        let pool = ModelPool::new(1, 0);
        assert!(pool.hand_off_core(|| ()), "the pool is open");
        let at_work = Arc::new(AtomicUsize::new(0));
        let jobs = [(); 2].map(|()| {
            let at_work = at_work.clone();
            pool.spawn(move || {
                let others = at_work.fetch_add(1, Ordering::Relaxed);
                assert_eq!(others, 0, "two jobs at a time");
                at_work.fetch_sub(1, Ordering::Relaxed);
            })
        });
        for mut job in jobs {
            TestWaker::new()
                .block_on(&mut job)
                .expect("the pool is open");
        }
        end_of_pool(&pool);
    });
}
