//! The pool for blocking calls: four threads, twenty jobs, and everything that can fail.
//!
//! The shipped pool with real jobs. Starts of threads fail at random, idle threads time out at
//! random, jobs are aborted, cores come and go, and the pool is closed, early or late. A joiner
//! that waits forever and a thread that never ends are deadlocks; a closure that is not dropped
//! once is an assertion.
#![cfg(framewise_shuttle)]

use std::sync::Arc as StdArc;
use std::task::Wake;

use framewise::model::ModelPool;
use framewise_loom_tests::{
    DropTracker, PoisoningAllocator, TestWaker, below, end_of_pool, finds, job, ran, schedules,
};
use framewise_sync::atomic::{AtomicUsize, Ordering};
use framewise_sync::{Arc, Condvar, Mutex, thread};

#[global_allocator]
static ALLOCATOR: PoisoningAllocator = PoisoningAllocator;

const THREADS: usize = 4;
const PUSHERS: usize = 4;
const JOBS: usize = 5;

/// One start in `n` fails; none if `n` is zero.
fn failing(n: usize) -> usize {
    if n == 0 {
        return 0;
    }
    (0..usize::BITS)
        .filter(|_| below(n) == 0)
        .fold(0, |bits, start| bits | 1 << start)
}

fn join(threads: impl IntoIterator<Item = thread::JoinHandle<()>>) {
    for thread in threads {
        thread.join().expect("no panic");
    }
}

/// Threads that push jobs, one after the other or all at once, and wait for them.
fn pushers(
    pool: &ModelPool,
    received: impl Fn(Result<(), framewise::JoinError>) + Clone + Send + 'static,
) -> Vec<thread::JoinHandle<()>> {
    (0..PUSHERS)
        .map(|_| {
            let (pool, received) = (pool.clone(), received.clone());
            thread::spawn(move || {
                if below(2) == 0 {
                    (0..JOBS).for_each(|_| received(ran(job(&pool))));
                } else {
                    let jobs: Vec<_> = (0..JOBS).map(|_| job(&pool)).collect();
                    jobs.into_iter().for_each(|job| received(ran(job)));
                }
            })
        })
        .collect()
}

/// Each job runs, although idle threads time out in between.
#[test]
fn every_job_runs_while_threads_come_and_go() {
    schedules("20 jobs × keep-alive, 4 threads", 400, || {
        let pool = ModelPool::new(THREADS, 0);
        let clock = thread::spawn({
            let pool = pool.clone();
            move || {
                for _ in 0..4 {
                    pool.advance_clock();
                    thread::yield_now();
                }
            }
        });
        join(pushers(&pool, |outcome| outcome.expect("the pool is open")));
        join([clock]);
        end_of_pool(&pool);
    });
}

/// Each job runs or fails with the reason, while every second start, or nearly every one, fails.
#[test]
fn every_job_ends_where_starts_fail() {
    schedules("20 jobs × starts that fail, 4 threads", 500, || {
        let pool = ModelPool::new(1 + below(THREADS), failing(1 + below(3)));
        let received = |outcome: Result<(), framewise::JoinError>| {
            if let Err(error) = outcome {
                assert!(!error.is_cancelled(), "failed with a reason, not cancelled");
            }
        };
        join(pushers(&pool, received));
        end_of_pool(&pool);
    });
}

/// Issue 8, B16: the pool is closed while two cores wait for the threads that were notified for
/// them, and a third thread ends its job: each core is carried out once, and the counts stay right
/// (overflow checks).
#[test]
fn two_waiting_cores_meet_the_closing() {
    schedules("2 cores × job × close", 2000, || {
        let pool = ModelPool::new(3, 0);
        let (test_waker, ready) = (TestWaker::new(), Arc::new(AtomicUsize::new(0)));
        // Three threads: two that go idle, and one at work.
        let jobs: Vec<_> = (0..3)
            .map(|number| {
                let (test_waker, ready) = (StdArc::clone(&test_waker), ready.clone());
                pool.spawn(move || {
                    ready.fetch_add(1, Ordering::Relaxed);
                    while ready.load(Ordering::Relaxed) < 3 {
                        thread::yield_now();
                    }
                    if number == 0 {
                        test_waker.wait();
                    }
                })
            })
            .collect();
        while ready.load(Ordering::Relaxed) < 3 {
            thread::yield_now();
        }
        let carried = Arc::new(AtomicUsize::new(0));
        let handed = [(); 2].map(|()| {
            let carried = carried.clone();
            pool.hand_off_core(move || {
                carried.fetch_add(1, Ordering::Relaxed);
            })
        });
        pool.close();
        test_waker.wake_by_ref();
        jobs.into_iter().for_each(drop);
        pool.wait_for_end();
        assert_eq!(handed, [true; 2], "the pool was open");
        assert_eq!(carried.load(Ordering::Relaxed), 2);
    });
}

