//! Many tasks on four workers: woken, aborted, joined, detached and cancelled from many threads.
//!
//! Real tasks on a model's scheduler, whose workers are in this file. A joiner that waits forever
//! is a deadlock; `DropTracker` detects a value that is dropped twice or never; a task that two
//! workers poll, or that is queued twice, is an assertion.
#![cfg(framewise_shuttle)]

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use framewise::model::{ModelLifoSlot, ModelScheduler};
use framewise::{ContextVar, Frame, JoinHandle};
use framewise_loom_tests::{
    DropObserver, DropTracker, Listener, ListenerDrops, Notified, PoisoningAllocator, TestWaker,
    below, finds, schedules,
};
use framewise_sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use framewise_sync::{Arc, Mutex, thread};

#[global_allocator]
static ALLOCATOR: PoisoningAllocator = PoisoningAllocator;

static REQUEST: ContextVar<DropTracker> = ContextVar::new("request");

const WORKERS: usize = 4;

/// The number of threads that notify tasks and wake them.
const NOTIFIERS: usize = 3;

/// A frame with one value, and the observer of that value.
fn bound_frame() -> (Frame, DropObserver) {
    let (value, watch) = DropTracker::new();
    (REQUEST.run(value, Frame::current), watch)
}

/// Workers that run runnable tasks until they learn that no more will come.
struct Workers {
    scheduler: ModelScheduler,
    closing: Arc<AtomicBool>,
    threads: Vec<thread::JoinHandle<()>>,
}

impl Workers {
    fn start(scheduler: &ModelScheduler) -> Self {
        let closing = Arc::new(AtomicBool::new(false));
        let threads = (0..WORKERS).map(|_| {
            let (scheduler, closing) = (scheduler.clone(), closing.clone());
            thread::spawn(move || work(&scheduler, &closing))
        });
        Self {
            scheduler: scheduler.clone(),
            threads: threads.collect(),
            closing,
        }
    }

    /// No other thread makes tasks runnable any more: runs those that are left.
    fn end(self) {
        self.closing.store(true, Ordering::Release);
        join(self.threads);
        self.scheduler.run_all();
    }
}

fn work(scheduler: &ModelScheduler, closing: &AtomicBool) {
    loop {
        let Some(runnable) = scheduler.take() else {
            if closing.load(Ordering::Acquire) {
                return;
            }
            thread::yield_now();
            continue;
        };
        // A task that was woken during its poll goes to the end, or is polled again at once.
        if let Some(again) = runnable.run() {
            match below(2) {
                0 => again.put(scheduler),
                _ => again.run_to_end(),
            }
        }
    }
}

fn join(threads: impl IntoIterator<Item = thread::JoinHandle<()>>) {
    for thread in threads {
        thread.join().expect("no panic");
    }
}

/// What is done with a task's handle.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Fate {
    /// A thread waits for the output.
    Joined,
    /// A thread waits, and another one aborts.
    JoinedAndAborted,
    /// The handle is dropped while the task may run.
    LetGo,
    /// There is no handle.
    Detached,
    /// It is not notified enough: only the abort ends it.
    OnlyAborted,
}

const FATES: [Fate; 5] = [
    Fate::Joined,
    Fate::JoinedAndAborted,
    Fate::LetGo,
    Fate::Detached,
    Fate::OnlyAborted,
];

struct Spawned {
    notified: Notified,
    watches: ListenerDrops,
    value: Option<DropObserver>,
    wakers: Vec<Waker>,
}

