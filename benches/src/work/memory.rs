//! Idle tasks, for measurements of memory.

use std::future::pending;
use std::hint::black_box;
use std::mem;

use super::Countdown;
use crate::BenchRuntime;

/// Returns resident space for the handles of `count` tasks, so that it does not count as the tasks'
/// memory.
pub fn room<R: BenchRuntime>(count: usize) -> Vec<Option<R::Join<()>>> {
    let mut room = Vec::with_capacity(count);
    room.resize_with(count, || black_box(None));
    room
}

/// Spawns a task for each slot of `room` and waits until each has been polled. The tasks hold eight
/// bytes and never finish.
///
/// Leaks the handles, because a runtime may drop a task without handles and wakers.
pub async fn idle_tasks<R: BenchRuntime>(handle: R::Handle, mut room: Vec<Option<R::Join<()>>>) {
    let (waiting, notified) = Countdown::new(room.len());
    let waiting: &'static Countdown = Box::leak(Box::new(waiting));
    for place in &mut room {
        *place = Some(R::spawn(handle, async move {
            waiting.done();
            pending::<()>().await;
            black_box(waiting);
        }));
    }
    notified.await.expect("the last task notifies");
    mem::forget(room);
}
