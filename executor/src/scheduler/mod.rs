//! The scheduler: queues, workers, and how they sleep and wake.
//!
//! Reading order, along the task's path: [`shared`] (what all workers see; `schedule` and `spawn`
//! put a task into a queue), [`queue`] (a worker's own queue and its last-in slot), [`worker`] (the
//! loop that takes tasks out and runs them), [`search`] (where it looks when it has none), [`sleep`]
//! (the steps to sleep and out of it), [`idle`] (who must be woken for a push), [`park`] (how one
//! worker sleeps), [`watch`] and [`relief`] (a worker that blocks does not freeze the others, be
//! they asleep or busy), [`ending`] (what a thread that ends a runtime must not wait for), [`blocked_polls`] (the
//! end while a poll blocks a worker). In a test's seeded run `seeded` stands in the workers' place;
//! [`points`] is where others ask it.

pub(crate) mod blocked_polls;
pub(crate) mod ending;
pub(crate) mod idle;
pub(crate) mod park;
pub(crate) mod points;
pub(crate) mod queue;
pub(crate) mod relief;
pub(crate) mod search;
#[cfg(all(feature = "test-util", not(any(framewise_loom, framewise_shuttle))))]
pub(crate) mod seeded;
pub(crate) mod shared;
pub(crate) mod sleep;
pub(crate) mod watch;
pub(crate) mod worker;
