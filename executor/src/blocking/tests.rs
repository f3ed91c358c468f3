//! The pool with a host that does what a test says while the pool believes that it starts a thread,
//! and with one whose threads are at their end for long.

use std::collections::VecDeque;
use std::io;
#[cfg(feature = "test-util")]
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;

use framewise_context::Frame;
use framewise_sync::thread;

use super::{BlockingPool, Host};
use crate::runtime::ThreadSettings;
use crate::task::{JoinError, JoinHandle};

type Start = Box<dyn FnOnce() + Send>;

/// Runs one of its closures at each start, which then fails.
#[derive(Clone, Default)]
struct FailingHost(Arc<Mutex<VecDeque<Start>>>);

impl Host for FailingHost {
    type Core = ();

    fn start(
        &self,
        _name: String,
        _stack_size: Option<usize>,
        _body: impl FnOnce() + Send + 'static,
    ) -> io::Result<thread::JoinHandle<()>> {
        let during = self.0.lock().expect("no panic").pop_front();
        during.expect("a start was expected")();
        Err(io::Error::other("no thread is left"))
    }

    fn enter(&self) -> impl Sized {}

    fn work((): ()) {}
}

#[derive(Clone)]
struct Bench {
    pool: BlockingPool<FailingHost>,
    host: FailingHost,
}

impl Bench {
    /// A pool of one thread at most.
    fn new() -> Self {
        Self {
            pool: BlockingPool::new(1, Duration::ZERO, ThreadSettings::default(), None),
            host: FailingHost::default(),
        }
    }

    fn during_the_next_start(&self, call: impl FnOnce() + Send + 'static) {
        let mut starts = self.host.0.lock().expect("no panic");
        starts.push_back(Box::new(call));
    }

    fn spawn(&self, call: impl FnOnce() + Send + 'static) -> JoinHandle<()> {
        self.pool.spawn(call, Frame::root(), (), &self.host)
    }
}

fn error_of(mut call: JoinHandle<()>) -> JoinError {
    assert!(call.is_finished());
    call.take_output().expect_err("no thread ran it")
}

/// Calls its closure when it is dropped.
struct AtDrop<F: FnMut()>(F);

impl<F: FnMut()> Drop for AtDrop<F> {
    fn drop(&mut self) {
        (self.0)();
    }
}

/// The destructors of rejected closures run with no lock held, also of the calls that relied on the
/// thread.
#[test]
fn a_closure_that_is_dropped_for_want_of_a_thread_may_call_the_pool() {
    let bench = Bench::new();
    let closure = || {
        let pool = bench.pool.clone();
        let at_drop = AtDrop(move || {
            pool.wait_for_end(None);
        });
        move || drop(at_drop)
    };
    let queued = Arc::new(Mutex::new(None));
    bench.during_the_next_start({
        let (bench, closure, queued) = (bench.clone(), closure(), Arc::clone(&queued));
        move || *queued.lock().expect("no panic") = Some(bench.spawn(closure))
    });
    let first = bench.spawn(closure());
    assert!(!error_of(first).is_cancelled());
    let queued = queued.lock().expect("no panic").take();
    assert!(!error_of(queued.expect("it was made during the start")).is_cancelled());
}

#[test]
fn a_call_whose_start_fails_in_a_pool_that_is_closed_meanwhile_is_cancelled() {
    let bench = Bench::new();
    let pool = bench.pool.clone();
    bench.during_the_next_start(move || pool.close());
    assert!(error_of(bench.spawn(|| ())).is_cancelled());
    assert!(bench.pool.wait_for_end(None));
}

/// Its threads call the pool after their work, like destructors of thread-locals do. They end when
/// the pool waits for nothing else.
#[derive(Clone)]
struct LateHost(BlockingPool<LateHost>);

impl Host for LateHost {
    type Core = ();

    fn start(
        &self,
        _name: String,
        _stack_size: Option<usize>,
        body: impl FnOnce() + Send + 'static,
    ) -> io::Result<thread::JoinHandle<()>> {
        let pool = self.0.clone();
        Ok(thread::spawn(move || {
            body();
            while !pool.lock().handles.is_empty() {
                thread::yield_now();
            }
        }))
    }

    fn enter(&self) -> impl Sized {}

    fn work((): ()) {}
}

/// The wait for the end joins the threads with no lock held.
#[test]
fn a_thread_that_ends_may_call_the_pool_that_waits_for_it() {
    let pool = BlockingPool::new(1, Duration::ZERO, ThreadSettings::default(), None);
    let host = LateHost(pool.clone());
    let (release, released) = mpsc::channel();
    let call = pool.spawn(move || released.recv(), Frame::root(), (), &host);
    // The pool has the thread's handle by now, so the thread ends after wait_for_end has taken it.
    release.send(()).expect("the call waits");
    pool.close();
    assert!(pool.wait_for_end(None));
    assert!(call.is_finished());
}

/// A pool of one thread, which is idle.
fn with_an_idle_thread() -> (BlockingPool<LateHost>, LateHost) {
    let hour = Duration::from_secs(3_600);
    let pool = BlockingPool::new(1, hour, ThreadSettings::default(), None);
    let host = LateHost(pool.clone());
    drop(pool.spawn(|| (), Frame::root(), (), &host));
    while pool.lock().idle == 0 {
        thread::yield_now();
    }
    (pool, host)
}

#[test]
fn the_thread_that_a_job_notifies_takes_the_notification() {
    let (pool, host) = with_an_idle_thread();
    let (ran, has_run) = mpsc::channel();
    drop(pool.spawn(move || ran.send(()), Frame::root(), (), &host));
    has_run.recv().expect("the thread runs it");
    assert_eq!(pool.lock().notified, 0);
    pool.close();
    assert!(pool.wait_for_end(None));
}

#[test]
fn an_idle_thread_outlives_wake_ups_that_notify_it_of_nothing() {
    let (pool, _host) = with_an_idle_thread();
    for _ in 0..1_000 {
        pool.0.work.notify_all();
        thread::yield_now();
    }
    assert_eq!(pool.lock().threads, 1);
    pool.close();
    assert!(pool.wait_for_end(None));
}

#[test]
fn a_pool_that_is_closed_starts_no_thread() {
    let bench = Bench::new();
    bench.pool.close();
    assert!(bench.pool.run_core((), &bench.host).is_err());
    assert!(error_of(bench.spawn(|| ())).is_cancelled());
}

/// A call of the runtime's own has no handle, so that nothing is left of it when it has run or was
/// rejected.
#[cfg(feature = "test-util")]
#[test]
fn nothing_is_left_of_an_internal_call() {
    let bench = Bench::new();
    let calls = Arc::new(AtomicUsize::new(0));
    let call = || {
        let calls = Arc::clone(&calls);
        Box::new(move || {
            calls.fetch_add(1, Ordering::Relaxed);
        })
    };
    bench.during_the_next_start({
        let (bench, call) = (bench.clone(), call());
        move || {
            let queued = bench.pool.run_internal(call, &bench.host);
            queued.expect("it waits for the thread that is being started");
            for job in bench.pool.take_queue() {
                job.run();
            }
        }
    });
    drop(bench.spawn(|| ()));
    assert_eq!(calls.load(Ordering::Relaxed), 1);
    bench.pool.close();
    assert!(bench.pool.run_internal(call(), &bench.host).is_err());
    assert_eq!(calls.load(Ordering::Relaxed), 1);
    assert_eq!(Arc::strong_count(&calls), 1);
    assert_eq!(Arc::strong_count(&bench.pool.0), 1);
}
