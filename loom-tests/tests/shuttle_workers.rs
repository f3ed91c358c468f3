//! Idle, Parker and Monitor between three, four and eight workers.
//!
//! The shipped `IdleState` on the mock scheduler, and the bare protocol without a monitor that
//! would find a lost task later. If all workers are parked or blocked, shuttle reports a deadlock.
#![cfg(framewise_shuttle)]

use std::time::Duration;

use framewise::model::{Idle, Parker, Unparked};
use framewise_loom_tests::{Kernel, MockScheduler, OmittedStep, TaskSet, below, finds, schedules};
use framewise_sync::atomic::{AtomicUsize, Ordering};
use framewise_sync::{Arc, Condvar, Mutex, thread};

const NO_WORKER: usize = usize::MAX;

/// Starts workers on their threads.
fn start(
    scheduler: &Arc<MockScheduler>,
    workers: usize,
    run: impl Fn(&MockScheduler, usize, usize) + Clone + Send + 'static,
) -> Vec<thread::JoinHandle<()>> {
    (0..workers)
        .map(|index| {
            let (scheduler, run) = (scheduler.clone(), run.clone());
            thread::spawn(move || scheduler.work(index, &run))
        })
        .collect()
}

fn join(threads: impl IntoIterator<Item = thread::JoinHandle<()>>) {
    for thread in threads {
        thread.join().expect("no panic");
    }
}

/// What blocked tasks wait for.
#[derive(Default)]
struct Gate {
    open: Mutex<bool>,
    opened: Condvar,
}

impl Gate {
    fn open(&self) {
        *self.open.lock() = true;
        self.opened.notify_all();
    }

    fn wait(&self) {
        let mut open = self.open.lock();
        while !*open {
            open = self.opened.wait(open);
        }
    }
}

// ---- the mock scheduler ----

/// A way for a task to reach a worker.
fn make_ready(scheduler: &MockScheduler, way: usize, worker: Option<usize>, task: usize) {
    match (way, worker) {
        (0, _) => scheduler.kernel.raise(task),
        (1, Some(worker)) => scheduler.push_slot(worker, task),
        _ => scheduler.push(task),
    }
}

/// Each task but the last makes the next one runnable, by an event, in its worker's LIFO slot or by
/// a push, and then blocks until the last one has run. All workers but one block, one after the
/// other, and the others find what each of them leaves behind.
fn a_chain_of_tasks_that_block(workers: usize, omitted_step: OmittedStep) {
    let scheduler = MockScheduler::omitting(omitted_step, workers);
    let gate = Arc::new(Gate::default());
    let threads = start(&scheduler, workers, move |scheduler, worker, task| {
        if task + 1 == workers {
            gate.open();
            scheduler.close();
        } else {
            make_ready(scheduler, below(3), Some(worker), task + 1);
            gate.wait();
        }
    });
    make_ready(&scheduler, below(2) * 2, None, 0);
    join(threads);
}

#[test]
fn what_blocking_tasks_leave_behind_is_found_by_one_of_three() {
    schedules("chain of blocking tasks, three workers", 1500, || {
        a_chain_of_tasks_that_block(3, OmittedStep::None);
    });
}

#[test]
fn what_blocking_tasks_leave_behind_is_found_by_one_of_four() {
    schedules("chain of blocking tasks, four workers", 1000, || {
        a_chain_of_tasks_that_block(4, OmittedStep::None);
    });
}

#[test]
fn what_blocking_tasks_leave_behind_is_found_by_one_of_eight() {
    schedules("chain of blocking tasks, eight workers", 200, || {
        a_chain_of_tasks_that_block(8, OmittedStep::None);
    });
}

