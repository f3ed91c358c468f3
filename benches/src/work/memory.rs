//! Tasks that are there and do nothing.

use std::future::pending;
use std::hint::black_box;
use std::mem;

use super::Countdown;
use crate::Face;

/// Room for the handles of `count` tasks, already resident: it is none of the tasks' memory.
pub fn room<R: Face>(count: usize) -> Vec<Option<R::Join<()>>> {
    let mut room = Vec::with_capacity(count);
    room.resize_with(count, || black_box(None));
    room
}

/// Spawns a task for each place in `room` that holds eight bytes and never finishes, and waits
/// until each has been polled.
///
/// The handles are kept, and leaked: a task that nobody holds and nobody can wake may be dropped.
pub async fn idle_tasks<R: Face>(handle: R::Handle, mut room: Vec<Option<R::Join<()>>>) {
    let (waiting, told) = Countdown::new(room.len());
    let waiting: &'static Countdown = Box::leak(Box::new(waiting));
    for place in &mut room {
        *place = Some(R::spawn(handle, async move {
            waiting.done();
            pending::<()>().await;
            black_box(waiting);
        }));
    }
    told.await.expect("the last task tells");
    mem::forget(room);
}
