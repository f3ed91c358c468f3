//! tokio's task hooks as carriers of frames (`--cfg tokio_unstable`).
//!
//! tokio calls a hook when a task is spawned, on the spawner's thread; before and after each poll,
//! in pairs on one thread, as it catches the task's panics in between; and at the task's end, also
//! if it was never polled. A poll may contain the polls of another runtime (`block_in_place` and
//! `block_on`), so a thread has a stack of the frames that it is in.

use std::cell::RefCell;
use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use ::tokio::runtime::Builder;
use ::tokio::task;
use dashmap::DashMap;

use crate::Frame;
use crate::block::Block;
use crate::current;

/// A frame that a hook made current.
struct Entered {
    /// Held while it is current.
    frame: Frame,
    previous: *const Block,
}

thread_local! {
    /// The innermost is the last one.
    static ENTERED: RefCell<Vec<Entered>> = const { RefCell::new(Vec::new()) };
}

/// Gives every task of the runtime that `builder` builds the frame of its spawner: those of
/// `tokio::spawn`, `JoinSet` and `Handle::spawn`, and what libraries spawn.
///
/// It sets the builder's four task hooks: a hook that the program sets itself replaces one of
/// these, or is replaced. A task costs an entry in a concurrent map if its frame is not the root,
/// and a poll a look-up there.
///
/// Out of reach are the tasks of a `LocalSet`, and blocking calls: use
/// [`spawn_local`](super::spawn_local) and [`spawn_blocking`](super::spawn_blocking).
///
/// # Frame
///
/// A task is polled in the frame that was current at its spawn, without the variables that are
/// declared [not inherited](crate::ContextVar::not_inherited), and is dropped there, except by a
/// shutdown of the runtime, which drops tasks at the root. A task's values are released when it has
/// ended, which may be after its joiner is woken.
///
/// A library's driver, such as that of a pooled connection, keeps the frame of the request that
/// spawned it. Run such a first use in [`Frame::root`](crate::Frame::root).
///
/// # Examples
///
/// ```
/// use framewise_context::ContextVar;
/// static REQUEST_ID: ContextVar<u64> = ContextVar::new("request_id");
///
/// let mut builder = tokio::runtime::Builder::new_multi_thread();
/// framewise_context::tokio::install(&mut builder);
/// let runtime = builder.build().unwrap();
/// let seen = runtime.block_on(REQUEST_ID.scope(7, async {
///     tokio::spawn(async { REQUEST_ID.get() }).await
/// }));
/// assert_eq!(seen.unwrap(), Some(7));
/// ```
pub fn install(builder: &mut Builder) {
    let frames = Arc::new(DashMap::<task::Id, Frame>::new());
    builder
        .on_task_spawn({
            let frames = Arc::clone(&frames);
            move |task| {
                let frame = Frame::current().inherited();
                if !frame.is_root() {
                    frames.insert(task.id(), frame);
                }
            }
        })
        .on_before_task_poll({
            let frames = Arc::clone(&frames);
            move |task| {
                let frame = frames.get(&task.id()).map(|frame| Frame::clone(&frame));
                // Also the root: a runtime of one thread polls its tasks inside of the frame that
                // is current around `block_on`.
                enter(frame.unwrap_or_else(Frame::root));
            }
        })
        .on_after_task_poll(|_| leave())
        .on_task_terminate(move |task| {
            // The value is dropped after the lock of the map. tokio catches a panic of its.
            drop(frames.remove(&task.id()));
        });
}

/// Makes `frame` current until [`leave`].
fn enter(frame: Frame) {
    // Without the thread-local, in the destructors of others, nothing is entered, nor left.
    let _ = ENTERED.try_with(|entered| {
        // SAFETY: `frame` is held in the list until `leave` has made the previous one current.
        // tokio calls the hooks in pairs around a poll, so frames that are entered in between are
        // left in between.
        let previous = unsafe { current::replace(frame.as_raw()) };
        entered.borrow_mut().push(Entered { frame, previous });
    });
}

fn leave() {
    let left = ENTERED.try_with(|entered| entered.borrow_mut().pop());
    if let Ok(Some(Entered { frame, previous })) = left {
        // SAFETY: it was current when the frame was entered, so the code around the poll holds it.
        unsafe { current::replace(previous) };
        // It may be the last holder, and tokio's worker would end with a panic of a value's.
        if let Err(payload) = catch_unwind(AssertUnwindSafe(|| drop(frame))) {
            // Its destructor might panic again.
            mem::forget(payload);
        }
    }
}
