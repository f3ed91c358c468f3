//! The queues: an item comes out twice, or not at all, or in a wrong order.
//!
//! The deque and the injector are crossbeam's, and trusted. These tests check the properties on
//! which the scheduler relies, under stress and with recorded histories: each item comes out once,
//! and in the order in which it was pushed.

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

use framewise::spawn;
use framewise_sync::deque::{Injector, Steal, Stealer, Worker};

use crate::{Bug, Class, Here};
use framewise_test_support::{HangWatch, runtime, with_workers};

pub(crate) const CLASS: Class = Class {
    name: "queue",
    bugs: &[
        Bug {
            id: "tokio 5041",
            story: "Positions had 16 bits. A thief that was delayed between its check and its \
                    compare-and-swap saw the same position again after 65,536 others, and took an \
                    item that was not there. (Positions have the width of a pointer here, so no \
                    wrap can happen in time; the histories exceed 16 bits anyway.)",
            here: Here::Tests(&[
                (
                    "executor/tests/bugs/queue.rs",
                    "each_item_of_the_deque_comes_out_once_and_in_order",
                ),
                (
                    "executor/tests/bugs/queue.rs",
                    "each_item_of_the_injector_comes_out_once_and_in_each_producers_order",
                ),
                (
                    "executor/tests/bugs/queue.rs",
                    "each_task_runs_once_whatever_queue_it_goes_through",
                ),
                (
                    "executor/tests/bugs/queue.rs",
                    "a_worker_runs_the_task_spawned_last_first_and_the_others_in_order",
                ),
                (
                    "executor/tests/stress/races.rs",
                    "floods_from_inside_and_outside_run_every_task_once",
                ),
            ]),
        },
        Bug {
            id: "crossbeam GHSA-pqqp-xmhj-wgcw",
            story: "A thief read an item from the buffer, which the owner meanwhile replaced with \
                    a larger one, and then committed the steal: some items came out twice, and \
                    others never.",
            here: Here::Tests(&[
                (
                    "executor/tests/bugs/queue.rs",
                    "each_item_of_the_deque_comes_out_once_and_in_order",
                ),
                (
                    "executor/tests/bugs/queue.rs",
                    "index_the_check_of_histories_finds_what_is_wrong",
                ),
            ]),
        },
    ],
};

/// One pop: when it began and ended (by a shared counter), and the item.
#[derive(Clone, Copy, Debug)]
struct Taken {
    began: u64,
    ended: u64,
    item: u64,
}

/// The shared counter, and the pops of one thread.
struct History<'a> {
    clock: &'a AtomicU64,
    taken: Vec<Taken>,
}

impl History<'_> {
    fn take(&mut self, take: impl FnOnce() -> Option<u64>) -> bool {
        let began = self.clock.fetch_add(1, Ordering::SeqCst);
        let item = take();
        let ended = self.clock.fetch_add(1, Ordering::SeqCst);
        self.taken
            .extend(item.map(|item| Taken { began, ended, item }));
        item.is_some()
    }
}

/// Checks that each of `0..count` was popped once and in order: if one pop ended before another
/// began, its item is smaller.
fn check_fifo(mut taken: Vec<Taken>, count: u64) -> Result<(), String> {
    let mut items: Vec<_> = taken.iter().map(|taken| taken.item).collect();
    items.sort_unstable();
    if items.len() as u64 != count || !items.iter().copied().eq(0..count) {
        return Err(format!("{} takings of {count} items", items.len()));
    }
    taken.sort_unstable_by_key(|taken| taken.began);
    let mut by_end = taken.clone();
    by_end.sort_unstable_by_key(|taken| taken.ended);
    let mut ended = by_end.iter().peekable();
    let mut highest: Option<Taken> = None;
    for now in &taken {
        while let Some(before) = ended.next_if(|before| before.ended < now.began) {
            if highest.is_none_or(|highest| highest.item < before.item) {
                highest = Some(*before);
            }
        }
        if let Some(highest) = highest.filter(|highest| highest.item > now.item) {
            return Err(format!("{highest:?} before {now:?}"));
        }
    }
    Ok(())
}

