//! Checks crossbeam's deque and the model queues against one contract (`sync/src/deque/mod.rs`).
//!
//! The tests run real threads and check the recorded histories afterwards;
//! `loom-tests/tests/deque/` runs the same bodies in models. `broken.rs` shows that the checks
//! detect what they are for.
#![cfg(not(any(framewise_loom, framewise_shuttle)))]

mod bodies;
mod broken;
mod history;
mod queues;

use std::panic::{self, AssertUnwindSafe};
use std::sync::atomic::AtomicUsize;
use std::thread;

use framewise_sync::atomic::{AtomicBool, Ordering};
use framewise_sync::deque as facade;
// The names that the model queues import from their crate: they are compiled here over `std`'s
// primitives.
use framewise_sync::{Arc, atomic, cell, thread_local};

use self::bodies::Size;
use self::broken::{Broken, fault};
use self::queues::{Item, Queues, Stolen};

#[path = "../../src/deque/model_queues.rs"]
#[allow(dead_code, unreachable_pub, reason = "not all of it is tested here")]
mod model_queues;

queues::queues!(Crossbeam, facade);
queues::queues!(ModelQueues, model_queues);

/// Checks D1, D3, D4, D6 and D8 for a deque whose buffer grows many times.
fn deque_histories<Q: Queues>(items: usize) {
    for takers in [0, 1, 3] {
        for asks in [false, true] {
            let size = Size {
                items,
                burst: 700,
                takers,
                attempts: usize::MAX,
                asks,
            };
            let calls = bodies::deque::<Q>(size);
            history::check(&calls, 1, size.items).expect("the contract");
        }
    }
}

/// Checks D1, D3, D4 and D6 for an injector, over many blocks.
fn injector_histories<Q: Queues>(items: usize) {
    for (pushers, takers) in [(1, 1), (2, 2), (3, 1)] {
        let size = Size {
            items,
            burst: 1,
            takers,
            attempts: usize::MAX,
            asks: true,
        };
        let calls = bodies::injector::<Q>(pushers, size);
        history::check(&calls, pushers, size.items).expect("the contract");
    }
}

/// Checks D1 and D2: each item arrives once, with its payload, through up to three queues.
fn publication_through_hops<Q: Queues>(items: usize) {
    let mut taken = bodies::hops::<Q>(items, 3 * items);
    taken.sort_unstable();
    assert!(taken.into_iter().eq(0..items));
}

/// Checks D5 for a push and a check that begin at the same time, many times.
fn fences<Q: Queues>() {
    let worker = Q::worker();
    let stealer = Q::stealer(&worker);
    rounds_of_two(
        |number| Q::push(&worker, Item::new(number)),
        || Q::is_empty(&stealer),
        || Q::pop(&worker).map(Item::open),
    );
    let injector = Q::injector();
    rounds_of_two(
        |number| Q::inject(&injector, Item::new(number)),
        || Q::is_injector_empty(&injector),
        || {
            (0..1_000).find_map(|_| match Q::steal_one(&injector) {
                Stolen::Item(item) => Some(item.open()),
                Stolen::Empty | Stolen::Retry => None,
            })
        },
    );
}

/// Runs two threads in lockstep: one pushes and checks the flag, the other sets the flag and checks
/// the queue; then the item is taken.
fn rounds_of_two(
    push: impl Fn(usize),
    is_empty: impl Fn() -> bool + Sync,
    take: impl Fn() -> Option<usize>,
) {
    const ROUNDS: usize = 5_000;

    let flags: Vec<AtomicBool> = (0..ROUNDS).map(|_| AtomicBool::new(false)).collect();
    let meetings = AtomicUsize::new(0);
    let meet = |meeting: usize| {
        meetings.fetch_add(1, Ordering::AcqRel);
        let mut spins = 0_usize;
        while meetings.load(Ordering::Acquire) < 2 * (meeting + 1) {
            spins += 1;
            // The other thread may need this processor.
            if spins.is_multiple_of(64) {
                thread::yield_now();
            }
            std::hint::spin_loop();
        }
    };
    let is_empty = &is_empty;
    let (flags, meet) = (&flags, &meet);
    let checker = move || -> Vec<bool> {
        (0..ROUNDS)
            .map(|round| {
                meet(2 * round);
                let seen_empty = bodies::flag_and_check(is_empty, &flags[round]);
                meet(2 * round + 1);
                seen_empty
            })
            .collect()
    };
    thread::scope(|scope| {
        let checker = scope.spawn(checker);
        let pusher: Vec<_> = (0..ROUNDS)
            .map(|round| {
                meet(2 * round);
                let saw_flag = bodies::push_and_check(|| push(round), &flags[round]);
                meet(2 * round + 1);
                (saw_flag, take())
            })
            .collect();
        let seen_empty = checker.join().expect("no panic");
        // Only now, because each thread would wait for a thread that panicked.
        for (round, (saw_flag, taken)) in pusher.into_iter().enumerate() {
            assert!(
                saw_flag || !seen_empty[round],
                "both sides missed the other (D5)"
            );
            assert_eq!(taken, Some(round), "the item of the round");
        }
    });
}