/// As many tasks as workers, each of which blocks until all have begun: every worker is needed,
/// while tasks come from two threads outside and one from the driver. (Not more: the mock scheduler
/// runs the batch of one driver's turn in a row, where the shipped worker queues it.)
fn tasks_that_need_each_other(workers: usize) {
    let scheduler = MockScheduler::new(workers);
    let begun = Arc::new((Mutex::new(0), Condvar::new()));
    let threads = start(&scheduler, workers, move |scheduler, _, _| {
        let (count, changed) = &*begun;
        let mut now = count.lock();
        *now += 1;
        changed.notify_all();
        while *now < workers {
            now = changed.wait(now);
        }
        drop(now);
        scheduler.close();
    });
    let sources = (0..2).map(|source| {
        let scheduler = scheduler.clone();
        thread::spawn(move || {
            for task in (source..workers).step_by(2) {
                make_ready(&scheduler, if task == 0 { 0 } else { 2 }, None, task);
            }
        })
    });
    join(sources.collect::<Vec<_>>());
    join(threads);
}

#[test]
fn tasks_that_need_each_other_find_three_or_four_or_eight_workers() {
    for (workers, count) in [(3, 1000), (4, 800), (8, 200)] {
        let name = format!("tasks that need each other, {workers} workers");
        schedules(&name, count, move || tasks_that_need_each_other(workers));
    }
}

/// Short tasks from two threads, from the driver and from other tasks, while some workers are
/// parked and others are about to park: each runs once, and the last is not missed.
fn traffic(workers: usize) {
    /// The tasks of each source; each makes one more runnable, so there are twice as many.
    const TASKS: usize = 5;
    const SOURCES: usize = 3;
    const ALL: usize = TASKS * SOURCES * 2;
    let scheduler = MockScheduler::new(workers);
    let ran = Arc::new(Mutex::new([0; ALL]));
    let left = Arc::new(AtomicUsize::new(ALL));
    let threads = start(&scheduler, workers, move |scheduler, worker, task| {
        ran.lock()[task] += 1;
        if task < ALL / 2 {
            make_ready(scheduler, below(3), Some(worker), task + ALL / 2);
        }
        if left.fetch_sub(1, Ordering::Relaxed) == 1 {
            assert_eq!(*ran.lock(), [1; ALL], "each task runs once");
            scheduler.close();
        }
    });
    let sources = (0..SOURCES).map(|source| {
        let scheduler = scheduler.clone();
        thread::spawn(move || {
            for task in 0..TASKS {
                make_ready(&scheduler, source * 2, None, source * TASKS + task);
            }
        })
    });
    join(sources.collect::<Vec<_>>());
    join(threads);
}

#[test]
fn short_tasks_run_once_each_on_three_or_four_or_eight_workers() {
    for (workers, count) in [(3, 300), (4, 250), (8, 100)] {
        let name = format!("traffic, {workers} workers");
        schedules(&name, count, move || traffic(workers));
    }
}

// ---- Idle without a monitor ----

/// The step of the bare protocol that a control omits.
#[derive(Clone, Copy, PartialEq, Eq)]
enum BareOmitted {
    None,
    /// The scan after the worker has registered as parked.
    ScanBeforePark,
    /// The scan of the last worker that stops searching.
    ScanAfterSearch,
}

struct Bare {
    idle: Idle,
    parkers: Vec<Parker>,
    queue: TaskSet,
    /// The number of tasks that have begun, and the number that they wait for.
    begun: AtomicUsize,
    gate: Gate,
    omitted: BareOmitted,
}

impl Bare {
    fn notify(&self) {
        if let Some(worker) = self.idle.notify_one(NO_WORKER) {
            self.parkers[worker].unpark(|| unreachable!("there is no driver"));
        }
    }

    fn push(&self, task: usize) {
        self.queue.push(task);
        self.notify();
    }

