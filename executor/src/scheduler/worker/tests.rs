//! One worker's loop on the test's thread, beside a sibling that is registered as parked and never
//! runs: each notification is counted. In a runtime the monitor would make up for one that is
//! missing.

mod steps;

use std::future::{Future, poll_fn};
use std::io;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Arc, Mutex};
use std::task::{Poll, Waker};
use std::thread;
use std::time::Duration;

use framewise_context::Frame;
use framewise_io::{Batch, IoDriver};

use super::{Core, WORKER, run};
use crate::blocking::BlockingPool;
use crate::runtime::{Flavor, ThreadSettings};
use crate::scheduler::idle::state::SchedulerOps;
use crate::scheduler::queue::LocalQueue;
use crate::scheduler::ticks::Intervals;
use crate::scheduler::{shared::Shared, spawner::Spawner};
use crate::task::{JoinHandle, yield_now};
use crate::time::set_timeout;

/// The sibling.
const SIBLING: usize = 1;

#[derive(Clone)]
struct Bench {
    shared: Arc<Shared>,
    spawner: Arc<Spawner>,
}

impl Bench {
    fn new() -> (Self, Box<Core>) {
        let (bench, core, _) = Self::with_siblings_queue();
        (bench, core)
    }

    fn with_siblings_queue() -> (Self, Box<Core>, LocalQueue) {
        let blocking = BlockingPool::new(1, Duration::ZERO, ThreadSettings::default(), None);
        let no_look_ups = Arc::new(|_| Err(io::Error::other("no look-ups here")));
        let (driver, io) = IoDriver::new(no_look_ups).expect("descriptors are left");
        let (shared, queues) = Shared::new(2, driver, io, blocking, None, Flavor::MultiThread);
        let mut queues = queues.into_iter();
        let (queue, siblings) = (queues.next(), queues.next());
        shared.idle.register_parked(SIBLING, false);
        let spawner = Spawner::new(Arc::clone(&shared), shared.outside());
        let core = Core::new(queue.expect("there are two"), Intervals::default());
        let siblings = siblings.expect("there are two");
        (Self { shared, spawner }, core, siblings)
    }

    fn spawn<F>(&self, future: F) -> JoinHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        Arc::clone(&self.spawner).spawn(future, Frame::root(), ())
    }

    /// Returns `true` if the sibling was notified since the last time; it is parked again.
    fn was_notified(&self) -> bool {
        if self.shared.idle.any_parked(0) == Some(SIBLING) {
            return false;
        }
        let parker = self.shared.parker(SIBLING);
        assert!(!parker.enter_driver(), "it is counted, and not unparked");
        assert!(
            self.shared.idle.deregister_parked(SIBLING, false),
            "it searches"
        );
        let _ = self.shared.idle.stop_searching();
        self.shared.idle.register_parked(SIBLING, false);
        true
    }

    /// Works until the task that was spawned first has ended, and closes the runtime then.
    fn work(self, core: Box<Core>, first: JoinHandle<()>) {
        let mut first = first;
        let (ended, is_ended) = mpsc::channel::<()>();
        let shared = Arc::clone(&self.shared);
        let watchdog = thread::spawn(move || {
            if is_ended.recv_timeout(Duration::from_secs(20)) == Err(RecvTimeoutError::Timeout) {
                shared.close();
            }
        });
        self.shared.register_worker();
        run(Arc::clone(&self.shared), core);
        assert!(WORKER.with(|worker| worker.get().is_null()));
        drop(ended);
        watchdog.join().expect("no panic");
        assert!(first.is_finished());
        first.take_output().expect("no panic");
    }
}

/// Closes the runtime when the task ends, by a panic too.
struct Close(Bench);

impl Drop for Close {
    fn drop(&mut self) {
        self.0.shared.close();
    }
}

#[test]
fn a_push_notifies_where_a_sibling_may_take_it() {
    let (bench, core) = Bench::new();
    let close = Close(bench.clone());
    let first = bench.spawn(async move {
        let bench = &close.0;
        assert!(!bench.was_notified(), "it was alone in the injector");
        bench.spawn(async {});
        assert!(!bench.was_notified(), "it is in the LIFO slot");
        for _ in 0..3 {
            bench.spawn(async {});
            assert!(bench.was_notified(), "another is in the deque");
        }
        assert!(bench.shared.idle.start_searching());
        bench.spawn(async {});
        assert!(!bench.was_notified(), "one searches");
        assert!(bench.shared.idle.stop_searching());
    });
    assert!(bench.was_notified(), "by a push from outside");
    bench.work(core, first);
}

#[test]
fn the_rest_of_a_batch_from_the_injector_is_offered() {
    let (bench, core) = Bench::new();
    let close = Close(bench.clone());
    let first = bench.spawn(async move {
        assert!(close.0.was_notified(), "two are in the deque");
    });
    for _ in 0..3 {
        assert!(bench.was_notified(), "each push from outside");
        bench.spawn(async {});
    }
    assert!(bench.was_notified());
    bench.work(core, first);
}