/// Retries a steal that lost a race. Further items of a batch stay in the thief's own deque.
fn steal(mut attempt: impl FnMut() -> Steal<u64>) -> Option<u64> {
    loop {
        match attempt() {
            Steal::Success(item) => return Some(item),
            Steal::Empty => return None,
            Steal::Retry => {}
        }
    }
}

/// tokio 5041, GHSA-pqqp-xmhj-wgcw: the owner pushes in bursts, over many growths of the buffer,
/// and pops. Thieves steal one item at a time, because the check of the order needs the time of
/// each pop.
#[test]
fn each_item_of_the_deque_comes_out_once_and_in_order() {
    const ITEMS: u64 = 200_000;

    let _watch = HangWatch::new("a deque");
    for thieves in [1, 3] {
        let clock = AtomicU64::new(0);
        let over = AtomicBool::new(false);
        let owner = Worker::<u64>::new_fifo();
        let stealer = owner.stealer();
        let history = || History {
            clock: &clock,
            taken: Vec::new(),
        };
        let mut all = Vec::new();
        thread::scope(|scope| {
            let stealing: Vec<_> = (0..thieves)
                .map(|_| {
                    scope.spawn(|| {
                        let mut history = history();
                        while history.take(|| steal(|| stealer.steal()))
                            || !over.load(Ordering::SeqCst)
                        {}
                        history.taken
                    })
                })
                .collect();
            let mut history = history();
            let mut next = 0;
            while next < ITEMS {
                // Bursts of all sizes make the buffer grow, and shrink when it is empty.
                let burst = (next % 1_000 + 1).min(ITEMS - next);
                for _ in 0..burst {
                    owner.push(next);
                    next += 1;
                }
                for _ in 0..burst / 3 {
                    history.take(|| owner.pop());
                }
            }
            while history.take(|| owner.pop()) {}
            over.store(true, Ordering::SeqCst);
            all.extend(history.taken);
            for thief in stealing {
                all.extend(thief.join().unwrap());
            }
        });
        check_fifo(all, ITEMS).unwrap();
    }
}

/// Like the scheduler, consumers take batches from the injector into their own deques: each item
/// comes out once, and each consumer sees each producer's items in order.
#[test]
fn each_item_of_the_injector_comes_out_once_and_in_each_producers_order() {
    const ITEMS: u64 = 60_000;
    const PRODUCERS: u64 = 2;

    let _watch = HangWatch::new("an injector");
    for consumers in [1, 3] {
        let injector = Injector::<u64>::new();
        let left = AtomicUsize::new(PRODUCERS as usize);
        let own: Vec<Worker<u64>> = (0..consumers).map(|_| Worker::new_fifo()).collect();
        let stealers: Vec<Stealer<u64>> = own.iter().map(Worker::stealer).collect();
        let (injector, left, stealers) = (&injector, &left, &stealers);
        let mut all = thread::scope(|scope| {
            for producer in 0..PRODUCERS {
                scope.spawn(move || {
                    for number in 0..ITEMS {
                        injector.push(producer * ITEMS + number);
                    }
                    left.fetch_sub(1, Ordering::SeqCst);
                });
            }
            let consuming: Vec<_> = own
                .into_iter()
                .map(|own| scope.spawn(move || consume(&own, injector, stealers, left)))
                .collect();
            let all: Vec<u64> = consuming
                .into_iter()
                .flat_map(|consumer| consumer.join().unwrap())
                .collect();
            all
        });
        all.sort_unstable();
        assert!(all.into_iter().eq(0..PRODUCERS * ITEMS));
    }

    fn consume(
        own: &Worker<u64>,
        injector: &Injector<u64>,
        stealers: &[Stealer<u64>],
        left: &AtomicUsize,
    ) -> Vec<u64> {
        let mut taken = Vec::new();
        let mut last = [None; PRODUCERS as usize];
        loop {
            let is_over = left.load(Ordering::SeqCst) == 0;
            let from_injector = || steal(|| injector.steal_batch_with_limit_and_pop(own, 32));
            let item = own.pop().or_else(from_injector);
            if let Some(item) = item {
                // Items from the injector keep their order, even through the consumer's own deque.
                let producer = usize::try_from(item / ITEMS).unwrap();
                assert!(last[producer].is_none_or(|last| last < item));
                last[producer] = Some(item);
                taken.push(item);
                continue;
            }
            // A sibling's items may be older than the items that this thread has seen, so there is
            // no order to check.
            let stolen = stealers
                .iter()
                .find_map(|sibling| steal(|| sibling.steal_batch_and_pop(own)));
            match stolen {
                Some(item) => {
                    taken.push(item);
                    while let Some(item) = own.pop() {
                        taken.push(item);
                    }
                }
                None if is_over => return taken,
                None => thread::yield_now(),
            }
        }
    }
}

