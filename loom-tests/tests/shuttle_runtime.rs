//! Whole runtimes with several workers and many kinds of tasks, under random schedules.
//!
//! The shipped start, worker's loop, driver, blocking pool and shutdown, over the model deque and
//! the kernel of plain data, whose time passes at random. A joiner that waits forever is a
//! deadlock; `DropTracker` detects a value that is dropped twice or never; a wrong frame is an
//! assertion.
#![cfg(framewise_shuttle)]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::future::poll_fn;
use std::io;
use std::task::Poll;
use std::time::Duration;

use framewise::runtime::{Builder, Runtime};
use framewise::task::{block_in_place, yield_now};
use framewise::{ContextVar, JoinHandle, spawn, spawn_blocking, time};
use framewise_io::model::{ModelSource, Peer};
use framewise_io::{Direction, Ready};
use framewise_loom_tests::{DropObserver, DropTracker, TestWaker, below, finds, schedules};
use framewise_sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use framewise_sync::{Arc, Mutex, thread};
use framewise_timers::model_clock::ModelClock;

static REQUEST: ContextVar<usize> = ContextVar::new("request");

fn runtime(workers: usize) -> Runtime {
    let builder = Builder::new().worker_threads(workers);
    builder.max_blocking_threads(2).build().unwrap()
}

/// A socket of a model, and the bytes that arrived there.
struct Pipe {
    source: ModelSource,
    bytes: Arc<AtomicUsize>,
}

impl Pipe {
    /// Must be called within a runtime.
    fn open() -> (Self, Sender) {
        let (descriptor, peer) = framewise::model::kernel().open();
        let bytes = Arc::new(AtomicUsize::new(0));
        let source = ModelSource::new(descriptor, Ready::EMPTY).unwrap();
        let sender = Sender {
            peer,
            bytes: bytes.clone(),
        };
        (Self { source, bytes }, sender)
    }

    async fn receive(&self) -> io::Result<usize> {
        poll_fn(|cx| {
            self.source.poll_io(cx, Direction::Read, || {
                match self.bytes.swap(0, Ordering::Relaxed) {
                    0 => Err(io::ErrorKind::WouldBlock.into()),
                    count => Ok(count),
                }
            })
        })
        .await
    }
}

#[derive(Clone)]
struct Sender {
    peer: Peer,
    bytes: Arc<AtomicUsize>,
}

impl Sender {
    fn send(&self) {
        self.bytes.fetch_add(1, Ordering::Relaxed);
        self.peer.raise(Ready::READABLE);
    }
}

/// One of a request's jobs, some of which spawn others.
async fn job(request: usize, kind: usize, value: Arc<DropTracker>) {
    assert_eq!(REQUEST.get(), Some(request));
    value.touch();
    match kind {
        0 => yield_now().await,
        1 => {
            let child = spawn(async move { REQUEST.get() });
            yield_now().await;
            assert!(child.await.is_ok_and(|seen| seen == Some(request)));
        }
        2 => {
            let seen = spawn_blocking(|| REQUEST.get()).await;
            assert!(seen.is_ok_and(|seen| seen == Some(request)));
        }
        3 => {
            // Others must run the task that the stalled worker has woken.
            let mut child = spawn(async move { REQUEST.get() });
            let seen = block_in_place(|| TestWaker::new().block_on(&mut child));
            assert!(seen.is_ok_and(|seen| seen == Some(request)));
            // Its thread is no worker any more: others run the rest, and one is notified if needed.
            yield_now().await;
        }
        4 => {
            let (pipe, sender) = Pipe::open();
            let child = spawn(async move { sender.send() });
            assert!(pipe.receive().await.is_ok_and(|count| count == 1));
            child.await.unwrap();
        }
        5 => {
            time::sleep(Duration::from_millis(below(20) as u64)).await;
            let late = time::timeout(Duration::from_millis(1), poll_fn(|_| Poll::<()>::Pending));
            assert!(late.await.is_err());
        }
        _ => {
            let mut child = spawn(async move { REQUEST.get() });
            // It blocks without handing its core off.
            let seen = TestWaker::new().block_on(&mut child);
            assert!(seen.is_ok_and(|seen| seen == Some(request)));
        }
    }
    value.touch();
    assert_eq!(REQUEST.get(), Some(request));
}

const KINDS: usize = 7;

