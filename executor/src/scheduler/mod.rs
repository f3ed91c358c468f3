//! The scheduler: queues, workers, and how workers park and are woken.
//!
//! Reading order, along the task's path: [`spawner`] (makes a task), [`shared`] (`schedule` puts it
//! into a queue), [`queue`] (the worker's own queue and the injector), [`worker`] (the loop that
//! takes tasks out and polls them), [`idle`] (how a worker without tasks searches and parks, and
//! which one a push wakes), [`shutdown`] (what the last worker does), [`blocked_polls`] (the end
//! while a poll blocks its worker), [`ending`] (what a thread that ends a runtime must not wait
//! for). In a current-thread runtime the worker is the thread that is in `block_on`
//! ([`worker::driving`]), and [`core_slot`] says which thread that is. While its time is paused,
//! `paused` decides when that jumps to the next timer. In a seeded run, `crate::seeded` takes the
//! place of the workers.

pub(crate) mod blocked_polls;
#[cfg_attr(
    not(any(framewise_loom, framewise_shuttle)),
    expect(unreachable_pub, reason = "public for the models")
)]
pub(crate) mod core_slot;
pub(crate) mod ending;
#[cfg_attr(
    not(any(framewise_loom, framewise_shuttle)),
    expect(unreachable_pub, reason = "public for the models")
)]
pub(crate) mod idle;
#[cfg(all(feature = "test-util", not(any(framewise_loom, framewise_shuttle))))]
mod paused;
pub(crate) mod queue;
pub(crate) mod shared;
pub(crate) mod shutdown;
pub(crate) mod spawner;
pub(crate) mod ticks;
pub(crate) mod worker;
