//! Two tasks that wait for each other.

use futures::channel::oneshot;

use crate::Face;

/// `pairs` tasks each spawn another, send it a message and wait for its answer, all at once.
///
/// The channels are futures' for all runtimes.
pub async fn pairs<R: Face>(handle: R::Handle, pairs: usize) {
    let mut joins = Vec::with_capacity(pairs);
    for _ in 0..pairs {
        joins.push(R::spawn(handle, async move {
            let (ping, pinged) = oneshot::channel::<()>();
            let (pong, ponged) = oneshot::channel::<()>();
            R::detach(handle, async move {
                pinged.await.expect("the other task sends");
                let _ = pong.send(());
            });
            let _ = ping.send(());
            ponged.await.expect("the other task answers");
        }));
    }
    for join in joins {
        join.await;
    }
}