/// A request's task, and the observer of its value.
fn request(runtime: &Runtime, request: usize, kinds: usize) -> (JoinHandle<()>, DropObserver) {
    let (value, end) = DropTracker::new();
    let value = Arc::new(value);
    let kind = below(kinds);
    let task = REQUEST.run(request, || runtime.spawn(job(request, kind, value)));
    (task, end)
}

/// Advances the time until it is stopped.
struct Time {
    is_over: Arc<AtomicBool>,
    thread: thread::JoinHandle<()>,
}

impl Time {
    fn start() -> Self {
        let clock = ModelClock::new();
        let is_over = Arc::new(AtomicBool::new(false));
        let thread = thread::spawn({
            let is_over = is_over.clone();
            move || {
                while !is_over.load(Ordering::Relaxed) {
                    clock.advance(Duration::from_millis(1));
                    thread::yield_now();
                }
            }
        });
        Self { is_over, thread }
    }

    fn stop(self) {
        self.is_over.store(true, Ordering::Relaxed);
        self.thread.join().unwrap();
    }
}

/// All jobs end, whichever tasks block. Fewer workers than all are blocked at a time.
#[test]
fn jobs_end() {
    for (name, workers, requests, count) in [
        ("jobs, 2 workers", 2, 4, 3000),
        ("jobs, 4 workers", 4, 8, 1000),
    ] {
        schedules(name, count, move || {
            let time = Time::start();
            let runtime = runtime(workers);
            let mut tasks = Vec::new();
            for number in 0..requests {
                // All kinds but one may stall at the same time.
                let kinds = if number == 0 { KINDS } else { KINDS - 1 };
                tasks.push(request(&runtime, number, kinds));
            }
            for (task, end) in tasks {
                runtime.block_on(task).unwrap();
                assert!(end.is_dropped());
            }
            drop(runtime);
            time.stop();
        });
    }
}

/// A task that blocks its worker is pushed to an idle runtime: the worker that is woken for it
/// ensures that there is a monitor, which alone finds what the task waits for.
#[test]
fn a_task_that_blocks_comes_to_an_idle_runtime() {
    schedules("a task that blocks × idle workers, 2", 2000, || {
        let time = Time::start();
        let runtime = runtime(2);
        for _ in 0..below(100) {
            thread::yield_now();
        }
        let (value, end) = DropTracker::new();
        let task = job(7, KINDS - 1, Arc::new(value));
        let task = REQUEST.run(7, || runtime.spawn(task));
        runtime.block_on(task).unwrap();
        assert!(end.is_dropped());
        drop(runtime);
        time.stop();
    });
}

/// A shutdown during jobs: each ends or is cancelled, none is lost, and none keeps its value. A job
/// that waits for others in a blocked worker is ended, too.
#[test]
fn a_shutdown_during_jobs() {
    schedules("shutdown × jobs, 3 workers", 3000, || {
        let runtime = runtime(3);
        let handle = runtime.handle().clone();
        let spawner = thread::spawn(move || {
            let mut tasks = Vec::new();
            for number in 0..4 {
                let (value, end) = DropTracker::new();
                let (value, kind) = (Arc::new(value), below(4));
                let late = patiently(number, kind, value);
                tasks.push((REQUEST.run(number, || handle.spawn(late)), end));
            }
            for (mut task, end) in tasks {
                let joined = TestWaker::new().block_on(&mut task);
                assert!(joined.is_ok() || joined.is_err_and(|error| error.is_cancelled()));
                drop(task);
                assert!(end.is_dropped());
            }
        });
        for _ in 0..below(20) {
            thread::yield_now();
        }
        drop(runtime);
        spawner.join().unwrap();
    });
}

/// A shutdown during tasks whose polls block, in an executor of their own, each on a task that it
/// has spawned: another thread ends these, and then the polls return.
#[test]
fn a_shutdown_during_polls_that_block() {
    for (workers, tasks) in [(1, 2), (2, 3), (3, 4)] {
        let name = format!("shutdown × {tasks} polls that block, {workers} workers");
        schedules(&name, 1500, move || {
            let _grace = framewise::model::end_grace();
            let runtime = runtime(workers);
            let tasks: Vec<_> = (0..tasks)
                .map(|_| {
                    let (value, end) = DropTracker::new();
                    let yields = below(2) == 0;
                    let task = runtime.spawn(async move {
                        if yields {
                            yield_now().await;
                        }
                        let mut behind = spawn(async move { value.touch() });
                        drop(TestWaker::new().block_on(&mut behind));
                    });
                    (task, end)
                })
                .collect();
            for _ in 0..below(20) {
                thread::yield_now();
            }
            drop(runtime);
            for (mut task, end) in tasks {
                let joined = TestWaker::new().block_on(&mut task);
                assert!(joined.is_ok() || joined.is_err_and(|error| error.is_cancelled()));
                drop(task);
                assert!(end.is_dropped());
            }
        });
    }
}

