//! `yield_now`: a future that lets the worker's other tasks run first.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

/// Lets other tasks run before this one goes on.
///
/// The task is put behind all others of its worker. A task that yields in a loop does not keep
/// I/O and timers waiting: the driver has its turn at least every ten rounds, and in each round in
/// which the future of a current-thread runtime's `block_on` yields and no task is runnable.
///
/// # Cancel safety
///
/// Cancel safe: there is nothing to lose.
///
/// # Examples
///
/// ```
/// # framewise::block_on(async {
/// for _ in 0..3 {
///     framewise::task::yield_now().await;
/// }
/// # });
/// ```
pub async fn yield_now() {
    YieldNow { yielded: false }.await;
}

struct YieldNow {
    yielded: bool,
}

impl Future for YieldNow {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if self.yielded {
            return Poll::Ready(());
        }
        self.yielded = true;
        // Woken while it runs, the task goes into the yield queue (`scheduler/queue.rs`).
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}