/// The pool is closed during all of that, and jobs in the queue are aborted: each joiner gets an
/// outcome, and each closure is dropped.
#[test]
fn every_job_ends_where_the_pool_does() {
    schedules("20 jobs × aborts × starts fail × close", 500, || {
        let pool = ModelPool::new(THREADS, failing(below(4)));
        let pushers = pushers(&pool, drop);
        let aborters: Vec<_> = (0..2)
            .map(|_| {
                let pool = pool.clone();
                thread::spawn(move || {
                    let ran_at = Arc::new(AtomicUsize::new(0));
                    let (closure, end) = DropTracker::new();
                    let mut handle = pool.spawn({
                        let ran_at = ran_at.clone();
                        move || {
                            closure.touch();
                            ran_at.fetch_add(1, Ordering::Relaxed);
                        }
                    });
                    let aborter = thread::spawn({
                        let abort = handle.abort_handle();
                        move || abort.abort()
                    });
                    if TestWaker::new().block_on(&mut handle).is_ok() {
                        assert_eq!(ran_at.load(Ordering::Relaxed), 1);
                    }
                    assert!(end.is_dropped());
                    aborter.join().expect("no panic");
                })
            })
            .collect();
        if below(2) == 0 {
            thread::yield_now();
        }
        end_of_pool(&pool);
        join(pushers);
        join(aborters);
    });
}

/// Cores are handed off while jobs are pushed, starts fail and idle threads time out: a core gets a
/// thread or returns, and no job waits for a thread that works with a core.
#[test]
fn no_job_waits_for_a_core() {
    schedules(
        "20 jobs × 3 cores × starts fail × keep-alive",
        500,
        || {
            let pool = ModelPool::new(1 + below(2), failing(below(4)));
            let release = TestWaker::new();
            let cores: Vec<_> = (0..3)
                .map(|_| {
                    let (pool, release) = (pool.clone(), StdArc::clone(&release));
                    thread::spawn(move || {
                        // Works while there are jobs to wait for.
                        if !pool.hand_off_core({
                            let release = StdArc::clone(&release);
                            move || release.wait()
                        }) {
                            release.wait();
                        }
                    })
                })
                .collect();
            join(pushers(&pool, drop));
            (0..3).for_each(|_| Wake::wake_by_ref(&release));
            join(cores);
            end_of_pool(&pool);
        },
    );
}

// ---- controls ----

/// A minimal pool: threads that time out, and jobs that rely on the others.
#[derive(Default)]
struct Least {
    state: Mutex<LeastState>,
    changed: Condvar,
}

#[derive(Default)]
struct LeastState {
    queued: usize,
    done: usize,
    idle: usize,
    threads: usize,
}

impl Least {
    /// A thread without a job waits for a time, and ends. With `apart`, it counts itself out in a
    /// separate step.
    fn work(&self, apart: bool) {
        let mut state = self.state.lock();
        loop {
            if state.queued > 0 {
                state.queued -= 1;
                state.done += 1;
                self.changed.notify_all();
                continue;
            }
            state.idle += 1;
            let is_late;
            (state, is_late) = self.changed.wait_timeout(state, std::time::Duration::ZERO);
            state.idle -= 1;
            if is_late && (apart || state.queued == 0) {
                if apart {
                    drop(state);
                    state = self.state.lock();
                }
                state.threads -= 1;
                return;
            }
        }
    }

    fn push(self: &Arc<Self>, apart: bool) -> Option<thread::JoinHandle<()>> {
        let mut state = self.state.lock();
        state.queued += 1;
        if state.threads > 0 {
            drop(state);
            self.changed.notify_all();
            return None;
        }
        state.threads += 1;
        drop(state);
        let pool = self.clone();
        Some(thread::spawn(move || pool.work(apart)))
    }

    fn pushes(apart: bool) {
        let pool = Arc::new(Self::default());
        let mut threads = Vec::new();
        for pushed in 1..=JOBS {
            threads.extend(pool.push(apart));
            let mut state = pool.state.lock();
            while state.done < pushed {
                state = pool.changed.wait(state);
            }
        }
        join(threads);
    }
}

#[test]
fn control_the_shape_holds() {
    schedules("control: a thread goes under the lock", 500, || {
        Least::pushes(false)
    });
}

#[test]
fn control_a_thread_that_goes_in_two_steps_is_noticed() {
    finds(
        "control: a thread goes in two steps",
        500,
        "deadlock",
        || Least::pushes(true),
    );
}
