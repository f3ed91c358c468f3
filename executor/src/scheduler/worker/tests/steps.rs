//! The steps of the loop that only show in which order a worker does what: as single calls on the
//! test's thread, or as counts.

use std::future::{pending, poll_fn};
use std::io::Write as _;
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::task::{Context, Wake, Waker};
use std::thread;
use std::time::Duration;

use framewise_io::Batch;

use super::{Bench, Close};
use crate::scheduler::idle::state::SchedulerOps;
use crate::scheduler::worker::{Core, Random, WorkerThread, hand_off_core};
use crate::task::yield_now;
use crate::time::set_timeout;

impl Bench {
    /// The worker between two steps of its loop.
    fn worker(&self, core: Box<Core>) -> WorkerThread {
        WorkerThread::new(Arc::clone(&self.spawner), core, Batch::default())
    }

    /// A worker that searches beside a task in the injector: when it leaves its idle state, it
    /// notifies the sibling.
    fn searcher(&self, mut core: Box<Core>) -> WorkerThread {
        drop(self.spawn(async {}));
        assert!(self.was_notified());
        core.ticks.hurry();
        assert!(core.idle_state.start_searching(&*self.shared));
        self.worker(core)
    }

    /// A timer is due, whose callback says whether the sibling had been notified.
    fn due_timer(&self) -> Arc<Mutex<Vec<bool>>> {
        let seen: Arc<Mutex<Vec<bool>>> = Arc::default();
        let _entered = framewise_timers::enter(&self.shared.timers.handle(0));
        set_timeout(Duration::from_millis(1), {
            let (bench, seen) = (self.clone(), Arc::clone(&seen));
            move || seen.lock().expect("no panic").push(bench.was_notified())
        });
        let mut driver = self.shared.driver.try_lock().expect("it is ours");
        while !self.shared.timers.has_due() {
            self.shared
                .wait_on_driver(&mut driver, None, &mut Batch::default());
        }
        seen
    }

    /// What the driver found: a socket is readable, whose waker says whether the sibling had been
    /// notified.
    fn event(&self, seen: &Arc<Seen>) -> Batch {
        let _entered = self.shared.io.enter();
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
        let address = listener.local_addr().expect("it is bound");
        let stream = TcpStream::connect(address).expect("it listens");
        let (mut peer, _) = listener.accept().expect("one has connected");
        stream.set_nonblocking(true).expect("it is a socket");
        let stream = crate::net::TcpStream::from_std(stream).expect("it is connected");
        let waker = Waker::from(Arc::clone(seen));
        let mut cx = Context::from_waker(&waker);
        assert!(stream.poll_read_ready(&mut cx).is_pending());
        peer.write_all(b"a").expect("it is connected");
        let mut driver = self.shared.driver.try_lock().expect("it is ours");
        let mut batch = Batch::default();
        while batch.is_empty() {
            self.shared.wait_on_driver(&mut driver, None, &mut batch);
        }
        batch
    }
}

/// A waker that records whether the sibling had been notified when it is called.
struct Seen {
    bench: Bench,
    was_notified: AtomicBool,
}

impl Wake for Seen {
    fn wake(self: Arc<Self>) {
        let was_notified = self.bench.was_notified();
        self.was_notified.store(was_notified, Ordering::Relaxed);
    }
}

#[test]
fn a_worker_that_found_a_task_when_it_parked_searches_on() {
    let (bench, core) = Bench::new();
    drop(bench.spawn(async {}));
    assert!(bench.was_notified());
    let worker = bench.worker(core);
    worker.park();
    assert!(!bench.shared.idle.would_notify(), "it searches");
    assert!(!bench.was_notified());
    assert!(worker.next_task().is_some_and(|task| {
        // SAFETY: what comes out of a queue is runnable, and its future is Send.
        let _ = unsafe { task.run() };
        true
    }));
    worker.before_user_code();
    assert!(bench.shared.idle.would_notify(), "it does not");
    assert!(!bench.was_notified(), "there is no other task");
}

#[test]
fn a_worker_that_parked_leaves_its_idle_state_before_timers() {
    let (bench, core) = Bench::new();
    drop(bench.spawn(async {}));
    assert!(bench.was_notified());
    let seen = bench.due_timer();
    let worker = bench.worker(core);
    worker.park();
    assert_eq!(*seen.lock().expect("no panic"), [true]);
    bench.shared.close();
}

#[test]
fn a_tick_leaves_the_idle_state_before_timers() {
    let (bench, core) = Bench::new();
    let seen = bench.due_timer();
    let worker = bench.searcher(core);
    let task = worker.next_task();
    assert_eq!(*seen.lock().expect("no panic"), [true]);
    // SAFETY: see above.
    let _ = unsafe { task.expect("it is in the injector").run() };
    drop(worker);
    bench.shared.close();
}

#[test]
fn events_are_dispatched_outside_of_the_idle_state() {
    let (bench, core) = Bench::new();
    let seen = Arc::new(Seen {
        bench: bench.clone(),
        was_notified: AtomicBool::new(false),
    });
    let batch = bench.event(&seen);
    let worker = bench.searcher(core);
    worker.dispatch_events(batch);
    assert!(seen.was_notified.load(Ordering::Relaxed));
    drop(worker);
    bench.shared.close();
}

