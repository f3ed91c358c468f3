//! Faults on purpose, which the models notice.

use framewise::Frame;
use framewise::model::ModelScheduler;
use framewise_loom_tests::{finds, schedules};
use framewise_sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use framewise_sync::{Arc, Mutex, thread};

use crate::{NOTIFIERS, WORKERS, join};

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