/// Checks D6 and D7 without concurrency: a steal succeeds eventually, and its batch is in place.
fn batches<Q: Queues>() {
    fn until_success(mut steal: impl FnMut() -> Stolen) -> usize {
        for _ in 0..1_000 {
            match steal() {
                Stolen::Item(item) => return item.open(),
                Stolen::Empty => panic!("it is not empty"),
                Stolen::Retry => {}
            }
        }
        panic!("endless retries without another thread");
    }
    for len in 1..200 {
        for limit in [1, 2, 5, 32, 100] {
            let (injector, own) = (Q::injector(), Q::worker());
            (0..len).for_each(|item| Q::inject(&injector, Item::new(item)));
            let first = until_success(|| Q::steal_injected(&injector, &own, limit));
            assert_eq!(first, 0);
            let batch = 1 + Q::len(&own);
            assert!(batch <= limit.min(len), "{batch} of {len}, limit {limit}");
            for item in 1..batch {
                assert_eq!(Q::pop(&own).expect("its batch").open(), item);
            }
            // How a thief sees the items of the batch.
            assert!(Q::is_empty(&Q::stealer(&own)));
            for item in batch..len {
                assert_eq!(until_success(|| Q::steal_one(&injector)), item);
            }
            assert!(matches!(Q::steal_one(&injector), Stolen::Empty));
            assert!(Q::is_injector_empty(&injector));
        }
        let (victim, own) = (Q::worker(), Q::worker());
        (0..len).for_each(|item| Q::push(&victim, Item::new(item)));
        assert_eq!(until_success(|| Q::steal(&Q::stealer(&victim), &own)), 0);
        let batch = 1 + Q::len(&own);
        assert!(batch <= len.min(32), "{batch} of {len}");
        assert_eq!(Q::is_empty(&Q::stealer(&own)), batch == 1);
        assert_eq!(Q::len(&victim), len - batch);
    }
}

/// Instantiates the tests of the contract for one kind of queue, with that many items.
macro_rules! contract_tests {
    ($module:ident, $queues:ident, $items:literal) => {
        mod $module {
            use super::$queues;

            #[test]
            fn a_deque_gives_each_item_once_in_order_and_is_empty_only_then() {
                super::deque_histories::<$queues>($items);
            }

            #[test]
            fn an_injector_gives_each_item_once_in_order_and_is_empty_only_then() {
                super::injector_histories::<$queues>($items);
            }

            #[test]
            fn an_item_comes_with_what_its_pusher_did() {
                super::publication_through_hops::<$queues>($items);
            }

            #[test]
            fn a_push_and_a_check_do_not_miss_each_other() {
                super::fences::<$queues>();
            }

            #[test]
            fn a_batch_is_within_its_limits_and_in_the_thiefs_deque() {
                super::batches::<$queues>();
            }
        }
    };
}

contract_tests!(crossbeam, Crossbeam, 10_000);
// Fewer items, because a step of the model queues takes time linear in the queue's length.
contract_tests!(models, ModelQueues, 2_000);

/// D7, with the models' adversary.
#[test]
fn the_adversary_retries_as_often_as_asked_and_takes_nothing() {
    let (victim, own) = (ModelQueues::worker(), ModelQueues::worker());
    let stealer = ModelQueues::stealer(&victim);
    ModelQueues::push(&victim, Item::new(7));
    model_queues::retry_next(3);
    for _ in 0..3 {
        assert!(matches!(ModelQueues::steal(&stealer, &own), Stolen::Retry));
        assert_eq!(ModelQueues::len(&victim), 1);
    }
    let Stolen::Item(item) = ModelQueues::steal(&stealer, &own) else {
        panic!("the item is there, and no other thread");
    };
    assert_eq!(item.open(), 7);
}

