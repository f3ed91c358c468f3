//! The pool with a host that starts no thread, and does what a test says while the pool believes that it
//! starts one.

use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use framewise_context::Frame;
use framewise_sync::thread;

use super::{BlockingPool, CoreWork, Host};
use crate::task::{JoinError, JoinHandle};

type Start = Box<dyn FnOnce() + Send>;

/// Runs one of its closures at each start, which then fails.
#[derive(Clone, Default)]
struct FailingHost(Arc<Mutex<VecDeque<Start>>>);

struct NoCore;

impl CoreWork for NoCore {
    fn work(self) {}
}

impl Host for FailingHost {
    type Core = NoCore;
    type Entered = ();

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

    fn enter(&self) {}
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
            pool: BlockingPool::new(1, Duration::ZERO, "test".to_owned(), None, None),
            host: FailingHost::default(),
        }
    }

    fn during_the_next_start(&self, call: impl FnOnce() + Send + 'static) {
        let mut starts = self.host.0.lock().expect("no panic");
        starts.push_back(Box::new(call));
    }

    fn spawn(&self, call: impl FnOnce() + Send + 'static) -> JoinHandle<()> {
        self.pool.spawn(call, Frame::root(), &self.host)
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

/// The destructors of rejected closures run with no lock held, also of the calls that relied on the thread.
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

#[test]
fn a_pool_that_is_closed_starts_no_thread() {
    let bench = Bench::new();
    bench.pool.close();
    assert!(bench.pool.run_core(NoCore, &bench.host).is_err());
    assert!(error_of(bench.spawn(|| ())).is_cancelled());
}
