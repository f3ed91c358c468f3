//! The pool for blocking calls: each queued job has a thread, whatever ends or fails meanwhile.
//!
//! The shipped pool with real jobs, on a model's threads. Starting a thread fails if a model says
//! so, and the timeout of an idle thread elapses when the model advances its clock: for the pool, a
//! wait that ends without a notification is a timeout. A failure is a joiner that waits forever, a
//! thread that never ends, or a closure that is not dropped once.

#![cfg(framewise_loom)]

mod closing;
mod controls;
mod cores;
mod frame_ends;
mod threads;

use framewise::model::ModelPool;
use framewise_loom_tests::PoisoningAllocator;
use framewise_sync::thread;

#[global_allocator]
static ALLOCATOR: PoisoningAllocator = PoisoningAllocator;

fn clock(pool: &ModelPool) -> thread::JoinHandle<()> {
    let pool = pool.clone();
    thread::spawn(move || pool.advance_clock())
}
