//! Pairs of tasks that exchange messages.

use futures::channel::oneshot;

use crate::BenchRuntime;

/// Spawns `pairs` tasks at once, each of which spawns another task, sends it a message and waits
/// for its reply.
///
/// All runtimes use the channels of `futures`.
pub async fn pairs<R: BenchRuntime>(handle: R::Handle, pairs: usize) {
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
            ponged.await.expect("the other task replies");
        }));
    }
    for join in joins {
        join.await;
    }
}