/// Ten tasks, two of each fate, one of them in a frame; three threads that notify and wake all of
/// them, by value and by reference; a thread for each joiner; one that aborts, one that drops
/// handles.
fn ten_tasks_of_five_fates() {
    let scheduler = ModelScheduler::with_list();
    let workers = Workers::start(&scheduler);
    let (mut spawned, mut joiners, mut aborts, mut let_go) = (vec![], vec![], vec![], vec![]);
    for fate in FATES.into_iter().chain(FATES) {
        let notified = Notified::default();
        let wanted = match fate {
            Fate::OnlyAborted => (1 << (NOTIFIERS + 1)) - 1,
            _ => (1 << NOTIFIERS) - 1,
        };
        let (listener, watches) = Listener::new(&notified, wanted);
        let (frame, value) = match spawned.len() < FATES.len() {
            true => (Frame::root(), None),
            false => {
                let (frame, value) = bound_frame();
                (frame, Some(value))
            }
        };
        let wakers = Arc::new(Mutex::new(Vec::new()));
        let task = SharesItsWakers {
            wakers: (fate != Fate::Detached).then(|| wakers.clone()),
            listener,
        };
        match fate {
            Fate::Detached => {
                let runnable = scheduler.spawn_detached(task, frame);
                *wakers.lock() = (0..NOTIFIERS).map(|_| runnable.waker()).collect();
                runnable.put(&scheduler);
            }
            _ => {
                let handle = scheduler.spawn(task, frame);
                if matches!(fate, Fate::JoinedAndAborted | Fate::OnlyAborted) {
                    aborts.push(handle.abort_handle());
                }
                if fate == Fate::LetGo {
                    let_go.push(handle);
                } else {
                    joiners.push(thread::spawn(move || joined(handle, fate)));
                }
            }
        }
        // Its first poll stores wakers, if the spawner has none.
        while wakers.lock().is_empty() {
            thread::yield_now();
        }
        let wakers = std::mem::take(&mut *wakers.lock());
        spawned.push(Spawned {
            notified,
            watches,
            value,
            wakers,
        });
    }
    let notifiers: Vec<_> = (0..NOTIFIERS)
        .map(|notifier| {
            let mut tasks: Vec<_> = spawned
                .iter_mut()
                .map(|task| {
                    (
                        task.notified.clone(),
                        task.wakers.pop().expect("one for each notifier"),
                    )
                })
                .collect();
            thread::spawn(move || {
                while !tasks.is_empty() {
                    let (notified, waker) = tasks.swap_remove(below(tasks.len()));
                    notified.notify(1 << notifier);
                    if below(2) == 0 {
                        waker.wake_by_ref();
                        drop(waker);
                    } else {
                        waker.wake();
                    }
                }
            })
        })
        .collect();
    let aborter = thread::spawn(move || aborts.into_iter().for_each(|abort| abort.abort()));
    let dropper = thread::spawn(move || drop(let_go));
    join(notifiers);
    join([aborter, dropper]);
    join(joiners);
    workers.end();
    assert!(
        scheduler.is_empty(),
        "a task is in the list and in no queue"
    );
    for task in &spawned {
        task.watches.assert_dropped();
        assert!(task.value.as_ref().is_none_or(DropObserver::is_dropped));
    }
}

fn joined(mut handle: JoinHandle<DropTracker>, fate: Fate) {
    match TestWaker::new().block_on(&mut handle) {
        Ok(output) => {
            assert!(fate != Fate::OnlyAborted, "it was not notified enough");
            output.touch();
        }
        Err(error) => {
            assert!(
                error.is_cancelled() && fate != Fate::Joined,
                "it is not aborted"
            );
        }
    }
}

/// A listener that stores wakers of its task at its first poll.
struct SharesItsWakers {
    wakers: Option<Arc<Mutex<Vec<Waker>>>>,
    listener: Listener,
}

impl Future for SharesItsWakers {
    type Output = DropTracker;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<DropTracker> {
        if let Some(wakers) = self.wakers.take() {
            wakers
                .lock()
                .extend((0..NOTIFIERS).map(|_| cx.waker().clone()));
        }
        Pin::new(&mut self.listener).poll(cx)
    }
}

#[test]
fn tasks_are_woken_and_aborted_and_joined_and_let_go_of() {
    schedules("ten tasks of five fates", 400, ten_tasks_of_five_fates);
}

/// A task that spawns two others, wakes itself in between, and waits for both.
struct Parent {
    scheduler: ModelScheduler,
    depth: usize,
    children: Vec<JoinHandle<usize>>,
    done: usize,
    yields: usize,
    _end: DropTracker,
    ends: Arc<Mutex<Vec<DropObserver>>>,
}

impl Parent {
    fn new(scheduler: &ModelScheduler, depth: usize, ends: &Arc<Mutex<Vec<DropObserver>>>) -> Self {
        let (end, watch) = DropTracker::new();
        ends.lock().push(watch);
        Self {
            scheduler: scheduler.clone(),
            depth,
            children: Vec::new(),
            done: 0,
            yields: below(3),
            _end: end,
            ends: ends.clone(),
        }
    }
}

