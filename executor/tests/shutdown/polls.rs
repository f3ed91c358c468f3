//! A poll that blocks its worker in another executor's `block_on` while the runtime shuts down: the
//! wait ends with an error or a panic, and then the shutdown completes. A table of the awaited
//! object, the place of the waiting code, and the kind of shutdown.
//!
//! The runtime cannot detect that such a poll blocks. [`waits`](crate::waits) covers the code that
//! the shutdown itself runs, and [`threads`](crate::threads) covers `block_in_place`.

use std::any::Any;
use std::future::{Future, pending, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::{Arc, Mutex, mpsc};
use std::task::{Context, Poll};
use std::thread;
use std::time::Duration;

use framewise::net::Interest;
use framewise::runtime::{Builder, Handle, Runtime};
use framewise::task::{block_in_place, yield_now};
use framewise::time::{interval, set_timeout, sleep};
use framewise::{JoinHandle, spawn, spawn_blocking};
use framewise_test_support::{call_waker, on_drop, poll_once};

use crate::{HANG, HOUR, Quiet, run_cells};

/// The object for which the poll waits.
#[derive(Clone, Copy, Debug)]
enum Wait {
    Sleep,
    Interval,
    Socket,
    Accept,
    /// An idle task.
    Task,
    /// A task that the poll itself has spawned, in the worker's LIFO slot.
    Spawned,
    /// One of many such tasks, in the worker's local queue or in the injector.
    Queued,
    /// A task that waits for a timer within its own foreign `block_on`, on another worker if there
    /// is one.
    Chain,
    /// An idle task that another task joins.
    Joiner,
    /// A blocking call that waits for such a task.
    Call,
}

const WAITS: [Wait; 10] = [
    Wait::Sleep,
    Wait::Interval,
    Wait::Socket,
    Wait::Accept,
    Wait::Task,
    Wait::Spawned,
    Wait::Queued,
    Wait::Chain,
    Wait::Joiner,
    Wait::Call,
];

/// The user code that waits.
#[derive(Clone, Copy, Debug)]
enum Place {
    Task,
    Timer,
    Ready,
    Waker,
}

/// When the wait begins.
#[derive(Clone, Copy, Debug, PartialEq)]
enum When {
    Before,
    /// After the shutdown has aborted the tasks.
    After,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum End {
    Drop,
    Timeout,
    Background,
    /// The waiting code drops the runtime before it waits.
    Own,
}

/// Waits like `pollster`: parks the thread until a foreign waker unparks it.
fn park_until<F: Future>(future: F) -> F::Output {
    let waiting = thread::current();
    let waker = call_waker(move || waiting.unpark());
    let mut future = pin!(future);
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
            return output;
        }
        thread::park();
    }
}

/// Calls `waits` once `future` has been polled.
async fn reporting<F: Future>(future: F, waits: impl FnOnce()) -> F::Output {
    let mut future = pin!(future);
    let mut waits = Some(waits);
    poll_fn(move |cx| {
        let polled = future.as_mut().poll(cx);
        if let Some(waits) = waits.take() {
            waits();
        }
        polled
    })
    .await
}

/// The resources of the waiting code.
struct Resources {
    handle: Handle,
    net: Quiet,
    task: Mutex<Option<JoinHandle<()>>>,
    joiner: Mutex<Option<JoinHandle<()>>>,
}

/// Waits on this thread, and returns the result of the wait. Calls `waits` when the wait has begun.
fn wait(wait: Wait, resources: &Resources, waits: impl FnOnce()) -> String {
    fn join(task: JoinHandle<()>, waits: impl FnOnce()) -> String {
        match park_until(reporting(task, waits)) {
            Ok(()) => "ready".to_owned(),
            Err(error) => error.to_string(),
        }
    }

    let take = |task: &Mutex<Option<JoinHandle<()>>>| task.lock().unwrap().take().unwrap();
    let _entered = resources.handle.enter();
    let result = catch_unwind(AssertUnwindSafe(|| match wait {
        Wait::Sleep => {
            futures::executor::block_on(reporting(sleep(HOUR), waits));
            "ready".to_owned()
        }
        Wait::Interval => {
            let mut ticks = interval(HOUR);
            park_until(async {
                ticks.tick().await;
                reporting(ticks.tick(), waits).await;
            });
            "ready".to_owned()
        }
        Wait::Socket => {
            let mut buffer = [0];
            let read = reporting(resources.net.stream.read(&mut buffer), waits);
            futures::executor::block_on(read).unwrap_err().to_string()
        }
        Wait::Accept => {
            let accepted = reporting(resources.net.listener.accept(), waits);
            park_until(accepted).unwrap_err().to_string()
        }
        Wait::Task => join(take(&resources.task), waits),
        Wait::Spawned => join(spawn(async {}), waits),
        Wait::Queued => {
            let mut tasks: Vec<_> = (0..600).map(|_| spawn(pending::<()>())).collect();
            let first = tasks.remove(0);
            let middle = tasks.swap_remove(300);
            let waits = async {
                let first = reporting(first, waits).await.unwrap_err();
                let middle = middle.await.unwrap_err();
                assert!(first.is_cancelled() && middle.is_cancelled());
                first.to_string()
            };
            park_until(waits)
        }
        Wait::Chain => {
            let waits_itself = spawn(async { park_until(sleep(HOUR)) });
            join(waits_itself, waits)
        }
        Wait::Joiner => join(take(&resources.joiner), waits),
        Wait::Call => {
            let task = take(&resources.task);
            join(spawn_blocking(move || drop(park_until(task))), waits)
        }
    }));
    result.unwrap_or_else(|panic| match panic.downcast::<String>() {
        Ok(message) => *message,
        Err(panic) => (*panic.downcast::<&str>().unwrap()).to_owned(),
    })
}

