//! The model deque, under the tests of the deque's contract.

use framewise_loom_tests::model;
use framewise_sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use framewise_sync::{Arc, thread};

use crate::bodies::Size;
use crate::queues::{Item, Queues, Stolen};
use crate::{ModelQueues, bodies, history};

/// The contract's own tests, on the model deque: histories of a deque and of an injector.
#[test]
fn the_model_deque_keeps_its_histories() {
    let size = Size {
        items: 3,
        burst: 3,
        takers: 1,
        attempts: 2,
        asks: false,
    };
    model("contract: deque, one thief", move || {
        let calls = bodies::deque::<ModelQueues>(size);
        history::check(&calls, 1, size.items).expect("the contract");
    });
    let asks = Size {
        items: 2,
        attempts: 1,
        asks: true,
        ..size
    };
    model(
        "contract: deque, one thief, lengths and checks",
        move || {
            let calls = bodies::deque::<ModelQueues>(asks);
            history::check(&calls, 1, asks.items).expect("the contract");
        },
    );
    let of_injector = Size { items: 2, ..size };
    model("contract: injector, one pusher, one taker", move || {
        let calls = bodies::injector::<ModelQueues>(1, of_injector);
        history::check(&calls, 1, of_injector.items).expect("the contract");
    });
    let two_pushers = Size {
        items: 1,
        attempts: 1,
        ..size
    };
    model("contract: injector, two pushers, one taker", move || {
        let calls = bodies::injector::<ModelQueues>(2, two_pushers);
        history::check(&calls, 2, 1).expect("the contract");
    });
}

/// An item comes with its payload through up to three queues, and nothing else orders it (D2).
#[test]
fn the_model_deque_publishes_through_hops() {
    model("contract: hops through three queues", || {
        // Enough items for the rest of a batch to have a rest again.
        let mut taken = bodies::hops::<ModelQueues>(7, 1);
        taken.sort_unstable();
        assert!(taken.into_iter().eq(0..7));
    });
}

/// The two sides of D5, without the fence in a control.
fn both_sides(name: &str, fences: bool) {
    model(name, move || {
        let worker = ModelQueues::worker();
        let stealer = ModelQueues::stealer(&worker);
        let flag = Arc::new(AtomicBool::new(false));
        let looker = thread::spawn({
            let flag = flag.clone();
            move || {
                if fences {
                    return bodies::flag_and_check(|| ModelQueues::is_empty(&stealer), &flag);
                }
                flag.store(true, Ordering::Relaxed);
                ModelQueues::is_empty(&stealer)
            }
        });
        let saw_flag = if fences {
            bodies::push_and_check(|| ModelQueues::push(&worker, Item::new(1)), &flag)
        } else {
            ModelQueues::push(&worker, Item::new(1));
            flag.load(Ordering::Relaxed)
        };
        let seemed_empty = looker.join().expect("no panic");
        assert!(saw_flag || !seemed_empty, "both sides missed the other");
    });
}

#[test]
fn a_push_and_a_check_do_not_miss_each_other() {
    both_sides("contract: the fence, deque", true);
    model("contract: the fence, injector", || {
        let injector = Arc::new(ModelQueues::injector());
        let flag = Arc::new(AtomicBool::new(false));
        let looker = thread::spawn({
            let (injector, flag) = (injector.clone(), flag.clone());
            move || bodies::flag_and_check(|| ModelQueues::is_injector_empty(&injector), &flag)
        });
        let push = || ModelQueues::inject(&injector, Item::new(1));
        let saw_flag = bodies::push_and_check(push, &flag);
        let seemed_empty = looker.join().expect("no panic");
        assert!(saw_flag || !seemed_empty, "both sides missed the other");
    });
}

/// Control: the model deque orders so little that a missing fence is noticed.
#[test]
#[should_panic(expected = "both sides missed the other")]
fn control_a_missing_fence_is_noticed() {
    both_sides("control: no fence", false);
}

/// A deque whose owner and thieves take in two steps, a load and a store.
struct TwoSteps;

struct Counts {
    taken: AtomicUsize,
    pushed: AtomicUsize,
}

impl Counts {
    fn take(&self) -> Option<Item> {
        let taken = self.taken.load(Ordering::Acquire);
        if taken == self.pushed.load(Ordering::Acquire) {
            return None;
        }
        self.taken.store(taken + 1, Ordering::Release);
        Some(Item::new(taken))
    }

    fn len(&self) -> usize {
        let taken = self.taken.load(Ordering::Acquire);
        self.pushed.load(Ordering::Acquire).saturating_sub(taken)
    }
}

impl Queues for TwoSteps {
    type Worker = Arc<Counts>;
    type Stealer = Arc<Counts>;
    type Injector = ();

    fn worker() -> Arc<Counts> {
        Arc::new(Counts {
            taken: AtomicUsize::new(0),
            pushed: AtomicUsize::new(0),
        })
    }

    fn stealer(worker: &Arc<Counts>) -> Arc<Counts> {
        worker.clone()
    }

    fn push(worker: &Arc<Counts>, item: Item) {
        worker.pushed.store(item.open() + 1, Ordering::Release);
    }

    fn pop(worker: &Arc<Counts>) -> Option<Item> {
        worker.take()
    }

    fn len(worker: &Arc<Counts>) -> usize {
        worker.len()
    }

    fn steal(victim: &Arc<Counts>, _own: &Arc<Counts>) -> Stolen {
        victim.take().map_or(Stolen::Empty, Stolen::Item)
    }

    fn is_empty(victim: &Arc<Counts>) -> bool {
        victim.len() == 0
    }

    fn injector() {}

    fn inject((): &(), _item: Item) {
        unreachable!("only the deque is a control");
    }

    fn steal_one((): &()) -> Stolen {
        Stolen::Empty
    }

    fn steal_injected((): &(), _own: &Arc<Counts>, _limit: usize) -> Stolen {
        Stolen::Empty
    }

    fn is_injector_empty((): &()) -> bool {
        true
    }
}

/// Control: the histories find an item that was taken twice.
#[test]
#[should_panic(expected = "was taken twice")]
fn control_a_take_in_two_steps_is_noticed() {
    let size = Size {
        items: 1,
        burst: 1,
        takers: 1,
        attempts: 1,
        asks: false,
    };
    model("control: takes in two steps", move || {
        let calls = bodies::deque::<TwoSteps>(size);
        history::check(&calls, 1, size.items).expect("the contract");
    });
}