/// Returns the checks' result for a deque with that fault and no thieves.
fn check_deque<const FAULT: u8>() -> Result<(), String> {
    let size = Size {
        items: 500,
        burst: 40,
        takers: 0,
        attempts: 0,
        asks: true,
    };
    catch(|| {
        let calls = bodies::deque::<Broken<FAULT>>(size);
        history::check(&calls, 1, size.items)
    })
}

/// Like [`check_deque`], for an injector whose pusher ends before the taker begins.
fn check_injector<const FAULT: u8>() -> Result<(), String> {
    let size = Size {
        items: 500,
        burst: 1,
        takers: 0,
        attempts: 0,
        asks: true,
    };
    catch(|| {
        let calls = bodies::injector::<Broken<FAULT>>(1, size);
        history::check(&calls, 1, size.items)
    })
}

/// Runs `check`, and treats a panic as a finding.
fn catch(check: impl FnOnce() -> Result<(), String>) -> Result<(), String> {
    panic::catch_unwind(AssertUnwindSafe(check)).unwrap_or_else(|payload| {
        let formatted = payload.downcast_ref::<String>().cloned();
        let plain = payload
            .downcast_ref::<&str>()
            .map(|text| (*text).to_owned());
        Err(formatted.or(plain).unwrap_or_default())
    })
}

#[track_caller]
fn assert_found(result: Result<(), String>, what: &str) {
    let found = result.expect_err("the fault was not found");
    assert!(found.contains(what), "found something else: {found}");
}

/// The checks accept a queue without a fault.
#[test]
fn control_a_queue_under_a_lock_keeps_the_contract() {
    type Good = Broken<{ fault::NONE }>;
    deque_histories::<Good>(2_000);
    injector_histories::<Good>(2_000);
    publication_through_hops::<Good>(2_000);
    fences::<Good>();
    batches::<Good>();
}

#[test]
fn control_a_lost_item_is_found() {
    assert_found(check_deque::<{ fault::LOSES }>(), "items were lost");
    assert_found(check_injector::<{ fault::LOSES }>(), "items were lost");
}

#[test]
fn control_an_item_that_is_taken_twice_is_found() {
    assert_found(check_deque::<{ fault::DOUBLES }>(), "was taken twice");
    assert_found(check_injector::<{ fault::DOUBLES }>(), "was taken twice");
}

#[test]
fn control_a_wrong_order_is_found() {
    let fault = check_deque::<{ fault::TAKES_THE_LAST }>();
    assert_found(fault, "not in order");
}

#[test]
fn control_a_false_empty_is_found() {
    let fault = check_deque::<{ fault::REPORTS_EMPTY }>();
    assert_found(fault, "was in the queue all the time");
}

#[test]
fn control_a_batch_that_is_too_large_is_found() {
    let fault = check_injector::<{ fault::TAKES_TOO_MUCH }>();
    assert_found(fault, "a batch has 1 to");
}

#[test]
fn control_a_length_that_is_too_small_is_found() {
    assert_found(check_deque::<{ fault::COUNTS_SHORT }>(), "taken at most");
}

#[test]
fn control_a_retry_that_takes_something_is_found() {
    assert_found(
        check_injector::<{ fault::RETRY_TAKES }>(),
        "items were lost",
    );
}

#[test]
fn control_an_item_published_too_early_is_found() {
    let fault = check_deque::<{ fault::PUBLISHES_EARLY }>();
    assert_found(fault, "without its payload");
    let fault = catch(|| {
        publication_through_hops::<Broken<{ fault::PUBLISHES_EARLY }>>(2_000);
        Ok(())
    });
    fault.expect_err("the fault was not found");
}

#[test]
fn control_an_item_published_too_late_is_found() {
    type Late = Broken<{ fault::PUBLISHES_LATE }>;
    let worker = Late::worker();
    let stealer = Late::stealer(&worker);
    let flag = AtomicBool::new(false);
    let saw_flag = bodies::push_and_check(|| Late::push(&worker, Item::new(1)), &flag);
    let seen_empty = bodies::flag_and_check(|| Late::is_empty(&stealer), &flag);
    assert!(!saw_flag && seen_empty, "both miss the other");
    // `fences` detects it if the threads interleave this way once, and otherwise by an item that
    // cannot be found.
    let found = catch(|| {
        fences::<Late>();
        Ok(())
    });
    found.expect_err("the fault was not found");
}