#[test]
fn tasks_that_yielded_are_offered_if_there_are_several() {
    let (bench, core) = Bench::new();
    let close = Close(bench.clone());
    let first = bench.spawn(async move {
        let bench = &close.0;
        yield_now().await;
        assert!(!bench.was_notified(), "it is alone");
        bench.spawn(yield_now());
        bench.spawn(yield_now());
        assert!(bench.was_notified(), "one is in the deque");
        yield_now().await;
        assert!(bench.was_notified(), "three have yielded");
    });
    assert!(bench.was_notified());
    bench.work(core, first);
}

/// A task that waits for its waker to be called.
async fn is_woken(wakers: Arc<Mutex<Vec<Waker>>>) {
    let mut is_woken = false;
    poll_fn(|cx| {
        if std::mem::replace(&mut is_woken, true) {
            return Poll::Ready(());
        }
        wakers.lock().expect("no panic").push(cx.waker().clone());
        Poll::Pending
    })
    .await;
}

#[test]
fn a_dispatch_notifies_at_the_first_task_for_others_and_at_its_end() {
    let (bench, core) = Bench::new();
    let close = Close(bench.clone());
    let first = bench.spawn(async move {
        let bench = &close.0;
        let wakers: Arc<Mutex<Vec<Waker>>> = Arc::default();
        let seen: Arc<Mutex<Vec<bool>>> = Arc::default();
        for _ in 0..3 {
            bench.spawn(is_woken(Arc::clone(&wakers)));
        }
        bench.was_notified();
        let (in_callback, calls, waked) = (bench.clone(), Arc::clone(&seen), Arc::clone(&wakers));
        set_timeout(Duration::from_millis(1), move || {
            let wakers = std::mem::take(&mut *waked.lock().expect("no panic"));
            for waker in wakers {
                waker.wake();
                let was_notified = in_callback.was_notified();
                calls.lock().expect("no panic").push(was_notified);
            }
        });
        // The last to wait is the last to be woken, and the first to run.
        yield_now().await;
        is_woken(Arc::clone(&wakers)).await;
        assert!(bench.was_notified(), "at the end: three are in the deque");
        assert_eq!(*seen.lock().expect("no panic"), [false, true, false, false]);
    });
    assert!(bench.was_notified());
    bench.work(core, first);
}

#[test]
fn a_wait_in_the_driver_ends_by_the_limit_or_the_timer_that_comes_first() {
    const HOUR: Option<Duration> = Some(Duration::from_secs(3_600));
    let (bench, _core) = Bench::new();
    let shared = &*bench.shared;
    let mut driver = shared.driver.try_lock().expect("it is ours");
    let mut wait = |limit| shared.wait_on_driver(&mut driver, limit, &mut Batch::default());
    wait(Some(Duration::ZERO));
    shared.wake_driver();
    wait(None);
    shared.wake_driver_after(Duration::from_millis(1));
    wait(None);
    let _entered = framewise_timers::enter(&shared.timers.handle(0));
    let late = set_timeout(Duration::from_secs(3_600), || ());
    wait(Some(Duration::ZERO));
    let _soon = set_timeout(Duration::from_millis(1), || ());
    wait(HOUR);
    assert!(shared.timers.has_due());
    wait(None);
    late.cancel();
}

/// The sibling runs one of its tasks for long. What else it has is stolen, the task in its LIFO
/// slot at last.
#[test]
fn a_worker_without_tasks_steals_those_of_its_sibling() {
    let (bench, core, siblings) = Bench::with_siblings_queue();
    // It is awake, so that this worker is the monitor while it waits.
    assert!(!bench.shared.idle.deregister_parked(SIBLING, false));
    let stolen = Arc::new(Mutex::new(Vec::new()));
    let close = Close(bench.clone());
    let push = |task: JoinHandle<()>| {
        let runnable = bench.shared.queues.injector.steal().success();
        let _ = siblings.push(runnable.expect("it was just spawned"));
        task
    };
    for number in 0..3 {
        let stolen = Arc::clone(&stolen);
        push(bench.spawn(async move { stolen.lock().expect("no panic").push(number) }));
    }
    let first = push(bench.spawn(async move {
        let _close = close;
        assert_eq!(*stolen.lock().expect("no panic"), [0, 1, 2]);
    }));
    bench.clone().work(core, first);
}

#[test]
fn the_monitor_sleeps_until_it_is_unparked_or_for_a_round() {
    let (bench, _core) = Bench::new();
    let parker = bench.shared.parker(0);
    parker.unpark(|| unreachable!("it is awake"));
    bench.shared.park_for_interval(0);
    assert!(
        parker.enter_driver(),
        "the sleep has consumed the notification"
    );
    parker.leave_driver();
    bench.shared.park_for_interval(0);
}