#[derive(Debug)]
struct Cell {
    place: Place,
    wait: Wait,
    when: When,
    workers: usize,
    /// The number of blocked workers.
    blocked: usize,
    end: End,
}

impl Cell {
    /// Builds a runtime, blocks workers with the waiting code, shuts the runtime down, and returns
    /// when the code and the shutdown have ended.
    fn run(&self) {
        let runtime = Builder::new()
            .worker_threads(self.workers)
            .on_unhandled_panic(|_| {})
            .build()
            .unwrap();
        let runtime = Arc::new(Mutex::new(Some(runtime)));
        let (waiting, is_waiting) = mpsc::channel();
        let (ended, ends) = mpsc::channel();
        // The shutdown drops a task that waits forever, and the values that the blocked tasks own.
        let (dropped, is_dropped) = mpsc::channel::<()>();
        let value = on_drop(move || dropped.send(()).unwrap());
        let idle = runtime.lock().unwrap().as_ref().unwrap().spawn(async move {
            let _value = value;
            pending::<()>().await;
        });
        let mut kept = Vec::new();
        for _ in 0..self.blocked {
            let resources = resources(runtime.lock().unwrap().as_ref().unwrap());
            let (kind, when, own) = (self.wait, self.when, self.end == End::Own);
            let (waiting, ended) = (waiting.clone(), ended.clone());
            let code = {
                let (resources, runtime) = (Arc::clone(&resources), Arc::clone(&runtime));
                move || {
                    let begun = || waiting.send(()).unwrap();
                    if own {
                        drop(runtime.lock().unwrap().take());
                    }
                    if when == When::After {
                        begun();
                        while !resources.handle.spawn(pending::<()>()).is_finished() {
                            thread::yield_now();
                        }
                        ended.send(wait(kind, &resources, || {})).unwrap();
                    } else {
                        ended.send(wait(kind, &resources, begun)).unwrap();
                    }
                }
            };
            kept.push(place(
                self.place,
                runtime.lock().unwrap().as_ref().unwrap(),
                &resources,
                code,
            ));
            kept.push(Box::new(resources));
            is_waiting.recv_timeout(HANG).expect("the code runs");
        }
        let runtime = runtime.lock().unwrap().take();
        let ending = match (self.end, runtime) {
            (End::Own, _) => None,
            (End::Drop, runtime) => Some(thread::spawn(move || {
                drop(runtime);
                true
            })),
            (End::Timeout, runtime) => Some(thread::spawn(move || {
                runtime.unwrap().shutdown_timeout(HANG)
            })),
            (End::Background, runtime) => {
                runtime.unwrap().shutdown_background();
                None
            }
        };
        for _ in 0..self.blocked {
            let result = ends.recv_timeout(HANG).expect("the wait ends");
            let is_error = ["was shut down", "shutting down", "cancelled"]
                .iter()
                .any(|error| result.contains(error));
            assert!(
                is_error || (result == "ready" && self.may_be_ready()),
                "{result}"
            );
        }
        is_dropped
            .recv_timeout(HANG)
            .expect("the other task is dropped");
        if let Some(ending) = ending {
            assert!(ending.join().unwrap(), "everything has ended");
        }
        drop(idle);
        drop(kept);
    }

    fn may_be_ready(&self) -> bool {
        match self.wait {
            // Another worker may have run the task; the call's own wait ends, too.
            Wait::Spawned => self.workers > 1,
            Wait::Call => true,
            _ => false,
        }
    }
}

