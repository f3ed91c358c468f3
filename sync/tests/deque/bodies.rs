//! Operations that threads perform on a queue, generic over the kind of queue and of thread.
//!
//! The threads and atomics come from the facade, so a body also runs under a model unchanged, with
//! smaller sizes.

use framewise_sync::atomic::{AtomicBool, Ordering, fence};
use framewise_sync::{Arc, thread};

use crate::history::{Call, Clock, Recorder, What};
use crate::queues::{Item, Queues, Stolen};

/// The largest batch if no limit is given (D6).
const BATCH_MAX: usize = 32;

/// The size of a workload.
#[derive(Clone, Copy)]
pub(crate) struct Size {
    /// The number of items of each pusher, and the largest burst in which it pushes them.
    pub(crate) items: usize,
    pub(crate) burst: usize,
    /// The number of thieves of a deque, or of takers of an injector, beside the owner or the
    /// pushers.
    pub(crate) takers: usize,
    /// The number of attempts of each taker. A taker stops early once everything has been pushed.
    pub(crate) attempts: usize,
    /// If set, a pusher also calls `len` and a taker also calls `is_empty`.
    pub(crate) asks: bool,
}

fn took(items: Vec<usize>, limit: usize) -> What {
    What::Took { items, limit }
}

/// Records a steal with its whole batch, taken from the thief's own deque. `None` means retry.
fn batch<Q: Queues>(own: &Q::Worker, limit: usize, stolen: Stolen) -> Option<What> {
    match stolen {
        Stolen::Empty => Some(What::Nothing),
        Stolen::Retry => None,
        Stolen::Item(first) => {
            let rest = std::iter::from_fn(|| Q::pop(own)).map(Item::open);
            Some(took(
                std::iter::once(first.open()).chain(rest).collect(),
                limit,
            ))
        }
    }
}

/// Runs an owner that pushes in bursts, pops some items and asks for the length, and thieves that
/// steal. At the end the owner pops the remaining items. Returns the calls of all threads.
pub(crate) fn deque<Q: Queues>(size: Size) -> Vec<Call> {
    let clock = Clock::new();
    let over = Arc::new(AtomicBool::new(false));
    let owner = Q::worker();
    let thieves: Vec<_> = (0..size.takers)
        .map(|_| {
            let (victim, over) = (Q::stealer(&owner), Arc::clone(&over));
            let mut recorder = Recorder::new(&clock);
            thread::spawn(move || {
                let own = Q::worker();
                for _ in 0..size.attempts {
                    let what =
                        recorder.record(|| batch::<Q>(&own, BATCH_MAX, Q::steal(&victim, &own)));
                    if !matches!(what, Some(What::Took { .. })) {
                        if over.load(Ordering::Relaxed) {
                            break;
                        }
                        thread::yield_now();
                    }
                    if size.asks {
                        recorder.record(|| Q::is_empty(&victim).then_some(What::Nothing));
                    }
                }
                recorder.calls
            })
        })
        .collect();

    let mut recorder = Recorder::new(&clock);
    let pop = |recorder: &mut Recorder| {
        let what = recorder.record(|| match Q::pop(&owner) {
            Some(item) => Some(took(vec![item.open()], 1)),
            None => Some(What::Nothing),
        });
        what != Some(&What::Nothing)
    };
    let mut next = 0;
    while next < size.items {
        // Bursts of all sizes make crossbeam's buffer grow and shrink.
        let burst = (next % size.burst + 1).min(size.items - next);
        for _ in 0..burst {
            recorder.record(|| {
                Q::push(&owner, Item::new(next));
                Some(What::Pushed(next))
            });
            next += 1;
            if size.asks {
                recorder.record(|| Some(What::Len(Q::len(&owner))));
            }
        }
        for _ in 0..burst.div_ceil(3) {
            pop(&mut recorder);
        }
    }
    while pop(&mut recorder) || Q::len(&owner) > 0 {}
    over.store(true, Ordering::Relaxed);
    let mut calls = recorder.calls;
    for thief in thieves {
        calls.extend(thief.join().expect("no panic"));
    }
    let mut last = Recorder::new(&clock);
    pop(&mut last);
    calls.extend(last.calls);
    calls
}

