//! `event_interval` and `global_queue_interval`: polls of a busy worker between two looks.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use framewise::runtime::{Builder, Handle};
use framewise::time::set_timeout;
use framewise_test_support::panics;
use std::time::Duration;

/// Polls between the moment at which something could be seen and its being seen, the most of
/// `ROUNDS` times, on a worker that always has a task of its own.
struct Delays {
    polls: AtomicU32,
    seen: AtomicBool,
}

const ROUNDS: u32 = 20;

impl Delays {
    /// A task that spawns its successor until `seen`.
    fn spawn_chain(self: &Arc<Self>) {
        self.polls.fetch_add(1, Ordering::Relaxed);
        if !self.seen.load(Ordering::Relaxed) {
            let delays = Arc::clone(self);
            drop(framewise::spawn(async move { delays.spawn_chain() }));
        }
    }

    /// The most polls of `ROUNDS` rounds. `arm` makes something visible that calls its argument
    /// when it is seen.
    fn most(
        builder: Builder,
        arm: impl Fn(Box<dyn FnOnce() + Send>) + Send + Sync + 'static,
    ) -> u32 {
        let runtime = builder.worker_threads(1).build().unwrap();
        let arm = Arc::new(arm);
        let round = |_| {
            let delays = Arc::new(Self {
                polls: AtomicU32::new(0),
                seen: AtomicBool::new(false),
            });
            let (sender, seen) = std::sync::mpsc::channel();
            let (chain, arm) = (Arc::clone(&delays), Arc::clone(&arm));
            drop(runtime.spawn(async move {
                let seen_by = Arc::clone(&chain);
                arm(Box::new(move || {
                    seen_by.seen.store(true, Ordering::Relaxed);
                    sender.send(seen_by.polls.load(Ordering::Relaxed)).unwrap();
                }));
                chain.spawn_chain();
            }));
            seen.recv().unwrap()
        };
        (0..ROUNDS).map(round).max().unwrap()
    }
}

/// Makes a task visible in the injector: another thread spawns it.
fn inject(seen: Box<dyn FnOnce() + Send>) {
    let handle = Handle::current();
    let spawn = move || drop(handle.spawn(async move { seen() }));
    std::thread::spawn(spawn).join().unwrap();
}

/// Makes a timer visible: one that is due when this returns.
fn arm_timer(seen: Box<dyn FnOnce() + Send>) {
    let due = std::time::Instant::now() + Duration::from_micros(100);
    set_timeout(Duration::from_micros(100), seen);
    // By then the wheel's granularity has passed, too.
    while std::time::Instant::now() < due + Duration::from_millis(2) {
        std::hint::spin_loop();
    }
}

/// Tasks that may come between a look and what it has found.
const SLACK: u32 = 5;

#[test]
fn a_busy_worker_takes_from_the_global_queue_at_its_interval() {
    let most = |polls| Delays::most(Builder::new().global_queue_interval(polls), inject);
    assert!(most(1) <= 1 + SLACK);
    let seven = most(7);
    assert!((4..=7 + SLACK).contains(&seven), "{seven}");
    let default = Delays::most(Builder::new(), inject);
    assert!((31..=61 + SLACK).contains(&default), "{default}");
    let thousand = most(1000);
    assert!((500..=1000 + SLACK).contains(&thousand), "{thousand}");
}

#[test]
fn a_busy_worker_looks_for_timers_and_events_at_their_interval() {
    let most = |polls| Delays::most(Builder::new().event_interval(polls), arm_timer);
    assert!(most(1) <= 1 + SLACK);
    let seven = most(7);
    assert!((4..=7 + SLACK).contains(&seven), "{seven}");
    let default = Delays::most(Builder::new(), arm_timer);
    assert!((31..=61 + SLACK).contains(&default), "{default}");
    let thousand = most(1000);
    assert!((500..=1000 + SLACK).contains(&thousand), "{thousand}");
}

#[test]
fn the_intervals_do_not_depend_on_each_other() {
    let builder = || Builder::new().event_interval(500).global_queue_interval(3);
    assert!(Delays::most(builder(), inject) <= 3 + SLACK);
    let events = Delays::most(builder(), arm_timer);
    assert!((250..=500 + SLACK).contains(&events), "{events}");
    let builder = || Builder::new().event_interval(3).global_queue_interval(500);
    assert!(Delays::most(builder(), arm_timer) <= 3 + SLACK);
    let injected = Delays::most(builder(), inject);
    assert!((250..=500 + SLACK).contains(&injected), "{injected}");
}

#[test]
fn a_future_that_drives_has_its_turn_between_as_many_tasks() {
    use framewise::task::yield_now;
    for interval in [1, 7, 61, 200] {
        let builder = Builder::new_current_thread().event_interval(interval);
        let runtime = builder.build().unwrap();
        let delays = Arc::new(Delays {
            polls: AtomicU32::new(0),
            seen: AtomicBool::new(false),
        });
        runtime.block_on(async {
            delays.spawn_chain();
            for turns in 1..10 {
                yield_now().await;
                let polls = delays.polls.load(Ordering::Relaxed);
                assert_eq!(polls, 1 + turns * interval, "{interval}");
            }
            delays.seen.store(true, Ordering::Relaxed);
        });
    }
}

#[test]
fn an_interval_is_at_least_one_poll() {
    assert!(panics(|| drop(Builder::new().event_interval(0))));
    assert!(panics(|| drop(Builder::new().global_queue_interval(0))));
}