fn resources(runtime: &Runtime) -> Arc<Resources> {
    let task = runtime.spawn(pending());
    let joined = runtime.spawn(pending::<()>());
    let joiner = runtime.spawn(async move {
        let _ = joined.await;
    });
    runtime.block_on(async {
        let net = Quiet::new().await;
        // The tasks have been polled.
        spawn(yield_now()).await.unwrap();
        Arc::new(Resources {
            handle: Handle::current(),
            net,
            task: Mutex::new(Some(task)),
            joiner: Mutex::new(Some(joiner)),
        })
    })
}

/// Runs `code` on a worker. The returned value is kept until the end.
fn place(
    place: Place,
    runtime: &Runtime,
    resources: &Resources,
    code: impl FnOnce() + Send + 'static,
) -> Box<dyn Any + Send> {
    let _entered = runtime.enter();
    let code = Mutex::new(Some(code));
    let call = move || {
        let code = code.lock().unwrap().take();
        if let Some(code) = code {
            code();
        }
    };
    match place {
        Place::Task => Box::new(runtime.spawn(async move { call() })),
        Place::Timer => Box::new(set_timeout(Duration::ZERO, call)),
        Place::Ready => {
            let callback = resources
                .net
                .stream
                .on_ready(Interest::WRITABLE, move |_| call());
            Box::new(callback.unwrap())
        }
        Place::Waker => {
            let mut sleep = Box::pin(sleep(Duration::from_millis(1)));
            let call = Mutex::new(call);
            let waker = call_waker(move || (call.lock().unwrap())());
            assert!(poll_once(&mut sleep, &waker).is_pending());
            Box::new(sleep)
        }
    }
}

/// Returns the cells. `blocked` has pairs of the number of workers and the number of blocked ones.
fn cells(end: End, blocked: &'static [(usize, usize)]) -> impl Iterator<Item = Cell> {
    let places = [Place::Task, Place::Timer, Place::Ready, Place::Waker];
    let whens = [When::Before, When::After];
    let numbers = blocked.iter().copied();
    places.into_iter().flat_map(move |place| {
        let numbers = numbers.clone();
        WAITS.into_iter().flat_map(move |wait| {
            let numbers = numbers.clone();
            whens.into_iter().flat_map(move |when| {
                // The spawned task blocks the second worker, so that nothing else runs there.
                let numbers = numbers.clone();
                let numbers = numbers.filter(move |n| !matches!((wait, n), (Wait::Chain, (2, 2))));
                numbers.map(move |(workers, blocked)| Cell {
                    place,
                    wait,
                    when,
                    workers,
                    blocked,
                    end,
                })
            })
        })
    })
}

#[test]
fn a_drop_ends_the_waits_of_polls_that_block() {
    run_cells(cells(End::Drop, &[(1, 1), (2, 1), (2, 2)]), Cell::run);
}

#[test]
fn a_limited_shutdown_ends_the_waits_of_polls_that_block() {
    run_cells(cells(End::Timeout, &[(1, 1), (2, 1), (2, 2)]), Cell::run);
}

#[test]
fn a_shutdown_in_the_background_ends_the_waits_of_polls_that_block() {
    run_cells(cells(End::Background, &[(1, 1), (2, 1), (2, 2)]), Cell::run);
}

#[test]
fn a_poll_that_drops_its_runtime_can_block_afterwards() {
    run_cells(cells(End::Own, &[(1, 1), (2, 1)]), Cell::run);
}

/// Another worker polls the task that the blocked code joins while all tasks are aborted, and the
/// task is woken during that poll: that worker drops the task before it exits.
#[test]
fn a_worker_that_leaves_late_drops_what_a_blocked_poll_joins() {
    for in_place in [false, true] {
        let runtime = framewise_test_support::runtime(2);
        let handle = runtime.handle().clone();
        let (polled, is_polled) = mpsc::channel();
        let joined = runtime.spawn(poll_fn(move |cx| {
            let until_aborted = || {
                let _ = polled.send(());
                while !handle.spawn(pending::<()>()).is_finished() {
                    thread::yield_now();
                }
            };
            match in_place {
                false => until_aborted(),
                true => block_in_place(until_aborted),
            }
            cx.waker().wake_by_ref();
            Poll::<()>::Pending
        }));
        is_polled.recv_timeout(HANG).unwrap();
        let (joining, is_joining) = mpsc::channel();
        let (ended, has_ended) = mpsc::channel();
        drop(runtime.spawn(async move {
            let join = || park_until(reporting(joined, || joining.send(()).unwrap()));
            let joined = match in_place {
                false => join(),
                true => block_in_place(join),
            };
            ended.send(joined.unwrap_err().is_cancelled()).unwrap();
        }));
        is_joining.recv_timeout(HANG).unwrap();
        let ending = thread::spawn(move || drop(runtime));
        assert!(has_ended.recv_timeout(HANG).expect("the wait ends"));
        ending.join().unwrap();
    }
}