/// A shutdown during tasks that block in place: for each other's children, nested, for a call on
/// the pool, for a socket or a timer, and before they await something that has ended meanwhile. The
/// runtime is dropped from outside or by one of them. Each ends or is cancelled; none panics.
#[test]
fn a_shutdown_during_tasks_that_block_in_place() {
    for (workers, tasks) in [(1, 2), (2, 3), (3, 4)] {
        let name = format!("shutdown × {tasks} tasks in place, {workers} workers");
        schedules(&name, 1500, move || {
            let runtime = runtime(workers);
            let handle = runtime.handle().clone();
            let owner = Arc::new(Mutex::new(Some(runtime)));
            let tasks: Vec<_> = (0..tasks)
                .map(|number| {
                    let (value, end) = DropTracker::new();
                    let task = in_place(number, below(7), Arc::new(value), owner.clone());
                    (REQUEST.run(number, || handle.spawn(task)), end)
                })
                .collect();
            drop(handle);
            let joiner = thread::spawn(move || {
                for (mut task, end) in tasks {
                    let joined = TestWaker::new().block_on(&mut task);
                    assert!(joined.is_ok() || joined.is_err_and(|error| error.is_cancelled()));
                    drop(task);
                    assert!(end.is_dropped());
                }
            });
            for _ in 0..below(20) {
                thread::yield_now();
            }
            let runtime = owner.lock().take();
            drop(runtime);
            joiner.join().unwrap();
        });
    }
}

/// A task that blocks in place, and accepts every error.
async fn in_place(
    number: usize,
    kind: usize,
    value: Arc<DropTracker>,
    owner: Arc<Mutex<Option<Runtime>>>,
) {
    value.touch();
    match kind {
        0 => {
            let mut child = spawn(async { yield_now().await });
            block_in_place(|| block_in_place(|| drop(TestWaker::new().block_on(&mut child))));
        }
        1 => {
            let mut call = spawn_blocking(|| REQUEST.get());
            block_in_place(|| drop(TestWaker::new().block_on(&mut call)));
            yield_now().await;
        }
        2 => {
            let (pipe, _sender) = Pipe::open();
            let mut received = Box::pin(pipe.receive());
            block_in_place(|| drop(TestWaker::new().block_on(&mut received)));
            drop(pipe.receive().await);
        }
        3 => {
            block_in_place(thread::yield_now);
            time::sleep(Duration::from_secs(1)).await;
        }
        4 => {
            let mut sleep = time::sleep(Duration::from_secs(1));
            assert!(TestWaker::new().poll(&mut sleep).is_pending());
            block_in_place(thread::yield_now);
            block_in_place(thread::yield_now);
            sleep.await;
        }
        5 => block_in_place(|| {
            thread::yield_now();
            let runtime = owner.lock().take();
            drop(runtime);
        }),
        _ => {
            let runtime = owner.lock().take();
            yield_now().await;
            drop(runtime);
            block_in_place(thread::yield_now);
            yield_now().await;
        }
    }
    value.touch();
    assert_eq!(REQUEST.get(), Some(number));
}

/// A job that accepts every error.
async fn patiently(request: usize, kind: usize, value: Arc<DropTracker>) {
    value.touch();
    match kind {
        0 => drop(spawn(async move { REQUEST.get() }).await),
        1 => drop(spawn_blocking(|| REQUEST.get()).await),
        2 => {
            let mut child = spawn(poll_fn(|_| Poll::<()>::Pending));
            block_in_place(|| drop(TestWaker::new().block_on(&mut child)));
        }
        _ => poll_fn(|_| Poll::Pending).await,
    }
    value.touch();
    assert_eq!(REQUEST.get(), Some(request));
}

/// Control: all workers count against a limit of blocked ones. With one worker, no worker is left
/// to run what the blocking task waits for.
#[test]
fn control_a_task_that_blocks_the_only_worker_is_noticed() {
    finds("control: blocks the only worker", 100, "deadlock", || {
        let runtime = runtime(1);
        let (value, _end) = DropTracker::new();
        let task = REQUEST.run(7, || runtime.spawn(job(7, KINDS - 1, Arc::new(value))));
        runtime.block_on(task).unwrap();
    });
}