    /// Runs one task, which blocks. A searching worker scans twice, the shipped one more often.
    fn work(&self, index: usize) {
        let mut searching = false;
        loop {
            let mut task = self.queue.take();
            if task.is_none() && (searching || self.idle.start_searching()) {
                searching = true;
                task = self.queue.take();
            }
            if task.is_some() {
                let was_last = searching && self.idle.stop_searching();
                let scans = self.omitted != BareOmitted::ScanAfterSearch;
                if was_last && scans && !self.queue.is_empty() {
                    self.notify();
                }
                if self.begun.fetch_add(1, Ordering::Relaxed) + 1 == self.parkers.len() {
                    self.gate.open();
                }
                return self.gate.wait();
            }
            self.idle
                .register_parked(index, std::mem::take(&mut searching));
            let found = self.omitted != BareOmitted::ScanBeforePark && !self.queue.is_empty();
            if !found {
                self.parkers[index].park(None);
            }
            searching = self.idle.deregister_parked(index, found);
        }
    }
}

/// One task for each worker, from two threads; each task blocks until all have begun. There is no
/// monitor: the pusher, or the worker that stops searching or parks, must ensure that each runs.
fn bare(workers: usize, omitted: BareOmitted) {
    let bare = Arc::new(Bare {
        idle: Idle::new(workers),
        parkers: (0..workers).map(|_| Parker::new()).collect(),
        queue: TaskSet::default(),
        begun: AtomicUsize::new(0),
        gate: Gate::default(),
        omitted,
    });
    let threads: Vec<_> = (0..workers)
        .map(|index| {
            let bare = bare.clone();
            thread::spawn(move || bare.work(index))
        })
        .collect();
    let pusher = thread::spawn({
        let bare = bare.clone();
        move || (0..workers / 2).for_each(|task| bare.push(task))
    });
    (workers / 2..workers).for_each(|task| bare.push(task));
    pusher.join().expect("no panic");
    join(threads);
}

#[test]
fn a_push_finds_a_worker_without_a_monitor() {
    for (workers, count) in [(3, 3000), (4, 2000), (8, 800)] {
        let name = format!("pushes × searches × parks, no monitor, {workers} workers");
        schedules(&name, count, move || bare(workers, BareOmitted::None));
    }
}

/// Notifications against parks that time out, many times over: afterwards the counters have no
/// parked and no searching worker.
#[test]
fn the_counters_are_the_sleepers_and_the_searchers() {
    const WORKERS: usize = 8;
    schedules("notify_one × time-outs, eight workers", 1000, || {
        let idle = Arc::new(Idle::new(WORKERS));
        let sleepers: Vec<_> = (0..WORKERS)
            .map(|index| {
                let idle = idle.clone();
                thread::spawn(move || {
                    let mut searching = false;
                    for _ in 0..3 {
                        if !searching {
                            searching = idle.start_searching();
                        }
                        idle.register_parked(index, std::mem::take(&mut searching));
                        thread::yield_now();
                        searching = idle.deregister_parked(index, below(2) == 0);
                    }
                    if searching {
                        let _last = idle.stop_searching();
                    }
                })
            })
            .collect();
        let notifiers: Vec<_> = (0..2)
            .map(|_| {
                let idle = idle.clone();
                thread::spawn(move || {
                    for _ in 0..4 {
                        let _worker = idle.notify_one(below(WORKERS));
                    }
                })
            })
            .collect();
        join(sleepers);
        join(notifiers);
        assert_eq!(idle.any_parked(NO_WORKER), None);
        assert!(idle.start_searching(), "no worker searches");
        assert!(idle.stop_searching(), "it was the only one");
        assert!(!idle.would_notify());
    });
}

// ---- Parker ----

