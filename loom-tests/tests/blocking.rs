//! The pool for blocking calls: each queued job has a thread, whatever ends or fails meanwhile.
//!
//! The shipped pool with real jobs, on a model's threads. Starting a thread fails if a model says
//! so, and the timeout of an idle thread elapses when the model advances its clock: for the pool, a
//! wait that ends without a notification is a timeout. A failure is a joiner that waits forever, a
//! thread that never ends, or a closure that is not dropped once.
#![cfg(framewise_loom)]

use std::panic::panic_any;
use std::sync::Arc as StdArc;

use framewise::model::{CORE_PANIC, ModelPool};
use framewise_loom_tests::{
    DropTracker, PoisoningAllocator, TestWaker, end_of_pool, job, model, model_with_panics, ran,
};
use framewise_sync::atomic::{AtomicUsize, Ordering};
use framewise_sync::{Arc, Condvar, Mutex, thread};

#[global_allocator]
static ALLOCATOR: PoisoningAllocator = PoisoningAllocator;

fn clock(pool: &ModelPool) -> thread::JoinHandle<()> {
    let pool = pool.clone();
    thread::spawn(move || pool.advance_clock())
}

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
