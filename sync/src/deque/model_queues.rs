//! The deque and the injector in a model: the contract of `mod.rs`, in as few steps as possible.
//!
//! One chain of items serves both. A model sees only two words of it: the number of items taken,
//! and the number of items pushed together with the place of the last one. A taker claims items by
//! a compare-exchange of the first word; a push publishes by the second. Each place is written
//! once, so no item is read too early or overwritten too late, and no lock orders more than the
//! contract promises.
//!
//! Which place an item gets is bookkeeping on `std`'s primitives, which no model sees or counts.
//!
//! The module uses only the facade's atomics and cells, so it works in every kind of model;
//! `tests/deque/` compiles it over `std`'s too.

use std::cell::Cell;
use std::sync::OnceLock;
use std::sync::atomic::AtomicUsize as UnseenUsize;

use crate::Arc;
use crate::atomic::{AtomicUsize, Ordering};
use crate::cell::UnsafeCell;

/// The largest batch of a steal that is given no limit.
const BATCH_MAX: usize = 32;

/// The low bits of a mark are a place; the other bits are the number of items pushed.
const PLACE_BITS: u32 = 16;

/// Places in the first block; each further block is twice as large as the previous one.
const FIRST_BLOCK: usize = 16;
const BLOCKS: usize = 12;
const PLACES: usize = FIRST_BLOCK * ((1 << BLOCKS) - 1);

const _: () = assert!(PLACES <= 1 << PLACE_BITS, "a mark has room for every place");

/// The number of items pushed, and the place of the last one.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Mark(usize);

impl Mark {
    /// Nothing was pushed yet.
    const NONE: Self = Self(0);

    fn after(self, place: usize) -> Self {
        Self(((self.pushed() + 1) << PLACE_BITS) | place)
    }

    fn pushed(self) -> usize {
        self.0 >> PLACE_BITS
    }

    fn place(self) -> usize {
        self.0 & ((1 << PLACE_BITS) - 1)
    }
}

struct Node<T> {
    /// The item's number is this mark's plus one.
    before: Mark,
    item: UnsafeCell<Option<T>>,
}

type Block<T> = Box<[OnceLock<Node<T>>]>;

struct Chain<T> {
    /// The number of items taken.
    taken: AtomicUsize,
    /// The mark of the last item.
    last: AtomicUsize,
    /// A guess at `last`, which saves a model one load.
    guess: UnseenUsize,
    /// The number of places handed out.
    places: UnseenUsize,
    blocks: [OnceLock<Block<T>>; BLOCKS],
}

// SAFETY: only two threads reach an item: the pusher, before the push, and the thread that claimed
// the item's number. Nothing else refers to an item in its place.
unsafe impl<T: Send> Send for Chain<T> {}
// SAFETY: as for Send.
unsafe impl<T: Send> Sync for Chain<T> {}

/// The numbers of the claimed items, and a mark that leads to them.
struct Claim {
    last: Mark,
    first: usize,
    count: usize,
}

impl<T> Chain<T> {
    fn new() -> Self {
        Self {
            taken: AtomicUsize::new(0),
            last: AtomicUsize::new(0),
            guess: UnseenUsize::new(0),
            places: UnseenUsize::new(0),
            blocks: [const { OnceLock::new() }; BLOCKS],
        }
    }

    fn place(&self, place: usize) -> &OnceLock<Node<T>> {
        let block = (place / FIRST_BLOCK + 1).ilog2() as usize;
        let first = FIRST_BLOCK * ((1 << block) - 1);
        let places = self.blocks[block]
            .get_or_init(|| (0..FIRST_BLOCK << block).map(|_| OnceLock::new()).collect());
        &places[place - first]
    }

    fn node(&self, mark: Mark) -> &Node<T> {
        let node = self.place(mark.place()).get();
        node.expect("a mark is made after its node")
    }

    /// Returns a place that no other item has.
    fn fresh_place(&self) -> usize {
        let place = self.places.fetch_add(1, Ordering::Relaxed);
        assert!(
            place < PLACES,
            "a model pushes at most {PLACES} items to one queue"
        );
        place
    }

    /// Writes an item behind `before`, without publishing it.
    fn put(&self, place: usize, item: T, before: Mark) -> Mark {
        let node = Node {
            before,
            item: UnsafeCell::new(Some(item)),
        };
        let was_free = self.place(place).set(node).is_ok();
        assert!(was_free, "each place is handed out once");
        before.after(place)
    }

    /// Publishes everything that the only pusher has put, up to `last`.
    fn publish(&self, last: Mark) {
        // Ordering: Release, pairs with claim (D2).
        self.last.store(last.0, Ordering::Release);
    }