/// Four unparkers, each with a bit, against a worker that parks on the driver, with a timeout or
/// without one, until it has seen all bits. A timeout discards none.
#[test]
fn no_unpark_is_lost_to_a_time_out_or_to_the_driver() {
    const UNPARKERS: usize = 4;
    schedules("4 unparks × park, timed park, driver", 4000, || {
        let shared = Arc::new((Parker::new(), Kernel::default(), AtomicUsize::new(0)));
        let unparkers: Vec<_> = (0..UNPARKERS)
            .map(|_| {
                let shared = shared.clone();
                thread::spawn(move || {
                    let (parker, kernel, said) = &*shared;
                    said.fetch_add(1, Ordering::Relaxed);
                    parker.unpark(|| kernel.wake());
                })
            })
            .collect();
        let (parker, kernel, said) = &*shared;
        while said.load(Ordering::Relaxed) < UNPARKERS {
            match below(3) {
                0 => {
                    parker.park(None);
                }
                // It sees now what it did not see before the timeout.
                1 if parker.park(Some(Duration::ZERO)) == Unparked::TimedOut => {
                    if said.load(Ordering::Relaxed) < UNPARKERS {
                        parker.park(None);
                    }
                }
                1 => {}
                _ => {
                    if parker.enter_driver() {
                        kernel.wait();
                        parker.leave_driver();
                    }
                }
            }
        }
        join(unparkers);
    });
}

// ---- controls ----

#[test]
fn control_a_searcher_that_does_not_scan_again_is_noticed() {
    finds(
        "control: the last searcher does not scan",
        3000,
        "deadlock",
        || {
            bare(4, BareOmitted::ScanAfterSearch);
        },
    );
}

#[test]
fn control_a_worker_that_parks_without_a_scan_is_noticed() {
    finds(
        "control: a worker parks without a scan",
        3000,
        "deadlock",
        || {
            bare(4, BareOmitted::ScanBeforePark);
        },
    );
}

#[test]
fn control_a_worker_that_does_not_leave_idle_is_noticed() {
    finds(
        "control: no worker leaves idle before a task",
        3000,
        "deadlock",
        || {
            a_chain_of_tasks_that_block(4, OmittedStep::LeaveIdle);
        },
    );
}

#[test]
fn control_a_driver_owner_without_a_timeout_is_noticed() {
    finds(
        "control: the driver owner waits without a timeout",
        3000,
        "deadlock",
        || {
            a_chain_of_tasks_that_block(4, OmittedStep::DriverOwnerTimeout);
        },
    );
}

#[test]
fn control_a_mock_scheduler_without_its_last_scan_is_noticed() {
    finds(
        "control: the mock scheduler parks without a scan",
        3000,
        "deadlock",
        || {
            traffic(3);
            traffic_without_a_scan();
        },
    );
}

/// One worker, so that no sibling is the monitor.
fn traffic_without_a_scan() {
    let scheduler = MockScheduler::omitting(OmittedStep::LastScan, 1);
    let threads = start(&scheduler, 1, |scheduler, _, _| scheduler.close());
    scheduler.push(0);
    join(threads);
}

/// A parker that discards its notification when it times out.
#[derive(Default)]
struct Swallows {
    notified: Mutex<bool>,
    woken: Condvar,
}

impl Swallows {
    fn unpark(&self) {
        *self.notified.lock() = true;
        self.woken.notify_one();
    }

    /// Returns `true` if it was notified.
    fn park(&self, limit: Option<Duration>) -> bool {
        let mut notified = self.notified.lock();
        while !*notified {
            let is_late;
            (notified, is_late) = match limit {
                Some(limit) => self.woken.wait_timeout(notified, limit),
                None => (self.woken.wait(notified), false),
            };
            if is_late {
                // Fault: an unpark after the timeout is discarded.
                *notified = false;
                return false;
            }
        }
        std::mem::take(&mut *notified)
    }
}

#[test]
fn control_a_parker_that_swallows_an_unpark_is_noticed() {
    finds(
        "control: a timeout discards an unpark",
        1000,
        "deadlock",
        || {
            let parker = Arc::new(Swallows::default());
            let unparker = thread::spawn({
                let parker = parker.clone();
                move || parker.unpark()
            });
            if !parker.park(Some(Duration::ZERO)) {
                parker.park(None);
            }
            unparker.join().expect("no panic");
        },
    );
}
