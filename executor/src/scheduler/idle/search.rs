//! Where a worker without a task looks for one: its siblings' deques, the injector, and at last its
//! siblings' LIFO slots.
//!
//! Owns the order and the number of the scans. Whether the worker may search, and what a search
//! means to a pusher, belongs to [`Idle`](super::Idle). A worker that finds nothing parks
//! (`state.rs`).

use framewise_sync::deque::Steal;

use crate::scheduler::queue::LocalQueue;
use crate::task::header::TaskRef;

/// Scans over all siblings before a search is given up.
const ROUNDS: usize = 2;

/// Steals a task for the worker with this queue. `first` chooses the sibling with which a scan
/// begins.
pub(crate) fn steal_work(queue: &LocalQueue, mut first: impl FnMut() -> usize) -> Option<TaskRef> {
    let (own, queues) = (queue.index(), queue.queues());
    let workers = queues.workers();
    let mut round = 0;
    // Unnoticed: `<` is `<=`, because one more round finds only what a later search finds.
    while round < ROUNDS {
        let mut retry = false;
        let first = first();
        for victim in (0..workers).map(|step| (first + step) % workers) {
            // Unnoticed: never, because the own deque is empty while its worker searches.
            if victim == own {
                continue;
            }
            match queue.steal_from(victim) {
                Steal::Success(task) => return Some(task),
                Steal::Retry => retry = true,
                Steal::Empty => {}
            }
        }
        let share = queue.pop_injector();
        // Unnoticed: moved behind the next, because the count of rounds is not used after the
        // return.
        if share.is_some() {
            return share;
        }
        // Retry means that another thread is at the queue, not that it is empty.
        round += usize::from(!retry);
    }
    (0..workers)
        .filter(|&victim| victim != own)
        .find_map(|victim| queues.steal_lifo(victim))
}