    /// Pushes to a queue that may have other pushers.
    fn push(&self, item: T) {
        let mut item = item;
        let mut before = Mark(self.guess.load(Ordering::Acquire));
        loop {
            let place = self.fresh_place();
            let last = self.put(place, item, before);
            // Ordering: Release, pairs with claim, which also sees the earlier pushes, as this is a
            // read-modify-write (D2); Relaxed on failure, where another push came first: reads no
            // item.
            let pushed =
                self.last
                    .compare_exchange(before.0, last.0, Ordering::Release, Ordering::Relaxed);
            match pushed {
                Ok(_) => {
                    self.guess.store(last.0, Ordering::Release);
                    return;
                }
                Err(now) => {
                    before = Mark(now);
                    item = self.take_out(last);
                }
            }
        }
    }

    /// Returns the number of items taken and a mark; either may be stale.
    fn snapshot(&self) -> (usize, Mark) {
        // Ordering: Relaxed, both. The items counted as taken were taken. A push that is ordered
        // before the call, possibly by a fence, is in the second (D4, D5).
        let taken = self.taken.load(Ordering::Relaxed);
        (taken, Mark(self.last.load(Ordering::Relaxed)))
    }

    fn len(&self) -> usize {
        let (taken, last) = self.snapshot();
        last.pushed().saturating_sub(taken)
    }

    /// Claims half of the items, at least one and at most `limit`.
    fn claim(&self, limit: usize) -> Steal<Claim> {
        assert!(limit > 0);
        if is_to_retry() {
            return Steal::Retry;
        }
        // Ordering: Relaxed. The compare-exchange below detects a stale value.
        let taken = self.taken.load(Ordering::Relaxed);
        // Ordering: Acquire, pairs with the pushes.
        let last = Mark(self.last.load(Ordering::Acquire));
        let Some(len) = last.pushed().checked_sub(taken).filter(|len| *len > 0) else {
            return Steal::Empty;
        };
        let count = len.div_ceil(2).min(limit);
        // Ordering: Relaxed, both. It decides which thread takes what, and publishes nothing.
        let claimed =
            self.taken
                .compare_exchange(taken, taken + count, Ordering::Relaxed, Ordering::Relaxed);
        match claimed {
            Ok(_) => Steal::Success(Claim {
                last,
                first: taken + 1,
                count,
            }),
            Err(_) => Steal::Retry,
        }
    }

    /// Takes the claimed items out, in order.
    fn take(&self, claim: &Claim) -> Vec<T> {
        let mut mark = claim.last;
        let mut items = Vec::with_capacity(claim.count);
        while mark.pushed() >= claim.first {
            if mark.pushed() < claim.first + claim.count {
                items.push(self.take_out(mark));
            }
            mark = self.node(mark).before;
        }
        items.reverse();
        items
    }

    fn take_out(&self, mark: Mark) -> T {
        let item = self.node(mark).item.with_mut(|item| {
            // SAFETY: the item is the caller's: claimed, or not published.
            unsafe { (*item).take() }
        });
        item.expect("an item is claimed once")
    }
}

/// Steals a batch: returns one item and pushes the others to the deque `own`.
fn steal<T>(chain: &Chain<T>, own: &Worker<T>, limit: usize) -> Steal<T> {
    match chain.claim(limit) {
        Steal::Success(claim) => {
            let mut items = chain.take(&claim).into_iter();
            let first = items.next().expect("a claim is not empty");
            own.push_all(items);
            Steal::Success(first)
        }
        Steal::Empty => Steal::Empty,
        Steal::Retry => Steal::Retry,
    }
}

/// The result of a steal.
#[must_use]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Steal<T> {
    /// The queue was empty.
    Empty,
    /// At least one item was taken.
    Success(T),
    /// A race was lost: the queue may or may not be empty.
    Retry,
}

impl<T> Steal<T> {
    /// Returns the item, if one was taken.
    pub fn success(self) -> Option<T> {
        match self {
            Steal::Success(item) => Some(item),
            Steal::Empty | Steal::Retry => None,
        }
    }
}

/// The owner's end of a deque.
pub struct Worker<T> {
    chain: Arc<Chain<T>>,
    /// The mark of the last item; only the owner pushes.
    last: Cell<Mark>,
    /// The number of items taken, as far as the owner knows.
    taken: Cell<usize>,
}

// SAFETY: the chain is `Sync` by its own argument, and the other fields are plain numbers.
unsafe impl<T: Send> Send for Worker<T> {}