#[test]
fn pushes_after_a_dispatch_notify_again() {
    let (bench, core) = Bench::new();
    let close = Close(bench.clone());
    let first = bench.spawn(async move {
        let bench = &close.0;
        let mut is_armed = false;
        poll_fn(|cx| {
            if std::mem::replace(&mut is_armed, true) {
                return std::task::Poll::Ready(());
            }
            let (bench, waker) = (bench.clone(), cx.waker().clone());
            set_timeout(Duration::from_millis(1), move || {
                for _ in 0..2 {
                    bench.spawn(async {});
                }
                waker.wake();
            });
            std::task::Poll::Pending
        })
        .await;
        bench.was_notified();
        bench.spawn(async {});
        assert!(!bench.was_notified(), "it is in the LIFO slot");
        for _ in 0..2 {
            bench.spawn(async {});
            assert!(bench.was_notified(), "another is in the deque");
        }
    });
    assert!(bench.was_notified());
    bench.work(core, first);
}

/// A look at the driver is a system call.
#[test]
fn a_task_that_yields_lets_the_worker_tick_once_in_nine_polls() {
    let (bench, core) = Bench::new();
    let close = Close(bench.clone());
    let first = bench.spawn(async move {
        let ticks = || close.0.shared.queues.ticks(0).get();
        for _ in 0..8 {
            yield_now().await;
        }
        assert_eq!(ticks(), 0);
        for _ in 0..82 {
            yield_now().await;
        }
        assert_eq!(ticks(), 10);
    });
    bench.work(core, first);
}

/// Also where the sibling does not stall, so that no tick would help.
#[test]
fn a_worker_with_empty_queues_searches_before_it_parks() {
    let (bench, core, mut siblings) = Bench::with_siblings_queue();
    let worker = bench.worker(core);
    assert!(worker.next_task().is_none());
    for _ in 0..2 {
        drop(bench.spawn(async {}));
        let task = bench.shared.queues.injector.steal().success();
        let _ = siblings.push(task.expect("it was just spawned"));
    }
    let stolen = worker.next_task().expect("one is in the sibling's deque");
    // SAFETY: as above.
    let _ = unsafe { stolen.run() };
    siblings.drain();
    drop(worker);
    bench.shared.close();
}

/// The sibling is in a poll that blocks, with one task in its deque and one in its LIFO slot.
#[test]
fn a_worker_that_never_searches_takes_the_tasks_of_a_stalled_sibling() {
    let (bench, core, mut siblings) = Bench::with_siblings_queue();
    let close = Close(bench.clone());
    let tasks = [(); 2].map(|()| {
        let task = bench.spawn(async {});
        let runnable = bench.shared.queues.injector.steal().success();
        let _ = siblings.push(runnable.expect("it was just spawned"));
        task
    });
    let first = bench.spawn(async move {
        let _close = close;
        for _ in 0..1_000 {
            yield_now().await;
        }
        let have_run = tasks.iter().all(|task| task.is_finished());
        // The end of the runtime would wait for them.
        siblings.drain();
        assert!(have_run);
    });
    bench.work(core, first);
}

#[test]
fn a_core_that_comes_back_counts_again() {
    let (bench, core) = Bench::new();
    let close = Close(bench.clone());
    bench.shared.register_worker();
    let first = bench.spawn(async move {
        let shared = &close.0.shared;
        shared.blocking.close();
        hand_off_core();
        shared.close();
        // In the injector, where the end would find it.
        let outside = thread::spawn({
            let bench = close.0.clone();
            move || bench.spawn(pending::<()>())
        });
        let other = outside.join().expect("no panic");
        shared.deregister_worker(true);
        assert!(!other.is_finished(), "this thread has a core");
    });
    bench.work(core, first);
}

#[test]
fn a_thread_leaves_without_the_core_that_it_gave_away() {
    let (bench, core) = Bench::new();
    let shared = Arc::clone(&bench.shared);
    let (polled, is_polled) = mpsc::channel();
    let (release, released) = mpsc::channel::<()>();
    shared.register_worker();
    let first = bench.spawn({
        let bench = bench.clone();
        async move {
            // In the LIFO slot, so it goes with the core.
            drop(bench.spawn(async move {
                polled.send(()).expect("the test waits");
                let _ = released.recv();
            }));
            hand_off_core();
        }
    });
    bench.clone().work(core, first);
    is_polled.recv().expect("the other thread works");
    let task = bench.spawn(pending::<()>());
    shared.close();
    shared.deregister_worker(true);
    assert!(!task.is_finished(), "the other thread has a core");
    drop(release);
    shared.blocking.close();
    assert!(shared.blocking.wait_for_end(None));
    assert!(task.is_finished());
}

/// The numbers that follow 1 are Marsaglia's, as the literature has them.
#[test]
fn victims_are_chosen_by_xorshift() {
    let mut random = Random(1);
    let numbers = [270_369, 67_634_689, 2_647_435_461, 307_599_695];
    assert_eq!(numbers.map(|_| random.below(usize::MAX)), numbers);
}
