//! The workers' queues: each pushed task is taken once, by the owner or a thief, and none is left
//! behind.
//!
//! The shipped `LocalQueue`, search and scan before the park, on the model deque
//! (`sync/src/deque/`), and the model deque itself under the tests that also check crossbeam's
//! against the contract. A failure is a task that is dropped twice or never, a race on the task, a
//! history that the contract does not allow, or a worker that finds no task although there is one.

#![cfg(framewise_loom)]

#[path = "../../../sync/tests/deque/bodies.rs"]
mod bodies;
#[path = "../../../sync/tests/deque/history.rs"]
mod history;
#[path = "../../../sync/tests/deque/queues.rs"]
mod queues;

mod contract;
mod workers;

use framewise_loom_tests::PoisoningAllocator;
use framewise_sync::deque as facade;

#[global_allocator]
static ALLOCATOR: PoisoningAllocator = PoisoningAllocator;

queues::queues!(ModelQueues, facade);