impl Future for Parent {
    /// The number of tasks below, itself included.
    type Output = usize;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<usize> {
        if self.yields > 0 {
            self.yields -= 1;
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        if self.depth > 0 {
            let depth = std::mem::take(&mut self.depth) - 1;
            self.children = (0..2)
                .map(|_| {
                    let child = Self::new(&self.scheduler, depth, &self.ends);
                    self.scheduler.spawn(child, Frame::current())
                })
                .collect();
        }
        let mut children = std::mem::take(&mut self.children);
        children.retain_mut(|child| match Pin::new(child).poll(cx) {
            Poll::Pending => true,
            Poll::Ready(below) => {
                // An aborted child has none that count.
                self.done += below.unwrap_or(0);
                false
            }
        });
        self.children = children;
        if self.children.is_empty() {
            Poll::Ready(self.done + 1)
        } else {
            Poll::Pending
        }
    }
}

/// A tree of tasks that join their children on other workers' threads: a lost join waker is a root
/// that is never joined. One of the roots is aborted, and its children continue.
#[test]
fn trees_of_tasks_join_their_children() {
    schedules("two trees of seven tasks, one aborted", 300, || {
        let scheduler = ModelScheduler::with_list();
        let workers = Workers::start(&scheduler);
        let ends = Arc::new(Mutex::new(Vec::new()));
        let (frame, value) = bound_frame();
        let whole = scheduler.spawn(Parent::new(&scheduler, 2, &ends), frame);
        let cut = scheduler.spawn(Parent::new(&scheduler, 2, &ends), Frame::root());
        let aborter = thread::spawn({
            let abort = cut.abort_handle();
            move || abort.abort()
        });
        let joiners = [(whole, true), (cut, false)].map(|(mut handle, is_whole)| {
            thread::spawn(move || match TestWaker::new().block_on(&mut handle) {
                Ok(count) => assert_eq!(count, 7),
                Err(error) => assert!(error.is_cancelled() && !is_whole),
            })
        });
        join(joiners);
        join([aborter]);
        // The children of the aborted root continue by themselves.
        while !scheduler.is_empty() {
            thread::yield_now();
        }
        workers.end();
        assert!(ends.lock().iter().all(DropObserver::is_dropped));
        assert!(value.is_dropped());
    });
}

/// The end of a runtime during spawns from three threads, wakes and completions: each joiner gets
/// an outcome, and no task is left in the list.
#[test]
fn a_shutdown_meets_everything() {
    schedules("close × nine spawns × wakes × joins", 400, || {
        let scheduler = ModelScheduler::with_list();
        let workers = Workers::start(&scheduler);
        let spawners: Vec<_> = (0..3)
            .map(|_| {
                let scheduler = scheduler.clone();
                thread::spawn(move || {
                    let notified = Notified::default();
                    let tasks: Vec<_> = (0..3)
                        .map(|wanted| {
                            let (frame, value) = bound_frame();
                            let (listener, watches) = Listener::new(&notified, wanted);
                            (scheduler.spawn(listener, frame), watches, value)
                        })
                        .collect();
                    notified.notify(1);
                    for (mut handle, watches, value) in tasks {
                        match TestWaker::new().block_on(&mut handle) {
                            Ok(output) => output.touch(),
                            Err(error) => assert!(error.is_cancelled()),
                        }
                        assert!(value.is_dropped(), "a joined task holds no frame");
                        watches.assert_dropped();
                    }
                })
            })
            .collect();
        scheduler.close();
        // Like the shipped end: a spawner may still hold its task.
        while !scheduler.is_empty() {
            thread::yield_now();
            scheduler.run_all();
        }
        join(spawners);
        workers.end();
        assert!(
            scheduler.is_empty(),
            "a task is in the list and in no queue"
        );
    });
}

/// A LIFO slot between its owner, which replaces and takes, and four thieves: each task goes to one
/// of them.
#[test]
fn runnables_leave_the_lifo_slot_once() {
    const TASKS: usize = 8;
    schedules("LIFO slot: eight tasks × four thieves", 1500, || {
        let slot = ModelLifoSlot::new();
        let thieves: Vec<_> = (0..4)
            .map(|_| {
                let slot = slot.clone();
                thread::spawn(move || {
                    for _ in 0..4 {
                        if let Some(runnable) = slot.steal_marked() {
                            runnable.run_to_end();
                        }
                    }
                })
            })
            .collect();
        let scheduler = ModelScheduler::new();
        let mut ends = Vec::new();
        for _ in 0..TASKS {
            let (listener, watches) = Listener::new(&Notified::default(), 0);
            ends.push(watches);
            let runnable = scheduler.spawn_detached(listener, Frame::root());
            if let Some(displaced) = slot.replace(runnable) {
                displaced.run_to_end();
            }
            if below(3) == 0
                && let Some(runnable) = slot.take()
            {
                runnable.run_to_end();
            }
        }
        join(thieves);
        if let Some(runnable) = slot.take() {
            runnable.run_to_end();
        }
        ends.iter().for_each(ListenerDrops::assert_dropped);
    });
}

// ---- controls ----

const RUNNING: usize = 1;
const SCHEDULED: usize = 2;

/// Tasks of one word each, with the transitions between waker and runner.
struct Words {
    words: Vec<AtomicUsize>,
    notified: Vec<AtomicUsize>,
    queue: Mutex<Vec<usize>>,
    finish: fn(&AtomicUsize) -> bool,
}

impl Words {
    fn wake(&self, task: usize) {
        if self.words[task].fetch_or(SCHEDULED, Ordering::AcqRel) == 0 {
            self.queue.lock().push(task);
        }
    }

