//! The queues under test behind one trait, and the items that go through them.

use framewise_sync::cell::UnsafeCell;

/// An item with a heap payload, which its pusher writes and its taker reads.
pub(crate) struct Item {
    pub(crate) number: usize,
    payload: Box<UnsafeCell<usize>>,
}

// SAFETY: only the thread that holds the item reaches its payload; that a queue orders these
// threads is what the tests check.
unsafe impl Send for Item {}

impl Item {
    pub(crate) fn new(number: usize) -> Self {
        let item = Self::unwritten(number);
        item.write();
        item
    }

    /// Makes an item as a taker sees it to which the pusher's writes are not visible.
    pub(crate) fn unwritten(number: usize) -> Self {
        let payload = Box::new(UnsafeCell::new(0));
        Self { number, payload }
    }

    fn write(&self) {
        // SAFETY: the item is the caller's.
        self.payload
            .with_mut(|payload| unsafe { *payload = !self.number });
    }

    /// Returns the item's number, and checks that the payload is as its pusher left it (D2).
    pub(crate) fn open(self) -> usize {
        // SAFETY: the item is the caller's.
        let payload = self.payload.with(|payload| unsafe { *payload });
        assert_eq!(payload, !self.number, "an item came without its payload");
        self.number
    }
}

/// The result of a steal.
pub(crate) enum Stolen {
    Empty,
    Item(Item),
    Retry,
}

/// A deque and an injector.
pub(crate) trait Queues: 'static {
    type Worker: Send + 'static;
    type Stealer: Send + Sync + 'static;
    type Injector: Send + Sync + 'static;

    fn worker() -> Self::Worker;
    fn stealer(worker: &Self::Worker) -> Self::Stealer;
    fn push(worker: &Self::Worker, item: Item);
    fn pop(worker: &Self::Worker) -> Option<Item>;
    fn len(worker: &Self::Worker) -> usize;
    fn steal(victim: &Self::Stealer, own: &Self::Worker) -> Stolen;
    fn is_empty(victim: &Self::Stealer) -> bool;

    fn injector() -> Self::Injector;
    fn inject(injector: &Self::Injector, item: Item);
    fn steal_one(injector: &Self::Injector) -> Stolen;
    fn steal_injected(injector: &Self::Injector, own: &Self::Worker, limit: usize) -> Stolen;
    fn is_injector_empty(injector: &Self::Injector) -> bool;
}

/// Implements [`Queues`] for the types of a module that has the facade's names.
macro_rules! queues {
    ($name:ident, $module:ident) => {
        pub(crate) struct $name;

        impl $name {
            fn stolen(steal: $module::Steal<$crate::queues::Item>) -> $crate::queues::Stolen {
                match steal {
                    $module::Steal::Empty => $crate::queues::Stolen::Empty,
                    $module::Steal::Success(item) => $crate::queues::Stolen::Item(item),
                    $module::Steal::Retry => $crate::queues::Stolen::Retry,
                }
            }
        }

        impl $crate::queues::Queues for $name {
            type Worker = $module::Worker<$crate::queues::Item>;
            type Stealer = $module::Stealer<$crate::queues::Item>;
            type Injector = $module::Injector<$crate::queues::Item>;

            fn worker() -> Self::Worker {
                $module::Worker::new_fifo()
            }

            fn stealer(worker: &Self::Worker) -> Self::Stealer {
                worker.stealer()
            }

            fn push(worker: &Self::Worker, item: $crate::queues::Item) {
                worker.push(item);
            }

            fn pop(worker: &Self::Worker) -> Option<$crate::queues::Item> {
                worker.pop()
            }

            fn len(worker: &Self::Worker) -> usize {
                worker.len()
            }

            fn steal(victim: &Self::Stealer, own: &Self::Worker) -> $crate::queues::Stolen {
                Self::stolen(victim.steal_batch_and_pop(own))
            }

            fn is_empty(victim: &Self::Stealer) -> bool {
                victim.is_empty()
            }

            fn injector() -> Self::Injector {
                $module::Injector::new()
            }

            fn inject(injector: &Self::Injector, item: $crate::queues::Item) {
                injector.push(item);
            }

            fn steal_one(injector: &Self::Injector) -> $crate::queues::Stolen {
                Self::stolen(injector.steal())
            }

            fn steal_injected(
                injector: &Self::Injector,
                own: &Self::Worker,
                limit: usize,
            ) -> $crate::queues::Stolen {
                Self::stolen(injector.steal_batch_with_limit_and_pop(own, limit))
            }

            fn is_injector_empty(injector: &Self::Injector) -> bool {
                injector.is_empty()
            }
        }
    };
}

pub(crate) use queues;