/// Runs pushers that push, and takers that take one by one and in batches of all sizes. At the end
/// the caller takes the remaining items. Returns the calls of all threads; the items of pusher `n`
/// begin with `n * size.items`.
pub(crate) fn injector<Q: Queues>(pushers: usize, size: Size) -> Vec<Call> {
    let clock = Clock::new();
    let injector = Arc::new(Q::injector());
    let over = Arc::new(AtomicBool::new(false));
    let pushing: Vec<_> = (0..pushers)
        .map(|pusher| {
            let injector = Arc::clone(&injector);
            let mut recorder = Recorder::new(&clock);
            thread::spawn(move || {
                for item in pusher * size.items..(pusher + 1) * size.items {
                    recorder.record(|| {
                        Q::inject(&injector, Item::new(item));
                        Some(What::Pushed(item))
                    });
                }
                recorder.calls
            })
        })
        .collect();
    let taking: Vec<_> = (0..size.takers)
        .map(|_| {
            let (injector, over) = (Arc::clone(&injector), Arc::clone(&over));
            let mut recorder = Recorder::new(&clock);
            thread::spawn(move || {
                let own = Q::worker();
                for attempt in 0..size.attempts {
                    let what = recorder.record(|| match attempt % BATCH_MAX {
                        0 => match Q::steal_one(&injector) {
                            Stolen::Empty => Some(What::Nothing),
                            Stolen::Item(item) => Some(took(vec![item.open()], 1)),
                            Stolen::Retry => None,
                        },
                        limit => {
                            let stolen = Q::steal_injected(&injector, &own, limit);
                            batch::<Q>(&own, limit, stolen)
                        }
                    });
                    if !matches!(what, Some(What::Took { .. })) {
                        if over.load(Ordering::Relaxed) {
                            break;
                        }
                        thread::yield_now();
                    }
                    if size.asks {
                        recorder
                            .record(|| Q::is_injector_empty(&injector).then_some(What::Nothing));
                    }
                }
                recorder.calls
            })
        })
        .collect();
    let mut calls = Vec::new();
    for thread in pushing {
        calls.extend(thread.join().expect("no panic"));
    }
    over.store(true, Ordering::Relaxed);
    for thread in taking {
        calls.extend(thread.join().expect("no panic"));
    }
    let mut recorder = Recorder::new(&clock);
    let own = Q::worker();
    loop {
        let steal = || {
            batch::<Q>(
                &own,
                BATCH_MAX,
                Q::steal_injected(&injector, &own, BATCH_MAX),
            )
        };
        if recorder.record(steal) == Some(&What::Nothing) {
            break;
        }
    }
    calls.extend(recorder.calls);
    calls
}

/// Moves items from an injector to an owner, from its deque to a second one, and from that to a
/// third; each of the three keeps some. No stamp and no other atomic orders the payloads: only the
/// queues do (D2). Returns the items that were taken.
pub(crate) fn hops<Q: Queues>(items: usize, attempts: usize) -> Vec<usize> {
    let injector = Arc::new(Q::injector());
    let owners = [(); 3].map(|()| Q::worker());
    let stealers = [0, 1].map(|owner| Q::stealer(&owners[owner]));
    let [first, second, third] = owners;
    let [from_first, from_second] = stealers;
    let pusher = thread::spawn({
        let injector = Arc::clone(&injector);
        move || {
            for item in 0..items {
                Q::inject(&injector, Item::new(item));
            }
        }
    });
    let middle = thread::spawn(move || take(second, attempts, |own| Q::steal(&from_first, own)));
    let last = thread::spawn(move || take(third, attempts, |own| Q::steal(&from_second, own)));
    let (first, mut taken) = take(first, attempts, |own| {
        Q::steal_injected(&injector, own, BATCH_MAX)
    });
    pusher.join().expect("no panic");
    let mut left = vec![first];
    for thread in [middle, last] {
        let (own, items) = thread.join().expect("no panic");
        taken.extend(items);
        left.push(own);
    }
    loop {
        match Q::steal_injected(&injector, &left[0], BATCH_MAX) {
            Stolen::Item(item) => taken.push(item.open()),
            Stolen::Retry => {}
            Stolen::Empty => break,
        }
    }
    for own in left {
        taken.extend(std::iter::from_fn(|| Q::pop(&own)).map(Item::open));
    }
    taken
}

/// Steals `attempts` times, and returns the deque with the items left in it.
fn take<W>(own: W, attempts: usize, steal: impl Fn(&W) -> Stolen) -> (W, Vec<usize>) {
    let mut taken = Vec::new();
    for _ in 0..attempts {
        match steal(&own) {
            Stolen::Item(item) => taken.push(item.open()),
            Stolen::Empty | Stolen::Retry => thread::yield_now(),
        }
    }
    (own, taken)
}

/// Runs one side of D5; returns `true` if the pusher saw the flag.
pub(crate) fn push_and_check(push: impl FnOnce(), flag: &AtomicBool) -> bool {
    push();
    // Ordering: SeqCst fence, pairs with the one in flag_and_check.
    fence(Ordering::SeqCst);
    flag.load(Ordering::Relaxed)
}

/// Runs the other side of D5; returns `true` if the queue looked empty.
pub(crate) fn flag_and_check(is_empty: impl FnOnce() -> bool, flag: &AtomicBool) -> bool {
    flag.store(true, Ordering::Relaxed);
    // Ordering: SeqCst fence, pairs with the one in push_and_check.
    fence(Ordering::SeqCst);
    is_empty()
}