/// The whole scheduler: LIFO slot, deque, injector, yield queue and thieves. Each task is polled as
/// often as expected, and ends once.
#[test]
fn each_task_runs_once_whatever_queue_it_goes_through() {
    const TASKS: usize = 3_000;

    with_workers(|workers| {
        let runtime = runtime(workers);
        let polls: Arc<Vec<AtomicUsize>> =
            Arc::new((0..TASKS).map(|_| AtomicUsize::new(0)).collect());
        let one = |number: usize| {
            let polls = Arc::clone(&polls);
            async move {
                for _ in 0..number % 4 {
                    polls[number].fetch_add(1, Ordering::Relaxed);
                    framewise::task::yield_now().await;
                }
                polls[number].fetch_add(1, Ordering::Relaxed);
            }
        };
        let outside: Vec<_> = (0..TASKS / 2).map(|n| runtime.spawn(one(n))).collect();
        let futures: Vec<_> = (TASKS / 2..TASKS).map(one).collect();
        let inside = runtime.spawn(async { futures.into_iter().map(spawn).collect::<Vec<_>>() });
        runtime.block_on(async {
            for task in outside.into_iter().chain(inside.await.unwrap()) {
                task.await.unwrap();
            }
        });
        for (number, polls) in polls.iter().enumerate() {
            assert_eq!(polls.load(Ordering::Relaxed), number % 4 + 1);
        }
    });
}

/// The order of a worker's own queue without siblings: the last spawned task runs next, the others
/// follow in order.
#[test]
fn a_worker_runs_the_task_spawned_last_first_and_the_others_in_order() {
    let runtime = runtime(1);
    for count in [1, 2, 5, 100] {
        let order = Arc::new(Mutex::new(Vec::new()));
        let spawner = {
            let order = Arc::clone(&order);
            runtime.spawn(async move {
                let spawn_one = |number| {
                    let order = Arc::clone(&order);
                    spawn(async move { order.lock().unwrap().push(number) })
                };
                (0..count).map(spawn_one).collect::<Vec<_>>()
            })
        };
        runtime.block_on(async {
            for task in spawner.await.unwrap() {
                task.await.unwrap();
            }
        });
        let mut expected = vec![count - 1];
        expected.extend(0..count - 1);
        assert_eq!(*order.lock().unwrap(), expected);
    }
}

/// Control: the check of histories detects violations.
#[test]
fn index_the_check_of_histories_finds_what_is_wrong() {
    let taken = |began, ended, item| Taken { began, ended, item };
    let good = vec![
        taken(0, 1, 0),
        taken(2, 5, 2),
        taken(3, 4, 1),
        taken(6, 7, 3),
    ];
    assert_eq!(check_fifo(good.clone(), 4), Ok(()));
    // One item comes out twice, another never.
    let mut doubled = good.clone();
    doubled[2].item = 2;
    assert!(check_fifo(doubled, 4).is_err());
    // An item is lost.
    assert!(check_fifo(good[..3].to_vec(), 4).is_err());
    // A wrong order: the later item was popped before the pop of the earlier one began.
    let mut swapped = good;
    swapped[0].item = 3;
    swapped[3].item = 0;
    assert!(check_fifo(swapped, 4).is_err());
}