impl<T> Worker<T> {
    /// Makes an empty deque, first in, first out.
    #[must_use]
    pub fn new_fifo() -> Self {
        Self {
            chain: Arc::new(Chain::new()),
            last: Cell::new(Mark::NONE),
            taken: Cell::new(0),
        }
    }

    /// Returns a stealer for this deque.
    pub fn stealer(&self) -> Stealer<T> {
        Stealer(Arc::clone(&self.chain))
    }

    /// Returns the number of items, or more (D8).
    pub fn len(&self) -> usize {
        // Ordering: Relaxed. A stale count makes the length too large (D8).
        let taken = self.chain.taken.load(Ordering::Relaxed);
        self.last.get().pushed() - taken
    }

    /// Returns `true` if the deque is empty.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Pushes an item to the back.
    pub fn push(&self, item: T) {
        self.push_all([item]);
    }

    fn push_all(&self, items: impl IntoIterator<Item = T>) {
        let before = self.last.get();
        let mut last = before;
        for item in items {
            last = self.chain.put(self.chain.fresh_place(), item, last);
        }
        if last != before {
            self.last.set(last);
            self.chain.publish(last);
        }
    }

    /// Takes the first item. If the owner knows that the deque is empty, this is no step of the
    /// model.
    pub fn pop(&self) -> Option<T> {
        let last = self.last.get();
        loop {
            let taken = self.taken.get();
            if taken >= last.pushed() {
                return None;
            }
            // Ordering: Relaxed, both. As in claim; the owner itself has pushed what it takes.
            let claimed = self.chain.taken.compare_exchange(
                taken,
                taken + 1,
                Ordering::Relaxed,
                Ordering::Relaxed,
            );
            match claimed {
                Ok(_) => {
                    self.taken.set(taken + 1);
                    let claim = Claim {
                        last,
                        first: taken + 1,
                        count: 1,
                    };
                    return self.chain.take(&claim).pop();
                }
                Err(now) => self.taken.set(now),
            }
        }
    }
}

/// The thieves' end of a deque.
pub struct Stealer<T>(Arc<Chain<T>>);

// SAFETY: the chain is `Sync` by its own argument.
unsafe impl<T: Send> Send for Stealer<T> {}
// SAFETY: as for Send.
unsafe impl<T: Send> Sync for Stealer<T> {}

impl<T> Stealer<T> {
    /// Returns `true` if there is nothing to steal: a hint (D4, D5).
    pub fn is_empty(&self) -> bool {
        self.0.len() == 0
    }

    /// Steals a batch: returns one item and pushes the others to the caller's deque `own`.
    pub fn steal_batch_and_pop(&self, own: &Worker<T>) -> Steal<T> {
        steal(&self.0, own, BATCH_MAX)
    }
}

impl<T> Clone for Stealer<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

/// A queue to which any thread may push.
pub struct Injector<T>(Chain<T>);

impl<T> Default for Injector<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> Injector<T> {
    /// Makes an empty injector.
    #[must_use]
    pub fn new() -> Self {
        Self(Chain::new())
    }

    /// Pushes an item to the back.
    pub fn push(&self, item: T) {
        self.0.push(item);
    }

    /// Returns the number of items: a hint.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Returns `true` if there is nothing to take: a hint (D4, D5).
    pub fn is_empty(&self) -> bool {
        self.0.len() == 0
    }

    /// Takes one item.
    pub fn steal(&self) -> Steal<T> {
        match self.0.claim(1) {
            Steal::Success(claim) => {
                let item = self.0.take(&claim).pop();
                Steal::Success(item.expect("a claim is not empty"))
            }
            Steal::Empty => Steal::Empty,
            Steal::Retry => Steal::Retry,
        }
    }

    /// Steals a batch of at most `limit`: returns one item and pushes the others to the deque
    /// `own`.
    pub fn steal_batch_with_limit_and_pop(&self, own: &Worker<T>, limit: usize) -> Steal<T> {
        steal(&self.0, own, limit)
    }
}

crate::thread_local! {
    /// The number of further steals of this thread that must return `Retry`.
    static RETRIES: Cell<usize> = const { Cell::new(0) };
}

/// The adversary: makes the next `steals` steals of this thread, from any queue, return `Retry` and
/// do nothing else. Steals that lose a race return it in addition. A model that wants to choose
/// reads a flag, which another of its threads stores, and calls this if the flag is set.
pub fn retry_next(steals: usize) {
    RETRIES.with(|retries| retries.set(steals));
}

fn is_to_retry() -> bool {
    RETRIES.with(|retries| {
        let left = retries.get();
        retries.set(left.saturating_sub(1));
        left > 0
    })
}
