//! A worker that has nothing looks for something: at the siblings' deques, and at the injector.
//!
//! Owns how often it looks, and in which order. Whether it may search at all, and what a search
//! means to those who push, is `idle.rs`'s.

use crossbeam_utils::CachePadded;
use framewise_sync::deque::{Injector, Steal};

use super::queue::LocalQueue;
use super::shared::WorkerFace;
use crate::task::header::TaskRef;

/// Rounds over all siblings before a search is given up.
const ROUNDS: usize = 2;

/// Looks everywhere, for the worker `own`, which has this queue; `first` chooses the sibling with
/// which a round begins.
pub(crate) fn look_everywhere(
    own: usize,
    queue: &LocalQueue,
    workers: &[CachePadded<WorkerFace>],
    injector: &Injector<TaskRef>,
    mut first: impl FnMut() -> usize,
) -> Option<TaskRef> {
    let mut round = 0;
    // Unnoticed: `<` is `<=`, because one more round finds only what a later search finds.
    while round < ROUNDS {
        let mut retry = false;
        let first = first();
        for victim in (0..workers.len()).map(|step| (first + step) % workers.len()) {
            // Unnoticed: never, because the own deque is empty while its worker searches.
            if victim == own {
                continue;
            }
            match queue.steal_from(&workers[victim].queue) {
                Steal::Success(task) => return Some(task),
                Steal::Retry => retry = true,
                Steal::Empty => {}
            }
        }
        let share = queue.pop_injector(injector, workers.len());
        // Unnoticed: moved behind the next, because the count of rounds is not used after the return.
        if share.is_some() {
            return share;
        }
        // Retry means that somebody else is at the queue, not that it is empty.
        round += usize::from(!retry);
    }
    (0..workers.len())
        .filter(|&victim| victim != own)
        .find_map(|victim| workers[victim].queue.steal_slot())
}

/// Whether a thief would find something in another's deque, or in the injector.
pub(crate) fn has_stealable(
    thief: usize,
    workers: &[CachePadded<WorkerFace>],
    injector: &Injector<TaskRef>,
) -> bool {
    !injector.is_empty()
        || workers
            .iter()
            .enumerate()
            .any(|(index, worker)| index != thief && !worker.queue.stealer.is_empty())
}