    /// Polls once. Returns `true` if the task has received all notifications.
    fn run(&self, task: usize) -> bool {
        let word = &self.words[task];
        word.fetch_xor(SCHEDULED | RUNNING, Ordering::Acquire);
        let received = self.notified[task].load(Ordering::Relaxed) == NOTIFIERS;
        if (self.finish)(word) {
            self.queue.lock().push(task);
        }
        received
    }
}

/// Like the shipped state: a wake during the poll is seen.
fn finish_and_look(word: &AtomicUsize) -> bool {
    word.fetch_and(!RUNNING, Ordering::AcqRel) & SCHEDULED != 0
}

/// Fault: discards a wake during the poll.
fn finish_and_forget(word: &AtomicUsize) -> bool {
    word.store(0, Ordering::Release);
    false
}

fn many_words(finish: fn(&AtomicUsize) -> bool) {
    const TASKS: usize = 8;
    let words = Arc::new(Words {
        words: (0..TASKS).map(|_| AtomicUsize::new(0)).collect(),
        notified: (0..TASKS).map(|_| AtomicUsize::new(0)).collect(),
        queue: Mutex::new(Vec::new()),
        finish,
    });
    let notified_all = Arc::new(AtomicBool::new(false));
    let received = Arc::new(AtomicUsize::new(0));
    let workers: Vec<_> = (0..WORKERS)
        .map(|_| {
            let (words, notified_all, received) =
                (words.clone(), notified_all.clone(), received.clone());
            thread::spawn(move || {
                loop {
                    let is_last_scan = notified_all.load(Ordering::Acquire);
                    let task = words.queue.lock().pop();
                    match task {
                        Some(task) => {
                            if words.run(task) {
                                received.fetch_or(1 << task, Ordering::Relaxed);
                            }
                        }
                        None if is_last_scan => return,
                        None => thread::yield_now(),
                    }
                }
            })
        })
        .collect();
    let notifiers: Vec<_> = (0..NOTIFIERS)
        .map(|_| {
            let words = words.clone();
            thread::spawn(move || {
                for task in 0..TASKS {
                    words.notified[task].fetch_add(1, Ordering::Relaxed);
                    words.wake(task);
                }
            })
        })
        .collect();
    join(notifiers);
    notified_all.store(true, Ordering::Release);
    join(workers);
    let all = (1 << TASKS) - 1;
    assert_eq!(
        received.load(Ordering::Relaxed),
        all,
        "a wake led to no poll"
    );
}

#[test]
fn control_the_shape_holds() {
    schedules("control: eight words as shipped", 300, || {
        many_words(finish_and_look)
    });
}

#[test]
fn control_a_wake_that_is_lost_during_a_poll_is_noticed() {
    finds(
        "control: finish_poll with a store",
        300,
        "a wake led to no poll",
        || {
            many_words(finish_and_forget);
        },
    );
}

/// Control: a task catches the panics of its future, and a model's assertions are such panics. The
/// model fails all the same.
#[test]
fn control_a_panic_that_was_caught_is_noticed() {
    finds(
        "control: a future that panics",
        2,
        "something caught it",
        || {
            let scheduler = ModelScheduler::new();
            drop(scheduler.spawn(async { panic!("caught by the task") }, Frame::root()));
            let runner = thread::spawn({
                let scheduler = scheduler.clone();
                move || scheduler.run_all()
            });
            runner.join().expect("no panic");
        },
    );
}
