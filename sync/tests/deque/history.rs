//! A history of the calls on a queue, and checks of it against the contract.
//!
//! The checks use only the contract (`sync/src/deque/mod.rs`, whose numbers they name) and not how
//! a queue is implemented. Each check is sound: it accepts every history that the contract allows,
//! though not only those.

use std::collections::HashMap;
use std::ops::Range;

use framewise_sync::Arc;
use framewise_sync::atomic::{AtomicUsize, Ordering};

/// The effect of one call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum What {
    Pushed(usize),
    /// The items that a pop took, or a steal with its whole batch, in order.
    Took {
        items: Vec<usize>,
        limit: usize,
    },
    /// A pop, a steal or `is_empty` found the queue empty.
    Nothing,
    /// The result of the owner's `len`.
    Len(usize),
}

/// One call, with the stamps of its start and its end.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    pub(crate) what: What,
    pub(crate) began: usize,
    pub(crate) ended: usize,
}

/// Gives stamps. If one call ended, by its stamp, before another one started, it happens before it.
#[derive(Clone)]
pub(crate) struct Clock(Arc<AtomicUsize>);

impl Clock {
    pub(crate) fn new() -> Self {
        Self(Arc::new(AtomicUsize::new(0)))
    }

    fn stamp(&self) -> usize {
        // Ordering: AcqRel. The order of the stamps is an order of the calls.
        self.0.fetch_add(1, Ordering::AcqRel)
    }
}

/// The calls of one thread.
pub(crate) struct Recorder {
    clock: Clock,
    pub(crate) calls: Vec<Call>,
}

impl Recorder {
    pub(crate) fn new(clock: &Clock) -> Self {
        Self {
            clock: clock.clone(),
            calls: Vec::new(),
        }
    }

    /// Runs a call, and records it unless it returns `None`.
    pub(crate) fn record(&mut self, call: impl FnOnce() -> Option<What>) -> Option<&What> {
        let began = self.clock.stamp();
        let what = call();
        let ended = self.clock.stamp();
        self.calls.push(Call {
            what: what?,
            began,
            ended,
        });
        self.calls.last().map(|call| &call.what)
    }
}

/// Checks everything that must hold for all calls on one queue. Items are numbered in push order:
/// those of pusher `n` begin with `n * items`. The queue must have been emptied.
pub(crate) fn check(calls: &[Call], pushers: usize, items: usize) -> Result<(), String> {
    once(calls)?;
    for pusher in 0..pushers {
        order(calls, &(pusher * items..(pusher + 1) * items))?;
    }
    emptiness(calls)?;
    lengths(calls)
}

fn takes(calls: &[Call]) -> impl Iterator<Item = (&Call, &[usize], usize)> {
    calls.iter().filter_map(|call| match &call.what {
        What::Took { items, limit } => Some((call, items.as_slice(), *limit)),
        _ => None,
    })
}

fn pushes(calls: &[Call]) -> impl Iterator<Item = (&Call, usize)> {
    calls.iter().filter_map(|call| match call.what {
        What::Pushed(item) => Some((call, item)),
        _ => None,
    })
}

/// D1, and "takes nothing" of D7: each pushed item was taken once, and not before its push began.
fn once(calls: &[Call]) -> Result<(), String> {
    let mut waiting: HashMap<usize, &Call> =
        pushes(calls).map(|(call, item)| (item, call)).collect();
    for (take, items, _) in takes(calls) {
        for item in items {
            let Some(push) = waiting.remove(item) else {
                return Err(format!("{item} was taken twice, or never pushed: {take:?}"));
            };
            if take.ended < push.began {
                return Err(format!("{take:?} before {push:?}"));
            }
        }
    }
    match waiting.keys().min() {
        Some(item) => Err(format!(
            "{} items were lost, among them {item}",
            waiting.len()
        )),
        None => Ok(()),
    }
}

/// D3 and D6: a batch is a run of one pusher's items and respects its limit, and of two consecutive
/// takes the first one took the earlier items.
fn order(calls: &[Call], pusher: &Range<usize>) -> Result<(), String> {
    struct Run<'a> {
        call: &'a Call,
        items: Vec<usize>,
    }
    let mut runs = Vec::new();
    for (call, items, limit) in takes(calls) {
        if items.is_empty() || items.len() > limit {
            return Err(format!("a batch has 1 to {limit} items: {call:?}"));
        }
        let items: Vec<_> = items
            .iter()
            .copied()
            .filter(|item| pusher.contains(item))
            .collect();
        if items.windows(2).any(|pair| pair[0] + 1 != pair[1]) {
            return Err(format!("not in order: {call:?}"));
        }
        if !items.is_empty() {
            runs.push(Run { call, items });
        }
    }
    runs.sort_unstable_by_key(|run| run.call.began);
    let mut by_end: Vec<&Run<'_>> = runs.iter().collect();
    by_end.sort_unstable_by_key(|run| run.call.ended);
    let mut ended = by_end.into_iter().peekable();
    // The latest item of the takes that have ended.
    let mut latest: Option<&Run<'_>> = None;
    for run in &runs {
        while let Some(before) = ended.next_if(|before| before.call.ended < run.call.began) {
            if latest.is_none_or(|latest| latest.items.last() < before.items.last()) {
                latest = Some(before);
            }
        }
        if let Some(latest) = latest.filter(|latest| latest.items.last() > run.items.first()) {
            return Err(format!(
                "not in order: {:?} before {:?}",
                latest.call, run.call
            ));
        }
    }
    Ok(())
}

/// D4: if a call found the queue empty, no item was in it from before the call until after it.
fn emptiness(calls: &[Call]) -> Result<(), String> {
    let mut taken = HashMap::new();
    for (take, items, _) in takes(calls) {
        for item in items {
            taken.insert(*item, take.began);
        }
    }
    // Sorted by the end of the push: the item pushed so far that was taken last, and when.
    let mut stays: Vec<(usize, usize, usize)> = pushes(calls)
        .filter_map(|(push, item)| Some((push.ended, *taken.get(&item)?, item)))
        .collect();
    stays.sort_unstable();
    for place in 1..stays.len() {
        let (_, until, item) = stays[place - 1];
        if until > stays[place].1 {
            (stays[place].1, stays[place].2) = (until, item);
        }
    }
    for call in calls.iter().filter(|call| call.what == What::Nothing) {
        let before = stays.partition_point(|(pushed, ..)| *pushed < call.began);
        if let Some((_, until, item)) = before.checked_sub(1).map(|place| stays[place])
            && until > call.ended
        {
            return Err(format!("{item} was in the queue all the time: {call:?}"));
        }
    }
    Ok(())
}

/// D8: the owner's `len` is at least the number of items that it pushed, minus the items of the
/// takes that began before `len` ended.
fn lengths(calls: &[Call]) -> Result<(), String> {
    let mut pushed: Vec<usize> = pushes(calls).map(|(push, _)| push.ended).collect();
    pushed.sort_unstable();
    let mut taken: Vec<usize> = takes(calls)
        .flat_map(|(take, items, _)| items.iter().map(|_| take.began))
        .collect();
    taken.sort_unstable();
    for call in calls {
        if let What::Len(len) = call.what {
            let pushed = pushed.partition_point(|ended| *ended < call.began);
            let taken = taken.partition_point(|began| *began < call.ended);
            if len + taken < pushed {
                return Err(format!("{pushed} pushed, {taken} taken at most: {call:?}"));
            }
        }
    }
    Ok(())
}
