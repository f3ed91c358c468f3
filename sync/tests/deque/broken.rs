//! Queues that each break one promise of the contract, to show that the checks detect it.

use std::cell::Cell;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use crate::queues::{Item, Queues, Stolen};

/// The fault of a queue.
pub(crate) mod fault {
    /// No fault: the checks must accept the queue.
    pub(crate) const NONE: u8 = 0;
    /// One item in [`GOOD_CALLS`](super::GOOD_CALLS) is lost.
    pub(crate) const LOSES: u8 = 1;
    /// One item in that many is taken twice.
    pub(crate) const DOUBLES: u8 = 2;
    /// One call in that many reports an empty queue.
    pub(crate) const REPORTS_EMPTY: u8 = 3;
    /// One call in that many takes the last item instead of the first.
    pub(crate) const TAKES_THE_LAST: u8 = 4;
    /// A batch is larger than its limit.
    pub(crate) const TAKES_TOO_MUCH: u8 = 5;
    /// The owner's length is one too small.
    pub(crate) const COUNTS_SHORT: u8 = 6;
    /// An item can be taken before its pusher's writes are visible.
    pub(crate) const PUBLISHES_EARLY: u8 = 7;
    /// Other threads see an item only after the next push, or after the pusher looks for it.
    pub(crate) const PUBLISHES_LATE: u8 = 8;
    /// One retry in that many has taken an item.
    pub(crate) const RETRY_TAKES: u8 = 9;
}

/// One call in this many shows the fault.
const GOOD_CALLS: usize = 20;

/// A queue under a mutex, with a fault.
#[derive(Clone, Default)]
pub(crate) struct Locked<const FAULT: u8>(Arc<Mutex<Contents>>);

#[derive(Default)]
struct Contents {
    items: VecDeque<Item>,
    held_back: Option<Item>,
    calls: usize,
}

impl Contents {
    fn release(&mut self) {
        self.items.extend(self.held_back.take());
    }

    /// Returns `true` if this call shows the fault.
    fn is_bad_call(&mut self) -> bool {
        self.calls += 1;
        self.calls.is_multiple_of(GOOD_CALLS)
    }
}

impl<const FAULT: u8> Locked<FAULT> {
    fn with<R>(&self, f: impl FnOnce(&mut Contents) -> R) -> R {
        f(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn put(&self, item: Item) {
        self.with(|contents| match FAULT {
            fault::PUBLISHES_EARLY if contents.is_bad_call() => {
                contents.items.push_back(Item::unwritten(item.number));
            }
            fault::PUBLISHES_LATE => {
                contents.release();
                contents.held_back = Some(item);
            }
            _ => contents.items.push_back(item),
        });
    }

    /// Takes at least one and at most `limit` items.
    fn take(&self, is_pusher: bool, limit: usize) -> Result<Vec<Item>, Stolen> {
        self.with(|contents| {
            if is_pusher {
                contents.release();
            }
            if contents.items.is_empty() {
                return Err(Stolen::Empty);
            }
            let is_bad = contents.is_bad_call();
            let mut count = contents.items.len().div_ceil(2).min(limit);
            match FAULT {
                fault::REPORTS_EMPTY if is_bad => return Err(Stolen::Empty),
                fault::RETRY_TAKES if is_bad => {
                    contents.items.pop_front();
                    return Err(Stolen::Retry);
                }
                fault::LOSES if is_bad && contents.items.len() > 1 => {
                    contents.items.pop_front();
                    count = 1;
                }
                fault::TAKES_THE_LAST if is_bad && contents.items.len() > 1 => {
                    return Ok(contents.items.pop_back().into_iter().collect());
                }
                fault::TAKES_TOO_MUCH => count = contents.items.len(),
                _ => {}
            }
            let taken: Vec<_> = contents.items.drain(..count).collect();
            if FAULT == fault::DOUBLES && is_bad {
                contents.items.push_front(Item::new(taken[0].number));
            }
            Ok(taken)
        })
    }

    fn steal(&self, own: &BrokenWorker<FAULT>, limit: usize) -> Stolen {
        match self.take(false, limit) {
            Ok(items) => {
                let mut items = items.into_iter();
                let first = items.next().expect("one at least");
                own.queue.with(|contents| contents.items.extend(items));
                Stolen::Item(first)
            }
            Err(stolen) => stolen,
        }
    }

    fn reports_empty(&self) -> bool {
        self.with(|contents| {
            let says_so = FAULT == fault::REPORTS_EMPTY && contents.is_bad_call();
            contents.items.is_empty() || says_so
        })
    }
}

/// The owner's end. (With a `Cell`, so that it is not `Sync`, like a real one.)
#[derive(Default)]
pub(crate) struct BrokenWorker<const FAULT: u8> {
    queue: Locked<FAULT>,
    _not_shared: Cell<()>,
}

/// A deque and an injector with that fault.
pub(crate) struct Broken<const FAULT: u8>;

impl<const FAULT: u8> Queues for Broken<FAULT> {
    type Worker = BrokenWorker<FAULT>;
    type Stealer = Locked<FAULT>;
    type Injector = Locked<FAULT>;

    fn worker() -> Self::Worker {
        BrokenWorker::default()
    }

    fn stealer(worker: &Self::Worker) -> Self::Stealer {
        worker.queue.clone()
    }

    fn push(worker: &Self::Worker, item: Item) {
        worker.queue.put(item);
    }

    fn pop(worker: &Self::Worker) -> Option<Item> {
        // The owner's own queue may hold a batch that it stole; it takes those items without a
        // fault.
        let taken = worker.queue.take(true, 1).ok()?;
        let mut taken = taken.into_iter();
        let first = taken.next();
        worker.queue.with(|contents| {
            for item in taken.rev() {
                contents.items.push_front(item);
            }
        });
        first
    }

    fn len(worker: &Self::Worker) -> usize {
        worker.queue.with(|contents| {
            let len = contents.items.len() + usize::from(contents.held_back.is_some());
            if FAULT == fault::COUNTS_SHORT {
                len.saturating_sub(1)
            } else {
                len
            }
        })
    }

    fn steal(victim: &Self::Stealer, own: &Self::Worker) -> Stolen {
        victim.steal(own, 32)
    }

    fn is_empty(victim: &Self::Stealer) -> bool {
        victim.reports_empty()
    }

    fn injector() -> Self::Injector {
        Locked::default()
    }

    fn inject(injector: &Self::Injector, item: Item) {
        injector.put(item);
    }

    fn steal_one(injector: &Self::Injector) -> Stolen {
        match injector.take(false, 1) {
            Ok(items) => items.into_iter().next().map_or(Stolen::Empty, Stolen::Item),
            Err(stolen) => stolen,
        }
    }

    fn steal_injected(injector: &Self::Injector, own: &Self::Worker, limit: usize) -> Stolen {
        injector.steal(own, limit)
    }

    fn is_injector_empty(injector: &Self::Injector) -> bool {
        injector.reports_empty()
    }
}
